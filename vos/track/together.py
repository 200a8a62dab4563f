"""Objects in batches: equal to one after the other up to rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from vos.model.answer import best_iou
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, Recall, for_memory
from vos.refine.attach import decode_fused
from vos.refine.base import Asked, FrameCache, NoRefiner, Refiner
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, Step


def track_together(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    banks: Mapping[int, MemoryBank],
    raw: FrameFeatures,
    cache: FrameCache,
    step: Step,
    objects_per_batch: int,
) -> dict[int, tuple[Decoded, MemoryBank]]:
    """Answers and new banks of objects that have memories and no prompt on this frame of one video.

    Objects whose recalls have equal shapes go through the model together, at most objects_per_batch
    at once. Refiners see one object at a time.
    """
    done: dict[int, tuple[Decoded, MemoryBank]] = {}
    recalls = {i: policy.select(bank, step) for i, bank in banks.items()}
    for group in _groups(recalls, objects_per_batch):
        answers, entries = _track_group(
            model,
            refiner,
            policy,
            [recalls[i] for i in group],
            [banks[i] for i in group],
            raw,
            cache,
            step,
        )
        for i, answer, entry in zip(group, answers, entries, strict=True):
            done[i] = answer, policy.admit(banks[i], entry, prompted=False)
    return done


def _groups(recalls: Mapping[int, Recall], most: int) -> Iterator[list[int]]:
    """Object ids whose recalls have one shape, `most` at a time."""
    by_shape: dict[tuple[object, ...], list[int]] = {}
    for object_id in sorted(recalls):
        by_shape.setdefault(recalls[object_id].shape, []).append(object_id)
    for group in by_shape.values():
        for at in range(0, len(group), most):
            yield group[at : at + most]


def _track_group(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    recalls: Sequence[Recall],
    banks: Sequence[MemoryBank],
    raw: FrameFeatures,
    cache: FrameCache,
    step: Step,
) -> tuple[list[Decoded], tuple[MemoryEntry, ...]]:
    if type(refiner) is NoRefiner and policy.choose is best_iou:
        at_once = model.track(raw, recalls, step.frame_idx)
        if at_once is not None:
            answer, entry = at_once
            return [answer.row(i) for i in range(len(recalls))], entry.rows()
    asked = [Asked(now=None, first=bank.first_prompt) for bank in banks]
    plain = model.condition_all(raw, recalls)
    rows = plain.split(1)
    fused_rows = [refiner.fuse(row, cache, one) for row, one in zip(rows, asked, strict=True)]
    is_fused = any(fused is not row for fused, row in zip(fused_rows, rows, strict=True))
    fused = torch.cat(fused_rows) if is_fused else plain
    kept = plain if refiner.plain_memory else fused

    def decode(embedding: Tensor) -> Decoded:
        return model.decode(embedding, raw, None, first=False, choose=policy.choose)

    together = decode_fused(decode, kept, fused)
    answers = [refiner.refine(together.row(i), raw, cache, one) for i, one in enumerate(asked)]
    entry = model.encode_memory(raw, for_memory(answers), step.frame_idx)
    return answers, entry.rows()
