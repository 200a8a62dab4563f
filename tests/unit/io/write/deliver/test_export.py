"""Every delivery format, written, verified, and decoded here once more by hand."""

from __future__ import annotations

import base64
import csv
import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image

import finished_result
from finished_result import (
    FRAMES,
    RATE,
    SIZE_HW,
    decode,
    export_result,
    label_map,
    write_clip,
    write_result,
)
from vos.errors import InputError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.mask_png import encode_label_png


@pytest.mark.parametrize(
    ("form", "suffix", "codec", "error"),
    [
        ("prores4444", ".mov", None, 1),
        ("prores4444xq", ".mov", None, 1),
        ("vp9", ".webm", "libvpx-vp9", 10),
        ("ffv1", ".mkv", None, 0),
        ("qtrle", ".mov", None, 0),
    ],
)
@pytest.mark.parametrize("size_hw", [SIZE_HW, (47, 63)])
def test_movies_with_alpha(make_result, form, suffix, codec, error, size_hw):
    place, _, done = export_result(make_result(size_hw), form)
    assert done.compared == 6
    assert sorted(one.name for one in place.iterdir()) == [
        MANIFEST_NAME,
        f"shot_Hand{suffix}",
        f"shot_coffee_cup{suffix}",
    ]
    source, _ = decode(place.parent / "shot.mov")
    for object_id, name in ((1, "coffee_cup"), (2, "Hand")):
        frames, info = decode(place / f"shot_{name}{suffix}", codec)
        assert len(frames) == FRAMES
        assert info["rate"] == RATE
        assert info["timecode"] == "01:00:00:00"
        for index, (frame, original) in enumerate(zip(frames, source, strict=True)):
            pixels = frame.to_ndarray(format="rgba").astype(int)
            matte = 255 * (label_map(index, size_hw) == object_id)
            assert pixels.shape[:2] == size_hw
            assert np.abs(pixels[..., 3] - matte).max() <= error
            colours = original.to_ndarray(format="rgb24")
            # Small blocks of wild colours lose much where colour has half the resolution.
            assert np.abs(pixels[..., :3] - colours).mean() < (16 if form == "vp9" else 3)


def test_prores_names_its_profile_and_colours(make_result):
    result = make_result()
    for form, tag in (("prores4444", "ap4h"), ("prores4444xq", "ap4x")):
        place, _, _ = export_result(result, form, objects=("1",))
        frames, info = decode(place / "shot_coffee_cup.mov")
        assert info["tag"] == tag
        frame = frames[0]
        assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)


def test_luma_is_a_matte_and_nothing_else(make_result):
    place, plan, _ = export_result(make_result(), "luma", objects=("coffee cup",))
    frames, info = decode(place / "shot_coffee_cup.mov")
    assert (len(frames), info["rate"], info["timecode"]) == (FRAMES, RATE, "01:00:00:00")
    for index, frame in enumerate(frames):
        grey = frame.reformat(format="gray", src_colorspace="ITU709", dst_color_range="JPEG")
        luma = grey.to_ndarray()
        assert np.abs(luma.astype(int) - 255 * (label_map(index, SIZE_HW) == 1)).max() <= 2
    assert plan.shot.audio_from is None


@pytest.mark.parametrize("bits", [8, 16])
def test_mattes_as_pngs(make_result, bits):
    place, _, done = export_result(make_result(), "png-matte", bits=bits, start_number=1001)
    assert done.compared == 6
    assert sum(1 for _ in place.glob("*.png")) == 2 * FRAMES
    for index in range(FRAMES):
        image = np.array(Image.open(place / f"shot_Hand.{1001 + index}.png"))
        assert image.dtype == (np.uint16 if bits == 16 else np.uint8)
        full = 65535 if bits == 16 else 255
        np.testing.assert_array_equal(image, full * (label_map(index, SIZE_HW) == 2))


def test_cutouts_keep_the_colours_under_the_alpha(make_result):
    place, _, _ = export_result(make_result(), "png-rgba", objects=("1",))
    source, _ = decode(place.parent / "shot.mov")
    image = np.array(Image.open(place / "shot_coffee_cup.0003.png"))
    np.testing.assert_array_equal(image[..., 3], 255 * (label_map(3, SIZE_HW) == 1))
    original = source[3].to_ndarray(format="rgb24").astype(int)
    assert np.abs(image[..., :3] - original).mean() < 3


def test_a_table_has_a_row_per_frame_and_object(make_result):
    place, _, _ = export_result(make_result(), "csv", span=(2, 5), name="{clip}")
    with (place / "shot.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["frame"]), int(r["object_id"])) for r in rows] == [
        (frame, one) for frame in range(2, 6) for one in (1, 2)
    ]
    absent = rows[5]
    assert (absent["visible"], absent["area_px"], absent["left"]) == ("0", "0", "")
    first = rows[0]
    assert int(first["area_px"]) == (label_map(2, SIZE_HW) == 1).sum()
    assert float(first["time_s"]) == pytest.approx(float(2 / RATE), abs=1e-6)
    assert first["iou_pred"] == "0.9"


