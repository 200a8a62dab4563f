"""From names and numbers to a tracker."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from vos.api import Tracker
from vos.errors import PromptError, UsageError
from vos.frame import FrameResult
from vos.model.load import load_model, pick_device, pick_dtype
from vos.prompts import Prompt
from vos.refine.weights import load_refiner
from vos.track.policy import Fifo, Visible

POLICIES = {"fifo": Fifo, "visible": Visible}


def load(
    model: str = "auto",
    *,
    refiner: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    policy: str = "fifo",
    exact: bool = False,
    compiled: bool = False,
    size_px: int | None = None,
    pool_memory: int = 1,
) -> Tracker:
    """Load a model and its refiner.

    model: registered name, path of a .pt or .safetensors file, or "auto" (the best SAM 2.1 on this
    machine, else the embedded nano). refiner: "auto" (the embedded one where it was trained for
    this base, else none), "none", a name, or the path of a refiner file; the last two never fall
    back. device: "auto", "cpu", "cuda", "cuda:1" ... dtype: "auto", "float32", "bfloat16". policy:
    "fifo" (SAM 2's own) or "visible" (frames without the object are forgotten). exact: SAM 2's own
    arithmetic to the last bit, one object after the other; otherwise only rounding differs.
    compiled: compile the network's parts at first use. size_px: side of the model's input, a
    multiple of 32; None is what the model was trained at, and less is faster and coarser.
    pool_memory: side of the squares of memory tokens attended to as one; 2 is faster, for inputs of
    1024 pixels.

    Raises: ModelError, CheckpointError (no such model or refiner, wrong file, another base),
    UsageError (device, dtype, policy, sizes).
    """
    if policy not in POLICIES:
        raise UsageError(f"--policy {policy}: not one of {', '.join(POLICIES)}")
    chosen = pick_device(device)
    number_type = pick_dtype(dtype, chosen)
    loaded, info = load_model(
        model,
        device=chosen,
        image_size_px=size_px,
        exact=exact,
        compiled=compiled,
        pool_memory=pool_memory,
    )
    refine, refiner_info = load_refiner(refiner, loaded, info)
    memory = POLICIES[policy](loaded.memory_slots, loaded.pointer_span)
    return Tracker(loaded, info, refine, number_type, memory, refiner_info)


def segment_image(
    image: str | os.PathLike[str] | np.ndarray,
    prompts: Sequence[Prompt],
    *,
    model: str = "auto",
    refiner: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
) -> FrameResult:
    """Masks and scores of the prompted objects of one image; `load(...).image(...)` for more.

    image: path of an image file, or uint8 H x W x 3, RGB. prompts: at least one. The rest as in
    `load`.

    Raises: as `load`; InputError for the image, PromptError for the prompts.
    """
    if not prompts:
        raise PromptError("no prompt: nothing to segment; give a box, point, polygon or mask")
    tracker = load(model, refiner=refiner, device=device, dtype=dtype)
    return tracker.image(image).segment(prompts)
