"""Shards of different counts have videos in common: each is tracked once, and by one at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from vos.settings import Settings
from vos_cli.evaluate import predict
from vos_cli.evaluate.job import PREDICTIONS, EvalJob
from vos_cli.evaluate.output import claim
from vos_eval.data_sets.base import DataSet, Submission, Video

VIDEOS = [f"v{number:02d}" for number in range(12)]
SHARDS = [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


TASKS = tuple(Video(name, Path(name), ("00000",), ()) for name in VIDEOS)


def job_of(output: Path, shard: tuple[int, int]) -> EvalJob:
    data_set = DataSet("drawn", TASKS, None, Submission("nobody"))
    return EvalJob(data_set, output, Settings(progress="none"), shard=shard)


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    working: set[str] = set()

    def track(job: EvalJob, _tracker, video: Video, *_calls) -> None:
        assert video.name not in working, "two at once"
        working.add(video.name)
        time.sleep(0.005)
        (job.predictions / video.name).mkdir(parents=True)
        done.append(video.name)
        working.discard(video.name)

    monkeypatch.setattr("vos.loading.load", lambda _options: None)
    monkeypatch.setattr(predict, "record", lambda *_: None)
    monkeypatch.setattr(predict, "_track_video", track)
    return done


def test_each_video_is_tracked_once(tmp_path: Path, tracked, capsys) -> None:
    failures: list[BaseException] = []

    def work(shard: tuple[int, int]) -> None:
        try:
            predict.track_videos(job_of(tmp_path, shard), TASKS, -1)
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
    with claim(job_of(tmp_path, (0, 2)), "v00") as is_ours:
        assert is_ours
        predict.track_videos(job_of(tmp_path, (0, 3)), TASKS[:1], -1)
    assert tracked == []
    assert "v00: another shard is tracking it, skipped" in capsys.readouterr().err
    predict.track_videos(job_of(tmp_path, (0, 3)), TASKS[:1], -1)
    assert tracked == ["v00"]


def test_without_shards_nothing_is_left_behind(tmp_path: Path, tracked) -> None:
    predict.track_videos(job_of(tmp_path, (0, 1)), TASKS, -1)
    assert [entry.name for entry in tmp_path.iterdir()] == [PREDICTIONS]