def test_labelme_gets_images_and_masks(make_result):
    place, _, done = export_result(make_result(), "labelme", start_number=1)
    assert done.compared == 3
    assert sum(1 for _ in place.glob("*.png")) == sum(1 for _ in place.glob("shot*.json")) == FRAMES
    for index in range(FRAMES):
        annotation = json.loads((place / f"shot.{1 + index:04d}.json").read_text())
        with Image.open(place / annotation["imagePath"]) as image:
            assert image.mode == "RGB"
            assert image.size == (annotation["imageWidth"], annotation["imageHeight"])
        labels = np.zeros(SIZE_HW, np.uint8)
        for shape in annotation["shapes"]:  # as labelme's own `shapes_to_label` puts them in
            mask = np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))).astype(bool)
            (x1, y1), (x2, y2) = np.asarray(shape["points"]).astype(int)
            labels[y1 : y2 + 1, x1 : x2 + 1][mask] = shape["group_id"]
            assert shape["label"] == {1: "coffee cup", 2: "Hand"}[shape["group_id"]]
        np.testing.assert_array_equal(labels, label_map(index, SIZE_HW))


def test_one_matte_of_several_objects_inverted(make_result):
    place, _, _ = export_result(
        make_result(), "png-matte", name="{clip}_all.%04d", is_inverted=True
    )
    image = np.array(Image.open(place / "shot_all.0000.png"))
    np.testing.assert_array_equal(image, 255 * (label_map(0, SIZE_HW) == 0))


def test_frames_without_masks_are_blank(make_result):
    result = make_result(frames=range(3, 9), end="9f")
    place, plan, _ = export_result(result, "png-matte", objects=("1",))
    assert "6 of 12 frames have no mask" in plan.notices[0]
    assert not np.array(Image.open(place / "shot_coffee_cup.0011.png")).any()
    assert np.array(Image.open(place / "shot_coffee_cup.0003.png")).any()


def test_a_span_moves_the_timecode_and_the_numbers(make_result):
    result = make_result()
    place, _, _ = export_result(result, "qtrle", span=(5, 8), objects=("1",))
    frames, info = decode(place / "shot_coffee_cup.mov")
    assert (len(frames), info["timecode"]) == (4, "01:00:00:05")
    place, _, _ = export_result(result, "png-matte", span=(5, 8), objects=("1",))
    assert sorted(one.name for one in place.glob("*.png"))[0] == "shot_coffee_cup.0005.png"


def test_a_clip_without_timecode_gives_none(make_result):
    place, _, _ = export_result(make_result(clip={"timecode": None}), "qtrle", objects=("1",))
    _, info = decode(place / "shot_coffee_cup.mov")
    assert info["timecode"] is None


def test_sound_is_copied_where_the_container_takes_it(make_result):
    result = make_result(clip={"has_sound": True})
    place, _, done = export_result(result, "qtrle", objects=("1",))
    assert decode(place / "shot_coffee_cup.mov")[1]["audio"] == 1
    assert not done.warnings
    place, _, done = export_result(result, "vp9", objects=("1",))
    assert decode(place / "shot_coffee_cup.webm")[1]["audio"] == 0
    assert "is silent" in done.warnings[0]


def test_pixel_aspect_is_carried_or_said_not_to_be(make_result):
    result = make_result(clip={"pixel_aspect": Fraction(4, 3)})
    place, plan, _ = export_result(result, "prores4444", objects=("1",))
    assert decode(place / "shot_coffee_cup.mov")[1]["aspect"] == Fraction(4, 3)
    assert not plan.notices
    _, plan, _ = export_result(result, "ffv1", objects=("1",))
    assert "pixels are 4/3 wide" in plan.notices[0]


def test_a_turn_is_baked(tmp_path):
    write_clip(tmp_path / "shot.mov", (48, 64), rotation_deg=90)
    result = write_result(tmp_path / "shot.mov", tmp_path / "result", (64, 48))
    place, _, _ = export_result(result, "qtrle", objects=("1",))
    upright, _, _ = export_result(result, "png-rgba", objects=("1",))
    frames, _ = decode(place / "shot_coffee_cup.mov")
    assert (frames[0].height, frames[0].width, frames[0].rotation) == (64, 48, 0)
    image = np.array(Image.open(upright / "shot_coffee_cup.0000.png"))
    np.testing.assert_array_equal(frames[0].to_ndarray(format="rgba"), image)
    (original, *_), _ = decode(tmp_path / "shot.mov")
    turned = np.rot90(original.to_ndarray(format="rgb24"), 1 if original.rotation == 90 else -1)
    assert np.abs(image[..., :3].astype(int) - turned).mean() < 3


@pytest.mark.parametrize(
    ("name", "called"), [("a*b.mov", "a_b"), (".take.mov", "take"), ("50%.mov", "50_")]
)
def test_any_name_of_a_clip_makes_names_of_files(tmp_path, name, called):
    write_clip(tmp_path / name, SIZE_HW)
    result = write_result(tmp_path / name, tmp_path / "result", SIZE_HW)
    place, _, _ = export_result(result, "csv")
    assert (place / f"{called}.csv").is_file()


