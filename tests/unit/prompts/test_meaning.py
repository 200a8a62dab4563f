"""Numbers that could mean two things: read one way only, refused, or read with a note."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from vos.errors import PromptError
from vos.io.write.mask_png import encode_label_png
from vos.prompts import Box, MaskPrompt, Points, Polygon, Prompt, Scribble, collect, find_notes
from vos.prompts.masks import mask_from_base64, mask_prompts_from_png, mask_to_base64

SIZE = (60, 80)
DISC = np.hypot(*(np.mgrid[:60, :80] - np.array([30.0, 35.0])[:, None, None])) < 17


def read(image: Image.Image, object_id: int | None = None, **options: object) -> list[MaskPrompt]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m.{options.pop('suffix', 'png')}"
        image.save(path, **options)  # pyright: ignore[reportArgumentType]
        return mask_prompts_from_png(path, object_id)


def soft_disc(scale: int, radius: float, shift: float) -> np.ndarray:
    """Draw a disc larger and average it down: levels between black and white at its edge."""
    rows, columns = np.mgrid[: 60 * scale, : 80 * scale] / scale
    inside = np.hypot(rows - 30 - shift, columns - 40) < radius
    whole = inside.reshape(60, scale, 80, scale).mean(axis=(1, 3))
    return np.round(whole * 255).astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 6),
    st.floats(4, 25),
    st.floats(0, 1),
    st.sampled_from(["L", "RGB", "P", "I;16"]),
    st.sampled_from([255, 254, 200, 128]),
)
def test_soft_edges_are_never_several_objects(scale, radius, shift, mode, white):
    levels = (soft_disc(scale, radius, shift).astype(int) * white // 255).astype(np.uint8)
    grey = Image.fromarray(levels.astype(np.uint16)) if mode == "I;16" else Image.fromarray(levels)
    image = grey.convert("RGB").quantize(16) if mode == "P" else grey
    image = grey.convert("RGB") if mode == "RGB" else image
    if len(np.unique(levels)) == 2:
        assert len(read(image)) == 1
    else:
        with pytest.raises(PromptError, match="soft edges"):
            read(image)


@settings(deadline=None, max_examples=40)
@given(st.integers(30, 100), st.floats(4, 25), st.booleans())
def test_a_jpeg_is_no_label_map_even_when_saved_again_as_png(quality, radius, is_soft):
    drawn = soft_disc(3 if is_soft else 1, radius, 0.0)
    with pytest.raises(PromptError, match="JPEG"):
        read(Image.fromarray(drawn), suffix="jpg", quality=quality)
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "JPEG", quality=quality)
    again = Image.fromarray(np.asarray(Image.open(buffer)))
    found: list[MaskPrompt] = []
    with contextlib.suppress(PromptError):
        found = read(again)
    assert len(found) <= 1


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 239), min_size=1, max_size=6, unique=True),
    st.sampled_from(["palette", "L", "RGB", "I;16"]),
)
def test_label_maps_keep_their_ids(ids, mode):
    labels = np.zeros((12, 8 * len(ids)), np.uint8)
    for place, object_id in enumerate(ids):
        labels[2:9, 8 * place : 8 * place + 5] = object_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.png"
        if mode == "palette":
            path.write_bytes(encode_label_png(labels))
        elif mode == "I;16":
            Image.fromarray(labels.astype(np.uint16)).save(path)
        else:
            Image.fromarray(labels).convert(mode).save(path)
        prompts = mask_prompts_from_png(path)
        assert prompts == [MaskPrompt(i, labels == i) for i in sorted(ids)]
        assert {one.note for one in prompts} == {""}
        for object_id in ids:
            assert mask_prompts_from_png(path, object_id) == [
                MaskPrompt(object_id, labels == object_id)
            ]


def black_and_white(form: str) -> Image.Image:
    white = np.where(DISC, 255, 0).astype(np.uint8)
    alpha = np.full_like(white, 255)
    if form in ("white first", "black first"):
        indices = (DISC if form == "black first" else ~DISC).astype(np.uint8)
        image = Image.fromarray(indices)
        image.putpalette([0, 0, 0, 255, 255, 255][:: 1 if form == "black first" else -1])
        return image
    return {
        "1": Image.fromarray(DISC),
        "L": Image.fromarray(white),
        "0 and 1": Image.fromarray(DISC.astype(np.uint8)),
        "RGB": Image.fromarray(np.dstack([white] * 3)),
        "RGBA": Image.fromarray(np.dstack([white, white, white, alpha])),
        "LA": Image.fromarray(np.dstack([white, alpha])),
        "cut out": Image.fromarray(np.dstack([white] * 4)),
        "white, cut out": Image.fromarray(np.dstack([alpha, white])),
        "16 bits": Image.fromarray(white.astype(np.uint16) * 257),
    }[form]


FORMS = (
    "1", "L", "0 and 1", "RGB", "RGBA", "LA", "cut out", "white, cut out", "16 bits",
    "white first", "black first",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_black_and_white_is_one_object_in_any_form(form):
    (prompt,) = read(black_and_white(form))
    assert prompt == MaskPrompt(1, DISC)
    assert ("index 0 is white" in prompt.note) == (form == "white first")
    assert read(black_and_white(form), 7) == [MaskPrompt(7, DISC)]


def test_what_a_mask_file_cannot_say():
    white = np.where(DISC, 255, 0).astype(np.uint8)
    shades = np.where(DISC, 130, 0).astype(np.uint8)
    for image, says in [
        (Image.fromarray(np.dstack([white, white, shades])), "RGB picture"),
        (Image.fromarray(np.dstack([white, shades])), "half transparent"),
        (Image.fromarray(np.dstack([white, np.roll(white, 9)])), "may tell the object"),
        (Image.fromarray(DISC.astype(np.uint16) * 1000), "from 0 to 1000"),
    ]:
        with pytest.raises(PromptError, match=says):
            read(image)
    with pytest.raises(PromptError, match="2 images in one file"):
        read(
            Image.fromarray(white),
            suffix="tif",
            save_all=True,
            append_images=[Image.new("L", (9, 9))],
        )


def test_a_coloured_background_is_said_and_labels_are_not_merged():
    image = Image.fromarray(np.where(DISC, 1, 0).astype(np.uint8))
    image.putpalette([0, 0, 255, 255, 0, 0])
    assert "index 0, the background, has the colour 0,0,255" in read(image)[0].note
    assert find_notes(read(image), SIZE)[0].endswith("make black index 0")
    labels = DISC.astype(np.uint8)
    labels[:30] *= 2
    with pytest.raises(PromptError, match="holds the labels 1, 2 and no 9"):
        read(Image.fromarray(labels), 9)


@given(st.binary(min_size=12, max_size=12))
def test_base64_masks_come_back(bits):
    mask = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(8, 12).astype(bool)
    assert np.array_equal(mask_from_base64(mask_to_base64(mask)), mask)


KINDS = [np.bool_, np.uint8, np.int8, np.int32, np.uint16, np.int64, np.float32, np.float64]


@given(st.sampled_from(KINDS), st.sets(st.integers(0, 255), min_size=1, max_size=4))
def test_a_mask_in_python_is_bool_or_0_and_1_or_0_and_255(kind, levels):
    values = np.array([sorted(levels)]).astype(kind)
    found = set(values.ravel().tolist())
    good = values.dtype == bool or (
        values.dtype.kind in "iu" and (found <= {0, 1} or found <= {0, 255})
    )
    if good and values.any():
        assert np.array_equal(MaskPrompt(1, values).mask, values != 0)
    else:
        with pytest.raises(PromptError, match=r"bool|empty"):
            MaskPrompt(1, values)


@pytest.mark.parametrize("values", [None, "mask", [[1], [0, 1]], {1}, [["a"]], np.ones(4, bool), 3])
def test_what_is_no_mask_at_all(values):
    with pytest.raises(PromptError, match="mask of object 1"):
        MaskPrompt(1, values)


spans = st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True)


@given(spans, spans, st.integers(2, 4000), st.integers(2, 4000))
def test_normalised_boxes_are_refused_with_their_pixels(across, down, width, height):
    (x1, x2), (y1, y2) = sorted(across), sorted(down)
    with pytest.raises(PromptError, match=r"normalised\?") as caught:
        collect([Box(1, (x1, y1, x2, y2))], (height, width))
    assert f"pixels are {x1 * width:g},{y1 * height:g},{x2 * width:g}" in str(caught.value)


@pytest.mark.parametrize(
    "prompt",
    [
        Points(1, ((0.25, 0.6),), (1,)),
        Points(1, ((0.25, 0.6), (0.5, 1)), (1, 0)),
        Scribble(1, ((0.1, 0.2), (0.9, 0.3))),
        Polygon(1, ((0.1, 0.2), (0.9, 0.3), (0.5, 0.9))),
        Box(1, (0, 0, 1, 1)),
    ],
)
def test_other_normalised_prompts(prompt: Prompt):
    with pytest.raises(PromptError, match=r"80x60 frame: normalised\? pixels are"):
        collect([prompt], SIZE)


def test_small_numbers_that_are_pixels():
    collect([Points(1, ((0, 0),), (1,))], SIZE)
    collect([Points(1, ((1, 1),), (1,))], SIZE)
    collect([Points(1, ((0.5, 0.5),), (1,)), Points(1, ((40, 20),), (1,))], SIZE)
    collect([Box(1, (0, 0, 1, 30))], SIZE)
    with pytest.raises(PromptError, match=r"0.5 x 20 pixels inside the frame"):
        collect([Box(1, (10, 10, 10.5, 30))], SIZE)


@given(
    st.floats(-8, 79), st.floats(-8, 59), st.floats(1.0, 88), st.floats(1.0, 68), st.integers(0, 3)
)
def test_a_box_a_few_pixels_outside_is_cut_and_said(x1, y1, x2, y2, frame_idx):
    inside = (max(x1, 0), max(y1, 0), min(x2, 80), min(y2, 60))
    assume(inside[2] - inside[0] >= 1 and inside[3] - inside[1] >= 1 and max(inside) > 1)
    box = Box(1, (x1, y1, x2, y2), frame_idx)
    found = collect([box], SIZE)[frame_idx][1].points_xy_px
    assert np.array_equal(found, np.array(inside, np.float32).reshape(2, 2))
    notes = find_notes([box], SIZE)
    assert len(notes) == (inside != (x1, y1, x2, y2))
    assert all("cut at its edge" in note for note in notes)


@given(st.floats(1, 900), st.floats(1, 900), st.floats(1, 900), st.floats(1, 900))
def test_width_and_height_instead_of_corners_get_the_right_hint(x, y, width, height):
    assume(width < x or height < y)
    with pytest.raises(PromptError, match="did you mean") as caught:
        Box(1, (x, y, width, height))
    assert f"{x:g},{y:g},{x + width:g},{y + height:g} (for x,y,width,height)" in str(caught.value)
