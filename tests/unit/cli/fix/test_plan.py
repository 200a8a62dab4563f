"""Which memories a correction starts from, and which frames it may change."""

from __future__ import annotations

import numpy as np
import pytest

from vos.errors import PromptError
from vos.prompts import Box, MaskPrompt, Points, Polygon
from vos_cli.fix.plan import check, course, lifetime, merged, within_scene

FRAMES = range(10, 101)


def plan(
    frame_idx: int,
    prompted: set[int],
    direction: str = "forward",
    tracked_from: set[int] | None = None,
    existing: range | None = None,
):
    tracked_from = prompted if tracked_from is None else tracked_from
    if existing is None:
        existing = {
            "forward": range(min(tracked_from), 101),
            "backward": range(10, max(tracked_from) + 1),
            "both": FRAMES,
        }[direction]
    return course(1, frame_idx, prompted | {frame_idx}, tracked_from, existing, FRAMES, direction)


def limits(one) -> tuple[str, int, int, str]:
    return one.before, one.low, one.high, one.after


def test_between_two_prompted_frames():
    one = plan(50, {20, 80})
    assert limits(one) == ("prompt", 21, 79, "prompt")
    assert (one.reverse, one.anchors) == (False, (20,))


def test_the_way_back_ends_at_a_scene_cut():
    one = plan(50, {20, 80})
    assert limits(within_scene(one, [12, 30, 50, 60])) == ("cut", 50, 79, "prompt")
    assert limits(within_scene(one, [12, 30, 60])) == ("cut", 30, 79, "prompt")
    assert within_scene(one, [12, 20, 21, 80]) == one
    back = plan(50, {80}, "backward")
    assert limits(within_scene(back, [30, 60])) == ("end", 10, 59, "cut")
    assert within_scene(back, [30, 50]) == back


def test_after_the_last_prompted_frame():
    one = plan(50, {20})
    assert limits(one) == ("prompt", 21, 100, "end")


def test_many_prompted_frames_the_first_and_the_nearest_are_remembered():
    one = plan(90, {20, 30, 40, 50, 60, 70})
    assert one.anchors == (20, 50, 60, 70)


def test_before_its_first_prompt_an_object_tracked_forward_begins_at_the_correction():
    one = plan(15, {20}, tracked_from={20})
    assert limits(one) == ("end", 15, 19, "prompt")
    assert one.anchors == ()


def test_on_its_first_frame_again():
    one = plan(20, {20, 40})
    assert (one.reverse, one.anchors) == (False, ())
    assert limits(one) == ("end", 20, 39, "prompt")


def test_what_was_tracked_backward_remembers_the_frames_after_it():
    one = plan(50, {20, 70, 90}, "backward")
    assert (one.reverse, one.anchors) == (True, (90, 70))
    assert limits(one) == ("prompt", 21, 69, "prompt")
    assert limits(plan(50, {70}, "backward")) == ("end", 10, 69, "prompt")


def test_both_ways_from_its_first_prompt():
    one = plan(15, {30, 60}, "both")
    assert (one.reverse, one.anchors) == (True, (30,)), "60 was not asked on the way back"
    assert limits(one) == ("end", 10, 29, "prompt")
    later = plan(50, {15, 30, 60}, "both", tracked_from={30, 60})
    assert (later.reverse, later.anchors) == (False, (30,))


def test_a_new_mask_replaces_what_was_said_of_its_frame_a_box_the_box_and_points_add_up():
    box, point = Box(1, (1, 2, 3, 4), 5), Points(1, ((1, 2),), (1,), 5)
    others = [Box(2, (1, 2, 3, 4), 5), Box(1, (1, 2, 3, 4), 6)]
    mask = MaskPrompt(1, np.ones((9, 9), bool), 5)
    polygon = Polygon(1, ((1, 1), (5, 1), (5, 5)), 5)
    assert merged([box, point, *others], [mask]) == (*others, mask)
    assert merged([mask, *others], [polygon]) == (*others, polygon)
    new_box = Box(1, (2, 2, 3, 4), 5)
    assert merged([box, point, *others], [new_box]) == (point, *others, new_box)
    assert merged([box], [point, point]) == (box, point, point)


@pytest.mark.parametrize(
    ("direction", "low", "high"), [("forward", 30, 100), ("backward", 10, 60), ("both", 10, 100)]
)
def test_a_new_object_exists_where_tracking_it_would_have_made_it_exist(direction, low, high):
    alive = lifetime({30, 60}, FRAMES, direction)
    assert (alive[0], alive[-1]) == (low, high)
    first = plan(30, {60}, direction, tracked_from={30, 60}, existing=alive)
    last = plan(60, {30}, direction, tracked_from={30, 60}, existing=alive)
    assert (first.low, first.high, last.low, last.high) == (low, 59, 31, high)


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ([], "no correction"),
        ([Points(1, ((1, 2),), (1,), 9)], "frame 9: this result has frames 10 to 100"),
        ([Points(3, ((1, 2),), (1,), 101)], "frame 101"),
    ],
)
def test_what_the_result_does_not_have(prompts, words):
    with pytest.raises(PromptError, match=words):
        check(prompts, FRAMES)
