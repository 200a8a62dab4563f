"""A delivery as Cryptomatte 1.2: ids and coverage by rank, and a manifest of names in the header.

Each pixel lists the objects on it by coverage, the most first: a 32-bit float whose bits are the
hash of the object's name, and how much of the pixel it covers. Six ranks fill three RGBA layers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from av.codec import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from vos.errors import Parameter, UsageError
from vos.io.write.deliver.exr.read_back import read_exrs, to_bytes
from vos.io.write.deliver.exr.write import ExrFiles
from vos.io.write.deliver.format import OPAQUE, Seen, Shot, Target

NAME = "CryptoObject"
"""What its layers are called, the usual name for objects."""

_RANKS = 6
_CHANNELS = [f"{NAME}{level:02d}.{one}" for level in range(_RANKS // 2) for one in "RGBA"]
_KEY_CHARACTERS = 7
_WORD = 0xFFFFFFFF
_EXPONENT = 0x7F800000
_LOWEST_EXPONENT_BIT = 1 << 23


def hash_murmur3(data: bytes) -> int:
    """Return the 32-bit MurmurHash3 of bytes, with seed 0."""
    state = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        mixed = int.from_bytes(block, "little") * 0xCC9E2D51 & _WORD
        state ^= _rotate(mixed, 15) * 0x1B873593 & _WORD
        if len(block) == 4:
            state = (_rotate(state, 13) * 5 + 0xE6546B64) & _WORD
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & _WORD
    state = (state ^ state >> 13) * 0xC2B2AE35 & _WORD
    return state ^ state >> 16


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _WORD


def id_bits(name: str) -> int:
    """Return the bits of the float that stands for a name: its hash, kept a normal number.

    Where the exponent is all zeros or all ones, its lowest bit is turned over.
    """
    bits = hash_murmur3(name.encode())
    if bits & _EXPONENT in (0, _EXPONENT):
        bits ^= _LOWEST_EXPONENT_BIT
    return bits


def list_attributes(layers: Sequence[Target]) -> dict[str, str]:
    """List what the header says of a file, the same on every frame."""
    prefix = f"cryptomatte/{id_bits(NAME):08x}"[: len("cryptomatte/") + _KEY_CHARACTERS]
    manifest = {target.layer: f"{id_bits(target.layer):08x}" for target in layers}
    return {
        f"{prefix}/name": NAME,
        f"{prefix}/hash": "MurmurHash3_32",
        f"{prefix}/conversion": "uint32_to_float32",
        f"{prefix}/manifest": json.dumps(manifest, separators=(",", ":")),
    }


class CryptomatteExrs(ExrFiles):
    """32-bit EXRs of ranked ids and coverage."""

    pixel_format = "float"

    def list_channels(self, layers: Sequence[Target]) -> list[str]:  # noqa: ARG002
        return list(_CHANNELS)

    def list_attributes(self, layers: Sequence[Target]) -> dict[str, str]:
        return list_attributes(layers)

    def draw(self, mattes: Sequence[np.ndarray], layers: Sequence[Target]) -> np.ndarray:
        return rank(np.stack(mattes), _ids(layers))


def rank(mattes: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Rank the objects of each pixel by coverage, the most first.

    mattes: uint8 N x H x W. ids: float32 N.
    Returns float32 H x W x 12, id and coverage in turn; both are 0 where fewer objects are.
    Raises UsageError where a pixel is under more than six objects: some would be lost.
    """
    pixels = np.zeros((*mattes.shape[1:], len(_CHANNELS)), np.float32)
    is_covered = mattes.any(axis=0)
    values = mattes[:, is_covered]
    counts = np.count_nonzero(values, axis=0)
    if counts.max(initial=0) > _RANKS:
        raise UsageError(
            f"export: {counts.max()} objects meet in one pixel, and cryptomatte holds {_RANKS}: "
            "choose exr, or fewer ",
            Parameter("objects"),
        )
    has_several = counts > 1
    ranked = np.zeros((values.shape[1], len(_CHANNELS)), np.float32)
    owner = values.argmax(axis=0)
    ranked[:, 0] = ids[owner]
    ranked[:, 1] = values.max(axis=0) / np.float32(OPAQUE)
    if has_several.any():
        ranked[has_several] = _rank_several(values[:, has_several], ids)
    pixels[is_covered] = ranked
    return pixels


def _rank_several(values: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Rank the objects of pixels that have more than one: uint8 N x K to float32 K x 12."""
    order = np.argsort(OPAQUE - values, axis=0, kind="stable")[:_RANKS]
    coverage = np.take_along_axis(values, order, axis=0)
    ranked = np.zeros((values.shape[1], len(_CHANNELS)), np.float32)
    ranked[:, 0 : 2 * len(order) : 2] = np.where(coverage > 0, ids[order], 0).T
    ranked[:, 1 : 2 * len(order) : 2] = coverage.T / np.float32(OPAQUE)
    return ranked


def unrank(pixels: np.ndarray, ids: np.ndarray) -> list[np.ndarray]:
    """Return the matte of each id, as a reader of Cryptomatte gets it: the sum of its coverage.

    Raises ValueError where ranks are out of order or hold an id that is not among these.
    """
    places, coverage = pixels[..., 0::2].view(np.uint32), pixels[..., 1::2]
    if (np.diff(coverage, axis=-1) > 0).any():
        raise ValueError("its ranks are not in the order of coverage")
    known = np.append(ids.view(np.uint32), np.uint32(0))
    if not np.isin(places, known).all() or (coverage[places == 0] != 0).any():
        raise ValueError("it holds ids that its manifest does not name")
    return [
        to_bytes(np.where(places == one, coverage, 0).sum(axis=-1)) for one in ids.view(np.uint32)
    ]


def read_cryptomattes(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    """Read an export of Cryptomattes back, pixels with FFmpeg: see `ReadBack`."""

    def decode(opened: Any, path: Path, layers: Sequence[Target]) -> list[np.ndarray]:
        if opened.read_image("float") is None:  # FFmpeg does not mind that lines are missing
            raise ValueError(opened.geterror())
        data = path.read_bytes()
        levels = [_decode_level(data, level) for level in range(_RANKS // 2)]
        return unrank(np.concatenate(levels, axis=-1), _ids(layers))

    return read_exrs(
        folder, shot, wanted, "float", lambda _: list(_CHANNELS), list_attributes, decode
    )


def _decode_level(data: bytes, level: int) -> np.ndarray:
    """Decode one of the RGBA layers, float32 H x W x 4."""
    context = cast(VideoCodecContext, CodecContext.create("exr", "r"))
    context.options = {"layer": f"{NAME}{level:02d}"}
    (frame,) = [*context.decode(Packet(data)), *context.decode(None)]
    return frame.to_ndarray()


def _ids(layers: Sequence[Target]) -> np.ndarray:
    return np.array([id_bits(target.layer) for target in layers], np.uint32).view(np.float32)
