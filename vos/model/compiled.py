"""`torch.compile` of the parts whose shapes do not change from frame to frame.

Every part is compiled once per shape, said in the log each time, and kept on disk for later runs.
Memory attention stays as it is: its rotations are complex numbers, which the compiler leaves alone.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor
from torch.utils._pytree import tree_leaves

from vos.errors import UsageError

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# A part is compiled for one image, and for every number of objects in a batch.
_MOST_SHAPES = 64

_log = logging.getLogger("vos")


def compile_parts(net: SAM2Base) -> None:
    """Make the network's forward passes compile at their first call; works in place.

    Raises: UsageError on a CPU without a C++ compiler.
    """
    if net.device.type == "cpu" and not _cpp_compiler():
        raise UsageError("--compile: no C++ compiler here; install g++ or leave --compile out")
    os.environ.setdefault(_CACHE_VARIABLE, str(Path.home() / ".cache" / "vos" / "compiled"))
    torch._dynamo.config.recompile_limit = _MOST_SHAPES
    decoder = net.sam_mask_decoder
    # An unprompted frame comes with one empty point and the padding point.
    unprompted = decoder.num_mask_tokens + 1 + int(decoder.pred_obj_scores) + 2
    _compile(net.image_encoder, "the image encoder")
    _compile(net.memory_encoder, "the memory encoder")
    _compile(
        decoder.transformer,
        "the mask decoder",
        only=lambda _image, _pe, tokens: tokens.shape[1] == unprompted,
    )


def _compile(module: Any, name: str, only: Callable[..., bool] = lambda *_: True) -> None:
    """Replace a module's forward. only: for which arguments; the rest runs as it was."""
    plain = module.forward
    fast = torch.compile(plain, dynamic=False)
    seen: set[tuple[object, ...]] = set()

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not only(*args):
            return plain(*args, **kwargs)
        shapes = tuple(tuple(x.shape) for x in tree_leaves(args) if isinstance(x, Tensor))
        if shapes not in seen:
            seen.add(shapes)
            _log.warning("vos: compiling %s for %s", name, "x".join(map(str, shapes[0])))
        return fast(*args, **kwargs)

    module.forward = forward


def _cpp_compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))), None)
