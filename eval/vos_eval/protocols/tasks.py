"""What a tracker gets of a data set: the frames and each object's first mask, nothing else.

Only the annotation files named in a task are ever opened before tracking.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.davis import RESOLUTION, VOID, find_annotation_dir, list_sequences
from vos_eval.protocols.files import mask_names, require_folder
from vos_eval.protocols.lvos import find_meta, frame_name, load_meta

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class FirstMask:
    """The prompt of one object.

    object_id: the object.
    frame_idx: position of its first frame among the video's images.
    path: the annotation of that frame.
    label: pixel value of the object in that annotation.
    """

    object_id: int
    frame_idx: int
    path: Path
    label: int

    def read(self) -> np.ndarray:
        """Read the mask, bool H x W.

        Raises:
            EvalError: the file cannot be read, or does not show the object.
        """
        try:
            mask = read_labels(self.path) == self.label
        except MaskError as error:
            raise EvalError(f"ground truth {self.path}: {error}") from error
        if not mask.any():
            raise EvalError(
                f"{self.path}: no pixel of object {self.object_id}, whose first frame this is by "
                "the metadata"
            )
        return mask


@dataclass(frozen=True, slots=True)
class TrackingTask:
    """One video to track.

    video: name of the video.
    image_dir: folder of its images.
    frames: stems of the images, in order.
    first_masks: the prompts, one per object.
    """

    video: str
    image_dir: Path
    frames: tuple[str, ...]
    first_masks: tuple[FirstMask, ...]


def lvos_split_dir(root: Path, split: str) -> Path:
    """Find ROOT/SPLIT, or ROOT where that is the split folder itself.

    Raises:
        EvalError: neither has JPEGImages.
    """
    require_folder(root, "data set")
    names = [split, "val"] if split == "valid" else [split]
    for folder in [*(root / name for name in names), root]:
        if (folder / "JPEGImages").is_dir():
            return folder
    raise EvalError(f"{root}: no {split}/JPEGImages; give the folder that holds {split}/")


def lvos_tasks(split_dir: Path, split: str) -> list[TrackingTask]:
    """Start each object on its own first frame, as the metadata names it.

    Raises:
        EvalError: metadata, images or first annotations are missing; all are named.
    """
    problems: list[str] = []
    tasks = []
    for video, runs in load_meta(find_meta(split_dir, split)).items():
        image_dir = split_dir / "JPEGImages" / video
        frames = _image_names(image_dir)
        position = {name: index for index, name in enumerate(frames)}
        masks = []
        for run in runs:
            name = frame_name(run.start)
            path = split_dir / "Annotations" / video / f"{name}.png"
            if name not in position:
                problems.append(f"{video} object {run.object_id}: no image {image_dir / name}.jpg")
            elif not path.is_file():
                problems.append(f"{video} object {run.object_id}: no first mask {path}")
            else:
                masks.append(FirstMask(run.object_id, position[name], path, run.object_id))
        tasks.append(TrackingTask(video, image_dir, frames, tuple(masks)))
    if problems:
        raise EvalError(problems)
    return tasks


def davis_tasks(root: Path, split: str | None = None) -> list[TrackingTask]:
    """Start all objects on the first frame; masks of 0 and 255 alone hold object 1.

    Raises:
        EvalError: lists, images or first annotations are missing; all are named.
    """
    gt_dir = find_annotation_dir(root)
    images = root / "JPEGImages"
    if (images / RESOLUTION).is_dir():
        images /= RESOLUTION
    problems: list[str] = []
    tasks = []
    for video in list_sequences(root, split):
        frames = _image_names(images / video)
        annotated = mask_names(gt_dir / video)
        if not frames or not annotated:
            where = images / video if not frames else gt_dir / video
            problems.append(f"{video}: nothing in {where}")
            continue
        if annotated[0] not in frames:
            problems.append(f"{video}: no image for the first annotation {annotated[0]}")
            continue
        path = gt_dir / video / f"{annotated[0]}.png"
        try:
            values = [int(v) for v in np.unique(read_labels(path)) if v]
        except MaskError as error:
            problems.append(f"{video}: ground truth {path}: {error}")
            continue
        at = frames.index(annotated[0])
        labels = {value: value for value in values if value != VOID} or {1: VOID}
        if not values:
            problems.append(f"{video}: the first annotation {path} has no object")
            continue
        masks = tuple(FirstMask(i, at, path, label) for i, label in labels.items())
        tasks.append(TrackingTask(video, images / video, frames, masks))
    if problems:
        raise EvalError(problems)
    return tasks


def _image_names(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(
            path.stem
            for path in folder.iterdir()
            if path.suffix.lower() in _IMAGE_ENDINGS and not path.name.startswith(".")
        )
    )
