"""Label maps as palette PNGs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from vos.errors import InputError
from vos.io.write.mask_png import davis_palette, encode_label_png, read_label_png


def test_the_palette_is_the_published_one():
    palette = davis_palette()
    known = {
        0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128),
        5: (128, 0, 128), 6: (0, 128, 128), 7: (128, 128, 128), 8: (64, 0, 0), 9: (192, 0, 0),
        15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192),
    }  # fmt: skip
    assert {label: tuple(palette[label].tolist()) for label in known} == known
    assert len({tuple(colour) for colour in palette.tolist()}) == 256


labels = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(label_map=labels | labels.map(np.asfortranarray), sliced=st.booleans())
def test_there_and_back_is_exact(tmp_path_factory, label_map, sliced):
    label_map = label_map[::-1, ::-1] if sliced else label_map
    path = tmp_path_factory.getbasetemp() / "mask.png"
    path.write_bytes(encode_label_png(label_map))
    read = read_label_png(path)
    assert read.dtype == np.uint8
    assert np.array_equal(read, label_map)


def test_other_readers_see_a_full_palette():
    with Image.open(io.BytesIO(encode_label_png(np.full((4, 5), 255, np.uint8)))) as picture:
        assert picture.mode == "P"
        assert picture.size == (5, 4)
        assert np.array_equal(np.asarray(picture.getpalette()).reshape(-1, 3), davis_palette())
        assert picture.convert("RGB").getpixel((0, 0)) == (224, 224, 192)


@pytest.mark.parametrize("wrong", [np.zeros((4, 5), np.int64), np.zeros((4, 5, 1), np.uint8)])
def test_anything_but_a_label_map_is_our_bug(wrong):
    with pytest.raises(ValueError, match="uint8 H x W"):
        encode_label_png(wrong)


def test_what_is_no_mask_is_an_input_error(tmp_path):
    path = tmp_path / "m.png"
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(path)
    with pytest.raises(InputError, match="I;16 picture"):
        read_label_png(path)
    with pytest.raises(InputError, match="no such file"):
        read_label_png(tmp_path / "gone.png")
