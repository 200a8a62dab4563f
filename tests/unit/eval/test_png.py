"""The quick palette reader gives what Pillow gives, and no damaged file passes as a mask."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos_eval import png
from vos_eval.png import MaskError, check_header, read_labels


def encode(labels, mode="P", **options):
    image = Image.fromarray(labels)
    if mode == "P":
        image.putpalette([i % 256 for i in range(768)])
    else:
        image = image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def build(width, height, rows, interlace=0, stream=None):
    """A palette PNG from raw rows (each with its filter byte)."""
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, interlace)
    stream = zlib.compress(rows) if stream is None else stream
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", bytes(768))
        + chunk(b"IDAT", stream[:5])
        + chunk(b"IDAT", stream[5:])
        + chunk(b"IEND", b"")
    )


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 50), width=st.integers(1, 50), seed=st.integers(0, 2**31))
def test_quick_reader_equals_pillow(height, width, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, rng.choice([2, 17, 256]), (height, width)).astype(np.uint8)
    data = encode(labels, bits=8)
    quick = png._decode_plain_palette(*png._read_chunks(data))
    assert quick is not None
    assert (quick == labels).all()
    assert (np.array(Image.open(io.BytesIO(data))) == labels).all()


def test_every_kind_of_label_file(tmp_path):
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    path = tmp_path / "mask.png"
    for data in (encode(labels), encode(labels, "L")):
        path.write_bytes(data)
        assert (read_labels(path) == labels).all()
        assert check_header(path) == (6, 8)
    path.write_bytes(encode(labels % 2, bits=1))  # fewer bits per pixel
    assert (read_labels(path) == labels % 2).all()
    path.write_bytes(encode((labels % 2) * 255, "1"))
    assert (read_labels(path) == labels % 2).all()
    filtered = b"\x00" + bytes(range(8)) + b"\x02" + bytes(8)  # the second row repeats the first
    path.write_bytes(build(8, 2, filtered))
    assert (read_labels(path) == np.arange(8)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_other_channels_are_refused(tmp_path, mode):
    path = tmp_path / "mask.png"
    path.write_bytes(encode(np.zeros((4, 4), np.uint8), mode))
    for read in (read_labels, check_header):
        with pytest.raises(MaskError, match="one channel"):
            read(path)


def test_a_damaged_file_is_never_a_mask(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (40, 60)).astype(np.uint8)
    whole = encode(labels, bits=8)
    path = tmp_path / "mask.png"
    for length in range(0, len(whole) - 12, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(MaskError):
            read_labels(path)
        with pytest.raises(MaskError):
            check_header(path)
    start = whole.index(b"IDAT") + 4
    for position in range(start, len(whole) - 20, 11):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        path.write_bytes(bytes(damaged))
        with pytest.raises(MaskError):
            read_labels(path)
    with pytest.raises(MaskError, match="missing"):
        read_labels(tmp_path / "none.png")


def test_streams_of_another_length_are_left_to_pillow():
    def quick(rows, **options):
        return png._decode_plain_palette(*png._read_chunks(build(4, 3, rows, **options)))

    assert quick(bytes(5 * 3)) is not None
    assert quick(bytes(5 * 2)) is None
    assert quick(bytes(5 * 4)) is None
    assert quick(b"", stream=b"") is None
    assert quick(bytes(5 * 3), interlace=1) is None


def test_pixels_that_do_not_inflate_are_a_plain_error(tmp_path):
    """Right checksums around a broken stream: damage no copy can explain."""
    path = tmp_path / "00000.png"
    image = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1)), "P")
    image.putpalette([0, 0, 0] * 256)
    image.save(path)
    data = path.read_bytes()
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    body = b"IDAT" + data[start + 4 : start + 6] + b"\xff" * (length - 2)
    checksum = zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(data[:start] + body + checksum + data[start + 8 + length :])
    with pytest.raises(MaskError):
        read_labels(path)
