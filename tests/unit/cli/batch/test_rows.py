"""Manifests: what a row says, what it may not say, and that a bad one harms no other."""

from __future__ import annotations

import dataclasses
import glob
import inspect
import io
import json
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from vos.errors import InputError, UsageError
from vos_cli.batch.rows import read_rows
from vos_cli.commands.batch import batch
from vos_cli.options.track import TrackFlags


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_plain_list_with_comments(tmp_path: Path):
    manifest = write(
        tmp_path, "list.txt", "# takes of monday\na.mp4\n\n  sub/b c.mov  \n/abs/d.mkv\n"
    )
    rows = read_rows(manifest)
    assert [row.source for row in rows] == [
        str(tmp_path / "a.mp4"),
        str(tmp_path / "sub/b c.mov"),
        "/abs/d.mkv",
    ]
    assert [row.place for row in rows] == ["list.txt:2", "list.txt:4", "list.txt:5"]
    assert all(row.problem is None and not row.options for row in rows)


def test_csv_overrides(tmp_path: Path):
    text = (
        "source,name,box,save,prompts,overwrite\n"
        "# a comment\n"
        'a.mp4,first,"1:1,2,3,4;2:5,6,7,8@3",masks,,true\n'
        "b.mp4,,,,p.json,\n"
    )
    first, second = read_rows(write(tmp_path, "clips.csv", text))
    assert first.name == "first"
    assert first.options == {
        "box": ("1:1,2,3,4", "2:5,6,7,8@3"),
        "save": "masks",
        "overwrite": True,
    }
    assert second.options == {"prompts": tmp_path / "p.json"}
    assert (first.place, second.place) == ("clips.csv:3", "clips.csv:4")


def test_json_lines_and_relative_masks(tmp_path: Path):
    lines = [
        {"source": "a\nb.mp4", "mask": ["2:m.png@7", "/abs/n.png"], "end": "10f"},
        "plain.mp4",
    ]
    text = "\n".join(map(json.dumps, lines))
    first, second = read_rows(write(tmp_path, "clips.jsonl", text))
    assert first.source == str(tmp_path / "a\nb.mp4")
    assert first.options == {"mask": (f"2:{tmp_path}/m.png@7", "/abs/n.png"), "end": "10f"}
    assert second.source == str(tmp_path / "plain.mp4")


@pytest.mark.parametrize("option", ["model", "refiner"])
def test_weight_files_are_relative_and_names_are_not(option: str, tmp_path: Path):
    values = ["nano", "sam2.1-large", "mine.pt", "weights/mine", "/x/mine.safetensors"]
    rows = [json.dumps({"source": "a.mp4", option: value}) for value in values]
    (tmp_path / "l.jsonl").write_text("\n".join(rows))
    assert [row.options[option] for row in read_rows(str(tmp_path / "l.jsonl"))] == [
        "nano",
        "sam2.1-large",
        str(tmp_path / "mine.pt"),
        str(tmp_path / "weights/mine"),
        "/x/mine.safetensors",
    ]


def test_patterns_are_relative_to_a_folder_that_looks_like_one(tmp_path: Path):
    folder = tmp_path / "day [1]"
    (folder / "shot").mkdir(parents=True)
    (folder / "shot" / "0.png").touch()
    (row,) = read_rows(write(folder, "list.txt", "shot/*.png\n"))
    assert glob.glob(row.source) == [str(folder / "shot" / "0.png")]  # noqa: PTH207


def test_a_bad_row_harms_no_other(tmp_path: Path):
    lines = [
        '{"source": "a.mp4", "boxx": "1,2,3,4"}',
        "{broken",
        '{"box": "1,2,3,4"}',
        '{"source": "b.mp4", "box": [1, 2, 3, 4]}',
        '{"source": "c.mp4", "overwrite": "maybe"}',
        "[1]",
        '{"source": "good.mp4"}',
    ]
    rows = read_rows(write(tmp_path, "clips.jsonl", "\n".join(lines)))
    assert [row.problem is None for row in rows] == [False] * 6 + [True]
    assert rows[0].problem is not None
    assert "'boxx'" in rows[0].problem
    assert "box" in rows[0].problem.split("'boxx'")[1]  # the nearest valid key
    assert rows[6].place == "clips.jsonl:7"


@pytest.mark.parametrize(
    "name",
    [
        "../up",
        "/abs",
        "a/b",
        "..",
        ".",
        ".hidden",
        "a\nb",
        "a\0b",
        "a\\b",
        "c:x",
        " x",
        "",
        "x" * 200,
    ],
)
def test_names_that_could_leave_the_output_fail(name: str, tmp_path: Path):
    lines = [json.dumps({"source": "a.mp4", "name": name}), '{"source": "b.mp4"}']
    bad, good = read_rows(write(tmp_path, "clips.jsonl", "\n".join(lines)))
    assert bad.problem is not None
    assert "name" in bad.problem
    assert good.problem is None


@pytest.mark.parametrize("key", ["output", "o", "command", "progress", "json"])
def test_a_row_sets_only_options_of_one_clip(key: str, tmp_path: Path):
    (row,) = read_rows(write(tmp_path, "c.jsonl", json.dumps({"source": "a.mp4", key: "/tmp/x"})))
    assert row.problem is not None


def test_every_option_of_track_is_an_option_of_batch_and_of_a_row(tmp_path: Path):
    names = {field.name for field in dataclasses.fields(TrackFlags)}
    assert names <= inspect.signature(batch).parameters.keys()
    samples = {bool: "true", int | None: "512"}
    kinds = get_type_hints(TrackFlags)
    values = {name: samples.get(kinds[name], "text") for name in names}
    (row,) = read_rows(write(tmp_path, "c.jsonl", json.dumps({"source": "a.mp4", **values})))
    assert row.problem is None
    flags = dataclasses.replace(TrackFlags(), **row.options)
    assert (flags.overwrite, flags.size, flags.box) == (True, 512, ("text",))


def test_whole_manifests_that_are_wrong(tmp_path: Path):
    with pytest.raises(InputError, match="names no clip"):
        read_rows(write(tmp_path, "empty.txt", "# nothing\n"))
    with pytest.raises(UsageError, match="no column 'source'"):
        read_rows(write(tmp_path, "a.csv", "path,box\na.mp4,\n"))
    with pytest.raises(UsageError, match="boxes"):
        read_rows(write(tmp_path, "b.csv", "source,boxes\na.mp4,\n"))
    with pytest.raises(InputError):
        read_rows(str(tmp_path / "none.txt"))


def test_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    class Stdin:
        buffer = io.BytesIO(b"source,end\na.mp4,5f\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    (row,) = read_rows("-")
    assert (row.source, row.options) == (str(tmp_path / "a.mp4"), {"end": "5f"})
