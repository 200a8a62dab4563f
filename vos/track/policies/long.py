"""Follow three hypotheses about each object, so that an error can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from vos.model.types import Candidates, Decoded, MemoryEntry, Recall
from vos.track.hypotheses import PastMask, Pick
from vos.track.memory_bank import MemoryBank, PolicyState
from vos.track.policy import Fifo, StreamPosition

_PROMPTED_SCORE = 10.0
"""What a prompted frame counts as an object score."""

_LOG_OFFSET = 1e-5


@dataclass(frozen=True, slots=True)
class LongNotes(PolicyState):
    """What `Long` notes of one hypothesis.

    score: the sum of the logarithms of its predicted IoUs; None before the first tracked frame.
    last_is_poor: whether the last recent frame is there only until the next one comes.
    paths: the hypothesis that each pathway follows, 0 for this bank, the others for its branches;
        empty where all follow this one, and for branches.
    past: frame index, mask logits and scores of the last frames, oldest first; none without a lag.
    """

    score: float | None = None
    last_is_poor: bool = False
    paths: tuple[int, ...] = ()
    past: tuple[tuple[int, Float[Tensor, "1 1 r r"], Float[Tensor, 2]], ...] = ()


@dataclass(frozen=True, slots=True)
class Long(Fifo):
    """SAM2Long's memory tree: three pathways per object, the best of which gives the mask.

    Every pathway is decoded with its own memories, and its three masks are candidates. While the
    object score is certain, the pathways with the highest sums of logarithmic predicted IoU go on;
    on an uncertain frame the best ones whose predicted IoUs differ, so that the pathways part.
    Pathways with one history are one hypothesis, and are computed once: until the first uncertain
    frame there is no more work than with SAM 2's own rule.

    A pathway remembers frames that show the object, and always the very last one. Keys of memories
    are scaled by the rank of their object scores.

    It acts where the model offers alternatives on tracked frames; otherwise, in a batch of several
    videos, and for prompted frames there is one hypothesis. A prompt ends the others.

    Source: arXiv 2410.16268.

    pathways: hypotheses per object.
    least_iou: predicted IoU that a remembered frame exceeds.
    certain_above: a frame is certain where an object score is this far from 0.
    least_weight, most_weight: of the keys of the memories with the lowest and the highest score.
    lag: how many frames a result waits; its mask is then that of the hypothesis that is the best by
        now. Sessions that are fed frame by frame do not wait.
    """

    pathways: int = 3
    least_iou: float = 0.1
    certain_above: float = 2.0
    least_weight: float = 0.95
    most_weight: float = 1.05
    lag: int = 0

    @property
    def chooses_best(self) -> bool:
        return False

    @property
    def hypotheses(self) -> Long:
        return self

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        notes = _read_notes(bank)
        bank = replace(bank, branches=())
        if not prompted:
            return self._remember(bank, entry, notes)
        return replace(
            bank,
            prompted=(*bank.prompted, entry),
            recent=_without_poor(bank, notes),
            policy_state=LongNotes(notes.score, past=notes.past),
        )

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        """Return prompted frames by their distance and the others by their place among those kept;
        as published, the oldest of these has no pointer.
        """
        span = self.pointer_span
        if at.frame_count is not None:
            span = min(at.frame_count, span)
        prompted = self.find_nearest_prompted(bank, at)
        # The very last frame has its place, and may be among the prompted ones.
        nearest = 2 if any(at.distance(entry) == 1 for entry in bank.prompted) else 1
        places = list(enumerate(reversed(bank.recent), nearest))
        last = len(bank.recent) + nearest - 1
        maps = [(0, entry) for entry in prompted]
        maps += [
            (self.memory_slots - place, entry)
            for place, entry in reversed(places)
            if place < self.memory_slots
        ]
        pointers = [(at.distance(entry), entry) for entry in prompted]
        pointers += [(place, entry) for place, entry in places if place < min(last, span)]
        scores = _read_scores(prompted, bank.recent)
        return Recall(
            tuple(maps),
            tuple(pointers),
            span,
            map_weights=self._weigh([entry for _, entry in maps], scores),
            pointer_weights=self._weigh([entry for _, entry in pointers], scores),
        )

    def split(self, bank: MemoryBank) -> tuple[MemoryBank, ...]:
        return replace(bank, branches=()), *bank.branches

    def pick(self, bank: MemoryBank, seen: Sequence[Candidates]) -> tuple[Pick, ...]:
        ious, object_scores = _read_candidates(seen)
        if _read_notes(bank).score is None:  # just begun: nothing tells pathways apart yet
            best = ious[0].index(max(ious[0]))
            return (Pick(0, best, 0.0),) * self.pathways
        banks = self.split(bank)
        before = [_read_notes(one).score or 0.0 for one in banks]
        candidates = [
            (path, Pick(parent, k, before[parent] + log(max(iou, 0.0) + _LOG_OFFSET)))
            for path, parent in enumerate(self._paths(bank))
            for k, iou in enumerate(ious[parent])
        ]
        ranked = sorted(candidates, key=lambda one: -one[1].score)
        if max(map(abs, object_scores)) > self.certain_above:
            return tuple(pick for _, pick in ranked[: self.pathways])
        signs = [1 if score > 0 else -1 for score in object_scores]
        chosen: list[tuple[int, Pick]] = []
        taken: set[float] = set()
        for path, pick in ranked:
            value = signs[pick.parent] * round(ious[pick.parent][pick.alternative], 2)
            if value not in taken and len(chosen) < self.pathways:
                taken.add(value)
                chosen.append((path, pick))
        represented = {path for path, _ in chosen}
        best_of = dict(reversed(ranked))
        left = [best_of[path] for path in range(self.pathways) if path not in represented]
        return tuple([*(pick for _, pick in chosen), *left][: self.pathways])

    def join(
        self,
        bank: MemoryBank,
        picks: Sequence[Pick],
        made: Mapping[Pick, tuple[MemoryEntry, Decoded]],
    ) -> MemoryBank:
        parents = self.split(bank)
        different = list(dict.fromkeys(picks))
        best, *others = (self._grow(parents[one.parent], one, *made[one]) for one in different)
        notes = replace(_read_notes(best), paths=tuple(different.index(one) for one in picks))
        return replace(best, branches=tuple(others), policy_state=notes)

    def find_past(self, bank: MemoryBank, frame_idx: int) -> PastMask | None:
        for past_idx, logits, score_pair in _read_notes(bank).past:
            if past_idx == frame_idx:
                return PastMask(logits, score_pair)
        return None

    def _paths(self, bank: MemoryBank) -> tuple[int, ...]:
        return _read_notes(bank).paths or (0,) * self.pathways

    def _grow(
        self, parent: MemoryBank, pick: Pick, entry: MemoryEntry, decoded: Decoded
    ) -> MemoryBank:
        """Return a hypothesis after a frame with the mask that was picked for it."""
        notes = _read_notes(parent)
        grown = self._remember(parent, entry, replace(notes, score=pick.score))
        if not self.lag:
            return grown
        scores = torch.cat([decoded.iou_pred[0], decoded.object_score[0]])
        past = (*notes.past, (entry.frame_idx, decoded.output_logits, scores))
        return replace(
            grown, policy_state=replace(_read_notes(grown), past=past[-(self.lag + 1) :])
        )

    def _remember(self, bank: MemoryBank, entry: MemoryEntry, notes: LongNotes) -> MemoryBank:
        """Return the bank with one more tracked frame, within its bounds."""
        is_good = (entry.iou_pred > self.least_iou) & (entry.object_score > 0)
        is_poor = not bool(is_good.any())
        most = self.pointer_span - 1 + is_poor
        kept = (*_without_poor(bank, notes), entry)[-most:]
        forget = max(0, len(kept) - (self.memory_slots - 1))
        pointers_only = tuple(
            old if old.spatial is None else old.without_maps() for old in kept[:forget]
        )
        return replace(
            bank,
            recent=pointers_only + kept[forget:],
            policy_state=LongNotes(notes.score, is_poor, past=notes.past),
        )

    def _weigh(
        self, entries: Sequence[MemoryEntry], scores: Mapping[int, float]
    ) -> tuple[float, ...]:
        """Return by how much the keys of these memories are scaled; nothing for a single one, and
        for a batch of several videos.

        scores: by the identity of an entry.
        """
        count = len(entries)
        if count < 2 or len(entries[0].obj_ptr) > 1:
            return ()
        ranked = sorted(range(count), key=lambda i: scores[id(entries[i])])
        step = (self.most_weight - self.least_weight) / (count - 1)
        return tuple(self.least_weight + step * ranked.index(i) for i in range(count))


def _read_notes(bank: MemoryBank) -> LongNotes:
    notes = bank.policy_state
    return notes if isinstance(notes, LongNotes) else LongNotes()


def _without_poor(bank: MemoryBank, notes: LongNotes) -> tuple[MemoryEntry, ...]:
    return bank.recent[:-1] if notes.last_is_poor else bank.recent


def _read_scores(
    prompted: Sequence[MemoryEntry], recent: Sequence[MemoryEntry]
) -> dict[int, float]:
    """Return the object scores by the identity of an entry, in one look at the device."""
    scores = dict.fromkeys(map(id, prompted), _PROMPTED_SCORE)
    if recent:
        looked = torch.stack([entry.object_score[0, 0] for entry in recent]).tolist()
        scores |= dict(zip(map(id, recent), looked, strict=True))
    return scores


def _read_candidates(seen: Sequence[Candidates]) -> tuple[list[list[float]], list[float]]:
    """Return predicted IoUs and object scores, per hypothesis, in one look at the device."""
    rows = torch.cat([torch.cat([one.iou_pred, one.object_score], dim=1) for one in seen]).tolist()
    return [row[:-1] for row in rows], [row[-1] for row in rows]
