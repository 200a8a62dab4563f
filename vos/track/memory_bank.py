"""The bounded memory of one object: prompted frames for good, recent frames first in, first out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from vos.model.types import MemoryEntry, ModelPrompt


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """Immutable; pushing returns a new bank that shares its tensors, so undo and branching are
    free.

    prompted: every frame that answered a prompt, in tracking order. recent: tracked frames, oldest
    first; at most `pointer_span - 1` of them, of which the newest `memory_slots - 1` keep their
    spatial map. first_prompt: what started the object; refiners reuse it on later frames.
    """

    prompted: tuple[MemoryEntry, ...] = ()
    recent: tuple[MemoryEntry, ...] = ()
    first_prompt: ModelPrompt | None = None

    @property
    def is_empty(self) -> bool:
        return not self.prompted

    def push(
        self, entry: MemoryEntry, *, prompted: bool, memory_slots: int, pointer_span: int
    ) -> MemoryBank:
        """Add a frame's entry. Source of both bounds:
        `SAM2Base._prepare_memory_conditioned_features`.
        """
        if prompted:
            return replace(self, prompted=(*self.prompted, entry))
        kept = (*self.recent, entry)[-(pointer_span - 1) :]
        forget = max(0, len(kept) - (memory_slots - 1))
        pointers_only = tuple(
            old if old.spatial is None else replace(old, spatial=None) for old in kept[:forget]
        )
        return replace(self, recent=pointers_only + kept[forget:])

    def without_recent(self) -> MemoryBank:
        """Only what answered a prompt is remembered."""
        return replace(self, recent=())

    def to(self, device: torch.device) -> MemoryBank:
        """The bank with its tensors on this device."""
        return replace(
            self,
            prompted=tuple(entry.to(device) for entry in self.prompted),
            recent=tuple(entry.to(device) for entry in self.recent),
        )

    def state_bytes(self) -> int:
        """Bytes held by the tensors of this bank."""
        total = 0
        for entry in (*self.prompted, *self.recent):
            for tensor in (entry.spatial, entry.obj_ptr, entry.iou_pred, entry.object_score):
                if tensor is not None:
                    total += tensor.numel() * tensor.element_size()
        return total
