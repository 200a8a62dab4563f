"""Trials show what they are named after."""

from __future__ import annotations

import pytest
import torch

from vos.synth.trials import TRIALS, draw_trials


@pytest.fixture(scope="module")
def trials():
    return {kind: draw_trials(kind, count=4, frames=20, size=64) for kind in TRIALS}


def test_the_same_arguments_give_the_same_clips(trials):
    again = draw_trials("return", count=4, frames=20, size=64)
    other = draw_trials("return", count=4, frames=20, size=64, seed=1)
    assert torch.equal(again.frames, trials["return"].frames)
    assert torch.equal(again.labels, trials["return"].labels)
    assert not torch.equal(other.frames, again.frames)


@pytest.mark.parametrize("kind", TRIALS)
def test_both_twins_are_seen_at_first(trials, kind):
    first = trials[kind].labels[:, 0].flatten(1)
    for label in (1, 2):
        assert ((first == label).sum(1) > 10).all()


def test_twins_come_upon_each_other(trials):
    for labels in trials["crossing"].labels:
        areas = torch.stack([(labels == label).sum((1, 2)) for label in (1, 2)])
        assert (areas.min(1).values < 0.7 * areas[:, 0]).any()


@pytest.mark.parametrize("kind", ["occlusion", "return"])
def test_the_target_is_gone_for_long_and_comes_back(trials, kind):
    for labels in trials[kind].labels:
        areas = (labels == 1).sum((1, 2))
        assert (areas < 0.5 * areas[0]).sum() >= 5
        assert areas[-1] > 0.5 * areas[0]
