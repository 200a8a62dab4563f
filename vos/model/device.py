"""Choose the device that a model runs on, and its arithmetic."""

from __future__ import annotations

import re

import torch

from vos.errors import Parameter, UsageError


def pick_device(name: str) -> torch.device:
    """Choose the device.

    "auto" is the first CUDA device, else Apple's GPU, else the CPU.

    Raises: UsageError for a device torch does not know or this machine does not have.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            Parameter("device", name), ": no such device; use auto, cpu, cuda, cuda:N or mps"
        ) from None
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            Parameter("device", name), *_explain_missing(device, str(error))
        ) from error
    return device


def _explain_missing(device: torch.device, reason: str) -> tuple[str | Parameter, ...]:
    """Say why torch cannot use a device, and what to do.

    reason: torch's own text, which may be long and tells a user of torch little.
    """
    instead = Parameter("device", "cpu")
    if device.type == "mps":
        return ": no Apple GPU that this torch can use; use ", instead
    brief = re.split(r"\. |[.;:]?\n", reason)[0].rstrip(".")
    if device.type != "cuda":
        return f": {brief}; use ", instead
    count = torch.cuda.device_count()
    if device.index is not None and 0 < count <= device.index:
        here = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        return f": no such device; this machine has {here}; use one of these, or ", instead
    built_for = torch.version.cuda
    if built_for is None and torch.version.hip is None:
        why = f"torch {torch.__version__} is built without CUDA"
        remedy = "install a torch with CUDA (https://pytorch.org/get-started)"
    else:
        needed = f"ROCm {torch.version.hip}" if built_for is None else f"CUDA {built_for}"
        why = brief
        remedy = f"install a driver for {needed}; a container has to be given the GPU (--gpus all)"
    return f": no CUDA device here: {why}; use ", instead, f", or {remedy}"


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """Choose the arithmetic.

    "auto" is bfloat16 on CUDA and float32 elsewhere. float16 destroys SAM 2's tracks.

    Raises: UsageError for anything but auto, float32 and bfloat16.
    """
    choices = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in choices:
        raise UsageError(Parameter("dtype", name), f": not one of auto, {', '.join(choices)}")
    return choices[name]
