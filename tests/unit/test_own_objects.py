"""A refiner and a policy may be objects of a program's own, where names would go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vos
from vos import loading
from vos.errors import UsageError
from vos.model.load import ModelInfo
from vos.own_objects import check_device

IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
BOX = vos.Box(1, (10, 8, 40, 36))


class Inverting(vos.NoRefiner):
    """A refiner that turns every mask inside out."""

    name = "inverting"
    is_identity = False

    def refine(self, decoded, features, cache, prompts):
        return replace(decoded, refined_logits=-decoded.mask_logits)


class Module(Inverting, nn.Module):
    """The same with a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Worst(vos.Fifo):
    """A policy that takes the alternative which the model likes least."""

    chooses_best = False

    def choose(self, candidates, bank, at):
        return candidates.iou_pred.argmin(dim=1)


def test_both_are_used_as_they_are(tiny_model, monkeypatch):
    info = ModelInfo("nano", "nano", Path("nano.safetensors"), "0" * 64, 64, False)
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: (tiny_model, info))
    refiner, policy = Inverting(), Worst()
    tracker = vos.load("nano", refiner=refiner, policy=policy, device="cpu")
    assert tracker.refiner is refiner
    assert tracker.policy is policy
    assert tracker.refiner_info is None
    plain = vos.load("nano", refiner="none", policy=policy, device="cpu")
    results = [one.session([BOX]).track(IMAGE) for one in (tracker, plain)]
    inverted, straight = (result.masks[1] for result in results)
    assert straight.any()
    assert not (inverted & straight).any()
    assert (inverted | straight).mean() > 0.9


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"refiner": object()}, "^refiner: object has no name, .*, so it is no vos.Refiner"),
        ({"policy": Inverting()}, "^policy: Inverting has no chooses_best, .* no vos.MemoryPolicy"),
        ({"refiner": Inverting}, r"^refiner: Inverting is a class; give one of it, Inverting\("),
        ({"policy": vos.Fifo}, "^policy: Fifo is a class"),
        ({"policy": None}, "^policy: a NoneType, not str"),
        ({"refiner": ["none"]}, "a list, not str"),
    ],
)
def test_what_is_neither_is_refused_before_a_model_is_loaded(changes, says):
    with pytest.raises(UsageError, match=says):
        vos.load("no such model", **changes)


def test_a_module_on_another_device_is_named():
    check_device(Module(), torch.device("cpu"))
    check_device(Inverting(), torch.device("meta"))
    with pytest.raises(UsageError, match=r"weight on cpu and .* meta; move .*device='cpu'"):
        check_device(Module(), torch.device("meta"))
