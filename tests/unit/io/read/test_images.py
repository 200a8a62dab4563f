from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vos.errors import InputError
from vos.io.read.open import open_source
from vos.io.read.sequence import natural_key
from vos.io.read.still import read_header, read_still

RAMP = np.linspace(0, 255, 12 * 8, dtype=np.uint8).reshape(8, 12)
COLOUR = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)


def saved(image: Image.Image, path: Path, **options: object) -> np.ndarray:
    image.save(path, **options)  # pyright: ignore[reportArgumentType]
    return read_still(path)


def test_rgb_is_unchanged(tmp_path: Path) -> None:
    for suffix in ("png", "bmp", "tif", "ppm", "tga"):
        image = saved(Image.fromarray(COLOUR), tmp_path / f"a.{suffix}")
        assert image.dtype == np.uint8
        assert np.array_equal(image, COLOUR)


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    image = saved(Image.fromarray(RAMP), tmp_path / "a.png")
    assert np.array_equal(image, np.repeat(RAMP[:, :, None], 3, axis=2))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    wide = RAMP.astype(np.uint16) * 257
    for suffix in ("png", "tif"):
        image = saved(Image.fromarray(wide), tmp_path / f"a.{suffix}")
        assert np.array_equal(image[..., 1], RAMP)


def test_sixteen_bit_colour(tmp_path: Path) -> None:
    """Written with FFmpeg, as Pillow cannot."""
    with av.open(str(tmp_path / "a.png"), "w", format="image2", options={"update": "1"}) as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 12, 8, "rgb48be"
        wide = COLOUR.astype(np.uint16) * 257
        out.mux(stream.encode(av.VideoFrame.from_ndarray(wide, format="rgb48be")))
        out.mux(stream.encode())
    assert np.array_equal(read_still(tmp_path / "a.png"), COLOUR)


def test_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = np.dstack([COLOUR, RAMP])
    assert np.array_equal(saved(Image.fromarray(alpha), tmp_path / "a.png"), COLOUR)
    grey_alpha = Image.fromarray(np.dstack([RAMP, RAMP[::-1]]))
    assert np.array_equal(saved(grey_alpha, tmp_path / "b.png")[..., 0], RAMP)


def test_palette_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(saved(palette, tmp_path / "a.png"), expected)
    seen = saved(palette, tmp_path / "b.png", transparency=bytes(range(16)))
    assert np.array_equal(seen, expected)


def test_bilevel(tmp_path: Path) -> None:
    image = saved(Image.fromarray(RAMP > 100), tmp_path / "a.png")
    assert np.array_equal(image[..., 2], np.where(RAMP > 100, 255, 0))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    flat = Image.new("RGB", (32, 32), (200, 30, 60))
    image = saved(flat.convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert np.abs(image.astype(int) - (200, 30, 60)).max() < 6


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, suffix: str, tmp_path: Path) -> None:
    quadrants = np.zeros((32, 48, 3), np.uint8)
    quadrants[:16, :24] = 255
    upright = {
        1: quadrants,
        2: quadrants[:, ::-1],
        3: quadrants[::-1, ::-1],
        4: quadrants[::-1],
        5: quadrants.transpose(1, 0, 2),
        6: np.rot90(quadrants, -1),
        7: quadrants[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(quadrants, 1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    image = saved(Image.fromarray(quadrants), path, exif=exif)
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 3
    assert open_source(path).info.size_hw == upright.shape[:2]


def test_turned_and_upright_stills_make_one_sequence(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "1.jpg")
    Image.fromarray(COLOUR.transpose(1, 0, 2)).save(tmp_path / "2.jpg", exif=exif)
    sizes = {frame.size_hw for frame in open_source(tmp_path).frames()}
    assert sizes == {(8, 12)}


def test_floating_point_is_refused(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: floating-point"):
        read_still(tmp_path / "a.tif")


def test_32_bit_grey(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.int32) * 257).save(tmp_path / "fits.tif")
    assert np.array_equal(read_still(tmp_path / "fits.tif")[..., 0], RAMP)
    Image.fromarray(RAMP.astype(np.int32) * 1000).save(tmp_path / "wide.tif")
    with pytest.raises(InputError, match=r"wide\.tif: grey values from 0 to 255000 exceed"):
        read_still(tmp_path / "wide.tif")


def test_header_needs_no_pixels(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    header = read_header(tmp_path / "a.png")
    assert (header.size_hw, header.format, header.mode) == ((8, 12), "png", "RGB")


@settings(deadline=None)  # the first call loads every codec Pillow has
@given(st.binary(max_size=200), st.integers(0, 400))
def test_damage_is_an_input_error_or_a_picture(junk: bytes, offset: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    data[offset : offset + len(junk)] = junk
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(bytes(data))
        with contextlib.suppress(InputError):
            assert read_still(path).dtype == np.uint8


def test_natural_order() -> None:
    ordered = ["1.png", "2.png", "10.png", "A1b2.png", "a1b2.png", "a1b10.png", "A2.png", "b.png"]
    for jumbled in itertools.islice(itertools.permutations(ordered), 0, None, 997):
        assert sorted(jumbled, key=natural_key) == ordered


@given(st.lists(st.text(max_size=8), max_size=8), st.randoms())
def test_any_names_have_one_order(names: list[str], random: Random) -> None:
    ordered = sorted(names, key=natural_key)
    random.shuffle(names)
    assert sorted(names, key=natural_key) == ordered


def test_rate_of_stills(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(COLOUR).save(tmp_path / f"{number}.png")
    info = open_source(tmp_path).info
    assert info.average_rate == 24
    assert info.duration == Fraction(3, 24)
