"""Frames to H.264 packets, in segments that can be encoded again with the same result.

A segment is encoded by an encoder of its own, so what comes out depends on the segment's frames
and on nothing before them. As x264 is set up here, it gives the same bits every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.error import ExternalError
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from vos.errors import OutOfMemoryError, Parameter
from vos.io.write.overlay.draw import draw_overlay, outline_px
from vos.io.write.overlay.encoders import MOST_PIXELS_WELL_PACKED, VideoEncoder, choose_x264

_HD_LINES = 720
_DEFAULT_RATE = 24
_LARGEST_ASPECT = 65_535  # H.264 writes either side of the ratio in 16 bits

_BAND_ROWS, _BAND_OVERLAP = 1024, 64


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One H.264 access unit.

    pts: when it is shown, in ticks.
    dts: when it is decoded, in ticks.
    is_keyframe: decoding can start here.
    data: its bytes.
    """

    pts: int
    dts: int
    is_keyframe: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class VideoForm:
    """What every segment's encoder and the container must agree on.

    size_hw: of the frames; odd sides are padded to even.
    tick: seconds.
    rate: frames per second, None where it is unknown.
    pixel_aspect: width / height of one pixel.
    gpu_encoder: what makes the packets on a GPU; None where x264 does.
    """

    size_hw: tuple[int, int]
    tick: Fraction
    rate: Fraction | None
    pixel_aspect: Fraction = Fraction(1)
    gpu_encoder: VideoEncoder | None = None

    @property
    def encoder(self) -> VideoEncoder:
        """Return the encoder that makes the segments."""
        return self.gpu_encoder or choose_x264(self.size_hw)

    def set_up(self, context: VideoCodecContext) -> None:
        """Configure an encoder that is not open yet."""
        height, width = self.size_hw
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        context.time_base = self.tick
        context.framerate = self.rate or Fraction(_DEFAULT_RATE)
        if self.pixel_aspect != 1:
            context.sample_aspect_ratio = self.pixel_aspect.limit_denominator(_LARGEST_ASPECT)
        context.options = dict(self.encoder.options)
        if self.encoder.threads is not None:
            context.thread_type, context.thread_count = "FRAME", self.encoder.threads
        context.flags |= Flags.global_header
        is_hd = context.height >= _HD_LINES
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709 if is_hd else Colorspace.ITU601
        context.color_primaries = ColorPrimaries.BT709 if is_hd else ColorPrimaries.SMPTE170M
        context.color_trc = ColorTrc.BT709 if is_hd else ColorTrc.SMPTE170M


class SegmentEncoder:
    """An encoder of one segment.

    earlier: ticks of the last frames before it, `MOST_REORDER_FRAMES` or more; none in the first.
    headers: the parameter sets of its video, which are the same for each segment.

    Raises FFmpegError where the encoder cannot be opened.
    """

    def __init__(self, form: VideoForm, earlier: tuple[int, ...]) -> None:
        self._form = form
        context = VideoCodecContext.create(form.encoder.codec, "w")
        assert isinstance(context, VideoCodecContext)
        self._context = context
        form.set_up(self._context)
        with self._shortage():
            self._context.open()
        self.headers = bytes(self._context.extradata or b"")
        reorder = form.encoder.reorder_frames
        self._knows_times = bool(earlier) or not reorder
        self._ticks = list(earlier[max(0, len(earlier) - reorder) :])
        self._count = 0

    def encode(self, frame: av.VideoFrame, ticks: int) -> Iterator[EncodedPacket]:
        """Add a frame that `draw_yuv` made; yield the packets that are ready, in decoding order."""
        yield from self._add(frame, ticks)

    def encode_yuv(self, planes: np.ndarray, ticks: int) -> Iterator[EncodedPacket]:
        """Add a frame as `encode` does, drawn elsewhere.

        planes: uint8 3H/2 x W of even sides: Y, U and V one after the other.
        """
        height, width = (side + side % 2 for side in self._form.size_hw)
        if planes.dtype != np.uint8 or planes.shape != (height * 3 // 2, width):
            raise ValueError(f"not the planes of {height=}, {width=}: {planes.shape=}")
        yield from self._add(av.VideoFrame.from_ndarray(planes, format="yuv420p"), ticks)

    def flush(self) -> Iterator[EncodedPacket]:
        """Yield the rest of the packets; the encoder is used up then."""
        yield from self._packets(None)

    def _add(self, frame: av.VideoFrame, ticks: int) -> Iterator[EncodedPacket]:
        frame.pts, frame.time_base = ticks, self._form.tick
        self._ticks.append(ticks)
        yield from self._packets(frame)

    def _packets(self, frame: av.VideoFrame | None) -> Iterator[EncodedPacket]:
        with self._shortage():
            packets = self._context.encode(frame)
        for packet in packets:
            assert packet.pts is not None
            assert packet.dts is not None
            # x264 guesses the decoding times of a segment's first packets without knowing the
            # segment before. By its own rule they are the display times, `reorder_frames` late.
            dts = self._ticks[self._count] if self._knows_times else packet.dts
            self._count += 1
            yield EncodedPacket(packet.pts, dts, packet.is_keyframe, bytes(packet))

    @contextmanager
    def _shortage(self) -> Iterator[None]:
        """Say what it means when x264, which was given what it takes, cannot start or go on."""
        try:
            yield
        except ExternalError as error:
            if self._form.gpu_encoder is not None:
                raise
            raise OutOfMemoryError(
                f"overlay: x264 cannot start or go on ({error.strerror}); it gets too little "
                "memory or too few threads: end other programs, or leave the overlay out with `",
                Parameter("save", "masks,stats"),
                "`",
            ) from error


def draw_yuv(image: np.ndarray, label_map: np.ndarray) -> av.VideoFrame:
    """Draw the objects over an image, uint8 H x W x 3, as `SegmentEncoder.encode` takes it.

    A huge image is drawn and converted band by band, so that no second one is in memory. Bands
    overlap by more than what a pixel depends on, so the result is the same.
    """
    height, width = image.shape[:2]
    is_hd = height + height % 2 >= _HD_LINES
    if height * width <= MOST_PIXELS_WELL_PACKED:
        return to_yuv(draw_overlay(image, label_map), is_hd=is_hd)
    thickness = outline_px((height, width))
    whole = av.VideoFrame(width + width % 2, height + height % 2, "yuv420p")
    band = whole
    for top in range(0, height, _BAND_ROWS):
        first, bottom = max(0, top - _BAND_OVERLAP), min(height, top + _BAND_ROWS)
        rows = slice(first, bottom + _BAND_OVERLAP)
        band = to_yuv(draw_overlay(image[rows], label_map[rows], thickness), is_hd=is_hd)
        for to, part, scale in zip(whole.planes, band.planes, (1, 2, 2), strict=True):
            start, stop = top // scale, -(-bottom // scale)
            if bottom == height:
                stop = to.height
            skipped = start - first // scale
            _rows(to)[start:stop] = _rows(part)[skipped : skipped + stop - start]
    whole.colorspace, whole.color_range = band.colorspace, band.color_range
    return whole


def _rows(plane: VideoPlane) -> np.ndarray:
    """Return a plane's bytes as rows, without their padding."""
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]


def to_yuv(image: np.ndarray, *, is_hd: bool | None = None) -> av.VideoFrame:
    """Convert a frame, uint8 H x W x 3; an odd side is made even by repeating its last pixels.

    is_hd: of the whole frame, where this is a part of it.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    if is_hd is None:
        is_hd = image.shape[0] >= _HD_LINES
    matrix = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )
