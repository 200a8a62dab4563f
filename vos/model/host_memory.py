"""Keep the memory that tensors on the CPU free with the process, for the next frame."""

from __future__ import annotations

import ctypes
import sys

import torch
from torch import Tensor

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

# glibc's own upper bound for mappings, and what older versions accept.
_BLOCK_LIMITS_BYTES = (1 << 30, 32 << 20)


def keep_freed_memory() -> bool:
    """Tell glibc not to return freed blocks to the system; False where there is no glibc.

    A frame's tensors of several megabytes each are otherwise mapped, zeroed page by page and
    unmapped again: 5 % of a 1024 px frame's time. The peak is the same, it only stays reserved.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = any(mallopt(M_MMAP_THRESHOLD, limit) for limit in _BLOCK_LIMITS_BYTES)
    return bool(kept and mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from host memory to this device.

    A GPU is not waited for: it copies from pinned memory, in the order of its other work.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
