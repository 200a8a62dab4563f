"""Exports of soft mattes and with edges: what is written is what verifying expects."""

from __future__ import annotations

import csv
import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from finished_result import (
    FRAMES,
    SIZE_HW,
    decode,
    export_result,
    label_map,
    soft_mattes,
    verify_again,
)
from vos.errors import OutputError, UsageError, VerificationError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.edges import Edges, feather, shape, temporal_median
from vos.io.write.deliver.finished import open_finished
from vos.io.write.deliver.format import Target
from vos.io.write.deliver.mattes import ResultMattes
from vos.io.write.mask_png import encode_label_png
from vos.io.write.mattes import encode_matte

NAMES = {1: "coffee_cup", 2: "Hand"}


def read(path):
    return np.array(Image.open(path))


def manifest_of(place):
    return json.loads((place / MANIFEST_NAME).read_text())


def test_soft_mattes_pass_through_to_the_last_bit(make_result):
    result = make_result(is_soft=True)
    place, _, done = export_result(result, "png-matte")
    assert done.compared == 6
    for index in range(FRAMES):
        for object_id, name in NAMES.items():
            matte = read(place / f"shot_{name}.{index:04d}.png")
            assert np.array_equal(matte, soft_mattes(index, SIZE_HW)[object_id])
    parameters = manifest_of(place)["parameters"]
    assert (parameters["mattes"], parameters["edges"]) == ("soft", {})
    assert sorted(parameters["mattes_sha256"]) == ["1", "2"]
    assert verify_again(place, result) == 6
    wide, _, _ = export_result(result, "png-matte", bits=16, output=place.with_name("wide"))
    assert np.array_equal(
        read(wide / "shot_Hand.0003.png"), soft_mattes(3, SIZE_HW)[2].astype(np.uint16) * 257
    )


def test_a_result_without_mattes_is_exported_from_its_masks_and_that_is_said(make_result):
    place, _, _ = export_result(make_result(), "png-matte")
    parameters = manifest_of(place)["parameters"]
    assert (parameters["mattes"], parameters["edges"]) == ("hard", {})
    assert "mattes_sha256" not in parameters


@pytest.mark.parametrize(
    ("form", "suffix", "codec", "error"),
    [
        ("prores4444", ".mov", None, 1),
        ("vp9", ".webm", "libvpx-vp9", 10),
        ("ffv1", ".mkv", None, 0),
        ("qtrle", ".mov", None, 0),
        ("luma", ".mov", None, 2),
    ],
)
def test_movies_have_soft_alpha(make_result, form, suffix, codec, error):
    place, _, done = export_result(make_result(is_soft=True), form, edges=Edges(grow=1, feather=2))
    assert done.compared == 6
    frames, _ = decode(place / f"shot_coffee_cup{suffix}", codec)
    for index in (0, 5, FRAMES - 1):
        if form == "luma":
            grey = frames[index].reformat(
                format="gray", src_colorspace="ITU709", dst_color_range="JPEG"
            )
            alpha = grey.to_ndarray().astype(int)
        else:
            alpha = frames[index].to_ndarray(format="rgba")[..., 3].astype(int)
        edges = Edges(grow=1, feather=2)
        expected = feather(shape(soft_mattes(index, SIZE_HW)[1], edges), edges)
        assert np.abs(alpha - expected).max() <= error
        assert ((alpha > 20) & (alpha < 235)).any()


def test_cut_outs_and_the_inverse_are_soft_too(make_result):
    result = make_result(is_soft=True)
    place, _, _ = export_result(result, "png-rgba", is_inverted=True, objects=("1",))
    alpha = read(place / "shot_coffee_cup.0002.png")[..., 3]
    assert np.array_equal(alpha, 255 - soft_mattes(2, SIZE_HW)[1])


def test_of_objects_in_one_matte_no_seam_is_left(make_result):
    place, _, _ = export_result(make_result(is_soft=True), "png-matte", name="all.%04d")
    one, other = (soft_mattes(0, SIZE_HW)[i].astype(int) for i in (1, 2))
    assert np.array_equal(read(place / "all.0000.png"), np.minimum(one + other, 255))
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert (Target((3, 4), "x").join({3: ramp, 4: 255 - ramp}) == 255).all()
    assert (Target((3, 4), "x", is_inverted=True).join({3: ramp, 4: 255 - ramp}) == 0).all()


