"""Videos as folders of images with a folder of masks each, which most data sets are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_eval.data_sets.base import ObjectMasks, Video
from vos_eval.errors import EvalError
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.files import mask_names, require_folder, subfolders

VOID = 255
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_NUMBER = re.compile(r"(\d+)")
_FEWEST_SCORED = 3
_DENSE = 10  # frames per mask at most: SA-V has four, and prompts of one's own are further apart


@dataclass(frozen=True, slots=True)
class MaskFolder:
    """What the label maps of one video show.

    names: stems of its files, in order.
    ids: the objects on each of them.
    is_binary: whether there is no value but 0 and 255, which is one object's.
    has_void: whether there is 255 beside other values.
    """

    names: tuple[str, ...]
    ids: tuple[frozenset[int], ...]
    is_binary: bool
    has_void: bool

    def label(self, object_id: int) -> int | None:
        """Return the pixel value of an object, None for any."""
        return None if self.is_binary else object_id

    def firsts(self) -> dict[int, str]:
        """Return the first file that shows each object."""
        found: dict[int, str] = {}
        for name, ids in zip(self.names, self.ids, strict=True):
            for object_id in sorted(ids):
                found.setdefault(object_id, name)
        return found


def image_files(folder: Path) -> dict[str, Path]:
    """Map the stems of the images in a folder to their files; empty without such a folder."""
    if not folder.is_dir():
        return {}
    return {
        entry.stem: entry
        for entry in sorted(folder.iterdir())
        if entry.suffix.lower() in _IMAGE_ENDINGS and not entry.name.startswith(".")
    }


def image_names(folder: Path) -> tuple[str, ...]:
    """List the stems of the images in a folder by their numbers; empty without such a folder."""
    return tuple(sorted(image_files(folder), key=frame_key))


def frame_key(stem: str) -> list[tuple[int, int, str]]:
    """Return the key that sorts "f2" before "f10"."""
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part) for part in _NUMBER.split(stem)
    ]


def find_split(root: Path, split: str | None) -> Path:
    """Find ROOT/SPLIT, or ROOT where that is the split's own folder.

    Raises:
        EvalError: neither has JPEGImages.
    """
    require_folder(root, "data set")
    names = [split] if split else ["valid", "val"]
    if split == "valid":
        names.append("val")
    for folder in [*(root / name for name in names), root]:
        if (folder / "JPEGImages").is_dir():
            return folder
    raise EvalError(
        f"{root}: no {names[0]}/JPEGImages; give the folder that holds {names[0]}/, or that folder"
    )


def read_masks(folder: Path, problems: list[str], binary_id: int) -> MaskFolder:
    """Read which objects each mask of a folder shows; what is no mask becomes a problem.

    binary_id: the object of masks of 0 and 255 alone.
    """
    names = sorted(mask_names(folder), key=frame_key)
    kept, values = [], []
    for name in names:
        path = folder / f"{name}.png"
        try:
            counts = np.bincount(read_labels(path).ravel(), minlength=256)
        except MaskError as error:
            problems.append(f"{folder.name}: ground truth {path}: {error}")
            continue
        kept.append(name)
        values.append({int(value) for value in np.flatnonzero(counts) if value})
    every = set().union(*values)
    is_binary = every == {VOID}
    ids = [{binary_id} if is_binary and found else found - {VOID} for found in values]
    has_void = VOID in every and not is_binary
    return MaskFolder(tuple(kept), tuple(map(frozenset, ids)), is_binary, has_void)


def make_video(
    name: str,
    image_dir: Path,
    mask_dir: Path,
    problems: list[str],
    *,
    binary_id: int,
    is_every_mask: bool = False,
) -> tuple[Video, MaskFolder] | None:
    """Make a video whose objects begin on the first mask that shows them.

    binary_id: as in `read_masks`.
    is_every_mask: whether later masks are prompts too.

    Returns: the video and what its masks show; None where something is wrong, which is added to
    the problems.
    """
    before = len(problems)
    frames = image_names(image_dir)
    if not frames:
        problems.append(f"{name}: no image in {image_dir}")
    if not mask_dir.is_dir():
        problems.append(f"{name}: no mask: the folder {mask_dir} is missing")
        return None
    masks = read_masks(mask_dir, problems, binary_id)
    check_frames(name, frames, masks.names, mask_dir, problems)
    firsts = masks.firsts()
    if not firsts and len(problems) == before:
        problems.append(f"{name}: no mask in {mask_dir} shows an object")
    if len(problems) > before:
        return None
    at = {frame: index for index, frame in enumerate(frames)}
    prompted = {object_id: [first] for object_id, first in firsts.items()}
    if is_every_mask:
        shown = list(zip(masks.names, masks.ids, strict=True))
        prompted = {i: [frame for frame, ids in shown if i in ids] for i in firsts}
    objects = tuple(
        ObjectMasks(i, mask_dir, masks.label(i), tuple(at[frame] for frame in prompted[i]))
        for i in sorted(firsts)
    )
    return Video(name, image_dir, frames, objects), masks


def check_frames(
    name: str,
    frames: Sequence[str],
    masks: Sequence[str],
    mask_dir: Path,
    problems: list[str],
) -> None:
    """Add to the problems the masks of frames that have no image."""
    present = set(frames)
    lost = [mask for mask in masks if mask not in present]
    if frames and lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        problems.append(
            f"{name}: no image for the mask {mask_dir / lost[0]}.png{more}; copy the missing frames"
        )


def is_dense(video: Video, masks: MaskFolder) -> bool:
    """Tell whether masks go on behind those that begin objects, enough of them to be scored.

    That is a mask on a tenth of the frames from the first mask on, three of them at least.
    """
    beginnings = set(masks.firsts().values())
    span = len(video.frames) - min(index for one in video.objects for index in one.prompted)
    count = len(masks.names)
    return count > len(beginnings) and count >= _FEWEST_SCORED and count * _DENSE >= span


def decide_truth(found: Sequence[tuple[Video, MaskFolder]], advice: str) -> bool:
    """Tell whether all of these videos have true masks to be scored with, or none.

    advice: what to do where some have and some have not.

    Raises:
        EvalError: some have, some have not; they are named.
    """
    without = [video.name for video, masks in found if not is_dense(video, masks)]
    if without and len(without) < len(found):
        raise EvalError(
            f"{len(without)} of {len(found)} videos have too few masks to be scored "
            f"({_some(without)}); {advice}"
        )
    return not without


def listed_videos(
    images: Path, masks: Path, names: Sequence[str] | None, *, is_every_mask: bool = False
) -> list[tuple[Video, MaskFolder]]:
    """Make the named videos, or all that have masks; where these are 0 and 255, 255 is the object.

    Raises:
        EvalError: folders, images or masks are missing or wrong; all problems are named.
    """
    require_folder(images, "image")
    require_folder(masks, "mask")
    if names is None:
        names = [name for name in subfolders(masks) if mask_names(masks / name)]
        if not names:
            above = "; these are one video's masks: give the folder above" * bool(mask_names(masks))
            raise EvalError(f"{masks}: no masks; expected VIDEO/FRAME.png{above}")
    problems: list[str] = []
    made = [
        make_video(
            name,
            images / name,
            masks / name,
            problems,
            binary_id=VOID,
            is_every_mask=is_every_mask,
        )
        for name in names
    ]
    if problems:
        raise EvalError(problems)
    return [one for one in made if one is not None]


def refuse_void(found: Sequence[tuple[Video, MaskFolder]]) -> None:
    """Refuse 255 beside other ids, which is no object here and is one by the rule of SA-V.

    Raises:
        EvalError: videos have it; they are named.
    """
    names = [video.name for video, masks in found if masks.has_void]
    if names:
        raise EvalError(
            f"{len(names)} of {len(found)} videos have 255 beside other ids ({_some(names)}): it "
            "is not tracked, and the rule of SA-V would score it as an object; make it 0 there"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
