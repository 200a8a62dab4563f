"""Shards of different counts have videos in common: each is tracked once, and by one at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from vos.settings import Settings
from vos_cli.commands import eval_track

VIDEOS = [f"v{number:02d}" for number in range(12)]
SHARDS = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def run_of(output: Path, shard: tuple[int, int]) -> eval_track._Run:
    values = {field.name: None for field in fields(eval_track._Run)}
    values |= {"output": output, "shard": shard, "chosen": Settings(progress="none")}
    return eval_track._Run(**values)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    working: set[str] = set()

    def track(_tracker, task, output: Path, _advance) -> None:
        assert task.video not in working, "two at once"
        working.add(task.video)
        time.sleep(0.005)
        (output / eval_track.PREDICTIONS / task.video).mkdir(parents=True)
        done.append(task.video)
        working.discard(task.video)

    monkeypatch.setattr("vos.loading.load", lambda _options: None)
    monkeypatch.setattr(eval_track, "_record", lambda *_: None)
    monkeypatch.setattr(eval_track, "_track_video", track)
    return done


TASKS = [SimpleNamespace(video=video, frames=[0]) for video in VIDEOS]


def test_each_video_is_tracked_once(tmp_path: Path, tracked, capsys) -> None:
    failures: list[BaseException] = []

    def work(shard: tuple[int, int]) -> None:
        try:
            eval_track._track_all(run_of(tmp_path, shard), TASKS, -1)  # pyright: ignore
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(shard,)) for shard in SHARDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert sorted(tracked) == VIDEOS
    assert "another shard" in capsys.readouterr().err


def test_the_second_skips_with_a_line(tmp_path: Path, tracked, capsys) -> None:
    with eval_track._claim(run_of(tmp_path, (0, 2)), "v00") as is_ours:
        assert is_ours
        eval_track._track_all(run_of(tmp_path, (0, 3)), TASKS[:1], -1)  # pyright: ignore
    assert tracked == []
    assert "v00: another shard is tracking it, skipped" in capsys.readouterr().err
    eval_track._track_all(run_of(tmp_path, (0, 3)), TASKS[:1], -1)  # pyright: ignore
    assert tracked == ["v00"]


def test_without_shards_nothing_is_left_behind(tmp_path: Path, tracked) -> None:
    eval_track._track_all(run_of(tmp_path, (0, 1)), TASKS, -1)  # pyright: ignore
    assert [entry.name for entry in tmp_path.iterdir()] == [eval_track.PREDICTIONS]
