"""What a protocol decides before any pixel is read: which frames, which objects, which files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Quirk(StrEnum):
    """A quirk of an official tool that can be switched off; every published number has it.

    DECAY_WRAP: davis: quarter edges are kept in 8 bits, wrong beyond 256 frames.
    LVOS_DECAY: lvos: decay is always 0.
    V_ROUNDING: lvos: the variance is rounded to 4 decimals before V is taken.
    FRAME_NUMS: lvos: the metadata's `frame_nums` counts; where the range disagrees, it is an error.
    VOID: vost: pixels marked 255 in the ground truth count as background instead of not at all.
    """

    DECAY_WRAP = "decay-wrap"
    LVOS_DECAY = "lvos-decay"
    V_ROUNDING = "v-rounding"
    FRAME_NUMS = "frame-nums"
    VOID = "void"


class Missing(StrEnum):
    """What to do about absent predictions.

    ERROR: refuse to score.
    EMPTY: score them as empty masks.
    SKIP: leave out the videos that they belong to.
    """

    ERROR = "error"
    EMPTY = "empty"
    SKIP = "skip"


class Labels(StrEnum):
    """The meaning of a pixel value.

    IDS: the object id; only the planned objects are scored.
    IDS_STRICT: the same, but a predicted label above `max_label` is a problem.
    PRESENT: the object id; every id present in either mask is scored.
    FOREGROUND: any nonzero pixel belongs to the one object; more than one value is a problem.
    BINARY: the same, for masks that are 0/1 or 0/255; any other value is a problem.
    MERGED: every nonzero pixel belongs to the one object, whatever its value.
    """

    IDS = "ids"
    IDS_STRICT = "ids-strict"
    PRESENT = "present"
    FOREGROUND = "foreground"
    BINARY = "binary"
    MERGED = "merged"


class Measure(StrEnum):
    """The definition of J and F.

    DAVIS: intersection over union; the contour's tolerance depends on the image's size.
    MOSEV2: J with 1 added to both counts; the tolerance depends on the object's area too.
    """

    DAVIS = "davis"
    MOSEV2 = "mosev2"


@dataclass(frozen=True, slots=True)
class FramePlan:
    """One frame to decode.

    name: file stem.
    gt: file of the ground truth.
    pred: file of the prediction; None where it is absent and scored as empty.
    object_ids: the objects to score; unused when every present label is scored.
    """

    name: str
    gt: Path
    pred: Path | None
    object_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SequencePlan:
    """One pass over the frames of a video.

    video: name of the video.
    frames: the frames to score, in order.
    objects: ids in report order; empty when the masks decide.
    labels: meaning of pixel values.
    max_label: highest id that is scored; what lies above is told, and where `labels` is strict a
        prediction must not have it.
    measure: definition of J and F.
    leaves_void_out: whether pixels of 255 in the ground truth count not at all.
    is_seen: lvos: whether the video's categories are in the training set; else None.
    only_object: sav, one folder per object: the id whose folder this is; else None.
    gap_ids: the objects that the first annotation does not show.
    """

    video: str
    frames: tuple[FramePlan, ...]
    objects: tuple[int, ...] = ()
    labels: Labels = Labels.IDS
    max_label: int = 255
    measure: Measure = Measure.DAVIS
    leaves_void_out: bool = False
    is_seen: bool | None = None
    only_object: int | None = None
    gap_ids: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """Its name in messages."""
        if self.only_object is None:
            return self.video
        return f"{self.video} object {self.only_object:03d}"


@dataclass(slots=True)
class Plan:
    """All sequences of a data set, and what is wrong with it.

    sequences: what to score, in report order.
    problems: what is wrong; one is enough for no score.
    notes: what a reader has to know, such as predictions scored as empty.
    readings: which of several ways a folder was read.
    left_out: videos that are not scored, because predictions are absent.
    """

    sequences: list[SequencePlan] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    readings: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)

    @property
    def frame_count(self) -> int:
        """Number of frames to score, over all sequences."""
        return sum(len(sequence.frames) for sequence in self.sequences)
