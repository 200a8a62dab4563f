"""`torch.compile` of what has the same shapes on every frame, with CUDA graphs on a GPU.

Everything is compiled once per shape, noted in the log each time, and kept on disk for later runs.
On a GPU what is compiled is recorded and replayed; a replay writes its result where the last one
lies, so results are copied before anybody sees them.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from vos.errors import Parameter, UsageError
from vos.model.attention.static import StaticStep, has_static_shapes, stack_recalls
from vos.model.registry import home
from vos.model.sam2 import Parts, Sam2Model
from vos.model.tensor_fields import TensorFields
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, PromptTokens, Recall

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# A part is compiled for one image, and for every number of objects in a batch.
_MOST_SHAPES = 64

_log = logging.getLogger("vos")

P = ParamSpec("P")
R = TypeVar("R")


def compile_model(model: Sam2Model, *, replays: bool | None = None) -> Sam2Model:
    """Return the same model with parts that are compiled at its first frames.

    Besides the parts that is the whole step of objects whose shapes are static. replays: with CUDA
    graphs; None: on a GPU.

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
    replays = not on_cpu if replays is None else replays
    decoder = net.sam_mask_decoder
    # An unprompted frame comes with one empty point and the padding point.
    unprompted = decoder.num_mask_tokens + 1 + int(decoder.pred_obj_scores) + 2
    parts = Parts(
        Compiled(net.image_encoder.forward, "the image encoder", replays=replays),
        Compiled(net.memory_encoder.forward, "the memory encoder", replays=replays),
        Compiled(
            decoder.transformer.forward,
            "the mask decoder",
            replays=replays,
            only=lambda _image, _pe, tokens: tokens.shape[1] == unprompted,
        ),
    )
    return Sam2Model(
        net,
        exact=model.exact,
        pool_memory=model.pool_memory,
        parts=parts,
        fast_path=CompiledStep(model, replays=replays),
    )


class Compiled(Generic[P, R]):
    """A function that is compiled for each new shape of its arguments.

    only: for which arguments; the rest runs as it was. replays: with CUDA graphs, in the main
    thread alone: torch keeps them per thread, and up to 2.13 fails in others. What finds no memory
    runs uncompiled from then on.
    """

    def __init__(
        self,
        plain: Callable[P, R],
        name: str,
        *,
        replays: bool,
        only: Callable[..., bool] = lambda *_: True,
    ):
        mode = "reduce-overhead" if replays else None
        self._plain, self._name, self._only, self._replays = plain, name, only, replays
        self._fast = torch.compile(plain, dynamic=False, mode=mode)
        self._seen: set[tuple[object, ...]] = set()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        # Inside something larger that is compiled, it is compiled with that.
        if torch.compiler.is_compiling() or not self._only(*args):
            return self._plain(*args, **kwargs)
        if self._replays and threading.current_thread() is not threading.main_thread():
            return self._plain(*args, **kwargs)
        shapes = tuple(tuple(x.shape) for x in find_tensors(args))
        if shapes not in self._seen:
            self._seen.add(shapes)
            _log.warning("vos: compiling %s for %s", self._name, "x".join(map(str, shapes[0])))
            if self._replays:
                # What modules keep from their first run must not lie where replays write.
                self._plain(*args, **kwargs)
        try:
            result = self._fast(*args, **kwargs)
        except torch.OutOfMemoryError:
            # A recording that broke off is not to be trusted.
            self._fast = self._plain
            _log.warning("vos: warning: no memory left to compile %s; runs as it is", self._name)
            raise
        return copy_tensors(result) if self._replays else result


class CompiledStep:
    """The compiled step of objects whose shapes are static, whole or up to the decoder."""

    def __init__(self, model: Sam2Model, *, replays: bool):
        step = StaticStep(model)
        self._model = model
        self._track = Compiled(step.__call__, "tracking", replays=replays)
        self._attend = Compiled(step.attention.__call__, "memory attention", replays=replays)
        self._no_prompts: dict[int, PromptTokens] = {}

    def fits(self, features: FrameFeatures, recalls: Sequence[Recall]) -> bool:
        """recalls: of equal `shape`."""
        if features.keys is not None:
            return False  # the step does not propagate masks
        return len(features.s16) == 1 and has_static_shapes(recalls[0], self._model.net)

    def condition(self, features: FrameFeatures, recalls: Sequence[Recall]) -> Tensor:
        """Attend as `Sam2Model.condition` does."""
        return self._attend(stack_recalls(recalls, self._model.device), features)

    def track(
        self, features: FrameFeatures, recalls: Sequence[Recall], frame_idx: int
    ) -> tuple[Decoded, MemoryEntry]:
        """Condition, decode and remember in one, without the decoder's state."""
        count = len(recalls)
        if count not in self._no_prompts:
            self._no_prompts[count] = self._model.no_prompt(count)
        memories = stack_recalls(recalls, self._model.device)
        decoded, entry = self._track(memories, features, self._no_prompts[count])
        return decoded, replace(entry, frame_idx=frame_idx)


def find_tensors(value: Any) -> Iterator[Tensor]:
    """Yield every tensor of nested containers and dataclasses of tensors."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif isinstance(leaf, TensorFields):
            yield from leaf.tensors()


def copy_tensors(value: Any) -> Any:
    """Return the same with tensors of its own."""

    def copy(leaf: Any) -> Any:
        if isinstance(leaf, TensorFields):
            return leaf.map(Tensor.clone)
        return leaf.clone() if isinstance(leaf, Tensor) else leaf

    return tree_map(copy, value)


def _cpp_compiler() -> str | None:
    return next(filter(None, map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))), None)
