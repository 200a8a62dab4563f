"""Small copies of public data sets, in the layouts that their readmes and downloads have.

One drawing goes into all of them: disks that move over a textured scene.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIZE_HW = (48, 64)
FRAMES = 8
_STEP_X = 3


@dataclass(frozen=True)
class Clip:
    """A drawn video.

    name: of its folder.
    begins: object id -> index of the first frame that shows it.
    frames: how many there are.
    """

    name: str
    begins: Mapping[int, int]
    frames: int = FRAMES

    def mask(self, object_id: int, index: int) -> np.ndarray:
        rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
        if index < self.begins[object_id]:
            return np.zeros(SIZE_HW, bool)
        place = sorted(self.begins).index(object_id)
        row, column = 14 + 18 * place, 16 + 12 * place + _STEP_X * (index % FRAMES)
        return (rows - row) ** 2 + (columns - column) ** 2 < 90

    def labels(self, index: int, ids: Iterable[int] | None = None) -> np.ndarray:
        labels = np.zeros(SIZE_HW, np.uint8)
        for object_id in self.begins if ids is None else ids:
            labels[self.mask(object_id, index)] = object_id
        return labels

    def image(self, index: int) -> np.ndarray:
        rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
        image = np.stack([rows + 40, columns, (rows * columns) % 90 + 60], -1).astype(np.uint8)
        for place, object_id in enumerate(sorted(self.begins)):
            image[self.mask(object_id, index)] = (230 - 90 * place, 40 + 90 * place, 30)
        return image


ONE = Clip("bear", {1: 0})
TWO = Clip("goat", {1: 0, 2: 0})
LATE = Clip("walk", {1: 0, 2: 5})
GAPS = Clip("herd", {7: 0, 14: 0})


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=95)


def write_mask(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
    image.save(path)


def write_clip(
    clip: Clip,
    images: Path,
    masks: Path,
    *,
    stem: Callable[[int], str] = "{:05d}".format,
    masked: Sequence[int] | None = None,
    change: Callable[[np.ndarray], np.ndarray] = lambda labels: labels,
) -> None:
    """Write one video. masked: the frames that have a mask; None for all."""
    for index in range(clip.frames):
        write_image(images / clip.name / f"{stem(index)}.jpg", clip.image(index))
        if masked is None or index in masked:
            write_mask(masks / clip.name / f"{stem(index)}.png", change(clip.labels(index)))


def firsts(clip: Clip) -> list[int]:
    return sorted(set(clip.begins.values()))


def write_list(path: Path, names: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def davis_2016(root: Path) -> Path:
    """DAVIS-data.zip: 480p and 1080p, lists that name both files of each frame, masks of 255."""
    for size in ("480p", "1080p"):
        lines = []
        for clip in (ONE, TWO):
            images, masks = root / f"JPEGImages/{size}", root / f"Annotations/{size}"
            write_clip(clip, images, masks, change=lambda labels: (labels > 0) * 255)
            for index in range(clip.frames):
                if clip is ONE:
                    name = f"{size}/{clip.name}/{index:05d}"
                    lines.append(f"/JPEGImages/{name}.jpg /Annotations/{name}.png")
        write_list(root / f"ImageSets/{size}/val.txt", lines)
    return root


def davis_2017(root: Path, *, split: str = "val") -> Path:
    """DAVIS-2017-trainval-480p.zip, or with split test-dev that zip: first masks only."""
    masked = None if split == "val" else [0]
    for clip in (ONE, TWO):
        write_clip(clip, root / "JPEGImages/480p", root / "Annotations/480p", masked=masked)
    write_list(root / f"ImageSets/2017/{split}.txt", ["bear", "goat"])
    if split == "val":
        write_list(root / "ImageSets/2016/val.txt", ["goat"])
        write_list(root / "ImageSets/2017/train.txt", ["bear"])
    return root


LVOS_SEEN, LVOS_UNSEEN = Clip("0tCWPOrc", {1: 0}), Clip("8lxxCA5h", {1: 0, 2: 3})


def lvos(root: Path, *, split: str = "valid", clips: Sequence[Clip] = (LVOS_SEEN, LVOS_UNSEEN)):
    """LVOS: frames of eight digits in steps of five, and metadata; test has first masks only."""
    folder = root / split
    meta = {}
    for clip in clips:
        write_clip(
            clip,
            folder / "JPEGImages",
            folder / "Annotations",
            stem=lambda index: f"{5 * index + 1:08d}",
            masked=None if split == "valid" else firsts(clip),
        )
        end = 5 * (clip.frames - 1) + 1
        ranges = {i: (5 * first + 1, end) for i, first in clip.begins.items()}
        meta[clip.name] = {
            "objects": {
                str(i): {
                    "frame_range": {"start": str(a), "end": str(b), "frame_nums": str((b - a) // 5)}
                }
                for i, (a, b) in ranges.items()
            }
        }
    (folder / f"{split}_meta.json").write_text(json.dumps({"videos": meta}))
    return root


SAV_CLIP = Clip("sav_000001", {0: 0, 1: 4, 2: 0}, frames=17)


def sav(root: Path, *, split: str = "val") -> Path:
    """sav_val.tar: 24 frames a second, masks of every fourth, a folder per object, overlaps."""
    folder = root / f"sav_{split}"
    clip = SAV_CLIP
    for index in range(clip.frames):
        image = folder / f"JPEGImages_24fps/{clip.name}/{index:05d}.jpg"
        write_image(image, clip.image(index))
        for object_id in clip.begins if index % 4 == 0 else ():
            mask = clip.mask(object_id, index)
            if object_id == 2:  # a part of the first object
                mask = clip.mask(0, index) & (np.arange(SIZE_HW[0])[:, None] < 16)
            place = folder / f"Annotations_6fps/{clip.name}/{object_id:03d}/{index:05d}.png"
            write_mask(place, mask)
    write_list(folder / f"sav_{split}.txt", [clip.name])
    return root


def ytvos(root: Path, *, folder: str = "valid") -> Path:
    """valid.zip: frames in steps of five, a mask where an object begins, and meta.json.

    Of valid_all_frames.zip there is one frame more between two of these.
    """
    meta = {}
    for clip in (ONE, LATE):
        write_clip(
            clip,
            root / folder / "JPEGImages",
            root / folder / "Annotations",
            stem=lambda index: f"{5 * index:05d}",
            masked=firsts(clip),
        )
        for index in range(2 * clip.frames):
            place = root / f"{folder}_all_frames/JPEGImages" / clip.name
            stem = 5 * (index // 2) + 2 * (index % 2)
            write_image(place / f"{stem:05d}.jpg", clip.image(index // 2))
        meta[clip.name] = {
            "objects": {
                str(i): {
                    "category": "animal",
                    "frames": [f"{5 * index:05d}" for index in range(first, clip.frames)],
                }
                for i, first in clip.begins.items()
            }
        }
    (root / folder / "meta.json").write_text(json.dumps({"videos": meta}))
    return root


def mose(root: Path, *, split: str = "valid") -> Path:
    """train.tar.gz and valid.tar.gz: all masks, or those that begin objects."""
    for clip in (ONE, LATE, GAPS):
        folder = root / split
        masked = None if split == "train" else firsts(clip)
        write_clip(clip, folder / "JPEGImages", folder / "Annotations", masked=masked)
    return root


def vost(root: Path) -> Path:
    """VOST: frames called frame00012, ImageSets/val.txt, and 255 around objects to be ignored."""

    def with_void(labels: np.ndarray) -> np.ndarray:
        labels = labels.copy()
        labels[:4] = 255
        return labels

    for clip in (ONE, TWO):
        write_clip(
            clip,
            root / "JPEGImages",
            root / "Annotations",
            stem=lambda index: f"frame{6 * index + 12:05d}",
            change=with_void,
        )
    write_list(root / "ImageSets/val.txt", ["goat"])
    write_list(root / "ImageSets/train.txt", ["bear"])
    return root


def own(root: Path, *, masked: Sequence[int] | None = None) -> Path:
    """One's own: images/VIDEO and masks/VIDEO, ids as they come."""
    for clip in (LATE, GAPS):
        write_clip(clip, root / "images", root / "masks", masked=masked)
    return root
