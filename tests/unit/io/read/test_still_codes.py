"""16-bit colour keeps its low byte where it matters, and HDR stills are tone-mapped."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from av1 import in_its_own_thread
from vos.errors import InputError
from vos.io.read import still_codes
from vos.io.read.open import open_source
from vos.io.read.still import OpenStill, read_still
from vos.io.read.tone_map import HdrForm, tone_map

RNG = np.random.default_rng(0)
COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
PQ, HLG = bytes([9, 16, 0, 1]), bytes([9, 18, 0, 1])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path: Path, values: np.ndarray, cicp: bytes | None = None, more: bytes = b"") -> Path:
    """Write uint8 or uint16 H x W x channels."""
    height, width, channels = values.shape
    depth = 8 * values.itemsize
    head = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPE[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    parts = [chunk(b"IHDR", head), more]
    if cicp is not None:
        parts.append(chunk(b"cICP", cicp))
    parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def random(top: int, channels: int, size_hw: tuple[int, int] = (9, 13)) -> np.ndarray:
    values = RNG.integers(0, top + 1, (*size_hw, channels)).astype(np.uint16)
    values[0, 0] = top
    return values


def shown(values: np.ndarray, white: int) -> np.ndarray:
    colour = values[..., :3] if values.shape[2] > 2 else np.repeat(values[..., :1], 3, axis=2)
    return np.rint(colour.astype(float) * 255 / white).astype(np.uint8)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_colour_of_few_bits_fills_the_range(bits: int, channels: int, tmp_path: Path) -> None:
    top = 2**bits - 1
    values = [random(top, channels), random(top // 3, channels)]
    for number, one in enumerate(values):
        write_png(tmp_path / f"{number}.png", one)
    with open_source(tmp_path) as source:
        frames = [frame.image for frame in source.frames()]
        (note,) = source.notices
    assert f"values up to {top} is read as {bits}-bit: {top} is white in every image" in note
    for image, one in zip(frames, values, strict=True):
        assert np.abs(image.astype(int) - shown(one, top)).max() <= 1  # ties


@pytest.mark.parametrize("top", [16_384, 40_000, 65_535])
def test_colour_of_16_bits_is_read_as_before(top: int, tmp_path: Path) -> None:
    values = random(top, 3)
    path = write_png(tmp_path / "a.png", values)
    with open_source(path) as source:
        assert not source.notices
        assert np.array_equal(next(source.frames()).image, (values >> 8).astype(np.uint8))


def write_tiff(path: Path, values: list[np.ndarray], *, orientation: int = 1) -> Path:
    """Write pages of 16-bit RGB, uncompressed."""
    data = bytearray(b"II*\0")
    link = len(data)
    data += b"\0\0\0\0"
    for page in values:
        strip = len(data)
        data += page.astype("<u2").tobytes()
        bits = len(data)
        data += struct.pack("<3H", 16, 16, 16)
        data += b"\0" * (len(data) % 2)
        height, width, _ = page.shape
        tags = [
            (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1),
            (262, 3, 1, 2), (273, 4, 1, strip), (274, 3, 1, orientation), (277, 3, 1, 3),
            (278, 3, 1, height), (279, 4, 1, page.nbytes), (284, 3, 1, 1),
        ]  # fmt: skip
        data[link : link + 4] = struct.pack("<I", len(data))
        data += struct.pack("<H", len(tags))
        for tag, kind, count, value in tags:
            data += struct.pack("<HHII", tag, kind, count, value)
        link = len(data)
        data += b"\0\0\0\0"
    path.write_bytes(bytes(data))
    return path


def test_a_tiff_has_its_low_bytes_and_one_of_several_pages_says_it_has_not(tmp_path: Path) -> None:
    values = [random(4095, 3) for _ in range(3)]
    with open_source(write_tiff(tmp_path / "a.tif", values[:1])) as source:
        image = next(source.frames()).image
        assert any("12-bit" in note for note in source.notices)
    assert np.abs(image.astype(int) - shown(values[0], 4095)).max() <= 1
    with open_source(write_tiff(tmp_path / "b.tif", values)) as source:
        frames = [frame.image for frame in source.frames()]
        assert any("if it looks dark" in note for note in source.notices)
    for image, one in zip(frames, values, strict=True):
        assert np.array_equal(image, one >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_wide_colour_is_turned_as_pillow_turns_it(orientation: int, tmp_path: Path) -> None:
    values = random(4095, 3)
    plain = write_tiff(tmp_path / "a.tif", [values << 4], orientation=orientation)
    few = write_tiff(tmp_path / "b.tif", [values], orientation=orientation)
    by_pillow, by_us = read_still(plain).astype(int), read_still(few, 4095).astype(int)
    assert by_pillow.shape == by_us.shape
    assert np.abs(by_pillow - by_us).max() <= 1
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    plain = write_png(tmp_path / "a.png", values << 4, more=more)
    few = write_png(tmp_path / "b.png", values, more=more)
    by_pillow, by_us = read_still(plain).astype(int), read_still(few, 4095).astype(int)
    assert by_pillow.shape == by_us.shape
    assert np.abs(by_pillow - by_us).max() <= 1


@pytest.mark.parametrize(("cicp", "name"), [(PQ, "pq"), (HLG, "hlg")])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_hdr_pngs_are_tone_mapped(cicp, name, channels, depth, tmp_path: Path) -> None:
    codes = random(60_000, channels)
    values = codes if depth == 16 else (codes >> 8).astype(np.uint8)
    path = write_png(tmp_path / "a.png", values, cicp)
    colour = values[..., :3] if channels > 2 else np.repeat(values[..., :1], 3, axis=2)
    wide = colour.astype(np.uint16) * (1 if depth == 16 else 257)
    with open_source(path) as source:
        image = next(source.frames()).image
        assert source.info.transfer == name
        assert source.info.is_hdr
        (note,) = source.notices
    assert np.array_equal(image, tone_map(wide, HdrForm(name == "hlg", 9)))
    assert f"is HDR ({name}); tone-mapped" in note


@pytest.mark.parametrize("cicp", [bytes([1, 1, 0, 1]), bytes([12, 13, 0, 1]), b"", b"\x09", None])
def test_sdr_pngs_are_left_alone(cicp, tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (9, 13, 3)).astype(np.uint8)
    with open_source(write_png(tmp_path / "a.png", values, cicp)) as source:
        assert np.array_equal(next(source.frames()).image, values)
        assert not source.notices


def write_avif(path: Path, transfer: int) -> Path:
    with av.open(str(path), "w", format="avif") as opened:
        stream = opened.add_stream("libsvtav1", rate=1, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        frame = av.VideoFrame(64, 64, "yuv420p10le")
        for plane, level in zip(frame.planes, (600, 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, level, "<u2").tobytes())
        frame.pts, frame.time_base = 0, Fraction(1)
        for packet in (*stream.encode(frame), *stream.encode(None)):
            opened.mux(packet)
    return path


@pytest.mark.skipif("libsvtav1" not in av.codecs_available, reason="writes AV1")
@pytest.mark.parametrize(("transfer", "name"), [(16, "pq"), (18, "hlg"), (1, None)])
def test_hdr_avifs_are_tone_mapped(transfer: int, name: str | None, tmp_path: Path) -> None:
    path = in_its_own_thread(lambda: write_avif(tmp_path / "a.avif", transfer))
    with Image.open(path) as opened:
        codes = np.array(opened)
    with open_source(path) as source:
        image = next(source.frames()).image
        assert source.info.transfer == name
        assert any("HDR" in note for note in source.notices) == (name is not None)
    if name is None:
        assert np.array_equal(image, codes)
    else:
        wide = codes.astype(np.uint16) * 257
        assert np.array_equal(image, tone_map(wide, HdrForm(name == "hlg", 9)))
        assert not np.array_equal(image, codes)


def test_a_heif_that_cannot_be_looked_into_says_so(tmp_path: Path, monkeypatch) -> None:
    """As a HEIC whose plugin reads it and FFmpeg does not."""
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    monkeypatch.setattr(still_codes, "read_transfer", lambda *_: (still_codes.UNKNOWN, 0))
    with open_source(path) as source:
        assert [note for note in source.notices if "read as SDR" in note]
        assert source.info.transfer is None
        assert next(source.frames()).image.max() == 0


@settings(max_examples=60)
@given(st.data())
def test_damaged_wide_pngs_are_read_or_refused(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    values = np.arange(9 * 13 * 3, dtype=np.uint16).reshape(9, 13, 3) * 11
    good = write_png(folder / "a.png", values, PQ if data.draw(st.booleans()) else None)
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(20, len(content)))
    bad = folder / "b.png"
    bad.write_bytes(bytes(content[:cut]))
    try:
        with OpenStill(bad) as still:
            still.read_max(0) if still.header.is_wide else None
            assert still.read(0, 4095).dtype == np.uint8
    except InputError:
        pass
