"""The choice of an overlay's encoder: NVENC on a GPU with CUDA where it works, else x264."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import numpy as np
from av.error import FFmpegError

from vos.io.write.overlay import encoders
from vos.io.write.overlay.encode import SegmentEncoder, VideoForm

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_SPS, _PPS = 7, 8


def choose_encoder(form: VideoForm, device: str) -> VideoForm:
    """Return the form with the best encoder that works for it.

    device: where the model runs, as torch names it. Only for "cuda" and "cuda:N" another encoder
        than x264 is tried, and that on the same GPU.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return form
    on_gpu = replace(form, gpu_encoder=encoders.NVENC.on(int(number or 0)))
    return on_gpu if works(on_gpu) else form


@functools.lru_cache(maxsize=32)
def works(form: VideoForm) -> bool:
    """Tell whether a form's encoder is here and makes what can be joined.

    It is tried on two frames, once per form and process: the codec may be missing from FFmpeg, the
    driver may be missing or old, the GPU without an encoder or all of its sessions in use, the
    frames too large or too small for it.
    """
    height, width = (side + side % 2 for side in form.size_hw)
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    try:
        encoder = SegmentEncoder(form, ())
        packets = [packet for tick in range(2) for packet in encoder.encode_yuv(planes, tick)]
        packets += encoder.flush()
    except (FFmpegError, ValueError, AssertionError):
        return False
    is_in_order = [packet.pts for packet in packets] == [0, 1]
    has_headers = {unit[0] & 31 for unit in split_headers(encoder.headers)} >= {_SPS, _PPS}
    return is_in_order and packets[0].is_keyframe and has_headers


def read_headers(form: VideoForm) -> bytes | None:
    """Return the headers that a form's encoder writes now; None where it cannot be opened."""
    try:
        return SegmentEncoder(form, ()).headers
    except (FFmpegError, ValueError):
        return None


def split_headers(headers: bytes) -> list[bytes]:
    """Return the parameter sets in H.264 headers, in either of the forms that FFmpeg has them.

    Raises ValueError for anything else.
    """
    if _START_CODE.match(headers):
        return [unit for unit in _START_CODE.split(headers) if unit]
    if not headers.startswith(b"\1"):  # the version of MP4's form
        raise ValueError("no H.264 headers")
    units, at = [], 5
    for mask in (31, 255):  # the sequence sets, then the picture sets, each with their number
        count = int.from_bytes(headers[at : at + 1], "big") & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(headers[at : at + 2], "big")
            units.append(headers[at + 2 : at + 2 + size])
            at += 2 + size
    return units
