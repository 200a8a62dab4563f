"""`vos export` and `vos verify` from the command line, in this process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from finished_result import FRAMES, write_clip, write_result
from vos_cli.main import run

SIZE_HW = (48, 64)


@pytest.fixture
def result(tmp_path):
    write_clip(tmp_path / "shot.mov", SIZE_HW)
    return write_result(tmp_path / "shot.mov", tmp_path / "result", SIZE_HW)


def test_exports_verifies_and_skips(result, capsys):
    command = ["export", str(result), "--to", "png-matte", "--start-number", "1001"]
    assert run([*command, "--progress", "none"]) == 0
    out, err = capsys.readouterr()
    place = result.with_name("result-png-matte")
    assert out == f"{place}\n"
    assert f"{FRAMES} frames, read back, 6 mattes compared" in err
    assert (place / "shot_coffee_cup.1001.png").is_file()
    assert run([*command, "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert (values["schema"], values["skipped"], values["objects"]) == (1, True, [1, 2])
    assert values["files"] == ["shot_coffee_cup.%04d", "shot_Hand.%04d"]
    assert err == ""
    assert run(["verify", str(place), "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["compared"] == 6


def test_verify_ends_with_8_and_names_the_frame(result, capsys):
    place = result.with_name("place")
    assert run(["export", str(result), "--to", "png-matte", "-o", str(place), "-q"]) == 0
    path = place / "shot_Hand.0011.png"
    Image.fromarray(np.zeros(SIZE_HW, np.uint8)).save(path)
    capsys.readouterr()
    assert run(["verify", str(place), "-q"]) == 8
    out, err = capsys.readouterr()
    assert out == ""
    assert "the matte of frame 11 differs by 255" in err
    assert err.count("\n") == 1


def test_verify_without_the_result_says_so(result, capsys):
    place = result.with_name("place")
    assert run(["export", str(result), "--to", "ffv1", "-o", str(place), "-q"]) == 0
    moved = result.rename(result.with_name("moved"))
    capsys.readouterr()
    assert run(["verify", str(place), "-q"]) == 0
    out, err = capsys.readouterr()
    assert out == "ffv1: 12 frames as they should be, 0 mattes compared\n"
    assert "mattes are not compared" in err
    assert run(["verify", str(place), "--result", str(moved), "-q"]) == 0
    assert "6 mattes compared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "gif"], 2, "give one of png-matte, png-rgba"),
        (["--to", "csv", "--span", "9..2"], 2, "--span 9..2: a span is"),
        (["--to", "png-matte", "--bits", "10"], 2, "--bits 10"),
        (["--to", "csv", "--objects", "cat"], 2, "--objects cat: is no object"),
        (["--to", "csv", "--name", "{take}"], 2, "--name {take}: has an unknown part"),
        (["--to", "csv", "--input", "none.mov"], 3, "none.mov"),
        (["--to", "csv", "--fill-holes", "3"], 2, "--fill-holes: csv holds objects, no mattes"),
        (["--to", "luma", "--grow", "0.5"], 2, "--grow 0.5: has to be from 1 to 100 pixels"),
        (["--to", "luma", "--grow", "nan"], 2, "--grow nan: has to be from 1 to 100 pixels"),
        (["--to", "luma", "--grow", "2", "--shrink", "1"], 2, "--shrink 1.0 undo each other"),
        (["--to", "luma", "--temporal", "99"], 2, "--temporal 99: has to be from 1 to 10 frames"),
        ([], 2, "--to"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(result, capsys, arguments, code, message):
    assert run(["export", str(result), *arguments, "-q"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert sorted(one.name for one in result.parent.iterdir()) == ["result", "shot.mov"]


def test_an_interruption_says_what_is_left(result, capsys, monkeypatch):
    def interrupt(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("vos_cli.job.deliver.export", interrupt)
    assert run(["export", str(result), "--to", "csv", "-q"]) == 130
    assert "the same command starts over" in capsys.readouterr().err


def test_a_background_needs_no_format(result, capsys):
    assert run(["export", str(result), "--background", "checker", "--json", "-q"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["format"], values["output"]) == (
        "green",
        str(result.with_name("result-checker")),
    )
    assert run(["verify", values["output"], "-q"]) == 0
    assert "6 mattes compared" in capsys.readouterr().out
    assert run(["export", str(result), "--background", "grue", "-q"]) == 2
    assert "--background grue: give a colour" in capsys.readouterr().err
    assert run(["export", str(result), "--to", "csv", "--background", "red", "-q"]) == 2
    assert "csv has none" in capsys.readouterr().err


def test_edges_and_which_mattes_they_are_of_are_said(result, capsys):
    command = ["export", str(result), "--to", "png-matte", "--grow", "2", "--feather", "1.5"]
    assert run([*command, "--json", "--progress", "none"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert (values["mattes"], values["edges"]) == ("hard", {"grow": 2.0, "feather": 1.5})
    assert "6 mattes compared, hard mattes" in err
    soft = write_result(result.parent / "shot.mov", result.with_name("soft"), SIZE_HW, is_soft=True)
    assert run(["export", str(soft), "--to", "luma", "--json", "--progress", "none"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["mattes"] == "soft"
    assert "soft mattes" in err
    assert run(["export", str(soft), "--to", "csv", "--json", "--progress", "none"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["mattes"] is None
    assert "compared\n" in err
