"""Timelines: tracks, times and addresses, read with OpenTimelineIO itself."""

from __future__ import annotations

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from finished_result import FRAMES, RATE, SIZE_HW, decode, export_result, verify_again, write_result
from vos.errors import UsageError, VerificationError
from vos.io.results.manifest import MANIFEST_NAME
from vos.io.write.deliver.timecode import add_frames, count_frames, pack_smpte

otio = pytest.importorskip(
    "opentimelineio", reason="needs opentimelineio: pip install 'vos[deliver]'"
)
HOUR = 3600 * 30  # 01:00:00:00 in frames


def read(place):
    return otio.adapters.read_from_file(str(place / "timeline.otio"))


def times(time_range):
    start, duration = time_range.start_time, time_range.duration
    assert start.rate == duration.rate == float(RATE)
    return start.value, duration.value


def test_the_clip_lies_under_a_matte_per_object(make_result):
    result = make_result(clip={"has_sound": True})
    place, _, done = export_result(result, "otio", span=(5, 8))
    assert done.compared == 6
    assert sorted(one.name for one in place.iterdir()) == [
        MANIFEST_NAME,
        "shot_Hand.mov",
        "shot_coffee_cup.mov",
        "timeline.otio",
    ]
    timeline = read(place)
    assert timeline.global_start_time == otio.opentime.RationalTime(HOUR + 5, float(RATE))
    tracks = list(timeline.tracks)
    assert [(one.name, one.kind) for one in tracks] == [
        ("clip", "Video"),
        ("matte coffee_cup", "Video"),
        ("matte Hand", "Video"),
        ("clip", "Audio"),
    ]
    for track in (tracks[0], tracks[3]):
        (clip,) = track
        assert clip.name == "shot.mov"
        assert clip.media_reference.target_url == (result.parent / "shot.mov").as_uri()
        assert times(clip.media_reference.available_range) == (HOUR, FRAMES)
        assert times(clip.source_range) == (HOUR + 5, 4)
    for track, name in ((tracks[1], "shot_coffee_cup.mov"), (tracks[2], "shot_Hand.mov")):
        (clip,) = track
        assert clip.media_reference.target_url == (place / name).as_uri()
        assert times(clip.media_reference.available_range) == (HOUR + 5, 4)
        assert times(clip.source_range) == (HOUR + 5, 4)
        frames, info = decode(place / name)
        assert (len(frames), info["rate"], info["timecode"]) == (4, RATE, "01:00:00:05")
    about = tracks[1][0].metadata["vos"]
    assert (about["matte"], list(about["object_ids"])) == ("luma", [1])


def test_a_clip_without_timecode_counts_from_0(make_result):
    place, _, _ = export_result(make_result(clip={"timecode": None}), "otio", span=(2, 4))
    timeline = read(place)
    assert timeline.global_start_time is None
    assert times(timeline.tracks[0][0].source_range) == (2, 3)
    assert times(timeline.tracks[1][0].source_range) == (0, 3)


def test_without_the_clip_the_editor_asks_for_it(make_result):
    result = make_result()
    (result.parent / "shot.mov").unlink()
    place, plan, _ = export_result(result, "otio")
    assert "the clip is not there" in plan.notices[0]
    assert read(place).tracks[0][0].media_reference.is_missing_reference


@pytest.mark.parametrize(
    ("names", "is_run"), [(("a.0998", "a.0999", "a.1000"), True), (("a.01", "a.02", "a.04"), False)]
)
def test_images_are_a_sequence_where_their_numbers_run(tmp_path, names, is_run):
    folder = tmp_path / "shot"
    folder.mkdir()
    for name in names:
        Image.new("RGB", SIZE_HW[::-1]).save(folder / f"{name}.png")
    result = write_result(folder, tmp_path / "result", SIZE_HW, frames=range(3))
    for index, name in enumerate(names):
        (result / "masks" / f"{index:05d}.png").rename(result / "masks" / f"{name}.png")
    place, plan, _ = export_result(result, "otio", objects=("1",), span=(1, 2))
    assert any("images have no rate" in one for one in plan.notices)
    clip = read(place).tracks[0][0]
    reference = clip.media_reference
    assert reference.is_missing_reference == (not is_run)
    if is_run:
        assert reference.target_url_for_image_number(1) == (folder / "a.0999.png").as_uri()
        assert reference.number_of_images_in_sequence() == 3
        assert clip.source_range.start_time.value == 999


def test_a_timeline_can_be_moved_and_is_verified_there(make_result):
    result = make_result()
    place, _, _ = export_result(result, "otio")
    moved = place.rename(place.parent / "else where")
    assert verify_again(moved, result) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.tracks.pop(0), r"its tracks are \['matte coffee_cup', 'matte Hand'\]"),
        (lambda t: t.tracks[1].clear(), "is not there or no such timeline"),
        (lambda t: setattr(t, "global_start_time", None), "starts at None, not at 01:00:00:00"),
        (
            lambda t: setattr(t.tracks[2][0].media_reference, "target_url", "file:///x/y.mov"),
            "matte Hand refers to y.mov",
        ),
    ],
)
def test_verify_finds_a_timeline_that_was_edited(make_result, change, message):
    result = make_result()
    place, _, _ = export_result(result, "otio")
    timeline = read(place)
    change(timeline)
    otio.adapters.write_to_file(timeline, str(place / "timeline.otio"))
    with pytest.raises(VerificationError, match=message):
        verify_again(place, result)


def test_verify_finds_files_that_are_none(make_result):
    result = make_result()
    place, _, _ = export_result(result, "otio")
    path = place / "timeline.otio"
    for text in ("{", "[]", json.dumps({"OTIO_SCHEMA": "Clip.2"})):
        path.write_text(text)
        with pytest.raises(VerificationError, match="no such timeline"):
            verify_again(place, result)
    path.unlink()
    with pytest.raises(VerificationError, match="is not there"):
        verify_again(place, result)


def test_without_opentimelineio_one_line_says_what_to_install(make_result, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(UsageError, match=r"pip install 'vos\[deliver\]'"):
        export_result(make_result(), "otio")


def test_timecodes_are_counted_and_packed():
    drop = Fraction(30000, 1001)
    assert count_frames("01:00:00:00", drop) == 108000
    assert count_frames("01:00:00;00", drop) == 107892
    assert count_frames("00:01:00;02", drop) == 1800
    assert count_frames("10:20:30:24", Fraction(24)) is None
    assert add_frames("00:00:59;29", 1, drop) == "00:01:00;02"
    for timecode in ("01:02:03;04", "23:59:59;29"):
        moved = add_frames("00:00:00;00", count_frames(timecode, drop) or 0, drop)
        assert moved == timecode
    assert pack_smpte("10:20:30:15") == 0x10203015
    assert pack_smpte("10:20:30;15") == 0x10203055
    assert pack_smpte("10:20:30:40") is None
    assert pack_smpte("no timecode") is None
    assert np.uint32(pack_smpte("23:59:59:39")) == 0x23595939