@pytest.mark.parametrize("form", ["qtrle", "luma"])
def test_variable_rate_is_said_and_its_times_are_kept(make_result, form):
    ticks = [0, 1001, 4004, 5005, 6006, 9009, 10010, 11011, 12012, 13013, 15015, 16016]
    result = make_result(suffix=".mp4", clip={"ticks": ticks, "timecode": None})
    place, plan, _ = export_result(result, form, objects=("1",))
    assert "intervals of the frames vary" in plan.notices[0]
    frames, _ = decode(place / "shot_coffee_cup.mov")
    assert len(frames) == FRAMES
    with (place / "shot_times.csv").open(newline="") as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    assert times == pytest.approx([one / 30000 for one in ticks], abs=1e-6)


def test_without_the_clip_mattes_can_be_made_and_pixels_cannot(make_result):
    result = make_result()
    (result.parent / "shot.mov").unlink()
    place, plan, _ = export_result(result, "luma", objects=("1",))
    assert plan.shot.rate == RATE
    assert len(decode(place / "shot_coffee_cup.mov")[0]) == FRAMES
    export_result(result, "png-matte")
    with pytest.raises(
        InputError, match=r"png-matte, luma, .*mots and csv can be made, ffv1 cannot"
    ):
        export_result(result, "ffv1")


def test_without_clip_and_stats_no_movie_has_a_rate(make_result):
    result = make_result(has_stats=False)
    (result.parent / "shot.mov").unlink()
    export_result(result, "png-matte")
    with pytest.raises(InputError, match="how many frames make a second"):
        export_result(result, "luma")


@pytest.mark.parametrize(("form", "suffix"), [("prores4444", ".mov"), ("png-rgba", ".png")])
def test_colours_are_no_level_darker_than_the_clip(tmp_path, form, suffix):
    """Swscale's quick way to RGB rounds down."""
    size_hw = (64, 64)
    y, x = np.mgrid[:64, :64]
    luma = (40 + 2 * x + y // 2).astype(np.uint8)
    with av.open(str(tmp_path / "shot.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace = Colorspace.ITU709
        for index in range(FRAMES):
            planes = np.vstack([luma, np.full((32, 64), 120, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, 1 / RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    result = write_result(tmp_path / "shot.mkv", tmp_path / "result", size_hw)
    place, _, _ = export_result(result, form, objects=("1",), is_verified=False)
    grey = (luma.astype(float) - 16) * 255 / 219
    blue, red = grey + 1.8556 * -8 * 255 / 224, grey + 1.5748 * -8 * 255 / 224
    green = (grey - 0.2126 * red - 0.0722 * blue) / 0.7152
    first = sorted(place.glob(f"*{suffix}"))[0]
    if suffix == ".png":
        seen = np.array(Image.open(first))[..., :3].astype(float)
    else:
        planes = [
            np.frombuffer(plane, np.uint16).reshape(64, -1)[:, :64].astype(float)
            for plane in decode(first)[0][0].planes
        ]
        assert np.abs(planes[0] / 16 - luma).mean() < 0.3
        return
    expected = np.clip(np.dstack([red, green, blue]), 0, 255)
    assert np.abs((seen - expected).mean((0, 1))).max() < 0.2


@pytest.mark.parametrize("width", [17, 20, 33, 63])
@pytest.mark.parametrize("form", ["luma", "vp9", "prores4444"])
def test_objects_in_the_last_columns_of_any_width(make_result, monkeypatch, form, width):
    def noise(index, size_hw):
        return np.random.default_rng(index).integers(0, 3, size_hw).astype(np.uint8)

    monkeypatch.setattr(finished_result, "label_map", noise)
    result = make_result((20, width), frames=range(3))
    _, _, done = export_result(result, form, objects=("1",), span=(0, 2))
    assert done.compared == 3


@pytest.mark.parametrize("form", ["png-matte", "csv"])
def test_what_was_painted_with_the_id_of_no_object_is_named(make_result, form):
    result = make_result()
    for frame_idx in (4, 6):
        labels = label_map(frame_idx, SIZE_HW).copy()
        labels[:3, :4] = 7
        labels[3:5, :4] = 9 if frame_idx == 6 else 0
        path = sorted((result / "masks").iterdir())[frame_idx]
        path.write_bytes(encode_label_png(labels))
    _, _, done = export_result(result, form, objects=("1",))
    assert [text.split(",")[:2] for text in done.warnings] == [
        ["masks have label 7", " first on frame 4"],
        ["masks have label 9", " first on frame 6"],
    ]
    assert "--mask 7:FILE.png@4" in done.warnings[0]


def test_a_selection_of_objects_is_no_reason_to_warn(make_result):
    _, _, done = export_result(make_result(), "csv", objects=("1",))
    assert done.warnings == ()
