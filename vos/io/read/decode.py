"""Opening a container with FFmpeg and turning its packets into timed RGB frames.

Rules, in order of importance: no frame is ever dropped because it is damaged, timestamps are
exact and strictly increasing, and nothing is believed that the header merely claims.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vos.errors import InputError, OutOfMemoryError
from vos.io.paths import display_name, require_readable_file
from vos.io.read import size_limits
from vos.io.read.container_file import open_container, reason
from vos.io.read.orientation import Orientation
from vos.io.read.source import SourceInfo
from vos.io.read.tone_map import is_hdr, read_hdr_form, tone_map

# FFmpeg decodes in at most 16 threads when left to choose, so an error it reports belongs to one
# of the last packets sent.
_ERROR_REACH = 18
_MOST_PIXELS_PER_THREAD = 2**25  # 8K
_LEAST_MEMORY_BYTES = 2**26
_FALLBACK_PERIOD = Fraction(1, 25)
# Times out of order go back by two frames at most; a recording that begins anew goes further.
_CLOCK_JUMP_FRAMES = Fraction(5, 2)
_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_HD_LINES = 720
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the container and its best video stream, decoding in threads; close it on exit.

    Best as FFmpeg's `av_find_best_stream` sees it (default flag, then bit rate and size); cover
    pictures do not count. Raises InputError if the file is no video or holds no video stream.
    """
    require_readable_file(path)
    name = display_name(path)
    with ExitStack() as stack:
        try:
            container = open_container(path, stack)
        except FFmpegError as error:
            _refuse_shortage(error, name)
            raise InputError(
                f"{name}: not a video FFmpeg can read ({reason(error)}); it may be cut short or "
                "of another kind, try playing it"
            ) from None
        stream = container.streams.best("video")
        # The "tty" demuxer renders any text file as a frame of its characters.
        if not isinstance(stream, VideoStream) or container.format.name == "tty":
            raise InputError(f"{name}: no video stream in this file; give footage or images")
        if stream.codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise InputError(
                f"{name}: FFmpeg does not know the codec of its video; convert it with the program "
                "that made it, for instance to H.264"
            )
        if is_cover(stream):
            raise InputError(f"{name}: only a cover picture, no video stream; give footage")
        if container.format.name == "tiff_pipe":
            raise InputError(
                f"{name}: a TIFF, or a camera's raw picture, under another name; call it .tif, or "
                "develop it to jpg, png or tif first"
            )
        _limit_size(path, stream)
        yield container, stream


def _limit_size(path: Path, stream: VideoStream) -> None:
    """Refuse frames that are too large, now and while decoding, and choose how threads share."""
    context = stream.codec_context
    size_limits.check_video_size(path, (context.height, context.width))
    context.options = {"max_pixels": str(size_limits.MOST_VIDEO_PIXELS)}
    # Threads that decode a frame each hold a frame each.
    is_huge = context.width * context.height > _MOST_PIXELS_PER_THREAD
    stream.thread_type = "SLICE" if is_huge else "AUTO"


def is_cover(stream: VideoStream) -> bool:
    """Tell whether a video stream is a cover picture."""
    return bool(stream.disposition & Disposition.attached_pic)


def _refuse_shortage(error: Exception, name: str) -> None:
    """Raise OutOfMemoryError for an error that says nothing of the file, only of the machine."""
    if isinstance(error, FFmpegError) and error.errno in (errno.EAGAIN, errno.ENOMEM):
        raise OutOfMemoryError(
            f"{display_name(name)}: FFmpeg got too few threads or too little memory "
            f"({_reason(error)}); end other programs, or raise the limits that "
            "`ulimit -a` shows"
        ) from None


def _refuse_little_memory(name: str) -> None:
    """Raise OutOfMemoryError where a decoder's complaint may be of memory: some do not say so."""
    try:
        mmap.mmap(-1, _LEAST_MEMORY_BYTES).close()
    except OSError:
        raise OutOfMemoryError(
            f"{display_name(name)}: a frame could not be decoded and hardly any memory is left; "
            "end other programs, or raise the limits that `ulimit -a` shows"
        ) from None


