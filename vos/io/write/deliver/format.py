"""What a delivery format is: the seam between a finished result and the files that people use."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vos.io.closing import Closing
from vos.io.write.deliver.edges import OFF, Edges

if TYPE_CHECKING:
    from vos.io.write.deliver.finished import FinishedResult

OPAQUE = 255
"""The value of a matte where the object is; 0 is where it is not."""


@dataclass(frozen=True, slots=True)
class Target:
    """One matte of an export, in a movie or sequence, and the objects that are in it.

    objects: their ids; with several, the matte is their union.
    stem: the name of its file, or of its files with `%04d` in it; in formats with layers, mattes
        with one stem share these files.
    is_inverted: whether the matte is opaque where none of the objects is.
    layer: what it is called inside its file, in formats with layers.
    """

    objects: tuple[int, ...]
    stem: str
    is_inverted: bool = False
    layer: str = ""

    def matte(self, label_map: np.ndarray) -> np.ndarray:
        """Return the matte of a frame, uint8 H x W of 0 and 255, from its label map."""
        if len(self.objects) == 1:  # a third of the time that a table takes
            is_inside = label_map == self.objects[0]
            return (is_inside != self.is_inverted).view(np.uint8) * np.uint8(OPAQUE)
        values = np.zeros(256, np.uint8)
        values[list(self.objects)] = OPAQUE
        return (OPAQUE - values if self.is_inverted else values).take(label_map)

    def join(self, mattes: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the matte of a frame, uint8 H x W, from those of its objects.

        Where several objects meet their mattes are added, 255 at most: of two that share a contour
        no seam is left.
        """
        first, *others = (mattes[one] for one in self.objects)
        joined = first
        for matte in others:
            joined = np.where(matte > OPAQUE - joined, OPAQUE, joined + matte).astype(np.uint8)
        return OPAQUE - joined if self.is_inverted else joined


@dataclass(frozen=True, slots=True)
class Media:
    """The clip that an export is of, for formats that refer to it.

    path: of the video, or the folder or pattern of images.
    timecode: of its first frame; None without.
    frame_count: how many frames it has.
    has_audio: whether it has sound.
    names: of images without their endings, in order; None for a video.
    """

    path: Path
    timecode: str | None
    frame_count: int
    has_audio: bool = False
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """What an export is of and how it is laid out, the same for all of its frames.

    targets: what is written, each with files of its own.
    objects: what the exported objects are called, by id.
    frames: indices of the frames, as in the source.
    start_number: the number of the first frame in file names.
    size_hw: of the frames in pixels.
    rate: frames per second, constant.
    timecode: of the first frame, `HH:MM:SS:FF`, or `;FF` where frames are dropped; None without.
    pixel_aspect: width / height of one pixel.
    bits: of a matte's values in stills, 8 or 16.
    audio_from: the file whose sound movies get, or None.
    audio_start: that file's container clock where the first frame is, in seconds.
    compression: of the pixels, as the format calls it; None where there is no choice.
    media: the clip, for formats that refer to it; None where it is not there, or when verifying.
    place: the folder to be, for formats that refer to their own files; None when verifying.
    background: what targets are put over, in a format that does so.
    is_soft: whether mattes are the soft ones of the result; else its masks.
    edges: what is done to the edges of mattes.
    """

    targets: tuple[Target, ...]
    objects: Mapping[int, str]
    frames: range
    start_number: int
    size_hw: tuple[int, int]
    rate: Fraction
    timecode: str | None = None
    pixel_aspect: Fraction = Fraction(1)
    bits: Literal[8, 16] = 8
    audio_from: Path | None = None
    audio_start: Fraction = Fraction(0)
    compression: str | None = None
    media: Media | None = None
    place: Path | None = None
    background: str | None = None
    is_soft: bool = False
    edges: Edges = OFF

    def number(self, frame_idx: int) -> int:
        """Return the number of a frame in file names."""
        return self.start_number + frame_idx - self.frames.start


