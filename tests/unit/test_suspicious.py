"""What of a track's numbers is worth a look, on series made up for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.io.write.stats_file import ObjectSeries
from vos.suspicious import find_suspicious_spans

FRAMES = 80


def series(area: np.ndarray | None = None, iou: np.ndarray | None = None) -> ObjectSeries:
    area = np.full(FRAMES, 1000) if area is None else area
    iou = np.full(FRAMES, 0.9) if iou is None else iou
    return ObjectSeries(np.arange(FRAMES), area.astype(int), iou, np.full(FRAMES, 5.0))


def found(one: ObjectSeries, **asked) -> list[tuple[str, int, int]]:
    return [(s.kind, s.first, s.last) for s in find_suspicious_spans({1: one}, **asked)]


def wobbly(scale: float) -> np.ndarray:
    return np.random.default_rng(3).normal(0, scale, FRAMES)


def test_a_steady_track_is_not_suspicious():
    assert found(series()) == []
    grows = 1000 * 1.03 ** np.arange(FRAMES)
    assert found(series(grows * np.exp(wobbly(0.03)), 0.85 + wobbly(0.02))) == []


def test_a_drop_of_the_score():
    iou = 0.9 + wobbly(0.01)
    iou[40:44] = 0.6
    (span,) = find_suspicious_spans({1: series(iou=iou)})
    assert (span.kind, span.first, span.last) == ("score drop", 40, 43)
    assert span.amount == pytest.approx(0.3, abs=0.03)


def test_what_is_usual_for_an_object_is_no_drop():
    noisy = np.clip(0.6 + wobbly(0.12), 0, 1)
    assert found(series(iou=noisy)) == []
    low = np.full(FRAMES, 0.4)
    assert found(series(iou=low)) == []


def test_a_lower_level_becomes_the_usual_one():
    iou = np.where(np.arange(FRAMES) < 30, 0.9, 0.7)
    ((kind, first, last),) = found(series(iou=iou))
    assert (kind, first) == ("score drop", 30)
    assert last < 50


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_jump_of_the_area(factor):
    area = np.where(np.arange(FRAMES) < 40, 1000.0, 1000 * factor) * np.exp(wobbly(0.01))
    ((kind, first, last),) = found(series(area))
    assert (kind, first) == ("area jump", 40)
    assert last < 45, "the new area is soon the usual one"
    (span,) = find_suspicious_spans({1: series(area)})
    assert span.amount == pytest.approx(factor, rel=0.1)


def test_a_fast_but_even_change_is_no_jump():
    assert found(series(1000 * 1.2 ** np.arange(FRAMES, dtype=float))) == []


def test_a_lost_object_until_it_is_back():
    area = np.full(FRAMES, 1000)
    area[:5] = 0  # not there yet
    area[20:30] = 0
    area[70:] = 0
    assert found(series(area)) == [("lost", 20, 29), ("lost", 70, 79)]


def test_after_a_cut_until_the_object_is_gone_prompted_or_cut_again():
    area = np.full(FRAMES, 1000)
    area[60:] = 0
    cuts = found(series(area), cuts=[10, 30, 50, 70], prompted={1: {40}})
    assert [span for span in cuts if span[0] == "after cut"] == [
        ("after cut", 10, 29),
        ("after cut", 30, 39),
        ("after cut", 50, 59),
    ]
    assert found(series(), cuts=[40], prompted={1: {40}}) == []


def test_a_prompted_frame_is_as_it_should_be():
    area = np.where(np.arange(FRAMES) < 40, 1000, 3000)
    iou = np.where(np.arange(FRAMES) < 40, 0.9, 0.6)
    assert found(series(area, iou), prompted={1: {40}}) == []


def test_objects_are_told_apart_and_spans_are_in_order():
    area = np.full(FRAMES, 1000)
    area[50:] = 0
    early = np.full(FRAMES, 1000)
    early[10:] = 0
    spans = find_suspicious_spans({1: series(area), 2: series(early), 3: series()})
    assert [(s.object_id, s.first) for s in spans] == [(2, 10), (1, 50)]


@given(
    areas=st.lists(st.integers(0, 10**6), min_size=1, max_size=60),
    scores=st.lists(st.one_of(st.floats(-1, 2), st.just(float("nan"))), min_size=60, max_size=60),
    first=st.integers(0, 1000),
    factor=st.integers(2, 9),
)
def test_any_series(areas, scores, first, factor):
    """Spans lie inside, are ordered, and the area's unit does not matter."""
    frames = np.arange(first, first + len(areas))
    score = np.array(scores[: len(areas)])
    one = ObjectSeries(frames, np.array(areas), score, score)
    spans = find_suspicious_spans({7: one})
    assert all(first <= s.first <= s.worst <= s.last <= frames[-1] for s in spans)
    assert [s.first for s in spans] == sorted(s.first for s in spans)
    scaled = ObjectSeries(frames, np.array(areas) * factor, score, score)
    assert [(s.kind, s.first, s.last) for s in find_suspicious_spans({7: scaled})] == [
        (s.kind, s.first, s.last) for s in spans
    ]
