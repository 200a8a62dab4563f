"""Several hypotheses about one object: which of them go on, and what is remembered of each.

A tracker that takes the surest mask of every frame cannot take a choice back. A policy may follow
more than one: each hypothesis has a bank of its own, is decoded with its own memories, and those
that go on are chosen among the masks of all. Banks share their tensors, so that branches are free
until they are decoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from vos.model.types import Candidates, Decoded, MemoryEntry
from vos.track.memory_bank import MemoryBank


@dataclass(frozen=True, slots=True)
class Pick:
    """A mask with which a hypothesis goes on.

    parent: index of the hypothesis that offers the mask.
    alternative: which of its three masks.
    score: of the hypothesis with it.
    """

    parent: int
    alternative: int
    score: float


@dataclass(frozen=True, slots=True)
class PastMask:
    """The mask that a hypothesis has of an earlier frame.

    logits: at the size that users get.
    score_pair: predicted IoU and object score.
    """

    logits: Float[Tensor, "1 1 r r"]
    score_pair: Float[Tensor, 2]


class Hypotheses(Protocol):
    """The part of a policy that follows several hypotheses about an object.

    Frames with a prompt are left to the policy's `admit`, as the prompt says which one is right.
    """

    @property
    def lag(self) -> int:
        """Return how many frames a result waits for the hypotheses to be told apart."""
        ...

    def split(self, bank: MemoryBank) -> tuple[MemoryBank, ...]:
        """Return the hypotheses about an object that differ, the best one first."""
        ...

    def pick(self, bank: MemoryBank, seen: Sequence[Candidates]) -> tuple[Pick, ...]:
        """Return the masks to go on with, the best one first; equal picks are one hypothesis.

        seen: the masks that each hypothesis of `split` has on this frame.
        """
        ...

    def join(
        self,
        bank: MemoryBank,
        picks: Sequence[Pick],
        made: Mapping[Pick, tuple[MemoryEntry, Decoded]],
    ) -> MemoryBank:
        """Return the object's bank after the frame.

        made: what each pick leaves: its memory and its prediction.
        """
        ...

    def find_past(self, bank: MemoryBank, frame_idx: int) -> PastMask | None:
        """Return the mask that the best hypothesis has of an earlier frame, at most `lag` frames
        ago; None where there was only one.
        """
        ...