@dataclass(frozen=True, slots=True)
class ShotFrame:
    """One frame on its way into a delivery.

    frame_idx: its index in the source.
    label_map: uint8 H x W of object ids, all zero where no object is.
    image: uint8 H x W x 3, RGB; None where the format needs no pixels.
    pts: seconds since the first frame of the source; None where nobody knows.
    scores: rows of `stats.jsonl` by object id, none where they were not saved.
    mattes: uint8 H x W by object id, of exported objects; empty where they are what the label map
        says, or where the format holds no mattes.
    """

    frame_idx: int
    label_map: np.ndarray
    image: np.ndarray | None
    pts: Fraction | None
    scores: Mapping[int, Mapping[str, Any]]
    mattes: Mapping[int, np.ndarray] = field(default_factory=dict)

    def matte(self, target: Target) -> np.ndarray:
        """Return the matte of one target, uint8 H x W."""
        return target.join(self.mattes) if self.mattes else target.matte(self.label_map)

    @property
    def nbytes(self) -> int:
        """Count the bytes that it holds, for queues."""
        arrays = [self.label_map, *self.mattes.values()]
        if self.image is not None:
            arrays.append(self.image)
        return sum(one.nbytes for one in arrays)


class Delivery(Closing):
    """Writes the files of one export, frame after frame. A context manager.

    warnings: one line each; complete once closed.
    Whatever a system or codec refuses is an OSError, FFmpegError included.
    """

    warnings: list[str]

    @abstractmethod
    def write(self, frame: ShotFrame) -> None:
        """Write one frame; frames come in order and without gaps."""

    def flush(self) -> None:
        """Wait until the files of all frames that were written are on the disk."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame of a delivery, as another decoder read it back.

    position: 0 for the first frame of the export.
    target: which of the export's targets it belongs to.
    matte: uint8 H x W; None where this frame was only counted.
    """

    position: int
    target: Target
    matte: np.ndarray | None


ReadBack = Callable[[Path, Shot, Callable[[int], bool]], Iterator[Seen]]
"""Reads a delivery again with a decoder of its own: folder, what it should be, and which positions
to decode into mattes. Yields every frame that is there; raises VerificationError for a wrong size,
rate, timecode or set of channels."""


@dataclass(frozen=True, slots=True)
class Format:
    """A delivery format.

    name: what `--to` calls it.
    summary: what it is, in a few words.
    open: makes its writer for a folder.
    read_back: reads what was written.
    sample: reads it without decoding what is not wanted; None where `read_back` is as quick.
    suffixes: of the files that each frame has, where the writer holds nothing between frames: an
        interrupted export then continues; without any it starts over.
    expect: what `read_back` gives of a label map where that is no matte; None for mattes.
    compare: says how a frame that was read back differs from the result, given the matte that is
        in it, where other values than mattes are read back; None for mattes.
    default_background: what targets are put over where nobody says; None where they are not.
    is_movie: one file with a constant rate per target; else one file per frame, or one table.
    is_timed: its files say the rate and the timecode, as those of all movies do.
    has_layers: a file holds a layer per object, so that a target is a layer.
    refers_to_clip: its files say where the clip is.
    can_invert: whether mattes may be inverted.
    compressions: how its pixels may be compressed, the usual way first; none without a choice.
    is_numbered: one file per frame, so that names have a frame number.
    keeps_aspect: whether its files say how wide a pixel is, as far as PyAV can write that.
    needs_image: whether the source's pixels go into it.
    template: the name of its files.
    max_error: by how much a matte that was read back may differ, of 255.
    require: raises UsageError where something is not installed that it needs; None where nothing
        is.
    longest_side_px: the widest and tallest frame that it takes.
    """

    name: str
    summary: str
    open: Callable[[Path, Shot], Delivery]
    read_back: ReadBack
    is_movie: bool = False
    is_timed: bool = False
    has_layers: bool = False
    refers_to_clip: bool = False
    can_invert: bool = True
    compressions: tuple[str, ...] = ()
    is_numbered: bool = False
    keeps_aspect: bool = False
    needs_image: bool = False
    template: str = "{clip}_{object}"
    max_error: int = 0
    longest_side_px: int = 65_535
    suffixes: tuple[str, ...] = ()
    require: Callable[[], None] | None = None
    sample: ReadBack | None = None
    expect: Callable[[np.ndarray, Target, Shot], np.ndarray] | None = None
    compare: Callable[[FinishedResult, Shot, Seen, np.ndarray], str | None] | None = None
    default_background: str | None = None

    @property
    def has_rate(self) -> bool:
        """Tell whether its files say how many frames make a second."""
        return self.is_movie or self.is_timed

    @property
    def holds_mattes(self) -> bool:
        """Tell whether mattes go into its files, which may be soft; else masks or numbers."""
        return self.expect is None
