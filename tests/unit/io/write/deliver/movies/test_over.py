"""Movies of objects over a background, decoded here once more by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from finished_result import (
    FRAMES,
    RATE,
    SIZE_HW,
    decode,
    export_result,
    label_map,
    verify_again,
    write_clip,
    write_result,
)
from vos.errors import UsageError, VerificationError
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.movies import over
from vos.io.write.deliver.movies.backgrounds import KEY_GREEN, check_background, draw_background
from vos.io.write.deliver.order import Order, plan_export

LARGE_HW = (144, 192)  # so that there are blocks away from edges


def colours_of(frame):
    return frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray().astype(int)


@pytest.mark.parametrize(
    ("background", "colour"),
    [(None, KEY_GREEN), ("green", KEY_GREEN), ("#123456", (18, 52, 86)), ("White", (255,) * 3)],
)
def test_objects_over_a_colour(make_result, background, colour):
    result = make_result(LARGE_HW, clip={"has_sound": True})
    place, _, done = export_result(result, "green", background=background)
    assert (done.compared, done.warnings) == (6, ())
    source, _ = decode(place.parent / "shot.mov")
    for object_id, name in ((1, "coffee_cup"), (2, "Hand")):
        frames, info = decode(place / f"shot_{name}.mp4")
        assert (len(frames), info["rate"], info["audio"]) == (FRAMES, RATE, 1)
        for index, (frame, original) in enumerate(zip(frames, source, strict=True)):
            assert (frame.format.name, frame.width, frame.height) == ("yuv420p", 192, 144)
            tags = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
            assert tags == (1, 1, 1, 1)
            pixels, mask = colours_of(frame), label_map(index, LARGE_HW) == object_id
            near = np.array(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(17)))
            assert np.abs(pixels[near == 0] - colour).max() <= 8
            inside = np.array(Image.fromarray(mask).convert("L").filter(ImageFilter.MinFilter(9)))
            wanted = original.to_ndarray(format="rgb24").astype(int)
            if inside.any():
                assert np.abs(pixels[inside > 0] - wanted[inside > 0]).mean() < 16


def test_the_place_is_called_as_the_background(make_result):
    result = make_result()
    places = [
        export_result(result, "green", background=one, objects=("1",))[0].name
        for one in (None, "blur", "checker", "#00FF80", "Red")
    ]
    assert places == [
        "result-green",
        "result-blur",
        "result-checker",
        "result-00ff80",
        "result-red",
    ]


def test_over_a_checkerboard_and_over_the_blurred_clip(make_result):
    result = make_result(LARGE_HW)
    place, _, _ = export_result(result, "green", background="checker", objects=("1",))
    pixels = colours_of(decode(place / "shot_coffee_cup.mp4")[0][0])
    corner = pixels[:4, 184:188].mean(axis=(0, 1))
    assert np.abs(corner - 153).max() < 10 or np.abs(corner - 102).max() < 10
    place, _, done = export_result(result, "green", background="blur", objects=("1",))
    assert done.compared == 3
    blurred = colours_of(decode(place / "shot_coffee_cup.mp4")[0][0])
    source = decode(place.parent / "shot.mov")[0][0].to_ndarray(format="rgb24").astype(int)
    away = np.s_[8:40, 120:184]
    assert blurred[away].std() < source[away].std() / 1.5
    assert np.abs(blurred[away].mean() - source[away].mean()) < 12


def test_odd_sides_become_even_and_that_is_said(make_result):
    result = make_result((47, 63))
    place, plan, _ = export_result(result, "green", objects=("1",))
    assert "frames of 63 x 47 become 64 x 48" in plan.notices[0]
    frames, _ = decode(place / "shot_coffee_cup.mp4")
    assert (frames[0].height, frames[0].width) == (48, 64)
    assert verify_again(place, result) == 3


def test_all_but_the_object_and_all_objects_in_one(make_result):
    result = make_result(LARGE_HW)
    place, _, _ = export_result(result, "green", name="{clip}", is_inverted=True)
    pixels = colours_of(decode(place / "shot.mp4")[0][0])
    assert np.abs(pixels[72, 40:56] - KEY_GREEN).max() <= 8


def test_frames_too_wide_for_h264_are_refused_before_work(make_result):
    opened = open_finished(make_result())
    object.__setattr__(opened, "size_hw", (48, 16_386))
    with pytest.raises(UsageError, match="do not fit green, whose sides have at most 16,384"):
        plan_export(opened, Order("green"))
    opened.close()


@pytest.mark.parametrize(
    "text", ["grue", "", "#12345", "rgb(1,2,3)", "#gggggg", "../x", "#12345678"]
)
def test_backgrounds_that_are_none(text):
    with pytest.raises(UsageError, match="CSS name or as #rrggbb"):
        check_background(text)


def test_a_background_belongs_to_green_alone(make_result):
    opened = open_finished(make_result())
    with pytest.raises(UsageError, match="ffv1 has none"):
        plan_export(opened, Order("ffv1", background="red"))
    opened.close()


def test_a_small_frame_is_blurred_too():
    image = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    assert draw_background("blur", image).shape == image.shape
    assert draw_background("checker", image[:1, :1]).shape == (1, 1, 3)


def test_verify_finds_another_background(make_result, tmp_path, monkeypatch):
    result = make_result(LARGE_HW)
    drawn = over.draw_background
    monkeypatch.setattr(over, "draw_background", lambda _name, image: drawn("red", image))
    place, _, _ = export_result(result, "green", is_verified=False)
    monkeypatch.undo()
    with pytest.raises(VerificationError, match=r"frame 0 differs by .* where green may by"):
        verify_again(place, result)
    (result.parent / "shot.mov").unlink()
    assert verify_again(place, result) == 0  # there are no pixels to compare


def test_a_mask_of_the_whole_frame(tmp_path):
    write_clip(tmp_path / "shot.mov", SIZE_HW)
    result = write_result(tmp_path / "shot.mov", tmp_path / "result", SIZE_HW)
    for one in (result / "masks").glob("*.png"):
        with Image.open(one) as image:
            palette = image.getpalette()
        full = Image.new("P", SIZE_HW[::-1], 1)
        full.putpalette(palette)
        full.save(one)
    place, _, done = export_result(result, "green", objects=("1",))
    assert done.compared == 3
    assert len(decode(place / "shot_coffee_cup.mp4")[0]) == FRAMES


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 5), (16, 16)])
def test_the_smallest_frames(make_result, size_hw):
    place, _, _ = export_result(make_result(size_hw), "green", objects=("1",))
    assert len(decode(place / "shot_coffee_cup.mp4")[0]) == FRAMES
