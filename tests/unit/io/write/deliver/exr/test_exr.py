"""EXR sequences: their layers, header and numbers, and what makes a file fail."""

from __future__ import annotations

import errno
import sys
from fractions import Fraction

import numpy as np
import pytest

from finished_result import FRAMES, RATE, SIZE_HW, export_result, label_map, verify_again
from vos.errors import OutputError, UsageError, VerificationError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.exr import write
from vos.io.write.deliver.names import name_layers

oiio = pytest.importorskip("OpenImageIO", reason="needs OpenImageIO: pip install 'vos[deliver]'")


def read(path):
    """Read a file: its description and its pixels by channel."""
    opened = oiio.ImageInput.open(str(path))
    assert opened is not None, oiio.geterror()
    spec, pixels = opened.spec(), opened.read_image("half")
    opened.close()
    return spec, {name: pixels[..., i] for i, name in enumerate(spec.channelnames)}


def rewrite(path, change):
    """Write a file again with what `change` does to its description and pixels."""
    opened = oiio.ImageInput.open(str(path))
    spec, pixels = opened.spec(), opened.read_image("half")
    opened.close()
    pixels = change(spec, pixels)
    output = oiio.ImageOutput.create("openexr")
    assert output.open(str(path), spec)
    assert output.write_image(np.ascontiguousarray(pixels))
    assert output.close()


@pytest.mark.parametrize("compression", [None, "zip", "piz", "dwaa"])
@pytest.mark.parametrize("size_hw", [SIZE_HW, (47, 63)])
def test_layers_are_the_same_on_every_frame(make_result, compression, size_hw):
    place, _, done = export_result(
        make_result(size_hw), "exr", compression=compression, start_number=1001
    )
    assert done.compared == 6
    names = [f"shot.{1001 + index}.exr" for index in range(FRAMES)]
    assert sorted(one.name for one in place.iterdir()) == [MANIFEST_NAME, *names]
    for index, name in enumerate(names):
        spec, mattes = read(place / name)
        assert spec.channelnames == ("Hand2.A", "coffee_cup1.A")
        assert str(spec.format) == "half"
        assert spec.get("compression") == (compression or "zips")
        window = oiio.ROI(0, size_hw[1], 0, size_hw[0], 0, 1, 0, 2)
        assert spec.roi == spec.roi_full == window
        assert Fraction(*spec.get("FramesPerSecond")) == RATE
        assert spec.get("smpte:TimeCode") == (0x01000000 | (index // 10) << 4 | index % 10, 0)
        for object_id, channel in ((1, "coffee_cup1.A"), (2, "Hand2.A")):
            np.testing.assert_array_equal(mattes[channel], label_map(index, size_hw) == object_id)


def test_a_span_inverted_without_timecode(make_result):
    place, plan, _ = export_result(
        make_result(clip={"timecode": None, "pixel_aspect": Fraction(4, 3)}),
        "exr",
        span=(3, 4),
        objects=("2",),
        is_inverted=True,
    )
    assert plan.notices == ("files are numbered from 3, as frames are in vos",)
    spec, mattes = read(place / "shot.0004.exr")
    assert spec.get("smpte:TimeCode") is None
    assert spec.get("PixelAspectRatio") == pytest.approx(4 / 3)
    assert list(mattes) == ["Hand2.A"]
    assert (mattes["Hand2.A"] == 1).all()  # gone on this frame


def test_an_own_name_makes_a_sequence_per_object(make_result):
    place, _, done = export_result(make_result(), "exr", name="{object}.%d")
    assert done.compared == 6
    assert sum(1 for _ in place.glob("*.exr")) == 2 * FRAMES
    assert list(read(place / "Hand.11.exr")[1]) == ["Hand2.A"]


def test_frames_of_a_second_that_exr_cannot_count_have_no_timecode(make_result, monkeypatch):
    monkeypatch.setattr("finished_result.RATE", Fraction(60))
    ticks = [500 * index for index in range(FRAMES)]
    result = make_result(clip={"timecode": "01:00:00:36", "ticks": ticks})
    place, _, done = export_result(result, "exr")
    assert "EXR counts 40 frames a second at most, and the clip has 60" in done.warnings[0]
    packed = [read(place / f"shot.{i:04d}.exr")[0].get("smpte:TimeCode") for i in range(FRAMES)]
    assert packed == [(0x01000036 + i, 0) for i in range(4)] + [None] * 8


def test_layers_have_names_that_every_reader_takes():
    names = {1: "Red car!", 2: "7up", 4: "чашка", 5: "a1", 51: "a", 6: "x" * 60, 7: "n" * 24 + "_9"}
    assert name_layers((1, 2, 3, 4, 5, 51, 6, 7), names) == {
        1: "Red_car1",
        2: "obj_7up2",
        3: "obj3",
        4: "obj4",
        5: "a1_5",
        51: "a51",
        6: f"{'x' * 25}6",
        7: f"{'n' * 24}7",
    }
    same = name_layers((1, 11, 111), {1: "dog11", 11: "dog1", 111: "dog"})
    assert len(set(same.values())) == 3


def test_names_that_collide_stay_apart_by_their_ids(make_result):
    place, _, _ = export_result(make_result(names={1: "Dog!", 2: "dög"}), "exr", span=(0, 0))
    assert list(read(place / "shot.0000.exr")[1]) == ["Dog1.A", "dog2.A"]


def test_verify_names_the_frame_and_the_layer_that_differ(make_result):
    result = make_result()
    place, _, _ = export_result(result, "exr")

    def dot(_spec, pixels):
        pixels[0, 0, 1] = 1  # of the second in the order of the alphabet
        return pixels

    rewrite(place / "shot.0006.exr", dot)
    with pytest.raises(VerificationError, match="matte coffee_cup1 of frame 6 differs by 255"):
        verify_again(place, result)
    assert verify_again(place, None) == 0


def _leave_one_out(spec, pixels):
    spec.channelnames, spec.nchannels = spec.channelnames[:1], 1
    return pixels[..., :1]


def _say_another_rate(spec, pixels):
    spec.attribute("framesPerSecond", oiio.TypeRational, (25, 1))
    return pixels


def _say_another_time(spec, pixels):
    spec.attribute("smpte:TimeCode", oiio.TypeTimeCode, (0, 0))
    return pixels


def _move_the_window(spec, pixels):
    spec.x = 3
    return pixels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_leave_one_out, "channels of frame 7: Hand2.A, not Hand2.A, coffee_cup1.A"),
        (_say_another_rate, "framesPerSecond of frame 7: 25, not 30000/1001"),
        (_say_another_time, "smpte:TimeCode of frame 7"),
        (_move_the_window, "data window of frame 7: 3, 0"),
    ],
)
def test_verify_reads_the_header_of_every_frame(make_result, change, message):
    result = make_result()
    place, _, _ = export_result(result, "exr")
    rewrite(place / "shot.0007.exr", change)
    with pytest.raises(VerificationError, match=message):
        verify_again(place, result)


