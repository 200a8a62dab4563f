"""Strokes and outlines reach refiners as drawn, in model pixels."""

from __future__ import annotations

import torch

from vos.prompts import Box, Polygon, Scribble, collect
from vos.track.inputs import to_model_prompt

SIZE_HW = (48, 64)


def ask(prompt, model):
    return to_model_prompt(collect([prompt], SIZE_HW)[0][1], SIZE_HW, model)


def test_a_stroke_is_points_for_the_model_and_segments_for_refiners(tiny_model):
    asked = ask(Scribble(1, ((16, 12), (48, 12), (48, 36)), positive=True), tiny_model)
    assert asked.points_xy is not None
    assert torch.equal(
        asked.segments, torch.tensor([[[[16.0, 16], [48, 16]], [[48, 16], [48, 48]]]])
    )
    assert asked.segment_labels.tolist() == [[1, 1]]


def test_an_outline_is_a_mask_for_the_model_and_segments_for_refiners(tiny_model):
    asked = ask(Polygon(1, ((0, 0), (64, 0), (64, 48))), tiny_model)
    assert asked.mask is not None
    assert asked.points_xy is None
    assert asked.segments.shape == (1, 3, 2, 2)
    assert asked.segments.amax() == tiny_model.image_size


def test_a_box_has_no_segments(tiny_model):
    assert ask(Box(1, (10, 8, 40, 36)), tiny_model).segments is None
