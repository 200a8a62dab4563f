"""`torch.compile` of what has the same shapes on every frame.

Everything is compiled once per shape, noted in the log each time, and kept on disk for later runs.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

import torch

from vos.errors import Parameter, UsageError
from vos.model.parts import Parts
from vos.model.registry import home
from vos.model.sam2 import Sam2Model
from vos.model.static_path import StaticPath
from vos.model.tensor_fields import find_tensors

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# A part is compiled for one image, and for every number of objects in a batch.
_MOST_SHAPES = 64

_log = logging.getLogger("vos")

P = ParamSpec("P")
R = TypeVar("R")


def compile_model(model: Sam2Model) -> Sam2Model:
    """Return the same model with parts that are compiled at its first frames.

    Besides the parts that is the whole step of objects whose shapes are static.

    Raises: UsageError on a CPU without a C++ compiler.
    """
    net, on_cpu = model.net, model.device.type == "cpu"
    if on_cpu and not _cpp_compiler():
        raise UsageError(
            Parameter("compile"),
            ": no C++ compiler here; install g++ or leave ",
            Parameter("compile"),
            " out",
        )
    os.environ.setdefault(_CACHE_VARIABLE, str(home() / ".cache" / "vos" / "compiled"))
    torch._dynamo.config.recompile_limit = _MOST_SHAPES
    decoder = net.sam_mask_decoder
    # An unprompted frame comes with one empty point and the padding point.
    unprompted = decoder.num_mask_tokens + 1 + int(decoder.pred_obj_scores) + 2
    parts = Parts(
        Compiled(net.image_encoder.forward, "the image encoder"),
        Compiled(net.memory_encoder.forward, "the memory encoder"),
        Compiled(
            decoder.transformer.forward,
            "the mask decoder",
            only=lambda _image, _pe, tokens: tokens.shape[1] == unprompted,
        ),
    )
    return Sam2Model(
        net,
        exact=model.exact,
        pool_memory=model.pool_memory,
        parts=parts,
        fast_path=StaticPath(model, Compiled),
    )


class Compiled(Generic[P, R]):
    """A function that is compiled for each new shape of its arguments.

    only: for which arguments; the rest runs as it was. What finds no memory runs uncompiled from
    then on.
    """

    def __init__(
        self,
        plain: Callable[P, R],
        name: str,
        *,
        only: Callable[..., bool] = lambda *_: True,
    ):
        self._plain, self._name, self._only = plain, name, only
        self._fast = torch.compile(plain, dynamic=False)
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        # Inside something larger that is compiled, it is compiled with that.
        if torch.compiler.is_compiling() or not self._only(*args):
            return self._plain(*args, **kwargs)
        shapes = tuple(tuple(x.shape) for x in find_tensors(args))
        if shapes not in self._seen:
            self._seen.add(shapes)
            _log.warning("vos: compiling %s for %s", self._name, "x".join(map(str, shapes[0])))
        try:
            return self._fast(*args, **kwargs)
        except torch.OutOfMemoryError:
            # A recording that broke off is not to be trusted.
            self._fast = self._plain
            _log.warning("vos: warning: no memory left to compile %s; runs as it is", self._name)
            raise


def _cpp_compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))), None)