def test_verify_finds_files_that_are_cut_missing_or_too_many(make_result):
    result = make_result()
    place, _, _ = export_result(result, "exr")
    path = place / "shot.0006.exr"
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    with pytest.raises(VerificationError, match="frame 6 cannot be decoded"):
        verify_again(place, result)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(VerificationError, match="frame 6 is no EXR that can be read"):
        verify_again(place, result)
    path.unlink()
    with pytest.raises(VerificationError, match="frame 6 is missing"):
        verify_again(place, result)
    path.write_bytes(data)
    (place / "other.exr").write_bytes(data)
    with pytest.raises(VerificationError, match="holds 13 EXRs, not 12"):
        verify_again(place, result)


def test_a_full_disk_is_one_line_and_leaves_nothing(make_result, tmp_path, monkeypatch):
    result = make_result()
    monkeypatch.setattr(write.MatteExrs, "draw", lambda *_: np.zeros((2, 2, 1), np.float16))
    with pytest.raises(OutputError, match=r"place: cannot write \(.+\)"):
        export_result(result, "exr", output=tmp_path / "place")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        export_result(result, "exr", output=tmp_path / "place")
    monkeypatch.undo()
    assert not [one for one in tmp_path.iterdir() if "place" in one.name]


def test_without_the_clip_layers_can_be_made(make_result):
    result = make_result()
    (result.parent / "shot.mov").unlink()
    place, _, _ = export_result(result, "exr")
    spec, _ = read(place / "shot.0003.exr")
    assert Fraction(*spec.get("FramesPerSecond")) == RATE


def test_variable_rate_is_said_and_its_times_are_kept(make_result):
    ticks = [0, 1001, 4004, 5005, 6006, 9009, 10010, 11011, 12012, 13013, 15015, 16016]
    result = make_result(suffix=".mp4", clip={"ticks": ticks, "timecode": None})
    place, plan, _ = export_result(result, "exr", objects=("1",))
    assert "intervals of the frames vary" in plan.notices[0]
    assert (place / "shot_times.csv").read_text().count("\n") == FRAMES + 1


@pytest.mark.parametrize(
    ("form", "compression", "message"),
    [
        ("exr", "b44", "no such choice; give zips, zip, piz, dwaa"),
        ("cryptomatte", "dwaa", "no such choice; give zips, zip, piz"),
        ("png-matte", "zip", "leave it out"),
    ],
)
def test_compressions_that_are_none(make_result, form, compression, message):
    with pytest.raises(UsageError, match=message):
        export_result(make_result(), form, compression=compression)


@pytest.mark.parametrize("form", ["exr", "cryptomatte"])
def test_without_openimageio_one_line_says_what_to_install(make_result, monkeypatch, form):
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    with pytest.raises(UsageError, match=r"pip install 'vos\[deliver\]'"):
        export_result(make_result(), form)
