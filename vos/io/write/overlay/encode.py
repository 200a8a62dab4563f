"""Frames to H.264 packets, in segments that can be encoded again with the same result.

A segment is encoded by an encoder of its own, so what comes out depends on the segment's frames
and on nothing before them. With a fixed number of threads and without its macroblock tree, x264
gives the same bits every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

_HD_LINES = 720
_DEFAULT_RATE = 24
THREADS = 4
"""x264's output depends on the number of threads, so the machine must not choose it."""
_LARGEST_ASPECT = 65_535  # H.264 writes either side of the ratio in 16 bits
REPEATABLE = {"x264-params": "no-mbtree=1"}
"""With AVX-512, x264's macroblock tree reads memory it has not written: the same frames then come
out differently from run to run."""
REORDER_FRAMES = 2
"""How many frames x264 veryfast (B-pyramid) decodes ahead of the one shown."""


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
    """

    size_hw: tuple[int, int]
    tick: Fraction
    rate: Fraction | None
    pixel_aspect: Fraction = Fraction(1)

    def set_up(self, context: VideoCodecContext) -> None:
        """Configure a libx264 encoder that is not open yet."""
        height, width = self.size_hw
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        context.time_base = self.tick
        context.framerate = self.rate or Fraction(_DEFAULT_RATE)
        if self.pixel_aspect != 1:
            context.sample_aspect_ratio = self.pixel_aspect.limit_denominator(_LARGEST_ASPECT)
        context.options = {"preset": "veryfast", "crf": "18", **REPEATABLE}
        context.thread_type, context.thread_count = "FRAME", THREADS
        context.flags |= Flags.global_header
        is_hd = context.height >= _HD_LINES
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709 if is_hd else Colorspace.ITU601
        context.color_primaries = ColorPrimaries.BT709 if is_hd else ColorPrimaries.SMPTE170M
        context.color_trc = ColorTrc.BT709 if is_hd else ColorTrc.SMPTE170M


class SegmentEncoder:
    """An encoder of one segment.

    earlier: ticks of the last frames before it; none in the first.
    """

    def __init__(self, form: VideoForm, earlier: tuple[int, ...]) -> None:
        self._form = form
        self._context = VideoCodecContext.create("libx264", "w")
        form.set_up(self._context)
        self._has_earlier = bool(earlier)
        self._ticks = list(earlier)
        self._count = 0

    def encode(self, image: np.ndarray, ticks: int) -> Iterator[EncodedPacket]:
        """Add a frame, uint8 H x W x 3; yield the packets that are ready, in decoding order."""
        frame = _to_yuv(image)
        frame.pts, frame.time_base = ticks, self._form.tick
        self._ticks.append(ticks)
        yield from self._packets(frame)

    def flush(self) -> Iterator[EncodedPacket]:
        """Yield the rest of the packets; the encoder is used up then."""
        yield from self._packets(None)

    def _packets(self, frame: av.VideoFrame | None) -> Iterator[EncodedPacket]:
        for packet in self._context.encode(frame):
            assert packet.pts is not None
            assert packet.dts is not None
            # x264 guesses the decoding times of a segment's first packets without knowing the
            # segment before. By its own rule they are the display times, REORDER_FRAMES late.
            dts = self._ticks[self._count] if self._has_earlier else packet.dts
            self._count += 1
            yield EncodedPacket(packet.pts, dts, packet.is_keyframe, bytes(packet))


def _to_yuv(image: np.ndarray) -> av.VideoFrame:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    matrix = Colorspace.ITU709 if image.shape[0] >= _HD_LINES else Colorspace.ITU601
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG
    )
