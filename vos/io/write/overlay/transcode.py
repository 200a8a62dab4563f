"""Packets of one encoder made into packets of another, where the first is not there any more."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from vos.errors import ResumeError
from vos.io.results.append_file import AppendFile
from vos.io.write.overlay.encode import SegmentEncoder, VideoForm
from vos.io.write.overlay.encoders import MOST_REORDER_FRAMES
from vos.io.write.overlay.mux import append_packet, read_packets


def transcode(
    old: AppendFile, headers: bytes, form: VideoForm, new: AppendFile, segment_frames: int
) -> int:
    """Decode the packets and encode their frames again, in segments; return how many there are.

    headers: of the encoder that made them.
    form: how the new ones are encoded.

    Raises ResumeError for packets that cannot all be decoded, OutputError.
    """
    encoder: SegmentEncoder | None = None
    earlier: tuple[int, ...] = ()
    ticks: list[int] = []
    count = 0
    for frame in _decode(old, headers, form.tick):
        if encoder is None:
            encoder = SegmentEncoder(form, earlier)
        for packet in encoder.encode_yuv(frame.to_ndarray(), frame.pts or 0):
            append_packet(new, packet)
        ticks.append(frame.pts or 0)
        count += 1
        if len(ticks) == segment_frames:
            for packet in encoder.flush():
                append_packet(new, packet)
            encoder, earlier, ticks = None, tuple(ticks[-MOST_REORDER_FRAMES:]), []
    if encoder is not None:
        for packet in encoder.flush():
            append_packet(new, packet)
    return count


def _decode(packets: AppendFile, headers: bytes, tick: Fraction) -> Iterator[av.VideoFrame]:
    decoder = VideoCodecContext.create("h264", "r")
    decoder.extradata = headers
    missing = 0
    try:
        for encoded in read_packets(packets):
            packet = Packet(encoded.data)
            packet.pts, packet.dts, packet.time_base = encoded.pts, encoded.dts, tick
            missing += 1
            for frame in decoder.decode(packet):
                missing -= 1
                yield frame
        for frame in decoder.decode(None):
            missing -= 1
            yield frame
    except FFmpegError as error:
        raise ResumeError("overlay.mp4: what is encoded of it cannot be decoded") from error
    if missing:
        raise ResumeError(f"overlay.mp4: {missing} of its encoded frames cannot be decoded")
