"""The review queue: what is one incident, in which order, and what is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vos.errors import OutputError, UsageError
from vos.io.results.layout import REVIEWED_NAME
from vos.io.results.manifest import inventory
from vos.io.write.stats_file import ObjectSeries
from vos.suspicious import Kind, Suspicion
from vos_cli.studio.review import Incident, Reviewed, find_incidents

FRAMES = 600


def series(score: float = 5.0) -> dict[int, ObjectSeries]:
    one = ObjectSeries(
        np.arange(FRAMES), np.full(FRAMES, 900), np.full(FRAMES, 0.9), np.full(FRAMES, score)
    )
    return {1: one, 2: one}


def span(kind: Kind, first: int, last: int, amount: float = 0.5, object_id: int = 1) -> Suspicion:
    return Suspicion(object_id, kind, first, last, first, amount)


def shown(spans: list[Suspicion]) -> list[tuple[int, int, int]]:
    return [(one.object_id, one.first, one.last) for one in find_incidents(spans, series())]


def test_one_exit_is_one_incident():
    leaving = [
        span("area jump", 69, 71, 0.4),
        span("score drop", 72, 131),
        span("lost", 132, 200, 69),
        span("area jump", 133, 133, 3),
    ]
    assert shown(leaving) == [(1, 69, 200)]


def test_objects_are_apart_and_so_is_what_lies_far():
    spans = [
        span("lost", 10, 12, 3),
        span("lost", 10, 12, 3, object_id=2),
        span("lost", 40, 41, 2),
    ]
    assert shown(spans) == [(1, 10, 12), (2, 10, 12), (1, 40, 41)]


def test_what_lasts_does_not_swallow_all_that_follows():
    spans = [span("low score", 0, 599, 0.4), span("score drop", 5, 6), span("lost", 300, 310, 11)]
    assert shown(spans) == [(1, 300, 310), (1, 0, 599)]


def test_another_scene_is_another_incident():
    spans = [span("area jump", 20, 40), span("area jump", 30, 31), span("after cut", 30, 80, 51)]
    assert shown(spans) == [(1, 30, 80), (1, 20, 40)]


def test_the_worst_is_first():
    spans = [
        span("score drop", 10, 11, 0.15),
        span("area jump", 100, 101, 1.5),
        span("after cut", 200, 599, 400),
        span("lost", 150, 160, 11),
    ]
    found = find_incidents(spans, series())
    assert [one.first for one in found] == [150, 200, 100, 10]
    assert all(0 < one.severity <= 1 for one in found)


def incidents(score: float = 5.0) -> list[Incident]:
    return find_incidents([span("lost", 10, 12, 3), span("lost", 90, 91, 2)], series(score))


def test_what_is_fine_stays_so_until_its_masks_change(tmp_path: Path):
    here = incidents()
    Reviewed(tmp_path).mark(here, here[0].key, is_fine=True)
    Reviewed(tmp_path).mark(here, here[1].key, is_fine=True)
    fine = Reviewed(tmp_path).keys()
    assert [one.as_json(fine)["is_fine"] for one in incidents()] == [True, True]
    assert [one.as_json(fine)["is_fine"] for one in incidents(4.0)] == [False, False]
    Reviewed(tmp_path).mark(here, here[1].key, is_fine=False)
    fine = Reviewed(tmp_path).keys()
    assert [one.as_json(fine)["is_fine"] for one in here] == [True, False]
    with pytest.raises(UsageError, match="changed meanwhile"):
        Reviewed(tmp_path).mark(incidents(4.0), here[0].key, is_fine=True)


def test_it_is_no_part_of_the_output(tmp_path: Path):
    Reviewed(tmp_path).mark(incidents(), incidents()[0].key, is_fine=True)
    assert (tmp_path / REVIEWED_NAME).is_file()
    assert inventory(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"fine": 3}', '{"fine": [1, {}]}', "[" * 5000])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str):
    (tmp_path / REVIEWED_NAME).write_text(text)
    assert Reviewed(tmp_path).keys() == set()
    Reviewed(tmp_path).mark(incidents(), incidents()[0].key, is_fine=True)
    assert json.loads((tmp_path / REVIEWED_NAME).read_text())["fine"] == [incidents()[0].key]


def test_nothing_is_written_through_a_link(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / REVIEWED_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError):
        Reviewed(tmp_path / "out").mark(incidents(), incidents()[0].key, is_fine=True)
    assert not (tmp_path / "elsewhere").exists()
