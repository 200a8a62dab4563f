"""The prompt kinds, their rules, and how they join per object and frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.errors import PromptError
from vos.prompts import (
    Box,
    MaskPrompt,
    Points,
    Polygon,
    Prompt,
    Scribble,
    check_frame_range,
    collect,
)
from vos.prompts.geometry import points_along, rasterise_polygon

SIZE = (60, 80)
FULL = np.ones(SIZE, dtype=bool)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Box(0, (1, 1, 2, 2)), "object id 0 is out of range"),
        (lambda: Box(256, (1, 1, 2, 2)), "1 to 255"),
        (lambda: Box(True, (1, 1, 2, 2)), "not a whole number"),
        (lambda: Box(1.5, (1, 1, 2, 2)), "not a whole number"),  # pyright: ignore
        (lambda: Box(1, (1, 1, 2, 2), -3), "frame -3"),
        (lambda: Box(1, (9, 1, 2, 8)), "did you mean 9,1,11,9 .*, or 2,1,9,8"),
        (lambda: Box(1, (1, 9, 2, 8)), "inverted"),
        (lambda: Box(1, (1, 1, 1, 8)), "no area"),
        (lambda: Box(1, (1, 1, math.nan, 8)), "not finite"),
        (lambda: Box(1, (1, 1, math.inf, 8)), "not finite"),
        (lambda: Box(1, (1, 1, 8)), "3 numbers"),  # pyright: ignore
        (lambda: Box(1, ("a", 1, 1, 8)), "no number"),  # pyright: ignore
        (lambda: Points(1, (), ()), "empty"),
        (lambda: Points(1, ((1, 2),), ()), "1 points and 0 labels"),
        (lambda: Points(1, ((1, 2),), (2,)), "label 2"),
        (lambda: Points(1, ((1, 2, 3),), (1,)), "two numbers"),  # pyright: ignore
        (lambda: Polygon(1, ((1, 2), (3, 4))), "2 vertices"),
        (lambda: Polygon(1, ((1, 1), (2, 2), (5, 5), (1, 1))), "one line"),
        (lambda: Polygon(1, ((1, 1), (1, 1), (1, 1))), "one line"),
        (lambda: Scribble(1, ()), "empty"),
        (lambda: Scribble(1, ((1, 1),), 1), "positive=1"),  # pyright: ignore
        (lambda: MaskPrompt(1, np.zeros((4, 4), bool)), "empty"),
        (lambda: MaskPrompt(1, np.zeros((0, 4), bool)), "empty"),
        (lambda: MaskPrompt(1, np.ones((4, 4, 3), bool)), "height x width"),
    ],
)
def test_a_prompt_that_cannot_be_right_is_refused_at_once(make, says):
    with pytest.raises(PromptError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ([Box(1, (10, 10, 89, 20))], "89,20 is outside the frame; it is 80x60"),
        ([Box(1, (-9, 10, 8, 20))], "outside"),
        ([Points(1, ((80, 5),), (1,))], "outside"),
        ([Points(1, ((5, 60),), (1,))], "outside"),
        ([Polygon(1, ((0, 0), (80, 0), (80, 61)))], "outside"),
        ([Scribble(1, ((0, 0), (80, 0)))], "outside"),
        ([MaskPrompt(1, np.ones((80, 60), bool))], "is 60x80; it must have the frame's size 80x60"),
        ([Polygon(1, ((1, 1.6), (70, 1.6), (70, 1.7)))], "no pixel centre"),
        ([Box(1, (1, 1, 5, 5)), Box(1, (2, 2, 5, 5))], "2 boxes"),
        ([MaskPrompt(3, FULL), MaskPrompt(3, FULL)], "object 3 on frame 0 has 2 masks"),
        ([MaskPrompt(1, FULL), Polygon(1, ((0, 0), (9, 0), (9, 9)))], "2 masks"),
        ([MaskPrompt(1, FULL), Points(1, ((1, 1),), (1,))], "taken as exact"),
        ([Polygon(1, ((0, 0), (9, 0), (9, 9))), Box(1, (1, 1, 5, 5))], "taken as exact"),
        (
            [Points(1, ((5.2, 6.9),), (1,)), Points(1, ((5.7, 6.1),), (0,))],
            "pixel 5,6 both",
        ),
        ([Points(1, ((5, 6), (5, 6)), (1, 0))], "pixel 5,6 both"),
        ([Points(4, ((5, 6),), (0,))], "object 4 starts on frame 0 with negative points only"),
        ([Scribble(4, ((5, 6),), False)], "negative points only"),
        ([Points(4, ((5, 6),), (0,), 2), Box(4, (1, 1, 5, 5), 3)], "starts on frame 2"),
    ],
)
def test_what_does_not_fit_the_video_or_contradicts_itself_is_refused(prompts, says):
    with pytest.raises(PromptError, match=says) as caught:
        collect(prompts, SIZE)
    assert "\n" not in str(caught.value)


def test_a_box_and_points_join_with_the_corners_first():
    said = collect(
        [
            Points(7, ((30.5, 20),), (1,), 4),
            Box(7, (10, 5, 80, 60), 4),
            Points(7, ((12, 50), (13, 50)), (0, 1), 4),
        ],
        SIZE,
    )
    prompt = said[4][7]
    assert prompt.points_xy_px.dtype == np.float32
    assert prompt.labels.dtype == np.int32
    assert prompt.points_xy_px.tolist() == [[10, 5], [80, 60], [30.5, 20], [12, 50], [13, 50]]
    assert prompt.labels.tolist() == [2, 3, 1, 0, 1]
    assert prompt.mask is None


def test_frames_and_objects_come_in_ascending_order():
    boxes: list[Prompt] = [Box(i, (1, 1, 9, 9), f) for i, f in [(9, 5), (2, 5), (200, 0), (3, 11)]]
    said = collect(boxes, SIZE)
    assert [(f, list(objects)) for f, objects in said.items()] == [
        (0, [200]),
        (5, [2, 9]),
        (11, [3]),
    ]


def test_masks_and_polygons_arrive_as_masks_without_points():
    said = collect([MaskPrompt(1, FULL), Polygon(2, ((0, 0), (4, 0), (4, 3), (0, 3)))], SIZE)
    assert said[0][1].mask is not None
    assert said[0][1].mask.all()
    polygon = said[0][2].mask
    assert polygon is not None
    assert polygon[:3, :4].all()
    assert polygon.sum() == 12
    assert said[0][2].points_xy_px.shape == (0, 2)
    assert said[0][2].labels.shape == (0,)


def test_corrections_that_are_negative_only_are_fine_after_the_first_prompt():
    said = collect([Box(1, (1, 1, 9, 9)), Points(1, ((3, 3),), (0,), 6)], SIZE)
    assert said[6][1].labels.tolist() == [0]


def test_the_first_prompt_depends_on_the_direction():
    prompts = [Points(1, ((3, 3),), (0,), 2), Box(1, (1, 1, 9, 9), 6)]
    with pytest.raises(PromptError, match="starts on frame 2"):
        collect(prompts, SIZE)
    assert list(collect(prompts, SIZE, direction="backward")) == [2, 6]
    assert list(collect(prompts, SIZE, direction="both")) == [2, 6]
    with pytest.raises(PromptError, match="negative points only"):
        collect(prompts[:1], SIZE, direction="both")


def test_prompts_past_the_end_are_named():
    prompts = [Box(1, (1, 1, 9, 9), 3), Points(2, ((3, 3),), (1,), 9)]
    check_frame_range(prompts, 10)
    with pytest.raises(PromptError, match=r"points of object 2 on frame 9 .* 9 frames, 0 to 8"):
        check_frame_range(prompts, 9)


def test_prompts_are_plain_values():
    assert Box(1, [1, 2, 3, 4]) == Box(1, (1.0, 2.0, 3.0, 4.0))  # pyright: ignore
    assert Points(1, np.array([[1, 2]]), np.array([1])) == Points(1, ((1, 2),), (1,))  # pyright: ignore
    mask = np.eye(4, dtype=bool)
    prompt = MaskPrompt(1, mask)
    assert prompt == MaskPrompt(1, np.eye(4, dtype=np.uint8) * 255)
    assert hash(prompt) == hash(MaskPrompt(1, np.eye(4, dtype=bool)))
    assert prompt != MaskPrompt(1, np.eye(5, dtype=bool))
    assert prompt != MaskPrompt(2, mask)
    mask[:] = False
    assert prompt.mask.any()
    with pytest.raises(ValueError, match="read-only"):
        prompt.mask[0, 0] = False


def _inside(x: float, y: float, vertices: list[tuple[float, float]]) -> bool:
    """The slow reference: count crossings to the left of the point."""
    odd = False
    for (x0, y0), (x1, y1) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
            odd = not odd
    return odd


@given(
    st.lists(
        st.tuples(st.integers(0, 26).map(lambda v: v / 2), st.integers(0, 18).map(lambda v: v / 2)),
        min_size=3,
        max_size=7,
    )
)
def test_a_polygon_covers_the_pixels_whose_centre_is_inside(vertices):
    mask = rasterise_polygon(vertices, (9, 13))
    # Points exactly on an edge may round either way: leave them out.
    for row in range(9):
        for column in range(13):
            x, y = column + 0.5, row + 0.5
            if _inside(x - 1e-7, y, vertices) == _inside(x + 1e-7, y, vertices):
                assert mask[row, column] == _inside(x, y, vertices), (row, column)


def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out():
    a, b, c = (3.2, 1.1), (55.7, 58.9), (79.3, 2.4)
    centre = (40.1, 17.7)
    parts = [
        rasterise_polygon(shape, SIZE)
        for shape in ((a, b, centre), (b, c, centre), (centre, c, a), (a, b, c))
    ]
    assert np.array_equal(parts[0].astype(int) + parts[1] + parts[2], parts[3].astype(int))


def test_scribbles_become_evenly_spaced_points():
    assert points_along([(5, 5)]).tolist() == [[5, 5]]
    assert points_along([(5, 5), (9, 5)]).tolist() == [[7, 5]]
    assert points_along([(0, 0), (16, 0)]).tolist() == [[0, 0], [8, 0], [16, 0]]
    bent = points_along([(0, 0), (0, 35), (35, 35)])
    assert len(bent) == 8
    assert bent.tolist() == [
        [0, 0], [0, 10], [0, 20], [0, 30], [5, 35], [15, 35], [25, 35], [35, 35]
    ]  # fmt: skip
    said = collect([Scribble(1, ((0, 0), (16, 0)), False), Box(1, (0, 0, 9, 9))], SIZE)
    assert said[0][1].labels.tolist() == [2, 3, 0, 0, 0]


def test_strokes_and_outlines_keep_their_line_pieces_as_drawn():
    stroke, dot = Scribble(1, ((1, 1), (9, 1), (9, 5))), Scribble(1, ((40, 40),), positive=False)
    outline = Polygon(2, ((0, 0), (80, 0), (80, 60)))
    drawn = collect([stroke, dot, Points(1, ((20, 20),), (1,)), outline], SIZE)[0]
    assert drawn[1].segments_xy_px.tolist() == [
        [[1, 1], [9, 1]],
        [[9, 1], [9, 5]],
        [[40, 40], [40, 40]],
    ]
    assert drawn[1].segment_labels.tolist() == [1, 1, 0]
    assert drawn[2].segments_xy_px.tolist() == [
        [[0, 0], [80, 0]],
        [[80, 0], [80, 60]],
        [[80, 60], [0, 0]],
    ]
    assert drawn[2].segment_labels.tolist() == [1, 1, 1]
    assert collect([Box(1, (1, 1, 5, 5))], SIZE)[0][1].segments_xy_px.shape == (0, 2, 2)
