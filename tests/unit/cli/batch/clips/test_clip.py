"""Which clips a folder has, what they are called, and where their prompts come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.errors import InputError, UsageError
from vos_cli.batch.clips.clip import make_clips
from vos_cli.batch.clips.find_clips import find_left_out, find_rows
from vos_cli.batch.clips.rows import Row
from vos_cli.options.track import TrackFlags


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def find(folder: Path, *, recursive: bool = False, match: str | None = None) -> list[str]:
    rows = find_rows(folder, recursive=recursive, match=match, leave_out=folder / "out")
    return [row.place for row in rows]


def test_a_folder_has_videos_and_image_sequences(tmp_path: Path):
    touch(tmp_path, "b.MOV", "a.mp4", "notes.txt", ".hidden.mp4", "a.mp4.prompts.json")
    touch(tmp_path, "seq/1.png", "seq/2.png", "deep/c.mkv", "deep/thumb.png", "out/clips/x.mp4")
    touch(tmp_path, "done-vos/overlay.mp4")
    (tmp_path / "done-vos/manifest.json").write_text('{"schema": 1, "files": {}}')
    assert find(tmp_path) == ["a.mp4", "b.MOV", "seq"]
    assert find(tmp_path, recursive=True) == ["a.mp4", "b.MOV", "deep/c.mkv", "seq"]
    assert find(tmp_path, match="*.txt") == ["notes.txt"]


def test_an_empty_folder_says_so(tmp_path: Path):
    touch(tmp_path, "deep/c.mkv")
    with pytest.raises(InputError, match="--recursive"):
        find(tmp_path)


def names(rows: list[Row]) -> list[str]:
    return [clip.name for clip in make_clips(rows, TrackFlags(), None)]


def test_the_same_stem_never_collides(tmp_path: Path):
    touch(tmp_path, "shot.mov", "shot.mp4", "a/shot.mov", "b/shot.mov", "a__shot.mov")
    rows = find_rows(tmp_path, recursive=True, match=None, leave_out=tmp_path / "out")
    found = dict(zip([row.place for row in rows], names(rows), strict=True))
    assert len({name.lower() for name in found.values()}) == 5
    assert found["shot.mov"] == "shot.mov"
    assert found["b/shot.mov"] == "b__shot.mov"
    assert found["a/shot.mov"] != found["a__shot.mov"]


def test_names_do_not_depend_on_the_order():
    rows = [Row("l:1", "/a/Shot.mov"), Row("l:2", "/b/shot.mov"), Row("l:3", "/c/other.mov")]
    there, back = names(rows), names(rows[::-1])[::-1]
    assert there == back
    assert len({name.lower() for name in there}) == 3
    assert there[2] == "other.mov"


@pytest.mark.parametrize(
    "source", ["/x/a\nb.mp4", "/x/..", "/x/" + "n" * 250, "/x/.mp4", "/x/\udcff"]
)
def test_hostile_sources_get_tame_names(source: str):
    (name,) = names([Row("l:1", source)])
    assert name.isprintable()
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) < 200


def test_one_clip_twice(tmp_path: Path):
    box, other = {"box": ("1,2,3,4",)}, {"box": ("5,6,7,8",)}
    rows = [Row("l:1", "/a.mp4", None, box), Row("l:2", "/a.mp4", None, other)]
    clips = make_clips([*rows, Row("l:3", "/a.mp4", None, box)], TrackFlags(), None)
    assert [clip.problem is None for clip in clips] == [True, True, False]
    assert len({clip.name for clip in clips}) == 3


def prompts_of(rows: list[Row], base: TrackFlags, prompts_from: str | None = None) -> list[object]:
    return [clip.flags.prompts or clip.flags.box for clip in make_clips(rows, base, prompts_from)]


def test_where_prompts_come_from(tmp_path: Path):
    touch(tmp_path, "a.mp4", "a.mp4.prompts.json", "b.mp4", "b.prompts.json", "c.mp4", "p/a.json")
    rows = [Row(name, str(tmp_path / name)) for name in ("a.mp4", "b.mp4", "c.mp4")]
    beside = [tmp_path / "a.mp4.prompts.json", tmp_path / "b.prompts.json"]
    flag = TrackFlags(box=("1,2,3,4",))
    assert prompts_of(rows, TrackFlags()) == [*beside, ()]
    assert prompts_of(rows, flag) == [flag.box] * 3
    assert prompts_of(rows, flag, "sidecar") == [*beside, flag.box]
    assert prompts_of(rows, TrackFlags(), str(tmp_path / "p"))[0] == tmp_path / "p/a.json"
    one = str(tmp_path / "b.prompts.json")
    assert prompts_of(rows, TrackFlags(), one) == [Path(one)] * 3
    own = [Row("l:1", rows[0].source, None, {"box": ("9,9,20,20",)})]
    assert prompts_of(own, flag, "sidecar") == [("9,9,20,20",)]
    with pytest.raises(UsageError, match="--prompts-from"):
        make_clips(rows, TrackFlags(), str(tmp_path / "nowhere"))


def test_what_is_no_clip_is_named(tmp_path: Path):
    for name in ("a.mp4", "a.mp4.prompts.json", "notes.txt", ".hidden", "raw/1.exr", "deep/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = find_rows(tmp_path, recursive=False, match=None, leave_out=tmp_path / "out")
    assert [row.place for row in rows] == ["a.mp4", "raw"]  # so that the EXR files are said to fail
    (tmp_path / "out").mkdir()
    assert find_left_out(tmp_path, rows, tmp_path / "out") == ["deep/", "notes.txt"]
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "1.png").touch()
    with pytest.raises(InputError, match="its 1 images are one clip for `vos track`"):
        find_rows(tmp_path / "only", recursive=False, match=None, leave_out=tmp_path / "out")
