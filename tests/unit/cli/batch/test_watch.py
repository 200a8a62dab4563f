"""A folder that grows: when a clip is taken, and when again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vos_cli.batch import watch as watching
from vos_cli.batch.clips.clip import Clip
from vos_cli.batch.folder import ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.batch.run import Ended
from vos_cli.batch.watch import Round, Watch, watch_folder
from vos_cli.options.track import TrackFlags


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(path: Path, flags: TrackFlags | None = None) -> Clip:
    return Clip(path.name, path.name, str(path), flags or TrackFlags())


def test_a_clip_that_is_still_being_copied_waits(tmp_path: Path):
    clock = Clock()
    watch, file = Watch(5, clock), tmp_path / "a.mp4"
    file.write_bytes(b"1")
    clip = make(file)
    assert watch.take([clip]) == []
    clock.now = 4
    file.write_bytes(b"12")
    assert watch.take([clip]) == []
    clock.now = 8.9
    assert watch.take([clip]) == []
    clock.now = 9
    assert watch.take([clip]) == [clip]
    clock.now = 20
    assert watch.take([clip]) == []  # only once


def test_one_whose_prompts_come_later_is_taken_again(tmp_path: Path):
    clock = Clock()
    watch, folder = Watch(5, clock), tmp_path / "seq"
    folder.mkdir()
    (folder / "0.png").write_bytes(b"1")
    clip = make(folder)
    watch.take([clip])
    clock.now = 5
    assert watch.take([clip]) == [clip]
    (tmp_path / "p.json").write_text("{}")
    prompted = make(folder, TrackFlags(prompts=tmp_path / "p.json"))
    assert watch.take([prompted]) == []
    clock.now = 10
    assert watch.take([prompted]) == [prompted]
    (folder / "1.png").write_bytes(b"1")  # another image
    watch.take([prompted])
    clock.now = 15
    assert watch.take([prompted]) == [prompted]
    (folder / "0.png").unlink()
    (folder / "1.png").unlink()
    folder.rmdir()
    assert watch.take([prompted]) == []


def test_a_newcomer_takes_nobodys_name(tmp_path: Path):
    clock = Clock()
    watch = Watch(0, clock)
    sources = [tmp_path / "b.mp4", tmp_path / "a.mp4"]
    for source in sources:
        source.touch()
    first, second = (replace(make(source), name="X") for source in sources)
    watch.take([first])
    assert watch.take([first]) == [first]
    watch.take([second])
    (refused,) = watch.take([second])
    assert refused.name != "X"
    assert "b.mp4, which was here first" in str(refused.problem)


def test_rounds_go_on_until_ctrl_c_and_keep_what_was(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(watching, "STILL_S", 0.0)
    monkeypatch.setattr(Watch.__init__, "__defaults__", (0.0, Clock()))
    naps = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            (tmp_path / "b").touch()
        if len(naps) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(watching.time, "sleep", sleep)
    (tmp_path / "a").touch()
    done: list[list[str]] = []

    def do_round(clips: list[Clip], before: Round) -> Round:
        done.append([clip.name for clip in clips])
        results = {**before.known(clips)}
        results |= {clip.name: ClipResult(clip.name, "done") for clip in clips}
        probes = before.with_new([Probe(clip, None) for clip in clips])
        return Round(probes, Ended({"state": "finished"}, results))

    last = watch_folder(lambda: [make(path) for path in sorted(tmp_path.iterdir())], do_round)
    assert done == [["a"], ["b"]]
    assert [probe.clip.name for probe in last.probes] == ["a", "b"]
    assert last.ended is not None
    assert {name: one.was_there for name, one in last.ended.results.items()} == {
        "a": True,  # of the round before
        "b": False,
    }


def test_a_limit_of_failures_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Watch.__init__, "__defaults__", (0.0, Clock()))
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    (tmp_path / "a").touch()
    stopped = Round((), Ended({"state": "stopped"}))
    assert watch_folder(lambda: [make(tmp_path / "a")], lambda *_: stopped) is stopped