def read_exr(path):
    oiio = pytest.importorskip(
        "OpenImageIO", reason="needs OpenImageIO: pip install 'vos[deliver]'"
    )
    opened = oiio.ImageInput.open(str(path))
    names, pixels = opened.spec().channelnames, opened.read_image("float")
    opened.close()
    return {name: pixels[..., i] for i, name in enumerate(names)}


@pytest.mark.parametrize("edges", [Edges(), Edges(grow=2, smooth=2, feather=3)])
@pytest.mark.parametrize("compression", ["zips", "dwaa"])
def test_layers_of_exr_are_soft(make_result, edges, compression):
    result = make_result(is_soft=True)
    place, _, done = export_result(result, "exr", edges=edges, compression=compression)
    assert done.compared == 6
    for index in (0, 5, FRAMES - 1):
        layers = read_exr(place / f"shot.{index:04d}.exr")
        for object_id, name in ((1, "coffee_cup1.A"), (2, "Hand2.A")):
            matte = feather(shape(soft_mattes(index, SIZE_HW)[object_id], edges), edges)
            assert np.array_equal(np.rint(layers[name] * 255), matte)
    assert verify_again(place, result) == 6


def test_cryptomattes_hold_soft_mattes_that_overlap(make_result):
    result = make_result(is_soft=True)
    place, _, done = export_result(result, "cryptomatte", edges=Edges(grow=2, feather=2))
    assert done.compared == 6
    layers = read_exr(place / "shot.0000.exr")
    second = layers["CryptoObject00.A"]
    assert ((second > 0) & (layers["CryptoObject00.G"] < 1)).any()
    assert verify_again(place, result) == 6


def test_a_timeline_has_soft_mattes(make_result):
    pytest.importorskip("opentimelineio", reason="needs opentimelineio: pip install 'vos[deliver]'")
    _, plan, done = export_result(make_result(is_soft=True), "otio")
    assert (plan.shot.is_soft, done.compared) == (True, 6)


@pytest.mark.parametrize("is_inverted", [False, True])
def test_over_a_colour_the_edge_is_soft(make_result, is_inverted):
    size_hw = (144, 192)
    result = make_result(size_hw, is_soft=True)
    place, plan, done = export_result(
        result, "green", background="white", edges=Edges(feather=30), is_inverted=is_inverted
    )
    assert (plan.shot.is_soft, done.compared) == (True, 6)
    source, _ = decode(place.parent / "shot.mov")
    frames, _ = decode(place / "shot_Hand.mp4")
    matte = feather(soft_mattes(0, size_hw)[2], Edges(feather=30)) / 255
    matte = (1 - matte if is_inverted else matte)[..., None]
    wanted = source[0].to_ndarray(format="rgb24") * matte + 255 * (1 - matte)
    seen = frames[0].reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert ((matte > 0.2) & (matte < 0.8)).any()
    assert np.abs(wanted - seen).mean() < 6
    assert verify_again(place, result) == 6


