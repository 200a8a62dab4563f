"""Take a refiner and a memory policy of a program's own, where names would go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vos.errors import Parameter, UsageError
from vos.refine.base import Refiner
from vos.track.policy import MemoryPolicy

_REFINER_PARTS = (
    "name",
    "is_identity",
    "is_static",
    "wants_image_2x",
    "plain_memory",
    "augment",
    "fuse",
    "refine",
)
_POLICY_PARTS = ("chooses_best", "present_above", "admit", "select", "choose")


@dataclass(frozen=True, slots=True)
class OwnObjects:
    """What a program made itself.

    refiner: None where the options name one.
    policy: None where the options name one.
    """

    refiner: Refiner | None
    policy: MemoryPolicy | None


def take_objects(changes: Mapping[str, Any]) -> tuple[OwnObjects, dict[str, Any]]:
    """Part the objects among the changes from the options, whose values are plain.

    Raises UsageError for an object that lacks a part of what it stands for, and for a class.
    """
    options = dict(changes)
    refiner = policy = None
    if _is_object(options.get("refiner")):
        refiner = options.pop("refiner")
        _check("refiner", refiner, _REFINER_PARTS, "vos.Refiner; extend vos.NoRefiner")
    if _is_object(options.get("policy")):
        policy = options.pop("policy")
        _check("policy", policy, _POLICY_PARTS, "vos.MemoryPolicy; extend vos.Fifo")
    return OwnObjects(refiner, policy), options


def check_device(refiner: Refiner, device: torch.device) -> None:
    """Raise UsageError if a refiner that is a module has weights on another device."""
    if not isinstance(refiner, nn.Module):
        return
    for name, weight in refiner.named_parameters():
        if weight.device != device:
            raise UsageError(
                Parameter("refiner"),
                f": {type(refiner).__name__} has {name} on {weight.device} and the model is on "
                f"{device}; move one of them, with refiner.to({str(device)!r}) or ",
                Parameter("device", str(weight.device)),
            )


def _is_object(value: object) -> bool:
    """Tell whether this may be a refiner or policy; plain values are checked as options are."""
    plain = (str, bytes, os.PathLike, bool, int, float, complex, list, tuple, dict, set, type(None))
    return not isinstance(value, plain)


def _check(name: str, value: object, parts: tuple[str, ...], wanted: str) -> None:
    if isinstance(value, type):
        raise UsageError(
            Parameter(name), f": {value.__name__} is a class; give one of it, {value.__name__}(...)"
        )
    missing = [part for part in parts if not hasattr(value, part)]
    if missing:
        raise UsageError(
            Parameter(name),
            f": {type(value).__name__} has no {', '.join(missing)}, so it is no {wanted}",
        )
