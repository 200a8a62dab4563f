"""Make a tracker from names and numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from vos.api import Tracker
from vos.errors import Parameter, PromptError, UsageError
from vos.frame import FrameResult
from vos.model.load import load_model, pick_device, pick_dtype
from vos.model.options import ModelOptions
from vos.policies import POLICIES
from vos.prompts import Prompt
from vos.refine.weights import load_refiner
from vos.track.policy import MemoryPolicy

# What `load` called these options before they had one declaration.
_EARLIER_NAMES = {"compiled": "compile", "size_px": "size"}


def load(options: ModelOptions | str = "auto", **changes: Any) -> Tracker:
    """Load a model and its refiner.

    options: those of the model (see `ModelOptions`), or just which model.
    changes: options to set, by their names, such as `refiner="none", device="cpu", size=512`.

    Raises: ModelError, CheckpointError (no such model or refiner, wrong file, another base),
    UsageError (device, dtype, policy, sizes).
    """
    if isinstance(options, str):
        options = ModelOptions(options)
    options = replace(options, **{_EARLIER_NAMES.get(k, k): v for k, v in changes.items()})
    make_policy = find_policy(options.policy)
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    model, info = load_model(options.model, device=device, **options.network)
    refiner, refiner_info = load_refiner(options.refiner, model, info)
    policy = make_policy(model.memory_slots, model.pointer_span)
    return Tracker(model, info, refiner, dtype, policy, refiner_info)


def find_policy(name: str) -> Callable[[int, int], MemoryPolicy]:
    """Return the class of a policy by its name; it takes memory slots and pointer span.

    Raises: UsageError for an unknown name.
    """
    if name not in POLICIES:
        raise UsageError(Parameter("policy", name), f": not one of {', '.join(POLICIES)}")
    module, _, attribute = POLICIES[name].home.partition(":")
    return getattr(import_module(module), attribute)


def segment_image(
    image: str | os.PathLike[str] | np.ndarray,
    prompts: Sequence[Prompt],
    options: ModelOptions | str = "auto",
    **changes: Any,
) -> FrameResult:
    """Return masks and scores of an image's prompted objects; for more, `load(...).image(...)`.

    image: path of an image file, or uint8 H x W x 3, RGB.
    prompts: at least one.
    options, changes: as in `load`.

    Raises: as `load`; InputError for the image, PromptError for the prompts.
    """
    if not prompts:
        raise PromptError("no prompt: nothing to segment; give a box, point, polygon or mask")
    return load(options, **changes).image(image).segment(prompts)
