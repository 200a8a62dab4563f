"""The dense prompt map: what is drawn where, whatever the order and the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vos.config import from_mapping
from vos.errors import ConfigError
from vos.model.types import ModelPrompt
from vos.refine import prompt_map
from vos.refine.prompt_map import PromptMap, PromptMapConfig

SIDE = 32
CPU = torch.device("cpu")
examples = settings(max_examples=20, deadline=None)

coordinate = st.integers(0, 4 * SIDE).map(lambda quarter: quarter / 4)
click = st.tuples(coordinate, coordinate, st.sampled_from((0, 1)))
clicks = st.lists(click, min_size=1, max_size=5)
line = st.tuples(coordinate, coordinate, coordinate, coordinate, st.sampled_from((0, 1)))
lines = st.lists(line, min_size=1, max_size=3)


def asked(points=(), segments=()) -> ModelPrompt:
    """One row from (x, y, label) and (x1, y1, x2, y2, label)."""
    p = torch.tensor(points).reshape(1, -1, 3)
    s = torch.tensor(segments).reshape(1, -1, 5)
    return ModelPrompt(
        points_xy=p[..., :2],
        labels=p[..., 2].int(),
        segments=s[..., :4].reshape(1, -1, 2, 2),
        segment_labels=s[..., 4].int(),
    )


def draw(prompt, mask_logits=None, *, batch=1, image_size=SIDE, **config):
    config = {"stride": 1, "channels": ("pos", "neg"), **config}
    painter = PromptMap(PromptMapConfig(**config))
    return painter(prompt, mask_logits, image_size=image_size, batch=batch, device=CPU)


def slow_disk(x: float, y: float, radius: int, side: int = SIDE) -> torch.Tensor:
    """One click, cell by cell."""
    cells = [
        [(i + 0.5 - x) ** 2 + (j + 0.5 - y) ** 2 <= radius**2 for i in range(side)]
        for j in range(side)
    ]
    return torch.tensor(cells).float()


@examples
@given(clicks)
def test_clicks_are_disks_in_the_plane_of_their_sign(points):
    drawn = draw(asked(points), radius_px=24)
    for plane, label in enumerate((1, 0)):
        disks = [slow_disk(x, y, 3) for x, y, mark in points if mark == label]
        expected = torch.stack([torch.zeros(SIDE, SIDE), *disks]).amax(0)
        assert torch.equal(drawn[0, plane], expected)


@examples
@given(clicks, lines, st.integers(-20, 20), st.integers(-20, 20))
def test_a_shifted_prompt_gives_a_shifted_map(points, strokes, dx, dy):
    moved = asked(
        [(x + dx, y + dy, mark) for x, y, mark in points],
        [(x1 + dx, y1 + dy, x2 + dx, y2 + dy, mark) for x1, y1, x2, y2, mark in strokes],
    )
    before, after = draw(asked(points, strokes))[0], draw(moved)[0]
    kept_y, kept_x = SIDE - abs(dy), SIDE - abs(dx)
    source = before[:, max(0, -dy) :, max(0, -dx) :][:, :kept_y, :kept_x]
    target = after[:, max(0, dy) :, max(0, dx) :][:, :kept_y, :kept_x]
    assert torch.equal(source, target)


@examples
@given(clicks, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(points, random):
    points = [*points, (8.0, 8.0, 2), (20.0, 25.0, 3)]
    shuffled = random.sample(points, len(points))
    assert torch.equal(draw(asked(points), boxes=True), draw(asked(shuffled), boxes=True))


@examples
@given(st.lists(st.tuples(clicks, lines), min_size=2, max_size=3))
def test_every_object_of_a_batch_is_drawn_as_if_alone(objects):
    widest = max(len(points) for points, _ in objects)
    longest = max(len(strokes) for _, strokes in objects)
    padded = [
        asked(
            points + [(30.0, 30.0, -1)] * (widest - len(points)),
            strokes + [(0.0, 0.0, 30.0, 30.0, -1)] * (longest - len(strokes)),
        )
        for points, strokes in objects
    ]
    together = ModelPrompt(
        points_xy=torch.cat([p.points_xy for p in padded]),
        labels=torch.cat([p.labels for p in padded]),
        segments=torch.cat([p.segments for p in padded]),
        segment_labels=torch.cat([p.segment_labels for p in padded]),
    )
    drawn = draw(together, batch=len(objects))
    for row, (points, strokes) in enumerate(objects):
        assert torch.equal(drawn[row], draw(asked(points, strokes))[0])


@examples
@given(line)
def test_a_line_is_the_union_of_the_disks_along_it(stroke):
    x1, y1, x2, y2, mark = stroke
    drawn = draw(asked(segments=[stroke]), radius_px=24)[0, 1 - mark]
    along = torch.linspace(0, 1, 1000)[:, None]
    beads = (1 - along) * torch.tensor([x1, y1]) + along * torch.tensor([x2, y2])
    x, y = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="xy")
    away = (torch.stack([x, y], -1).reshape(-1, 1, 2) - beads).norm(dim=-1).amin(1)
    decided = (away - 3).abs() > 1e-3  # beads leave gaps at the very radius
    assert torch.equal(drawn.flatten()[decided], (away <= 3).float()[decided])
    assert not draw(asked(segments=[stroke]))[0, mark].any()


@pytest.mark.parametrize("corner", [(0, 0), (32, 0), (0, 32), (32, 32), (-2, 16)])
def test_disks_are_cut_at_the_frame_border(corner):
    drawn = draw(asked([(*corner, 1)]), radius_px=32)[0, 0]
    assert torch.equal(drawn, slow_disk(*corner, 4))
    assert 0 < drawn.sum() < slow_disk(16, 16, 4).sum()


def test_padding_and_no_prompt_draw_nothing():
    assert not draw(None).any()
    assert not draw(asked()).any()
    assert not draw(asked([(16, 16, -1)], [(1, 1, 30, 30, -1)])).any()
    assert not draw(ModelPrompt(mask=torch.ones(1, 1, SIDE, SIDE))).any()


def test_a_box_is_an_outline_only_where_asked_for_and_complete():
    corners = [(5.0, 6.0, 2), (25.0, 20.0, 3)]
    assert not draw(asked(corners)).any()
    assert not draw(asked(corners[:1]), boxes=True).any()
    drawn = draw(asked(corners), boxes=True)[0]
    edges = [(5, 6, 25, 6, 1), (25, 6, 25, 20, 1), (25, 20, 5, 20, 1), (5, 20, 5, 6, 1)]
    assert torch.equal(drawn, draw(asked(segments=edges))[0])
    assert drawn[0, 13, 15] == 0
    assert not drawn[1].any()


def test_rows_without_a_box_stay_empty_beside_one_with_a_box():
    both = ModelPrompt(
        points_xy=torch.tensor([[[5.0, 5], [20, 20]], [[15, 15], [0, 0]]]),
        labels=torch.tensor([[2, 3], [1, -1]]),
    )
    drawn = draw(both, batch=2, boxes=True)
    assert torch.equal(drawn[1], draw(asked([(15.0, 15.0, 1)]))[0])


def test_segments_can_be_left_out():
    assert not draw(asked(segments=[(1, 1, 30, 30, 1)]), segments=False).any()


def test_channels_come_in_the_order_of_the_config():
    prompt, logits = asked([(5, 5, 1), (25, 25, 0)]), torch.randn(1, 1, 16, 16)
    default = draw(prompt, logits, channels=("pos", "neg", "mask"))
    segnext = draw(prompt, logits, channels=("mask", "pos", "neg"))
    assert torch.equal(segnext, default[:, [2, 0, 1]])
    assert torch.equal(draw(prompt, logits, channels=("neg",)), default[:, 1:2])


def test_the_mask_channel_is_encoded_as_asked_for():
    logits = torch.tensor([[-40.0, -5.0], [0.0, 2.0]]).reshape(1, 1, 2, 2)
    only = {"channels": ("mask",), "image_size": 2}
    assert torch.equal(draw(None, logits, mask_as="prob", **only), logits.sigmoid())
    tenth = torch.tensor([[[[-1.0, -0.5], [0.0, 0.2]]]])
    assert torch.equal(draw(None, logits, mask_as="logit", **only), tenth)
    assert torch.equal(draw(None, logits, mask_as="binary", **only), (logits > 0).float())


def test_masks_of_any_size_fit_the_map_and_keep_their_gradient():
    for side in (4, 8, 64):
        logits = torch.randn(2, 1, side, side, requires_grad=True)
        drawn = draw(None, logits, batch=2, stride=4, channels=("pos", "neg", "mask"))
        assert drawn.shape == (2, 3, 8, 8)
        drawn.sum().backward()
        assert logits.grad is not None
        assert logits.grad.any()


@pytest.mark.parametrize(("side", "cells"), [(64, 2), (128, 2), (256, 3), (512, 6)])
def test_the_radius_follows_the_side_of_the_map(side, cells):
    assert PromptMapConfig().radius_cells(side) == cells


def test_segnext_radius_is_five_cells_at_1024():
    assert PromptMapConfig(stride=1, radius_px=1.25).radius_cells(1024) == 5


def test_many_strokes_are_drawn_in_parts_with_the_same_result(monkeypatch):
    torch.manual_seed(0)
    strokes = torch.rand(1, 40, 2, 2) * SIDE
    prompt = ModelPrompt(segments=strokes, segment_labels=torch.arange(40)[None] % 2)
    whole = draw(prompt)
    monkeypatch.setattr(prompt_map, "CELLS_AT_ONCE", 3 * SIDE * SIDE)
    assert torch.equal(draw(prompt), whole)


@pytest.mark.parametrize("channels", [[], ["pos", "pos"], ["pos", "prev"]])
def test_wrong_channels_are_refused(channels):
    with pytest.raises(ConfigError, match="channels"):
        from_mapping(PromptMapConfig, {"channels": channels})
