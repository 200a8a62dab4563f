"""The overlay video: the source with the objects drawn over it, at the source's times.

Frames are encoded as they come, in segments of `SEGMENT_FRAMES` or a few times that; the packets
wait in a file and are joined into the MP4 at the end. An interrupted overlay keeps the finished
segments; the frames of the open one are drawn and encoded again, from label maps that the
checkpoint carries.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from av.error import FFmpegError

from vos.errors import Parameter, ResumeError
from vos.frame import Frame, FrameResult
from vos.io.disk import output_errors
from vos.io.paths import display_name
from vos.io.results.append_file import AppendFile
from vos.io.results.checkpoints import SavedState, as_count
from vos.io.write.overlay import encoders
from vos.io.write.overlay.choose import choose_encoder, read_headers
from vos.io.write.overlay.encode import EncodedPacket, SegmentEncoder, VideoForm, draw_yuv
from vos.io.write.overlay.encoders import MOST_REORDER_FRAMES, X264
from vos.io.write.overlay.limits import check_overlay_size
from vos.io.write.overlay.mux import Mp4Joiner, append_packet
from vos.io.write.overlay.transcode import transcode
from vos.io.write.sink import Sink

if TYPE_CHECKING:
    from vos.io.read.source import SourceInfo

SEGMENT_FRAMES = 120
_LEAST_FRAMES = 8
_MOST_LABEL_BYTES = 16 * 2**20
_FALLBACK_TICK = Fraction(1, 90_000)
_LABELS_HEADER = struct.Struct("<qI")  # frame index, bytes of the packed label map


class OverlaySink(Sink):
    """A sink for H.264 in MP4: x264 veryfast, crf 18, yuv420p.

    Where the model runs on a GPU with CUDA, NVENC encodes instead if it works there, at the same
    quantiser. Where it stops working, between segments or before a resumed run, what it has encoded
    is decoded and encoded again by x264, which `warnings` says: a video has one set of headers.

    The colours are tagged BT.709 from 720 lines on, else BT.601.

    A result that has its overlay drawn (`FrameResult.overlay_yuv`) is encoded as it is. A resumed
    sink draws the frames that it replays itself, so these may differ by a grey level.

    Frames keep their exact times, variable rates included; an odd width or height is made even
    by repeating the last column or row. Sound is copied for the time covered by the frames; where
    it cannot be, the video is made without and `warnings` says so. Without any frame there is no
    file. Frames come in presentation order.

    path: the file to write.
    time_base: seconds per tick of the source, so that every time is a whole number of ticks;
        None where it has none: 1 / frame_rate is used then.
    frame_rate: frames per second, about; tells how long the last frame stays.
    pixel_aspect: width / height of one pixel of the frames, which players are told.
    audio_from: a file whose sound to copy, or None.
    audio_start_time: that file's container clock where frame time is 0, in seconds.
    device: where the model runs, as torch names it.
    work: folder for the encoded packets, which a sink that resumes needs and whose owner deletes
        it; None for a temporary file.
    resume: an earlier sink's state, in the same `work`. Raises ResumeError when packets lack.
    """

    name = "overlay"

    def __init__(
        self,
        path: Path,
        *,
        time_base: Fraction | None = None,
        frame_rate: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
        audio_from: Path | None = None,
        audio_start_time: Fraction = Fraction(0),
        device: str = "cpu",
        work: Path | None = None,
        resume: SavedState | None = None,
    ) -> None:
        super().__init__()
        self._path = path
        self._work = work
        self._device = device
        self._tick = choose_tick(time_base, frame_rate)
        self._rate = frame_rate
        self._pixel_aspect = pixel_aspect
        self._form: VideoForm | None = None
        self._audio_from = audio_from
        self._audio_start_time = audio_start_time
        state = {} if resume is None else resume.values
        self._is_resumed = resume is not None
        self._encoder_name = str(state.get("encoder", X264.name))
        self._headers = bytes.fromhex(state.get("headers", ""))
        self._first: int | None = None
        size_hw: tuple[int, int] | None = None
        earlier: tuple[int, ...] = ()
        self._replays: deque[tuple[int, bytes]] = deque()
        if state.get("first") is not None:
            self._first, *ticks = map(_read_tick, (state["first"], *state["earlier"]))
            earlier = tuple(ticks)
            if len(earlier) > MOST_REORDER_FRAMES or list(earlier) != sorted({*earlier}):
                raise ValueError("the saved times are not those of the last frames")
            size_hw = _read_size(state["size_hw"])
            check_overlay_size(size_hw)
        if resume is not None and resume.blob:
            height, width = size_hw or (0, 0)
            self._replays.extend(_unpack_labels(resume.blob, height * width))
            self.replay_from = self._replays[0][0]
        self._packets = self._open_packets(state.get("packets"))
        self._open_segment(earlier)
        if size_hw is not None:
            try:
                self._resume_form(size_hw)
            except BaseException:
                self.abandon()
                raise

    @classmethod
    def for_source(
        cls,
        path: Path,
        info: SourceInfo,
        *,
        device: str = "cpu",
        work: Path | None = None,
        resume: SavedState | None = None,
    ) -> Self:
        """Draw over the source of that description, with its sound."""
        if resume is not None and resume.values["size_hw"] not in (None, [*info.size_hw]):
            raise ValueError("the saved overlay has frames of another size")
        return cls(
            path,
            time_base=info.time_base,
            frame_rate=info.average_rate,
            pixel_aspect=info.frame_pixel_aspect,
            audio_from=info.path if info.has_audio else None,
            audio_start_time=info.start_time,
            device=device,
            work=work,
            resume=resume,
        )

    def write(self, frame: Frame, result: FrameResult) -> None:
        self._check(frame, result)
        self._require_replayed()
        labels = zlib.compress(np.ascontiguousarray(result.label_map).data, 1)
        self._add(frame, result.label_map, labels, result.overlay_yuv)

    def check_resumed(self, count: int, last_frame: int) -> None:
        is_begun = self._first is not None or bool(self._replays)
        if is_begun != bool(count) or (self._replays and self._replays[-1][0] != last_frame):
            raise ValueError("overlay: other frames are saved than the run has done")

    def replay(self, frame: Frame) -> None:
        if not self._replays or frame.frame_idx != self._replays[0][0]:
            return
        _, labels = self._replays.popleft()
        values = np.frombuffer(zlib.decompress(labels), dtype=np.uint8)
        self._add(frame, values.reshape(frame.size_hw), labels)

    def checkpoint(self) -> SavedState:
        self._packets.sync()
        values = {
            "packets": self._segment_start,
            "size_hw": self._form and self._form.size_hw,
            "first": self._first,
            "earlier": self._earlier,
            "encoder": self._encoder_name,
            "headers": self._headers.hex(),
        }
        return SavedState(values, b"".join(self._labels))

    def _add(
        self,
        frame: Frame,
        label_map: np.ndarray,
        labels: bytes,
        planes: np.ndarray | None = None,
    ) -> None:
        ticks = round(frame.pts / self._tick)
        if (last := self._last_ticks(1)) and ticks <= last[0]:
            kind = ResumeError if self._is_resumed else ValueError
            raise kind(f"overlay: frames must come in presentation order: {frame.pts=} {last=}")
        if self._form is None:
            self._first = ticks
            self._choose_form(frame.size_hw)
        if self._encoder is None:
            self._encoder = self._open_encoder()
        if planes is None:
            drawn = draw_yuv(frame.image, label_map)
            self._save(self._encoder.encode(drawn, ticks))
        else:
            self._save(self._encoder.encode_yuv(planes, ticks))
        self._ticks.append(ticks)
        self._labels.append(_LABELS_HEADER.pack(frame.frame_idx, len(labels)) + labels)
        self._label_bytes += len(labels)
        if self._is_full():
            self._save(self._encoder.flush())
            self._open_segment(self._last_ticks(MOST_REORDER_FRAMES))

    def _is_full(self) -> bool:
        """Tell whether the open segment has as many frames, or as heavy ones, as it may."""
        assert self._form is not None
        most_frames = SEGMENT_FRAMES * self._form.encoder.segment_scale
        is_heavy = self._label_bytes >= _MOST_LABEL_BYTES and len(self._ticks) >= _LEAST_FRAMES
        return is_heavy or len(self._ticks) >= most_frames

    def _require_replayed(self) -> None:
        if self._replays:
            raise ResumeError(
                f"overlay: frame {self._replays[0][0]} of the interrupted run does not come again; "
                "give ",
                Parameter("overwrite"),
                " to start from the beginning",
            )

    def _form_for(self, size_hw: tuple[int, int]) -> VideoForm:
        check_overlay_size(size_hw)
        return VideoForm(size_hw, self._tick, self._rate, self._pixel_aspect)

    def _choose_form(self, size_hw: tuple[int, int]) -> None:
        """Choose the encoder now that it is known what it has to take."""
        self._form = choose_encoder(self._form_for(size_hw), self._device)
        if self._form.encoder.name != self._encoder_name:
            self._encoder_name = self._form.encoder.name
            self._packets.abandon()
            self._packets = self._open_packets(None)
            self._segment_start = self._packets.mark()

    def _resume_form(self, size_hw: tuple[int, int]) -> None:
        """Go on with the encoder that the earlier sink had, or make what it left fit x264."""
        self._form = self._form_for(size_hw)
        if self._encoder_name == X264.name:
            return
        self._form = choose_encoder(self._form, self._device)
        if self._form.gpu_encoder is None or not self._writes_same_headers():
            self._fall_back()

    def _open_packets(self, resume: Mapping[str, Any] | None) -> AppendFile:
        """Open the file of packets, which each encoder has its own of."""
        names = {X264.name: "overlay.packets", encoders.NVENC.name: "overlay-nvenc.packets"}
        if self._encoder_name not in names:
            raise ResumeError(
                f"{display_name(self._path.name)}: begun with an encoder that this version lacks"
            )
        return AppendFile(self._work and self._work / names[self._encoder_name], resume)

    def _open_encoder(self) -> SegmentEncoder:
        assert self._form is not None
        try:
            encoder = SegmentEncoder(self._form, self._earlier)
        except FFmpegError as error:
            with output_errors(self._path):
                if self._form.gpu_encoder is None:
                    raise error
                self._fall_back()
                encoder = SegmentEncoder(self._form, self._earlier)
        if self._form.gpu_encoder is not None:
            self._headers = encoder.headers
        return encoder

    def _writes_same_headers(self) -> bool:
        """Tell whether the encoder would write the headers that belong to the packets so far."""
        assert self._form is not None
        return self._form.gpu_encoder is None or read_headers(self._form) == self._headers

    def _fall_back(self) -> None:
        """Encode all packets so far again with x264, and go on with it. No segment may be open."""
        assert self._form is not None
        old, name = self._packets, self._encoder_name
        self._form, self._encoder_name = replace(self._form, gpu_encoder=None), X264.name
        try:
            self._packets = self._open_packets(None)
            with output_errors(self._path):
                count = transcode(old, self._headers, self._form, self._packets, SEGMENT_FRAMES)
        finally:
            old.abandon()
        self._headers = b""
        self._segment_start = self._packets.mark()
        self.warnings.append(
            f"{display_name(self._path.name)}: {name} does not work any more; the {count} frames "
            "that it had encoded were encoded again with x264"
        )

    def _open_segment(self, earlier: tuple[int, ...]) -> None:
        """Begin a segment. earlier: ticks of the last frames before it."""
        self._earlier = earlier
        self._segment_start = self._packets.mark()
        self._encoder: SegmentEncoder | None = None
        self._ticks: list[int] = []
        self._labels: list[bytes] = []
        self._label_bytes = 0

    def _last_ticks(self, count: int) -> tuple[int, ...]:
        return (*self._earlier, *self._ticks)[-count:]

    def _save(self, packets: Iterable[EncodedPacket]) -> None:
        with output_errors(self._path):
            for packet in packets:
                append_packet(self._packets, packet)

    def _finish(self) -> None:
        try:
            self._require_replayed()
            if self._form is None or self._first is None:
                return
            if self._encoder is not None:
                self._save(self._encoder.flush())
                self._encoder = None
            if not self._writes_same_headers():
                self._fall_back()
            self._join(self._form, self._first)
        finally:
            self._packets.abandon()

    def _join(self, form: VideoForm, first: int) -> None:
        *before, last = self._last_ticks(2)
        period = max(1, round(1 / self._rate / self._tick)) if self._rate else 1
        joiner = Mp4Joiner(
            form,
            first=first,
            last=last,
            last_period=last - before[0] if before else period,
            audio_from=self._audio_from,
            audio_start_time=self._audio_start_time,
        )
        with output_errors(self._path):
            joiner.write(self._packets, self._path)
        self.warnings += joiner.warnings

    def _abandon(self) -> None:
        self._encoder = None
        self._packets.abandon()


def choose_tick(time_base: Fraction | None, frame_rate: Fraction | None) -> Fraction:
    """Return the seconds per tick of an overlay of a source with this time base and rate."""
    return time_base or (1 / frame_rate if frame_rate else _FALLBACK_TICK)


def _read_size(value: Any) -> tuple[int, int]:
    height, width = map(as_count, value)
    return height, width


def _read_tick(value: Any) -> int:
    if type(value) is not int or abs(value) >= 2**62:
        raise ValueError("a saved time is no number of ticks")
    return value


def _unpack_labels(blob: bytes, size_px: int) -> Iterator[tuple[int, bytes]]:
    """Read frame indices and packed label maps of so many pixels, as `checkpoint` left them.

    Raises ValueError where a map is not whole, or a frame does not follow the one before.
    """
    offset, expected = 0, None
    while offset < len(blob):
        if len(blob) - offset < _LABELS_HEADER.size:
            raise ValueError("the saved labels end too early")
        frame_idx, size = _LABELS_HEADER.unpack_from(blob, offset)
        offset += _LABELS_HEADER.size
        labels = blob[offset : offset + size]
        offset += size
        unpacker = zlib.decompressobj()
        try:
            is_whole = len(unpacker.decompress(labels, size_px + 1)) == size_px and unpacker.eof
        except zlib.error:
            is_whole = False
        if not is_whole or frame_idx != (as_count(frame_idx) if expected is None else expected):
            raise ValueError(f"the saved labels of frame {frame_idx} are damaged")
        expected = frame_idx + 1
        yield frame_idx, labels
