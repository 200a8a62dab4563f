"""The quicker way of frames whose shapes no longer change, compiled, recorded or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from torch import Tensor

from vos.model.attention.static import Memories, StaticStep, gather_recalls, has_static_shapes
from vos.model.parts import Refine
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, PromptTokens, Recall

P = ParamSpec("P")
R = TypeVar("R")
Encode = Callable[[Tensor], FrameFeatures]
Wrap = Callable[[Callable[..., Any], str], Callable[..., Any]]
"""Makes a function quicker; its name is for the log."""


class StaticPath:
    """The step of `StaticStep`, made quicker by `wrap`: whole, or up to the decoder.

    model: without a fast path. wrap: for its step and its attention. takes_refiners: whether
    refiners may be a part of the step.
    """

    def __init__(self, model: Sam2Model, wrap: Wrap, *, takes_refiners: bool = False):
        self._model, self._takes_refiners = model, takes_refiners
        step = StaticStep(model)
        self._track = wrap(step.__call__, "tracking")
        self._attend = wrap(step.attention.__call__, "memory attention")
        self._no_prompts: dict[int, PromptTokens] = {}
        self._slots: dict[tuple[int, ...], Tensor] = {}

    @property
    def encode(self) -> Encode | None:
        """Return None: images come as the network takes them."""
        return None

    def quicken(self, work: Callable[P, R], _name: str, /) -> Callable[P, R]:
        """Return the function as it is."""
        return work

    def fits(self, features: FrameFeatures, recalls: Sequence[Recall]) -> bool:
        """Tell whether the step knows these recalls, which are of equal `shape`."""
        return len(features.s16) == 1 and has_static_shapes(recalls, self._model.net)

    def condition(self, features: FrameFeatures, recalls: Sequence[Recall]) -> Tensor:
        """Attend as `Sam2Model.condition` does."""
        return self._attend(self._gather(recalls), _for_step(features))

    def track(
        self,
        features: FrameFeatures,
        recalls: Sequence[Recall],
        frame_idx: int,
        refine: Refine | None,
        beside: tuple[Any, ...],
    ) -> tuple[Decoded, MemoryEntry] | None:
        """Condition, decode, refine and remember in one, without the decoder's state."""
        if refine is not None and not self._takes_refiners:
            return None
        count = len(recalls)
        if count not in self._no_prompts:
            self._no_prompts[count] = self._model.no_prompt(count)
        given = features if refine is not None else _for_step(features)
        decoded, entry = self._track(
            self._gather(recalls), given, self._no_prompts[count], refine, beside
        )
        return decoded, replace(entry, frame_idx=frame_idx, keys=features.memory_keys)

    def _gather(self, recalls: Sequence[Recall]) -> Memories:
        slots = tuple(slot for slot, _ in recalls[0].spatial)
        memories = gather_recalls(recalls, self._model.device, self._slots.get(slots))
        self._slots[slots] = memories.slots
        return memories


def _for_step(features: FrameFeatures) -> FrameFeatures:
    """Return what is left without the large maps that only refiners read."""
    return replace(features, image=features.image[:, :0], fpn4=None, fpn8=None, image_2x=None)
