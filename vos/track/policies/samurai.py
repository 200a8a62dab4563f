"""Choose and remember by the motion of the object's box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vos.model.decoding import best_iou
from vos.model.types import Candidates, Decoded, MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank, PolicyState
from vos.track.policies.box_motion import (
    Box,
    Motion,
    begin_motion,
    correct_motion,
    find_box,
    overlap,
    predict_motion,
)
from vos.track.policy import Fifo, StreamPosition

_FRAME_SIDE_PX = 1024
"""Boxes are measured in pixels of a frame of this side, as the source does."""


@dataclass(frozen=True, slots=True)
class SamuraiNotes(PolicyState):
    """What `Samurai` notes of an object.

    motion: of its box; None before the first choice.
    stable: on how many frames in a row the motion was right; 0 begins it anew.
    last_is_poor: whether the last recent frame keeps its map only until the next one comes.
    """

    motion: Motion | None = None
    stable: int = 0
    last_is_poor: bool = False


@dataclass(frozen=True, slots=True)
class Samurai(Fifo):
    """SAMURAI's rule: the mask that moves as the object did, and frames with sure masks.

    After `stable_from` frames of steady motion, the alternative is chosen whose box the motion
    foretold best. Maps are kept of frames that were sure; the very last one is always among them.
    Pointers are those of the last frames, as SAM 2 has them.

    It acts where the model offers alternatives on tracked frames; a mask prompt has none, so that
    the motion of such an object begins on the next frame. In a batch of several videos the best
    alternative is taken.

    Source: arXiv 2411.11922, `configs/samurai`.

    stable_from: so many frames of steady motion come before it counts.
    least_iou: a lower predicted IoU of the mask begins the motion anew.
    motion_weight: share of the motion in the choice; the source takes 0.15 with SAM 2.1 large.
    sure_above: predicted IoU that a kept frame exceeds.
    """

    stable_from: int = 15
    least_iou: float = 0.3
    motion_weight: float = 0.25
    sure_above: float = 0.5

    @property
    def chooses_best(self) -> bool:
        return False

    @property
    def present_above(self) -> float:
        return -1.0

    def admit(
        self, bank: MemoryBank, entry: MemoryEntry, decoded: Decoded | None, *, prompted: bool
    ) -> MemoryBank:
        notes = _read_notes(bank)
        recent = bank.recent
        if notes.last_is_poor and recent:
            recent = (*recent[:-1], recent[-1].without_maps())
        followed: float | None = None
        if decoded is not None and _has_alternatives(decoded):
            candidates = Candidates(
                decoded.all_logits[:, 1:], decoded.all_iou_pred[:, 1:], decoded.object_score
            )
            _, notes, followed = self._follow(notes, *_find_boxes(candidates))
        if prompted:
            notes = replace(notes, last_is_poor=False)
            prompted_frames = (*bank.prompted, entry)
            return replace(bank, prompted=prompted_frames, recent=recent, policy_state=notes)
        is_sure = (entry.iou_pred > self.sure_above) & (entry.object_score > 0)
        # The source never keeps the frame after the first one.
        is_late = bank.since_start(entry) > 1
        is_kept = is_late and bool(is_sure.any()) and (followed is None or followed > 0)
        notes = replace(notes, last_is_poor=not is_kept)
        return replace(bank, recent=self._trim((*recent, entry)), policy_state=notes)

    def select(self, bank: MemoryBank, at: StreamPosition) -> Recall:
        """Return SAM 2's own prompted frames and pointers, and maps by their place among those
        kept; the place of the very last frame stays empty where that had a prompt.
        """
        recall = Fifo.select(self, bank, at)
        with_maps = [entry for entry in bank.recent if entry.spatial is not None]
        nearest = 1 if with_maps and at.distance(with_maps[-1]) == 1 else 2
        prompted = [pair for pair in recall.spatial if pair[0] == 0]
        places = list(enumerate(reversed(with_maps), nearest))
        kept = [
            (self.memory_slots - place, entry)
            for place, entry in reversed(places)
            if place < self.memory_slots
        ]
        return replace(recall, spatial=(*prompted, *kept))

    def choose(
        self, candidates: Candidates, bank: MemoryBank, at: StreamPosition
    ) -> Int[Tensor, " b"]:
        if len(candidates.iou_pred) > 1:
            return best_iou(candidates)
        index, _, _ = self._follow(_read_notes(bank), *_find_boxes(candidates))
        return torch.tensor([index], device=candidates.iou_pred.device)

    def _follow(
        self, notes: SamuraiNotes, boxes: list[Box | None], ious: list[float]
    ) -> tuple[int, SamuraiNotes, float | None]:
        """Return the alternative to take, the notes after it, and how well the motion foretold it:
        the overlap with its box, None where the motion did not count.

        boxes: of the alternatives; None for an empty one. ious: as predicted.
        """
        best = ious.index(max(ious))
        if notes.motion is None or notes.stable == 0:
            return best, replace(notes, motion=begin_motion(_as_seen(boxes[best])), stable=1), None
        motion = predict_motion(notes.motion)
        followed: float | None = None
        if notes.stable < self.stable_from:
            is_right = ious[best] > self.least_iou
        else:
            place = find_box(motion)
            overlaps = [0.0 if box is None else overlap(place, box) for box in boxes]
            scores = [
                self.motion_weight * near + (1 - self.motion_weight) * iou
                for near, iou in zip(overlaps, ious, strict=True)
            ]
            best = scores.index(max(scores))
            followed = overlaps[best]
            is_right = ious[best] >= self.least_iou
        if not is_right:
            return best, replace(notes, motion=motion, stable=0), followed
        motion = correct_motion(motion, _as_seen(boxes[best]))
        # Beyond the bound more would count for nothing.
        stable = min(notes.stable + 1, self.stable_from)
        return best, replace(notes, motion=motion, stable=stable), followed

    def _trim(self, recent: tuple[MemoryEntry, ...]) -> tuple[MemoryEntry, ...]:
        """Return recent frames within their bounds: the newest maps, the newest pointers."""
        with_maps = [entry for entry in recent if entry.spatial is not None]
        kept = {id(entry) for entry in with_maps[-(self.memory_slots - 1) :]}
        newest = len(recent) - (self.pointer_span - 1)
        return tuple(
            entry if id(entry) in kept else entry.without_maps()
            for index, entry in enumerate(recent)
            if index >= newest or id(entry) in kept
        )


def _read_notes(bank: MemoryBank) -> SamuraiNotes:
    notes = bank.policy_state
    return notes if isinstance(notes, SamuraiNotes) else SamuraiNotes()


def _has_alternatives(decoded: Decoded) -> bool:
    """Tell whether one of several masks was chosen, for one video."""
    return decoded.chosen is not None and len(decoded.chosen) == 1 and bool(decoded.chosen[0] > 0)


def _find_boxes(candidates: Candidates) -> tuple[list[Box | None], list[float]]:
    """Return the boxes of the alternatives and their predicted IoU, in one look at the device."""
    masks = candidates.mask_logits[0] > 0
    side = masks.shape[-1]
    looked: Float[Tensor, "k sides"] = torch.cat(
        [masks.any(1).float(), masks.any(2).float(), candidates.iou_pred[0, :, None].float()], 1
    ).cpu()
    scale = _FRAME_SIDE_PX / side
    boxes: list[Box | None] = []
    for row in looked > 0:
        columns, rows = row[:side].nonzero()[:, 0], row[side : 2 * side].nonzero()[:, 0]
        if not len(columns):
            boxes.append(None)
            continue
        low = (int(columns[0]) * scale, int(rows[0]) * scale)
        high = ((int(columns[-1]) + 1) * scale - 1, (int(rows[-1]) + 1) * scale - 1)
        boxes.append((*low, *high))
    return boxes, looked[:, -1].tolist()


def _as_seen(box: Box | None) -> Box:
    return (0.0, 0.0, 0.0, 0.0) if box is None else box
