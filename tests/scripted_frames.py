"""Scripted predictions: what a policy would be given, without a model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vos.model.types import Candidates, Decoded, MemoryEntry, Recall
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, StreamPosition

SIDE = 16
"""Of the masks, in pixels."""

Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom, the last two exclusive; nothing where they do not exceed the first.
"""


Frames = tuple[list[tuple[int, int]], list[tuple[int, int]]]
"""(slot, frame) of the maps and (distance, frame) of the pointers."""


@dataclass(frozen=True)
class Shot:
    """What the decoder gives on one frame.

    masks: the three alternatives, each a union of rectangles.
    ious: their predicted IoU.
    score: visibility logit.
    prompted: whether the frame has a prompt.
    """

    masks: tuple[tuple[Rectangle, ...], ...]
    ious: tuple[float, float, float]
    score: float = 5.0
    prompted: bool = False


def draw(rectangles: tuple[Rectangle, ...]) -> Tensor:
    """Return bool SIDE x SIDE."""
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for left, top, right, bottom in rectangles:
        mask[top:bottom, left:right] = True
    return mask


def decode(shot: Shot, chosen: int, present_above: float = 0.0) -> Decoded:
    """Return the prediction with one of the alternatives chosen: 0, 1 or 2."""
    logits = torch.stack([draw(mask) for mask in shot.masks]).float() * 20 - 10
    every = torch.cat([logits[:1], logits])[None]
    ious = torch.tensor([[shot.ious[0], *shot.ious]])
    score = torch.tensor([[shot.score]])
    raw = every[:, chosen + 1 : chosen + 2]
    return Decoded(
        mask_logits=raw if shot.score > present_above else torch.full_like(raw, -1024.0),
        raw_logits=raw,
        all_logits=every,
        all_iou_pred=ious,
        iou_pred=ious[:, chosen + 1 : chosen + 2],
        object_score=score,
        obj_ptr=torch.zeros(1, 1),
        from_prompt=shot.prompted,
        chosen=torch.tensor([0 if shot.prompted else chosen + 1]),
        present_above=present_above,
    )


def remember(frame_idx: int, decoded: Decoded, number: int = 0) -> MemoryEntry:
    """Return what a frame leaves. number: of the frame in its script, which the pointer holds."""
    pointer = torch.full_like(decoded.obj_ptr, number)
    spatial = torch.zeros(1, 2, 2, 2)
    return MemoryEntry(frame_idx, spatial, pointer, decoded.iou_pred, decoded.object_score)


def play(
    policy: MemoryPolicy, shots: list[Shot], *, first: int = 0, reverse: bool = False
) -> tuple[MemoryBank, list[Recall | None]]:
    """Let a policy remember frames one by one; return the bank, and what it attended to on each.

    first: index of the first frame.
    """
    bank, recalls = MemoryBank(), []
    for t, shot in enumerate(shots):
        frame_idx = first - t if reverse else first + t
        at = StreamPosition(frame_idx, reverse)
        recalls.append(None if bank.is_empty else policy.select(bank, at))
        bank = step(policy, bank, at, shot, t)
    return bank, recalls


def step(
    policy: MemoryPolicy, bank: MemoryBank, at: StreamPosition, shot: Shot, number: int = 0
) -> MemoryBank:
    """Return the bank after a frame. A prompt gives a single mask, the first of the script.

    number: as in `remember`.
    """
    chosen = 0
    if not shot.prompted:
        every = decode(shot, 0)
        candidates = Candidates(
            every.all_logits[:, 1:], every.all_iou_pred[:, 1:], every.object_score
        )
        chosen = int(policy.choose(candidates, bank, at)[0])
    decoded = decode(shot, chosen, policy.present_above)
    entry = remember(at.frame_idx, decoded, number)
    return policy.admit(bank, entry, decoded, prompted=shot.prompted)


def as_lists(recall: Recall) -> Frames:
    """Return the frames by their number in the script; policies may have renumbered them."""
    return (
        [(slot, int(entry.obj_ptr[0, 0])) for slot, entry in recall.spatial],
        [(away, int(entry.obj_ptr[0, 0])) for away, entry in recall.pointers],
    )
