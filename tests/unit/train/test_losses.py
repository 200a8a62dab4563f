"""Losses at sampled points, and coarse mask prompts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vos.train.losses import (
    PointConfig,
    dense_loss,
    dice_loss,
    point_loss,
    sample_at,
    uncertain_points,
)
from vos.train.refiner.prompts import coarse_mask, coarse_mask_prompt


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disk(side: int = 64, radius: float = 20.0) -> torch.Tensor:
    axis = torch.arange(side) - side / 2 + 0.5
    return (axis[None] ** 2 + axis[:, None] ** 2 < radius**2).float()[None, None]


def test_values_at_pixel_centres_are_the_pixels():
    plane = torch.arange(12.0).view(1, 1, 3, 4)
    points = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [2 / 4, 0.5 / 3]]])
    torch.testing.assert_close(sample_at(plane, points), torch.tensor([[0.0, 11.0, 1.5]]))


def test_most_points_are_where_the_mask_is_uncertain():
    logits = (torch.arange(64.0) - 20)[None, None, None].expand(2, 1, 64, -1)
    points = uncertain_points(logits, seeded(), PointConfig(400, 3, 0.75))
    assert points.shape == (2, 400, 2)
    assert points.min() >= 0
    assert points.max() <= 1
    near = (points[..., 0] - 20.5 / 64).abs() < 0.2
    assert near[:, :300].float().mean() > 0.95, "the three quarters that were chosen"
    assert near[:, 300:].float().mean() < 0.6, "the rest is anywhere"


def test_the_loss_is_bce_plus_dice_of_the_sampled_values():
    logits, target = torch.randn(2, 1, 16, 16, generator=seeded(1)), disk(16, 5).repeat(2, 1, 1, 1)
    config = PointConfig(50)
    points = uncertain_points(logits, seeded(7), config)
    answer, truth = sample_at(logits, points), sample_at(target, points)
    expected = [
        F.binary_cross_entropy_with_logits(a, t) + dice_loss(a[None, None], t[None, None])[0]
        for a, t in zip(answer, truth, strict=True)
    ]
    torch.testing.assert_close(point_loss(logits, target, seeded(7), config), torch.stack(expected))


def test_right_masks_cost_less_than_wrong_ones_at_any_size():
    truth = disk(128, 40)
    small = F.avg_pool2d(truth, 4) * 20 - 10
    config = PointConfig(200)
    right = point_loss(small, truth, seeded(), config)
    wrong = point_loss(-small, truth, seeded(), config)
    assert right.item() < 0.5 < wrong.item()


def test_the_dense_loss_sees_a_wrong_region_far_from_any_doubt():
    truth = disk(64, 20)
    right = truth * 20 - 10
    wrong = right.clone()
    wrong[..., :8, :8] = 10
    assert dense_loss(wrong, truth).item() > 10 * dense_loss(right, truth).item()
    expected = F.binary_cross_entropy_with_logits(wrong, truth) + dice_loss(wrong[0], truth[0])
    torch.testing.assert_close(dense_loss(wrong, truth), expected)
    twice = F.interpolate(truth, scale_factor=2, mode="nearest")
    assert dense_loss(right, twice).item() < dense_loss(wrong, twice).item() / 2


def test_the_gradient_reaches_the_logits():
    logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
    point_loss(logits, disk(16, 5), seeded(), PointConfig(400)).sum().backward()
    assert logits.grad is not None
    inside = disk(16, 5)[0, 0] > 0
    assert logits.grad[0, 0][inside].mean() < 0 < logits.grad[0, 0][~inside].mean()


def test_coarse_masks_are_wrong_near_the_border_only():
    label = disk(256, 80)
    coarse = coarse_mask(label, 64, seeded())
    assert coarse.shape == (1, 1, 64, 64)
    assert set(coarse.unique().tolist()) == {0.0, 1.0}
    right = F.avg_pool2d(label, 4)
    wrong = (coarse - right).abs() > 0.5
    assert wrong.any()
    axis = torch.arange(64) - 31.5
    distance = ((axis[None] ** 2 + axis[:, None] ** 2).sqrt() - 20).abs()
    assert distance[wrong[0, 0]].max() < 16
    assert not torch.equal(coarse, coarse_mask(label, 64, seeded(1)))


@pytest.mark.parametrize("side", [32, 64])
def test_a_coarse_mask_prompt_is_logits_of_ten_without_points(side):
    prompt = coarse_mask_prompt(disk(), side, seeded())
    assert prompt.previous is not None
    assert set(prompt.previous.unique().tolist()) == {-10.0, 10.0}
    assert prompt.previous.shape[-1] == side
    assert prompt.mask is None, "a mask prompt proper is taken as the answer"
    assert prompt.labels is not None
    assert (prompt.labels == -1).all()