def _reason(error: FFmpegError) -> str:
    return (error.strerror or type(error).__name__).lower()


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame as FFmpeg decoded it, in presentation order, not yet converted.

    frame: FFmpeg's; for one that could not be decoded at all, that of its neighbour.
    raw_pts: ticks of the stream's time base, None where the container has none.
    is_corrupt: the decoder reported damage, or the frame stands in for a lost one.
    """

    frame: VideoFrame
    raw_pts: int | None
    is_corrupt: bool


class _Ledger:
    """The packets that went in and have not come out as frames, so that lost frames are known.

    A packet without a frame is not an error by itself (hidden reference frames, second fields).
    It counts as lost only near damage: among the last packets before the decoder complained, or
    after it until a key frame has come out whole. In a stream seen to have hidden packets, no more
    are counted than the decoder complained about.
    """

    def __init__(self) -> None:
        self._pending: dict[int, bool] = {}  # pts -> is a key frame
        self._suspects: set[int] = set()
        self._replaced: set[int] = set()
        self._complaints = 0
        self._is_damaged = False
        self._has_hidden = False

    def record_packet(self, pts: int, is_key: bool) -> None:
        self._pending[pts] = is_key
        if self._is_damaged:
            self._suspects.add(pts)

    def record_error(self) -> None:
        """Note that the last packet, or one shortly before it, gave an error instead of a frame."""
        self._complaints += 1
        self._is_damaged = True
        self._suspects.update(list(self._pending)[-_ERROR_REACH:])

    def was_replaced(self, pts: int) -> bool:
        """Tell whether the frame at `pts` comes too late: a stand-in was given for it."""
        return pts in self._replaced

    def record_frame(self, pts: int, is_whole: bool) -> list[int]:
        """Note a decoded frame; return the timestamps of the frames lost before it."""
        lost = self._lost(before=pts)
        if is_whole and self._pending.get(pts):
            self._is_damaged = False
        for past in [p for p in self._pending if p <= pts]:
            del self._pending[past]
            if past in self._suspects:
                self._suspects.discard(past)
            elif past != pts:
                self._has_hidden = True
        return lost

    def record_end(self) -> list[int]:
        """Return the timestamps of the frames lost after the last decoded one."""
        return self._lost(before=None)

    def _lost(self, before: int | None) -> list[int]:
        lost = sorted(p for p in self._suspects if before is None or p < before)
        if self._has_hidden:
            lost = lost[: self._complaints]
            self._complaints -= len(lost)
        self._replaced.update(lost)
        return lost


def decode_frames(
    container: InputContainer,
    stream: VideoStream,
    *,
    needed_from: Callable[[], int | None] = lambda: None,
) -> Iterator[RawFrame]:
    """Yield every frame from where the container stands, lost ones replaced by their neighbour.

    needed_from: asked before each packet for the ticks before which only frames are decoded that
        others are made from, None for all frames; so x264's 4K footage takes half the time.

    Frames an edit list hides are left out, as are undecodable ones before the first that can be
    decoded cleanly. Raises InputError if reading (not decoding) fails.
    """
    ledger = _Ledger()
    last: VideoFrame | None = None
    for packet, is_whole in _packets(container, stream):
        if packet is not None and packet.pts is not None and (begin := needed_from()) is not None:
            # dav1d keeps to what it is opened with, which the first packet does.
            is_needed = packet.pts >= begin or not stream.codec_context.is_open
            stream.codec_context.skip_frame = "DEFAULT" if is_needed else "NONREF"
        if packet is not None and packet.pts is not None and not packet.is_discard:
            ledger.record_packet(packet.pts, packet.is_keyframe)
        if not is_whole:
            ledger.record_error()
            continue
        try:
            frames = stream.codec_context.decode(packet)
        except FFmpegError as error:
            _refuse_shortage(error, container.name)
            _refuse_little_memory(container.name)
            ledger.record_error()
            continue
        for frame in frames:
            if frame.pts is not None:
                if ledger.was_replaced(frame.pts):
                    continue
                for lost_pts in ledger.record_frame(frame.pts, not frame.is_corrupt):
                    yield RawFrame(last or frame, lost_pts, is_corrupt=True)
            last = frame
            yield RawFrame(frame, frame.pts, frame.is_corrupt)
    if last is not None:
        for lost_pts in ledger.record_end():
            yield RawFrame(last, lost_pts, is_corrupt=True)


def _packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[Packet[VideoStream] | None, bool]]:
    """Yield packets with data, each with whether to decode it, and at last (None, True) to flush.

    A packet the end of a truncated file cuts in two is not to be decoded: the error it causes
    while flushing would take the good frames before it along.
    """
    held: Packet[VideoStream] | None = None
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if held is not None:
                yield held, True
            held = packet if packet.is_corrupt else None
            if held is None:
                yield packet, True
    except InvalidDataError:
        pass  # as at the end of some truncated files: the duration check tells
    except FFmpegError as error:
        _refuse_shortage(error, container.name)
        name = display_name(container.name)
        raise InputError(
            f"{name}: reading failed half-way ({reason(error)}); check the disk and copy it again"
        ) from None
    if held is not None:
        yield held, False
    yield None, True


class Clock:
    """A clock that turns ticks into exact seconds since the stream's start, strictly increasing.

    A missing time becomes the previous plus one frame period; one that does not advance becomes
    the previous plus one tick; after a jump back of three frames or more (joined recordings) all
    later times are shifted to follow on, unless the next one shows that only this one was wrong.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._tick = stream.time_base or Fraction(1, 1000)
        self._period = frame_period(stream) or _FALLBACK_PERIOD
        self._start = stream.start_time
        self._offset = Fraction(0)
        self._offset_before_jump: Fraction | None = None
        self._last: Fraction | None = None
        self.missing = 0
        self.repaired = 0

    def stamp(self, raw_pts: int | None) -> Fraction:
        """Return the time of the next frame, in seconds."""
        last = self._last
        if raw_pts is None:
            self.missing += 1
            now = Fraction(0) if last is None else last + self._period
        else:
            if self._start is None or (last is None and raw_pts < self._start):
                self._start = raw_pts  # what the container says of it may be wrong
            ticks = (raw_pts - self._start) * self._tick
            if self._offset_before_jump is not None and last is not None:
                if last < ticks + self._offset_before_jump:
                    self._offset = self._offset_before_jump
                self._offset_before_jump = None
            now = ticks + self._offset
            if last is not None and now <= last:
                self.repaired += 1
                if last - now > _CLOCK_JUMP_FRAMES * self._period:
                    self._offset_before_jump = self._offset
                    self._offset += last + self._period - now
                    now = last + self._period
                else:
                    now = last + self._tick
        self._last = now
        return now


