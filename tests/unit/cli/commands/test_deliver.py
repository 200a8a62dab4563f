"""`vos track --deliver`, and `vos export` of several results or formats, in this process."""

from __future__ import annotations

import json

import pytest

from finished_result import write_clip, write_result
from vos_cli.batch.folder import BatchFolder
from vos_cli.main import run

SIZE_HW = (48, 64)
TRACK = ["--box", "4,4,30,30", "--model", "null", "--save", "masks", "--progress", "none"]


@pytest.fixture
def clip(tmp_path):
    write_clip(tmp_path / "shot.mov", SIZE_HW)
    return tmp_path / "shot.mov"


def test_a_track_delivers_and_says_where(clip, capsys):
    command = ["track", str(clip), *TRACK, "--deliver", "png-matte,csv"]
    assert run(command) == 0
    out, err = capsys.readouterr()
    folders = [clip.with_name(f"shot.mov-vos{one}") for one in ("", "-png-matte", "-csv")]
    assert out.splitlines() == list(map(str, folders))
    assert "png-matte: 12 frames, read back, 3 mattes compared" in err
    assert (folders[1] / "shot_obj1.0011.png").is_file()
    assert run([*command, "--json", "-q"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["skipped"]
    assert [(one["format"], one["output"], one["skipped"]) for one in values["delivered"]] == [
        ("png-matte", str(folders[1]), True),
        ("csv", str(folders[2]), True),
    ]


def test_a_soft_track_delivers_to_compositors_and_annotators(clip, capsys):
    pytest.importorskip("OpenImageIO", reason="needs OpenImageIO: pip install 'vos[deliver]'")
    pytest.importorskip("pycocotools", reason="needs pycocotools: pip install 'vos[deliver]'")
    names = ["prores4444", "exr", "coco"]
    assert run(["track", str(clip), *TRACK, "--soft", "--deliver", ",".join(names), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "mattes compared, soft mattes" in err
    delivered = json.loads(out)["delivered"]
    assert [(one["format"], one["mattes"], one["compared"]) for one in delivered] == [
        ("prores4444", "soft", 3),
        ("exr", "soft", 3),
        ("coco", None, 3),
    ]
    for one in delivered:
        assert run(["verify", one["output"], "-q"]) == 0
    assert run(["export", str(clip.with_name("shot.mov-vos")), "--to", "exr,coco", "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["skipped"] for one in again["exports"]] == [True, True]


def test_a_finished_track_delivers_what_it_is_asked_for_later(clip, capsys, monkeypatch):
    assert run(["track", str(clip), *TRACK, "-q"]) == 0
    monkeypatch.setenv("VOS_DELIVER", "csv")
    assert run(["track", str(clip), *TRACK]) == 0
    out, err = capsys.readouterr()
    assert "already complete with these parameters" in err
    assert out.splitlines()[-1] == str(clip.with_name("shot.mov-vos-csv"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--deliver", "csv,gif"], "--deliver 'gif': not one of png-matte"),
        (["--deliver", "csv", "--save", "stats"], "exports are made of masks"),
    ],
)
def test_what_cannot_be_delivered_is_refused_before_work(clip, capsys, more, message):
    assert run(["track", str(clip), *TRACK, *more]) == 2
    assert message in capsys.readouterr().err
    assert [one.name for one in clip.parent.iterdir()] == ["shot.mov"]


def test_an_encoder_that_is_not_here_is_missed_before_work(clip, capsys, monkeypatch):
    monkeypatch.setattr("av.codecs_available", set())
    assert run(["track", str(clip), *TRACK, "--deliver", "csv,ffv1"]) == 2
    assert "has no encoder ffv1; install" in capsys.readouterr().err
    assert [one.name for one in clip.parent.iterdir()] == ["shot.mov"]


def test_one_format_that_fails_leaves_the_others(clip, capsys):
    clip.with_name("shot.mov-vos-csv").write_text("in the way")
    assert run(["track", str(clip), *TRACK, "--deliver", "csv,png-matte", "-q"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "not exported as csv" in err
    assert clip.with_name("shot.mov-vos-png-matte").is_dir()


def test_an_export_with_other_settings_is_not_replaced_by_a_track(clip, capsys):
    assert run(["track", str(clip), *TRACK, "-q"]) == 0
    result = str(clip.with_name("shot.mov-vos"))
    assert run(["export", result, "--to", "csv", "--span", "0..3", "-q"]) == 0
    assert run(["track", str(clip), *TRACK, "--deliver", "csv", "-q"]) == 2
    command = f"vos export {result} --to csv --overwrite"
    assert f"make it anew with `{command}`" in capsys.readouterr().err
    assert run([*command.split()[1:], "-q"]) == 0
    assert run(["track", str(clip), *TRACK, "--deliver", "csv", "-q"]) == 0


def test_an_interrupted_delivery_is_continued_by_the_same_command(clip, capsys, monkeypatch):
    command = ["track", str(clip), *TRACK, "--deliver", "csv"]

    def interrupt(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vos_cli.job.deliver.export", interrupt)
        assert run(command) == 130
    assert "the same command starts over" in capsys.readouterr().err
    assert clip.with_name("shot.mov-vos").is_dir()
    assert run(command) == 0
    assert clip.with_name("shot.mov-vos-csv").is_dir()


@pytest.fixture
def batch(tmp_path, clip):
    """The folder of a batch with two finished clips and an export of one."""
    folder = BatchFolder(tmp_path / "out")
    folder.make()
    for name in ("a", "b"):
        write_result(clip, folder.output(name), SIZE_HW)
    assert run(["export", str(folder.output("a")), "--to", "csv", "-q"]) == 0
    return folder


def test_a_batch_and_several_formats_are_exported_at_once(batch, capsys):
    capsys.readouterr()
    assert run(["export", str(batch.root), "--to", "csv,png-matte", "--json"]) == 0
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert [(one["output"], one["skipped"]) for one in values["exports"]] == [
        (str(batch.output("a-csv")), True),
        (str(batch.output("a-png-matte")), False),
        (str(batch.output("b-csv")), False),
        (str(batch.output("b-png-matte")), False),
    ]
    assert (values["schema"], values["failed"]) == (1, [])
    assert "png-matte: 12 frames" in err


def test_several_exports_go_into_the_place_that_is_given(batch, tmp_path, capsys):
    results = [str(batch.output(name)) for name in ("a", "b")]
    capsys.readouterr()
    place = tmp_path / "exports"
    assert run(["export", *results, "--to", "csv", "-o", str(place), "-q"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(place / "a-csv"), str(place / "b-csv")]


def test_one_of_several_exports_that_fails_is_said_and_the_others_made(batch, capsys):
    (batch.output("a") / "masks" / "00003.png").unlink()
    capsys.readouterr()
    assert run(["export", str(batch.root), "--to", "png-matte", "--json", "-q"]) == 4
    out, err = capsys.readouterr()
    values = json.loads(out)
    assert [one["output"] for one in values["exports"]] == [str(batch.output("b-png-matte"))]
    assert [(one["result"], one["exit_code"]) for one in values["failed"]] == [
        (str(batch.output("a")), 3)
    ]
    assert "as png-matte failed" in err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--to", "csv,gif"], "--to gif: is no format"),
        (["--to", ","], "--to: names no format"),
        (["--to", "csv", "--input", "x.mov"], "--input is of one result"),
    ],
)
def test_several_exports_that_are_asked_wrongly(batch, capsys, more, message):
    capsys.readouterr()
    assert run(["export", str(batch.root), *more]) == 2
    assert message in capsys.readouterr().err


def test_a_batch_without_finished_clips(tmp_path, capsys):
    BatchFolder(tmp_path / "out").make()
    assert run(["export", str(tmp_path / "out"), "--to", "csv"]) == 3
    assert "no clip of this batch is finished" in capsys.readouterr().err
