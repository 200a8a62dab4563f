from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract import clips
from vos_cli.main import run


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert run(["info", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_one_json_object_for_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips.encode(tmp_path / "a b.mov", 30, rate=clips.NTSC, rotation_deg=90)
    seen = json.loads(printed(capsys, clip, "--json"))
    assert seen["schema"] == 1
    assert seen["path"] == str(clip)
    assert (seen["width"], seen["height"], seen["rotation_deg"]) == (96, 160, 90)
    assert (seen["frame_count"], seen["average_rate"]) == (30, "30000/1001")
    assert (seen["kind"], seen["codec"], seen["is_vfr"]) == ("video", "h264", False)
    assert seen["duration_s"] == pytest.approx(30 * 1001 / 30000)
    assert seen["warnings"] == []


def test_json_for_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["shot.1001.png", "shot.1002.png", "shot.1010.png"]
    seen = json.loads(printed(capsys, "--json", clips.write_stills(tmp_path / "s", names)))
    assert (seen["kind"], seen["frame_count"]) == ("images", 3)
    assert (seen["first_name"], seen["last_name"]) == ("shot.1001", "shot.1010")


def test_the_table_says_what_matters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vfr = clips.MAKERS["variable_rate"](tmp_path)
    lines = printed(capsys, vfr.path).splitlines()
    table = {line.split("  ")[0]: line for line in lines}
    assert "160 x 96" in table["size"]
    assert "variable: 3.0 to 50.0 ms" in table["rate"]
    assert "40" in table["frames"]


def test_a_hostile_name_stays_on_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = clips.encode(tmp_path / "two\nlines [red].mp4", 3)
    out = printed(capsys, clip)
    assert "two\\nlines [red].mp4" in out.splitlines()[0]


def test_a_single_image_has_one_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = clips.write_stills(tmp_path / "s", ["only.png"])
    lines = printed(capsys, folder / "only.png").splitlines()
    assert [line.split()[1:] for line in lines if line.startswith("names")] == [["only"]]


def test_truncation_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips.encode(tmp_path / "cut.mp4", 120, container_options={"movflags": "faststart"})
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) * 6 // 10])
    assert "cut short" in printed(capsys, clip)
    assert any(
        "of about 120" in line for line in json.loads(printed(capsys, clip, "--json"))["warnings"]
    )


def test_unreadable_input_is_exit_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(tmp_path / "nothing.mp4")]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "nothing.mp4: no such file" in shown.err
    assert len(shown.err.splitlines()) == 1
