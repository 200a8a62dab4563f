"""The bounded memory of one object: prompted frames for good, recent frames first in, first out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vos.model.tensor_fields import TensorFields
from vos.model.types import MemoryEntry, ModelPrompt


@dataclass(frozen=True, slots=True)
class PolicyState(TensorFields):
    """The base class of a memory policy's notes on one object: tensors and plain values.

    It lives in the bank, so that undo, checkpoints and branches keep it. A policy with notes
    derives a frozen dataclass of its own.
    """


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """All that is remembered of one object.

    Immutable: pushing returns a new bank that shares its tensors, so undo and branching are free.

    prompted: every frame with a prompt, in tracking order.
    recent: tracked frames, oldest first; at most `pointer_span - 1` of them, of which the newest
        `memory_slots - 1` keep their spatial map.
    anchors: tracked frames that a policy keeps for good; FIFO has none.
    first_prompt: what started the object; refiners reuse it on later frames.
    policy_state: what the policy noted down; None at first, and for policies without notes.
    branches: other hypotheses about the same object, each a bank of its own; only policies that
        follow several have some, and this bank is the best of them.
    """

    prompted: tuple[MemoryEntry, ...] = ()
    recent: tuple[MemoryEntry, ...] = ()
    anchors: tuple[MemoryEntry, ...] = ()
    first_prompt: ModelPrompt | None = None
    policy_state: PolicyState | None = None
    branches: tuple[MemoryBank, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.prompted

    def since_start(self, entry: MemoryEntry) -> int:
        """Return how many frames an entry is away from the object's first frame."""
        first = (*self.prompted, *self.recent, entry)[0]
        return abs(entry.frame_idx - first.frame_idx)

    def push(
        self, entry: MemoryEntry, *, prompted: bool, memory_slots: int, pointer_span: int
    ) -> MemoryBank:
        """Return the bank with a frame's entry added. Source of both bounds:
        `SAM2Base._prepare_memory_conditioned_features`.
        """
        if prompted:
            return replace(self, prompted=(*self.prompted, entry))
        kept = (*self.recent, entry)[-(pointer_span - 1) :]
        forget = max(0, len(kept) - (memory_slots - 1))
        pointers_only = tuple(
            old if old.spatial is None else old.without_maps() for old in kept[:forget]
        )
        return replace(self, recent=pointers_only + kept[forget:])

    def without_recent(self) -> MemoryBank:
        """Return the bank with which a new scene begins: recent frames, notes and other hypotheses
        are forgotten.
        """
        return replace(self, recent=(), policy_state=None, branches=())

    def to(self, device: torch.device) -> MemoryBank:
        """Return the bank with its memories on this device; the first prompt stays where it is."""
        return replace(
            self,
            prompted=tuple(entry.to(device) for entry in self.prompted),
            recent=tuple(entry.to(device) for entry in self.recent),
            anchors=tuple(entry.to(device) for entry in self.anchors),
            branches=tuple(branch.to(device) for branch in self.branches),
        )

    def state_bytes(self) -> int:
        """Return the bytes held by the tensors of the memories, and by what is noted of them."""
        # Branches have most of their tensors in common.
        tensors = {id(tensor): tensor for bank in (self, *self.branches) for tensor in bank._held()}
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())

    def _held(self) -> Iterator[Tensor]:
        """Yield the tensors of the memories and of the notes, without those of branches."""
        for entry in (*self.prompted, *self.recent, *self.anchors):
            yield from entry.tensors()
        if self.policy_state is not None:
            yield from self.policy_state.tensors()