def test_a_table_stays_with_the_masks(make_result):
    place, plan, _ = export_result(make_result(is_soft=True), "csv")
    assert not plan.shot.is_soft
    assert manifest_of(place)["parameters"]["mattes"] == "hard"
    with (place / "shot.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            mask = label_map(int(row["frame"]), SIZE_HW) == int(row["object_id"])
            assert int(row["area_px"]) == np.count_nonzero(mask)


@pytest.mark.parametrize("form", ["csv", "labelme", "coco", "cvat", "yolo-seg"])
def test_edges_of_what_holds_no_mattes_are_refused(make_result, form):
    result = make_result()
    with pytest.raises(UsageError, match=r"feather: .* holds objects, no mattes"):
        export_result(result, form, edges=Edges(feather=2))
    with pytest.raises(UsageError, match="grow=-2: has to be"):
        export_result(result, form, edges=Edges(grow=-2))


def test_other_edges_are_another_export_and_verifying_applies_them(make_result):
    result = make_result()
    edges = Edges(fill_holes=3, grow=2, smooth=3, temporal=1, feather=2)
    place, _, done = export_result(result, "png-matte", edges=edges)
    assert done.compared == 6
    assert manifest_of(place)["parameters"]["edges"] == edges.as_json()
    assert verify_again(place, result) == 6
    with pytest.raises(OutputError, match=r"other settings \(edges\)"):
        export_result(result, "png-matte", output=place)
    assert export_result(result, "png-matte", output=place, edges=edges)[2].is_skipped
    manifest = manifest_of(place)
    manifest["parameters"]["edges"]["grow"] = 3
    (place / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(VerificationError, match="differs by"):
        verify_again(place, result)


def expected_median(index: int, reach: int) -> np.ndarray:
    window = [label_map(one, SIZE_HW) == 2 for one in range(index - reach, index + reach + 1)]
    return temporal_median([np.where(one, 255, 0).astype(np.uint8) for one in window])


@pytest.mark.parametrize("span", [None, (5, 9)])
def test_the_temporal_step_looks_less_far_at_both_ends_and_past_the_span(make_result, span):
    place, _, done = export_result(
        make_result(), "png-matte", edges=Edges(temporal=3), span=span, objects=("2",)
    )
    assert done.compared
    for index in range(*(span or (0, FRAMES))):
        expected = expected_median(index, min(3, index, FRAMES - 1 - index))
        assert np.array_equal(read(place / f"shot_Hand.{index:04d}.png"), expected), index


def test_the_temporal_step_does_not_look_over_a_scene_cut_or_where_no_masks_are(make_result):
    result = make_result(frames=range(2, FRAMES), end="12")
    manifest = manifest_of(result)
    (result / MANIFEST_NAME).write_text(json.dumps({**manifest, "scene_cuts": [6]}))
    opened = open_finished(result)
    mattes = ResultMattes(opened, [2], Edges(temporal=2), is_soft=False)
    reaches = [mattes._reach(index) for index in range(FRAMES)]
    opened.close()
    assert reaches == [0, 0, 0, 1, 1, 0, 0, 1, 2, 2, 1, 0]


def test_a_mask_changed_by_hand_is_exported_as_it_is_and_that_is_said(make_result):
    result = make_result(is_soft=True)
    more, less = label_map(3, SIZE_HW), label_map(6, SIZE_HW)
    more[0, 0] = 1
    less[less == 1] = 0
    (result / "masks" / "00003.png").write_bytes(encode_label_png(more))
    (result / "masks" / "00006.png").write_bytes(encode_label_png(less))
    (result / "mattes" / "2" / "00009.png").unlink()
    place, _, done = export_result(result, "png-matte")
    (warning,) = done.warnings
    assert "3 mattes are hard, the first of them that of object 1 on frame 3" in warning
    assert manifest_of(place)["warnings"] == [warning]
    for index, object_id, labels in ((3, 1, more), (6, 1, less), (9, 2, label_map(9, SIZE_HW))):
        matte = read(place / f"shot_{NAMES[object_id]}.{index:04d}.png")
        assert np.array_equal(matte, np.where(labels == object_id, 255, 0))
    matte = read(place / "shot_Hand.0003.png")
    assert np.array_equal(matte, soft_mattes(3, SIZE_HW)[2])
    assert verify_again(place, result) == 6


def test_mattes_that_changed_since_are_found(make_result):
    result = make_result(is_soft=True)
    place, _, _ = export_result(result, "png-matte")
    matte = soft_mattes(0, SIZE_HW)[1]
    softer = np.where(matte == 255, 254, matte).astype(np.uint8)
    (result / "mattes" / "1" / "00000.png").write_bytes(encode_matte(softer))
    with pytest.raises(VerificationError, match="the matte of frame 0 differs by 1"):
        verify_again(place, result)
    _, _, done = export_result(result, "png-matte", output=place)
    assert (done.is_renewed, done.compared) == (True, 6)
    assert np.array_equal(read(place / "shot_coffee_cup.0000.png"), softer)


def test_a_long_clip_takes_no_more_memory_than_a_short_one(make_result, monkeypatch):
    opened = open_finished(make_result())
    size_hw = (200, 200)
    monkeypatch.setattr(type(opened), "label_map", lambda *_: np.ones(size_hw, np.uint8))
    mattes = ResultMattes(opened, [1, 2], Edges(temporal=2, feather=2), is_soft=False)
    monkeypatch.setattr(mattes, "_reach", lambda _frame_idx: 2)
    peaks = []
    tracemalloc.start()
    for first, last in ((10, 30), (30, 300)):
        tracemalloc.reset_peak()
        for frame_idx in range(first, last):
            mattes.of_frame(frame_idx, [1, 2])
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    opened.close()
    assert peaks[1] < 1.1 * peaks[0]