def frame_period(stream: VideoStream) -> Fraction | None:
    """Return the average seconds per frame, None where the container gives no rate."""
    rate = stream.average_rate or stream.guessed_rate
    return 1 / rate if rate else None


class Converter:
    """A converter of frames to RGB as displayed, all of the size of the first.

    They are turned and mirrored as FFmpeg's autorotate would. Untagged YUV of 720 lines or more is
    read as BT.709, which is what cameras mean by it; swscale alone would take BT.601. PQ and HLG
    are tone-mapped to SDR.
    """

    def __init__(self, info: SourceInfo, *, is_exact: bool = False) -> None:
        """is_exact: whether values are rounded to the nearest; swscale's quick way rounds down."""
        self._reformatter = VideoReformatter()
        self._flags = _EXACT if is_exact else None
        self._orientation = Orientation(info.rotation_deg, info.is_mirrored)
        height, width = info.size_hw
        self._size_wh = (height, width) if info.rotation_deg % 180 else (width, height)
        self.resized = 0

    def pass_over(self, frame: VideoFrame) -> None:
        """Count a frame that nobody looks at."""
        self.resized += (frame.width, frame.height) != self._size_wh

    def to_rgb(self, frame: VideoFrame) -> np.ndarray:
        """Convert to uint8 H x W x 3. Raises InputError if FFmpeg cannot read the pixel format."""
        width, height = self._size_wh
        self.pass_over(frame)
        needs_tone_map = is_hdr(frame)
        try:
            rgb = self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="rgb48le" if needs_tone_map else "rgb24",
                src_colorspace=_assumed_matrix(frame),
                interpolation=None if needs_tone_map else self._flags,
            )
        except (FFmpegError, ValueError) as error:
            _refuse_shortage(error, f"a frame of {width}x{height}")
            raise InputError(
                f"pixel format {frame.format.name} cannot be converted to RGB ({error}); "
                "re-encode the video, for instance to H.264"
            ) from None
        image = _to_array(rgb)
        if needs_tone_map:
            image = tone_map(image, read_hdr_form(frame))
        return self._orientation.apply(image)


def _to_array(rgb: VideoFrame) -> np.ndarray:
    """Return the pixels of an rgb24 or rgb48le frame; those of a huge one are not copied."""
    plane = rgb.planes[0]
    depth = np.dtype(np.uint8 if rgb.format.name == "rgb24" else "<u2")
    row_bytes = rgb.width * 3 * depth.itemsize
    if rgb.width * rgb.height <= _MOST_PIXELS_PER_THREAD or plane.line_size != row_bytes:
        return rgb.to_ndarray()
    pixels = np.frombuffer(memoryview(plane), depth, count=rgb.width * rgb.height * 3)  # pyright: ignore[reportArgumentType]
    return pixels.reshape(rgb.height, rgb.width, 3)


def _assumed_matrix(frame: VideoFrame) -> Colorspace | None:
    """Return the matrix of a frame that does not name its own; None for swscale's choice."""
    if is_hdr(frame) and is_untagged(frame):
        return Colorspace.BT2020
    return Colorspace.ITU709 if is_untagged_hd(frame) else None


def is_untagged(frame: VideoFrame) -> bool:
    """Tell whether this is YUV whose matrix the file does not name."""
    is_yuv = not frame.format.is_rgb and len(frame.format.components) >= 3
    return is_yuv and frame.colorspace == _UNSPECIFIED


def is_untagged_hd(frame: VideoFrame) -> bool:
    """Tell whether this is YUV of 720 lines or more whose matrix the file does not name."""
    return is_untagged(frame) and frame.height >= _HD_LINES
