"""Every delivery format, written, verified, and decoded here once more by hand."""

from __future__ import annotations

import base64
import csv
import errno
import io
import json
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from finished_result import FRAMES, RATE, label_map, write_clip, write_result
from vos.errors import InputError, OutputError, UsageError, VerificationError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver import png, stills
from vos.io.write.deliver.export import export
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.order import Order, plan_export
from vos.io.write.deliver.registry import FORMATS
from vos.io.write.deliver.verify import read_shot, verify

MOVIES = [one.name for one in FORMATS.values() if one.is_movie]
SIZE_HW = (48, 64)


def run(result, form, *, source=None, is_verified=True, overwrite=False, **order):
    opened = open_finished(result, source=source)
    try:
        plan = plan_export(opened, Order(form, **order))
        done = export(opened, plan, is_verified=is_verified, overwrite=overwrite)
        return done.output, plan, done
    finally:
        opened.close()


def decode(path, codec=None):
    """Decode a movie to RGBA or grey images."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            frames = list(container.decode(stream))
        else:
            context = av.CodecContext.create(codec, "r")
            context.extradata = stream.codec_context.extradata
            packets = container.demux(stream)
            frames = [f for p in packets for f in context.decode(p if p.size else None)]
        info = {
            "rate": stream.average_rate,
            "timecode": stream.metadata.get("timecode", stream.metadata.get("TIMECODE")),
            "aspect": stream.sample_aspect_ratio,
            "audio": len(container.streams.audio),
            "tag": stream.codec_context.codec_tag,
        }
        return frames, info


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
    place, _, done = run(make_result(size_hw), form)
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
        place, _, _ = run(result, form, objects=("1",))
        frames, info = decode(place / "shot_coffee_cup.mov")
        assert info["tag"] == tag
        frame = frames[0]
        assert (frame.color_primaries, frame.color_trc, frame.colorspace) == (1, 1, 1)


def test_luma_is_a_matte_and_nothing_else(make_result):
    place, plan, _ = run(make_result(), "luma", objects=("coffee cup",))
    frames, info = decode(place / "shot_coffee_cup.mov")
    assert (len(frames), info["rate"], info["timecode"]) == (FRAMES, RATE, "01:00:00:00")
    for index, frame in enumerate(frames):
        grey = frame.reformat(format="gray", src_colorspace="ITU709", dst_color_range="JPEG")
        luma = grey.to_ndarray()
        assert np.abs(luma.astype(int) - 255 * (label_map(index, SIZE_HW) == 1)).max() <= 2
    assert plan.shot.audio_from is None


@pytest.mark.parametrize("bits", [8, 16])
def test_mattes_as_pngs(make_result, bits):
    place, _, done = run(make_result(), "png-matte", bits=bits, start_number=1001)
    assert done.compared == 6
    assert sum(1 for _ in place.glob("*.png")) == 2 * FRAMES
    for index in range(FRAMES):
        image = np.array(Image.open(place / f"shot_Hand.{1001 + index}.png"))
        assert image.dtype == (np.uint16 if bits == 16 else np.uint8)
        full = 65535 if bits == 16 else 255
        np.testing.assert_array_equal(image, full * (label_map(index, SIZE_HW) == 2))


def test_cutouts_keep_the_colours_under_the_alpha(make_result):
    place, _, _ = run(make_result(), "png-rgba", objects=("1",))
    source, _ = decode(place.parent / "shot.mov")
    image = np.array(Image.open(place / "shot_coffee_cup.0003.png"))
    np.testing.assert_array_equal(image[..., 3], 255 * (label_map(3, SIZE_HW) == 1))
    original = source[3].to_ndarray(format="rgb24").astype(int)
    assert np.abs(image[..., :3] - original).mean() < 3


def test_a_table_has_a_row_per_frame_and_object(make_result):
    place, _, _ = run(make_result(), "csv", span=(2, 5), name="{clip}")
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
    place, _, done = run(make_result(), "labelme", start_number=1)
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


def test_verify_finds_an_annotation_that_was_edited(make_result):
    result = make_result()
    place, _, _ = run(result, "labelme")
    path = place / "shot.0006.json"
    annotation = json.loads(path.read_text())
    annotation["shapes"][0]["group_id"] = 9
    path.write_text(json.dumps(annotation))
    with pytest.raises(VerificationError, match="frame 6 differs"):
        again(place, result)
    path.write_text("{}")
    with pytest.raises(VerificationError, match="frame 6 cannot be read"):
        again(place, result)


def test_one_matte_of_several_objects_inverted(make_result):
    place, _, _ = run(make_result(), "png-matte", name="{clip}_all.%04d", is_inverted=True)
    image = np.array(Image.open(place / "shot_all.0000.png"))
    np.testing.assert_array_equal(image, 255 * (label_map(0, SIZE_HW) == 0))


def test_frames_without_masks_are_blank(make_result):
    result = make_result(frames=range(3, 9), end="9f")
    place, plan, _ = run(result, "png-matte", objects=("1",))
    assert "6 of 12 frames have no mask" in plan.notices[0]
    assert not np.array(Image.open(place / "shot_coffee_cup.0011.png")).any()
    assert np.array(Image.open(place / "shot_coffee_cup.0003.png")).any()


def test_a_span_moves_the_timecode_and_the_numbers(make_result):
    result = make_result()
    place, _, _ = run(result, "qtrle", span=(5, 8), objects=("1",))
    frames, info = decode(place / "shot_coffee_cup.mov")
    assert (len(frames), info["timecode"]) == (4, "01:00:00:05")
    place, _, _ = run(result, "png-matte", span=(5, 8), objects=("1",))
    assert sorted(one.name for one in place.glob("*.png"))[0] == "shot_coffee_cup.0005.png"


def test_a_clip_without_timecode_gives_none(make_result):
    place, _, _ = run(make_result(clip={"timecode": None}), "qtrle", objects=("1",))
    _, info = decode(place / "shot_coffee_cup.mov")
    assert info["timecode"] is None


def test_sound_is_copied_where_the_container_takes_it(make_result):
    result = make_result(clip={"has_sound": True})
    place, _, done = run(result, "qtrle", objects=("1",))
    assert decode(place / "shot_coffee_cup.mov")[1]["audio"] == 1
    assert not done.warnings
    place, _, done = run(result, "vp9", objects=("1",))
    assert decode(place / "shot_coffee_cup.webm")[1]["audio"] == 0
    assert "is silent" in done.warnings[0]


def test_pixel_aspect_is_carried_or_said_not_to_be(make_result):
    result = make_result(clip={"pixel_aspect": Fraction(4, 3)})
    place, plan, _ = run(result, "prores4444", objects=("1",))
    assert decode(place / "shot_coffee_cup.mov")[1]["aspect"] == Fraction(4, 3)
    assert not plan.notices
    _, plan, _ = run(result, "ffv1", objects=("1",))
    assert "pixels are 4/3 wide" in plan.notices[0]


def test_a_turn_is_baked(tmp_path):
    write_clip(tmp_path / "shot.mov", (48, 64), rotation_deg=90)
    result = write_result(tmp_path / "shot.mov", tmp_path / "result", (64, 48))
    place, _, _ = run(result, "qtrle", objects=("1",))
    upright, _, _ = run(result, "png-rgba", objects=("1",))
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
    place, _, _ = run(result, "csv")
    assert (place / f"{called}.csv").is_file()


@pytest.mark.parametrize("form", ["qtrle", "luma"])
def test_variable_rate_is_said_and_its_times_are_kept(make_result, form):
    ticks = [0, 1001, 4004, 5005, 6006, 9009, 10010, 11011, 12012, 13013, 15015, 16016]
    result = make_result(suffix=".mp4", clip={"ticks": ticks, "timecode": None})
    place, plan, _ = run(result, form, objects=("1",))
    assert "intervals of the frames vary" in plan.notices[0]
    frames, _ = decode(place / "shot_coffee_cup.mov")
    assert len(frames) == FRAMES
    with (place / "shot_times.csv").open(newline="") as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    assert times == pytest.approx([one / 30000 for one in ticks], abs=1e-6)


def test_without_the_clip_mattes_can_be_made_and_pixels_cannot(make_result):
    result = make_result()
    (result.parent / "shot.mov").unlink()
    place, plan, _ = run(result, "luma", objects=("1",))
    assert plan.shot.rate == RATE
    assert len(decode(place / "shot_coffee_cup.mov")[0]) == FRAMES
    run(result, "png-matte")
    with pytest.raises(InputError, match=r"png-matte, luma and csv can be made, ffv1 cannot"):
        run(result, "ffv1")


def test_without_clip_and_stats_no_movie_has_a_rate(make_result):
    result = make_result(has_stats=False)
    (result.parent / "shot.mov").unlink()
    run(result, "png-matte")
    with pytest.raises(InputError, match="how many frames make a second"):
        run(result, "luma")


def test_an_equal_export_is_skipped_and_another_one_refused(make_result, tmp_path):
    result = make_result()
    place, _, _ = run(result, "csv", output=tmp_path / "table")
    assert run(result, "csv", output=place)[2].is_skipped
    with pytest.raises(OutputError, match="other settings"):
        run(result, "csv", output=place, span=(0, 3))
    assert not run(result, "csv", output=place, span=(0, 3), overwrite=True)[2].is_skipped


def test_a_place_in_or_over_a_result_is_refused(make_result, tmp_path):
    result = make_result()
    for place in (result, result / "inside", tmp_path):
        with pytest.raises(OutputError, match="result itself"):
            run(result, "csv", output=place, overwrite=True)
    other = write_result(tmp_path / "shot.mov", tmp_path / "other", SIZE_HW)
    with pytest.raises(OutputError, match="no export replaces"):
        run(result, "csv", output=other, overwrite=True)
    with pytest.raises(OutputError, match="an export is a folder"):
        run(result, "ffv1", output=tmp_path / "out.mkv")


def test_a_full_disk_is_one_line_and_leaves_nothing(make_result, tmp_path, monkeypatch):
    result = make_result()

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(png.os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        run(result, "png-matte", output=tmp_path / "place")
    monkeypatch.undo()
    assert not [one for one in tmp_path.iterdir() if "place" in one.name]


def test_an_interrupted_export_leaves_nothing(make_result, tmp_path):
    opened = open_finished(make_result())
    plan = plan_export(opened, Order("prores4444", output=tmp_path / "place"))

    def interrupt(frame_idx):
        if frame_idx == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(opened, plan, on_frame=interrupt)
    opened.close()
    assert not [one for one in tmp_path.iterdir() if "place" in one.name]


def test_results_that_cannot_be_exported(make_result, tmp_path):
    with pytest.raises(InputError, match="no such result"):
        open_finished(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no finished result"):
        open_finished(tmp_path / "empty")
    result = make_result()
    path = result / "masks" / "00007.png"
    Image.new("L", (32, 48)).save(path)
    with pytest.raises(InputError, match=r"00007.png: is 32 x 48, where the others are 64 x 48"):
        run(result, "png-matte")
    path.unlink()
    with pytest.raises(InputError, match="without gaps"):
        run(result, "png-matte")
    for one in (result / "masks").glob("*.png"):
        one.unlink()
    with pytest.raises(InputError, match="has no masks"):
        run(result, "png-matte")


def test_a_result_without_objects(make_result):
    result = make_result(has_stats=False)
    path = result / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["parameters"]["prompts"] = []
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="has no objects"):
        open_finished(result)


def test_names_that_collide_are_refused(make_result):
    result = make_result(names={1: "Dog!", 2: "dög"})
    with pytest.raises(UsageError, match=r"objects 1 \('Dog!'\) and 2 \('dög'\)"):
        run(result, "png-matte")
    place, _, _ = run(result, "png-matte", name="{clip}_{id}.%04d")
    assert (place / "shot_2.0000.png").is_file()


def test_wide_frames_are_refused_before_work(make_result, monkeypatch):
    opened = open_finished(make_result())
    object.__setattr__(opened, "size_hw", (48, 70_000))
    with pytest.raises(UsageError, match=r"70000 x 48 do not fit ffv1"):
        plan_export(opened, Order("ffv1"))
    opened.close()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"format": "mp3"}, "no format"),
        (
            {"format": "csv", "objects": ("7",)},
            r"no object; there are 1 \(coffee cup\), 2 \(Hand\)",
        ),
        ({"format": "csv", "objects": ()}, "names no object"),
        ({"format": "csv", "is_inverted": True}, "no mattes"),
        ({"format": "csv", "span": (0, 12)}, "stay within"),
        ({"format": "ffv1", "bits": 16}, "leave it out"),
        ({"format": "ffv1", "start_number": 1001}, "without numbers"),
        ({"format": "png-matte", "start_number": -1}, "from 0 to"),
    ],
)
def test_orders_that_contradict(make_result, order, message):
    opened = open_finished(make_result())
    with pytest.raises(UsageError, match=message):
        plan_export(opened, Order(**order))
    opened.close()


def test_verify_names_the_frame_that_differs(make_result):
    result = make_result()
    place, _, _ = run(result, "png-matte", objects=("1",))
    path = place / "shot_coffee_cup.0006.png"
    image = np.array(Image.open(path))
    image[0, 0] = 255
    Image.fromarray(image).save(path)
    with pytest.raises(VerificationError, match="the matte of frame 6 differs by 255"):
        again(place, result)
    assert again(place, None) == 0
    path.unlink()
    with pytest.raises(VerificationError, match="frame 6 is missing"):
        again(place, result)


def test_verify_finds_a_movie_that_was_cut(make_result):
    result = make_result()
    place, _, _ = run(result, "ffv1", objects=("1",))
    path = place / "shot_coffee_cup.mkv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(VerificationError, match=r"has \d+ frames, not 12|cannot be decoded"):
        again(place, result)
    path.unlink()
    with pytest.raises(VerificationError, match="is not there"):
        again(place, result)


def test_verify_finds_another_movie_in_its_place(make_result):
    result = make_result()
    place, _, _ = run(result, "qtrle", objects=("1",))
    short, _, _ = run(result, "qtrle", span=(0, 3), objects=("1",), output=place.parent / "short")
    (short / "shot_coffee_cup.mov").replace(place / "shot_coffee_cup.mov")
    with pytest.raises(VerificationError, match="has 4 frames, not 12"):
        again(place, result)


def test_verify_finds_a_table_that_was_edited(make_result):
    result = make_result()
    place, _, _ = run(result, "csv", objects=("1",))
    path = place / "shot.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4] + lines[5:]))
    with pytest.raises(VerificationError, match="row of frame 3"):
        again(place, result)


def test_verify_refuses_a_hostile_manifest(make_result):
    place, _, _ = run(make_result(), "png-matte", objects=("1",))
    path = place / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["parameters"]["files"][0][1] = "../../secret.%04d"
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="damaged"):
        read_shot(place)
    with pytest.raises(InputError, match="no such export"):
        read_shot(place / "none")


def test_export_fails_where_what_was_written_differs(make_result, tmp_path, monkeypatch):
    result = make_result()
    drawn = stills.MattePngs._draw
    monkeypatch.setattr(stills.MattePngs, "_draw", lambda self, i, m: drawn(self, i, 255 - m))
    with pytest.raises(VerificationError, match="the matte of frame 0 differs"):
        run(result, "png-matte", output=tmp_path / "place")
    assert not (tmp_path / "place").exists()
    run(result, "png-matte", output=tmp_path / "place", is_verified=False)


def again(place, result):
    form, shot, _ = read_shot(place)
    if result is None:
        return verify(place, form, shot, None)
    opened = open_finished(result)
    try:
        return verify(place, form, shot, opened)
    finally:
        opened.close()
