"""A data set: what is tracked, from which masks, how it is scored, and how it is submitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vos_eval.errors import EvalError
from vos_eval.png import MaskError, read_labels
from vos_eval.protocols.base import Options, Protocol


@dataclass(frozen=True, slots=True)
class ObjectMasks:
    """One object of a video, and the files that show it.

    object_id: its label in predictions, 1-255.
    folder: of its mask files, FRAME.png.
    label: its pixel value there; None where every value but 0 is the object.
    prompted: positions of the frames whose mask is a prompt, in order; one or more.
    folder_name: of its folder in predictions, where objects have one each; else None.
    """

    object_id: int
    folder: Path
    label: int | None
    prompted: tuple[int, ...]
    folder_name: str | None = None

    def path(self, frame: str) -> Path:
        """Return the file of its mask on a frame, whether that is there or not."""
        return self.folder / f"{frame}.png"

    def read(self, frame: str) -> np.ndarray:
        """Read its mask on a frame: bool H x W.

        Raises:
            EvalError: the file cannot be read.
        """
        path = self.path(frame)
        try:
            labels = read_labels(path)
        except MaskError as error:
            raise EvalError(f"ground truth {path}: {error}") from error
        return labels != 0 if self.label is None else labels == self.label


@dataclass(frozen=True, slots=True)
class Video:
    """One video to track.

    name: of its folder.
    image_dir: folder of its images.
    frames: stems of the images, in order.
    objects: what to follow.
    submitted: stems of the frames that a server wants; None for all.
    """

    name: str
    image_dir: Path
    frames: tuple[str, ...]
    objects: tuple[ObjectMasks, ...]
    submitted: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """How predictions are scored.

    protocol: the rules.
    truth: folder of the ground truth, as the protocol takes it.
    options: how to score; those of one run, such as processes, come on top.
    """

    protocol: Protocol
    truth: Path
    options: Options


@dataclass(frozen=True, slots=True)
class Submission:
    """What an evaluation server takes.

    send_to: where to upload it.
    folder: what the videos lie in inside the zip; empty for its root.
    """

    send_to: str
    folder: str = ""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set on the disk.

    name: with year or version and split, as it is recorded.
    videos: what to track, in order.
    scoring: how to score it; None where the true masks are not here.
    submission: how to hand it in where it cannot be scored.
    has_object_folders: whether predictions have a folder per object, whose masks may overlap.
    is_every_mask: whether all masks are prompts, not only the first of each object.
    notes: what was decided where it could have been decided otherwise, one line each.
    """

    name: str
    videos: tuple[Video, ...]
    scoring: Scoring | None
    submission: Submission
    has_object_folders: bool = False
    is_every_mask: bool = False
    notes: tuple[str, ...] = ()

    def first(self, count: int) -> DataSet:
        """Return the data set of the first videos alone."""
        videos = self.videos[:count]
        if self.scoring is None or len(videos) == len(self.videos):
            return replace(self, videos=videos)
        names = frozenset(video.name for video in videos)
        options = replace(self.scoring.options, only_videos=names)
        return replace(self, videos=videos, scoring=replace(self.scoring, options=options))
