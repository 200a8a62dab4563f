"""Make a tracker from names and numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from vos.api import Tracker
from vos.bounded import brief
from vos.config import nearest
from vos.errors import ConfigError, Parameter, PromptError, UsageError
from vos.frame import FrameResult
from vos.io.read.open import read_image
from vos.model.device import pick_device, pick_dtype
from vos.model.load import load_model
from vos.model.options import OPTION_NAMES, ModelOptions
from vos.own_objects import check_device, take_objects
from vos.policies import POLICIES, as_lag, check_lag
from vos.prompts import Prompt, check_prompts
from vos.refine.weights import load_refiner
from vos.track.policy import MemoryPolicy

# What `load` called these options before they had one declaration.
_EARLIER_NAMES = {"compiled": "compile", "size_px": "size"}


def load(options: ModelOptions | str = "auto", **changes: Any) -> Tracker:
    """Load a model and its refiner.

    options: those of the model (see `ModelOptions`), or just which model.
    changes: options to set, by their names, such as `refiner="none", device="cpu", size=512`;
        refiner and policy may also be objects of your own, a `Refiner` and a `MemoryPolicy`, which
        are taken as they are.

    Raises: ModelError, CheckpointError (no such model or refiner, wrong file, another base),
    UsageError (device, dtype, policy, sizes, an object that is no refiner or policy).
    """
    objects, changes = take_objects(changes)
    options = _checked(options, changes)
    make_policy = find_policy(options.policy, options.lag)
    device = pick_device(options.device)
    dtype = pick_dtype(options.dtype, device)
    model, info = load_model(options.model, device=device, **options.network)
    if objects.refiner is not None:
        check_device(objects.refiner, model.device)
        refiner, refiner_info = objects.refiner, None
    else:
        refiner, refiner_info = load_refiner(options.refiner, model, info)
    policy = objects.policy
    if policy is None:
        policy = make_policy(model.memory_slots, model.pointer_span)
    return Tracker(model, info, refiner, dtype, policy, refiner_info)


def find_policy(name: str, lag: int = 0) -> Callable[[int, int], MemoryPolicy]:
    """Return the class of a policy by its name; it takes memory slots and pointer span.

    lag: frames that results wait, for a policy that can.

    Raises: UsageError for an unknown name, and a lag that the policy cannot have or is none.
    """
    if name not in POLICIES:
        raise UsageError(
            Parameter("policy", name),
            f": not one of {', '.join(POLICIES)}{nearest(name, POLICIES)}",
        )
    check_lag(name, lag)
    entry = POLICIES[name]
    module, _, attribute = entry.home.partition(":")
    waits = {"lag": _read_lag(lag)} if entry.can_wait else {}
    return partial(getattr(import_module(module), attribute), **entry.options, **waits)


def _read_lag(lag: int) -> int:
    try:
        return as_lag(lag, "")
    except ConfigError as error:
        raise UsageError(Parameter("lag"), str(error)) from error


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
    prompts = check_prompts(prompts)
    if not prompts:
        raise PromptError("no prompt: nothing to segment; give a box, point, polygon or mask")
    if not isinstance(image, np.ndarray):
        read_image(image)  # refused before a model is loaded
    return load(options, **changes).image(image).segment(prompts)


def _checked(options: Any, changes: dict[str, Any]) -> ModelOptions:
    """Join options and changes. Raises UsageError for unknown names and values of other types."""
    if isinstance(options, (str, os.PathLike)):
        options = ModelOptions(os.fspath(options))
    if not isinstance(options, ModelOptions):
        raise UsageError(
            f"options {brief(options)}: neither a model's name nor ModelOptions; give one, such as "
            "'auto'"
        )
    values = {_EARLIER_NAMES.get(name, name): value for name, value in changes.items()}
    for name in values:
        if name not in OPTION_NAMES:
            raise UsageError(
                f"{name!r}: no such option{nearest(name, OPTION_NAMES)}; valid: "
                f"{', '.join(OPTION_NAMES)}"
            )
    options = replace(options, **values)
    for option in fields(ModelOptions):
        value = getattr(options, option.name)
        if isinstance(value, os.PathLike) and option.name in ("model", "refiner"):
            options = replace(options, **{option.name: os.fspath(value)})
            continue
        kinds = type(option.default) if option.default is not None else (int, type(None))
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            wanted = kinds.__name__ if isinstance(kinds, type) else "int or None"
            raise UsageError(
                Parameter(option.name, value), f": a {type(value).__name__}, not {wanted}"
            )
    return options
