"""Manifests: what a row says, what it may not say, and that a bad one harms no other."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import inspect
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.errors import InputError, UsageError, VosError
from vos.io.patterns import expand
from vos_cli.batch.clips.rows import read_rows
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
    assert expand(row.source) == [folder / "shot" / "0.png"]


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
    with pytest.raises(UsageError, match="boxs"):
        read_rows(write(tmp_path, "b.csv", "source,boxs\na.mp4,\n"))
    with pytest.raises(InputError):
        read_rows(str(tmp_path / "none.txt"))


def test_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    class Stdin:
        buffer = io.BytesIO(b"source,end\na.mp4,5f\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    (row,) = read_rows("-")
    assert (row.source, row.options) == (str(tmp_path / "a.mp4"), {"end": "5f"})


CELLS = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=9
).filter(lambda cell: "**" not in cell)  # which is refused: it looks through whole trees


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["source,box,end", "Source,Box,End", "SOURCE, box ,END"]),
    st.sampled_from(["a.csv", "a.tsv", "a.txt"]),
    st.booleans(),
    CELLS,
)
def test_tables_of_any_program(separator, encoding, ending, header, name, says_so, cell):
    """Excel's separators and encodings, and whatever a cell holds in quotes."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=ending, quoting=csv.QUOTE_ALL)
    if says_so:
        text.write(f"sep={separator}{ending}")
    text.write(separator.join(header.split(",")) + ending)
    writer.writerow(["clips/Ünï 1.mp4", "1,2,30,40; 2:5,6,70,80", "5f"])
    writer.writerow([f"x{cell}.mp4", "", ""])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(text.getvalue().encode(encoding))
        first, second = read_rows(str(Path(folder) / name))
        assert first.source == str(Path(folder) / "clips/Ünï 1.mp4")
        assert first.options == {"box": ("1,2,30,40", "2:5,6,70,80"), "end": "5f"}
        assert second.problem is None
        assert not second.options


def test_unquoted_cells_of_a_semicolon_table(tmp_path: Path):
    text = "\ufeffsource;box;Neg-Point\r\nclips/shot 1.mp4;47,111,114,178;3,4\r\n"
    (row,) = read_rows(write(tmp_path, "semi.csv", text))
    assert row.options == {"box": ("47,111,114,178",), "neg_point": ("3,4",)}


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.jsonl"])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_array(name: str, indent: int | None, tmp_path: Path):
    items = [{"source": "clips/a.mp4", "box": ["1,2,30,40"]}, "b.mp4", 3]
    one, two, three = read_rows(write(tmp_path, name, json.dumps(items, indent=indent)))
    assert (one.place, one.options) == (f"{name}: item 1", {"box": ("1,2,30,40",)})
    assert (two.source, two.problem) == (str(tmp_path / "b.mp4"), None)
    assert three.problem is not None
    (single,) = read_rows(write(tmp_path, "one.json", json.dumps(items[0], indent=1)))
    assert single.source == str(tmp_path / "clips/a.mp4")


def test_what_is_no_list_of_clips(tmp_path: Path):
    with pytest.raises(UsageError, match="no list of clips"):
        read_rows(write(tmp_path, "p.json", '{"schema": 1,\n "prompts": []}'))
    with pytest.raises(UsageError, match="not JSON"):
        read_rows(write(tmp_path, "q.json", "[1, 2"))
    with pytest.raises(UsageError, match="a video is no list of clips"):
        read_rows(write(tmp_path, "clip.MP4", "x"))
    with pytest.raises(InputError, match="a URL or stream"):
        read_rows("https://example.org/list.csv")
    with pytest.raises(UsageError, match="separated by"):
        read_rows(write(tmp_path, "a.csv", "path:box\na.mp4:\n"))
    (row,) = read_rows(write(tmp_path, "b.txt", "[1080p] clip.mp4\n"))
    assert row.source.endswith("[1080p] clip.mp4")
    long = "x" * 200_000
    rows = read_rows(write(tmp_path, "long.csv", f'source,box\n"{long}",\nb.mp4,\n'))
    assert [row.problem is None for row in rows] == [False, True]


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_an_error_of_ours(data: bytes):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.csv", "a.json", "a.txt"):
            path = Path(folder) / name
            path.write_bytes(b"source,box\n" * (name == "a.csv") + data)
            with contextlib.suppress(VosError):
                read_rows(str(path))


def test_exports_have_two_names_as_on_the_command_line(tmp_path: Path):
    table = write(tmp_path, "a.csv", 'source,to\na.mp4,"csv,vp9"\n')
    lines = write(tmp_path, "a.jsonl", '{"source": "a.mp4", "deliver": "csv,vp9"}\n')
    for manifest in (table, lines):
        (row,) = read_rows(manifest)
        assert row.options == {"deliver": "csv,vp9"}
