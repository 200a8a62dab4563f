"""Remember the frames that tell an object from others like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import torch
from jaxtyping import Bool
from torch import Tensor

from vos.model.types import Decoded, MemoryEntry, Recall
from vos.refine.samref.regions import largest_component
from vos.track.memory_bank import MemoryBank, PolicyState
from vos.track.policy import Fifo, StreamPosition

_UPDATE_EVERY = 5
_AREAS_KEPT = 10


@dataclass(frozen=True, slots=True)
class DamNotes(PolicyState):
    """What `Dam` notes of an object.

    areas: of its last masks that were not empty, in pixels of the decoder's mask.
    last_anchor: frame index of the newest anchor, one to be included; None before the first.
    to_anchor: frame index of the recent frame that the next frame makes an anchor; None for none.
    """

    areas: tuple[int, ...] = ()
    last_anchor: int | None = None
    to_anchor: int | None = None


@dataclass(frozen=True, slots=True)
class Dam(Fifo):
    """DAM4SAM's distractor-aware memory, in its bounded form.

    Two kinds of tracked frames are kept. Recent ones: the newest frame that shows the object, and
    before it every fifth one. Anchors: frames whose mask was sure and steady while the decoder's
    other masks reached far beyond it, so that something like the object was near and was told
    apart. Anchors go into slot 0, as prompted frames do, and outlast scene cuts. What shows no
    object is not remembered at all.

    In a batch of several videos nothing becomes an anchor.

    Sources: "A Distractor-Aware Memory for Visual Object Tracking with SAM2" (CVPR 2025) and arXiv
    2509.13864.

    sure_above: predicted IoU that an anchor exceeds.
    steady_within: an anchor's area, as a share of the median of the last ones, differs from 1 by no
        more.
    reach: an anchor's box overlaps its box with another mask's largest part by no more IoU.
    """

    sure_above: float = 0.8
    steady_within: float = 0.2
    reach: float = 0.7

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        notes = bank.policy_state
        notes = notes if isinstance(notes, DamNotes) else DamNotes()
        bank = self._make_anchor(bank, notes.to_anchor)
        notes = replace(notes, to_anchor=None)
        if prompted:
            bank = self._trim(replace(bank, prompted=(*bank.prompted, entry)))
            return replace(bank, policy_state=notes)
        area, iou_pred = _measure(entry, decoded)
        if area > 0:
            bank = self._trim(self._remember(bank, entry))
            if decoded is not None and len(decoded.all_logits) == 1:
                notes = self._note(notes, entry.frame_idx, decoded, area, iou_pred)
        return replace(bank, policy_state=notes)

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        """Return prompted frames and anchors in slot 0, and recent ones by their place among both
        anchors and recent ones.
        """
        prompted = self.find_nearest_prompted(bank, at)
        with_maps = [entry for entry in bank.recent if entry.spatial is not None]
        others = sorted([*bank.anchors, *with_maps], key=at.distance)
        places = {id(entry): place for place, entry in enumerate(others, 1)}
        spatial = [(0, entry) for entry in (*prompted, *bank.anchors)]
        spatial += [(self.memory_slots - places[id(entry)], entry) for entry in with_maps]
        pointers = [(at.distance(entry), entry) for entry in prompted]
        last = reversed(bank.recent[-self._pointers_beside(bank) :])
        pointers += list(enumerate(last, 1))
        return Recall(
            tuple(spatial),
            tuple(pointers),
            pointer_span=max(len(pointers), 2),
            is_settled=len(spatial) == self.memory_slots and len(pointers) == self.pointer_span,
        )

    def _prompted_attended(self, bank: MemoryBank) -> int:
        return min(len(bank.prompted), self.max_prompted)

    def _pointers_beside(self, bank: MemoryBank) -> int:
        """Return how many pointers there is room for beside those of prompted frames."""
        return max(1, self.pointer_span - self._prompted_attended(bank))

    def _remember(self, bank: MemoryBank, entry: MemoryEntry) -> MemoryBank:
        """Return the bank with a frame that takes the place of the newest, unless that is kept."""
        recent = bank.recent
        # A newest frame without a map has become an anchor, and those before it are kept.
        if recent and recent[-1].spatial is not None:
            is_kept = bank.since_start(recent[-1]) % _UPDATE_EVERY == 0
            recent = recent if is_kept else (*recent[:-1], recent[-1].without_maps())
        return replace(bank, recent=(*recent, entry))

    def _make_anchor(self, bank: MemoryBank, frame_idx: int | None) -> MemoryBank:
        """Return the bank with this recent frame as an anchor; its pointer stays where it was."""
        found = [
            entry
            for entry in bank.recent
            if entry.frame_idx == frame_idx and entry.spatial is not None
        ]
        if not found:
            return bank
        recent = tuple(one.without_maps() if one is found[0] else one for one in bank.recent)
        return self._trim(replace(bank, recent=recent, anchors=(*bank.anchors, found[0])))

    def _trim(self, bank: MemoryBank) -> MemoryBank:
        """Return the bank within its bounds: the oldest of each kind go first."""
        prompted = self._prompted_attended(bank)
        most_anchors = max(0, self.max_prompted - prompted)
        anchors = bank.anchors[max(0, len(bank.anchors) - most_anchors) :]
        with_maps = [entry for entry in bank.recent if entry.spatial is not None]
        least_recent = max(1, self.memory_slots - self.max_prompted)
        room = max(least_recent, self.memory_slots - prompted - len(anchors))
        forgotten = {id(entry) for entry in with_maps[: max(0, len(with_maps) - room)]}
        recent = tuple(
            entry.without_maps() if id(entry) in forgotten else entry for entry in bank.recent
        )
        newest = len(recent) - self._pointers_beside(bank)
        kept = tuple(
            entry
            for index, entry in enumerate(recent)
            if index >= newest or entry.spatial is not None
        )
        return replace(bank, recent=kept, anchors=anchors)

    def _note(
        self, notes: DamNotes, frame_idx: int, decoded: Decoded, area: int, iou_pred: float
    ) -> DamNotes:
        """Return the notes after a frame that shows the object: the test for anchors."""
        areas = (*notes.areas, area)[-_AREAS_KEPT:]
        is_due = notes.last_anchor is None or abs(frame_idx - notes.last_anchor) > _UPDATE_EVERY
        ratio = area / median(areas)
        is_steady = bool(notes.areas) and (
            1 - self.steady_within <= ratio <= 1 + self.steady_within
        )
        if is_due and is_steady and iou_pred > self.sure_above and self._has_rival(decoded):
            return DamNotes(areas, last_anchor=frame_idx, to_anchor=frame_idx)
        return replace(notes, areas=areas)

    def _has_rival(self, decoded: Decoded) -> bool:
        """Tell whether another of the decoder's masks reaches far beyond the chosen one.

        Where a model takes its single mask on tracked frames, the three alternatives are the
        others.
        """
        masks = torch.cat([decoded.mask_logits[0], decoded.all_logits[0, 1:]]) > 0
        masks = masks.cpu()
        chosen, others = masks[0], masks[1:]
        beyond = others & ~chosen
        beyond = beyond[beyond.flatten(1).any(dim=1)]
        if not len(beyond):
            return False
        own = _find_box(chosen)
        rivals = [_find_box(part | chosen) for part in largest_component(beyond)]
        return min(_overlap(own, rival) for rival in rivals) <= self.reach


def _measure(entry: MemoryEntry, decoded: Decoded | None) -> tuple[int, float]:
    """Return the area of the mask, in pixels of the decoder's mask, and its predicted IoU, in one
    look at the device. For a memory made from a stored mask the area is 0 or 1: absent or not.
    """
    if decoded is None:
        area = (entry.object_score > 0).any()
    else:
        area = (decoded.mask_logits > 0).sum()
    area, iou_pred = torch.stack([area.double(), entry.iou_pred.max().double()]).tolist()
    return int(area), iou_pred


def _find_box(mask: Bool[Tensor, "h w"]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom, the last two exclusive."""
    rows, columns = (mask.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _overlap(one: tuple[int, int, int, int], around: tuple[int, int, int, int]) -> float:
    """Return the IoU of a box and one around it."""
    (left, top, right, bottom), (l2, t2, r2, b2) = one, around
    return (right - left) * (bottom - top) / ((r2 - l2) * (b2 - t2))
