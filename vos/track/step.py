"""One frame, pure: banks in, masks and new banks out. Training calls it with gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vos.model.decoding import best_iou
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, ModelPrompt, Recall, for_memory
from vos.refine.base import Asked, FrameCache, NoRefiner, Refiner
from vos.refine.memory_gate import decode_fused
from vos.track.memory_bank import MemoryBank
from vos.track.policy import MemoryPolicy, StreamPosition


def track_frame(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    banks: Mapping[int, MemoryBank],
    image: Float[Tensor, "b 3 s s"],
    prompts: Mapping[int, ModelPrompt],
    step: StreamPosition,
    image_2x: Float[Tensor, "b 3 s2 s2"] | None = None,
    objects_per_batch: int = 1,
) -> tuple[dict[int, Decoded], dict[int, MemoryBank]]:
    """Mask every object on one frame and remember the answer.

    banks: per object id. prompts: this frame's, per object id; an id without a bank starts one.
    objects_per_batch: how many unprompted objects go through the model at once; an exact model
    takes them one by one (batch 1 for one video), which is SAM 2's own arithmetic.
    """
    raw = replace(model.encode_image(image), image_2x=image_2x)
    cache = refiner.augment(model, raw, step.frame_idx)
    return track_encoded(
        model, refiner, policy, banks, raw, cache, prompts, step, objects_per_batch
    )


def track_encoded(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    banks: Mapping[int, MemoryBank],
    raw: FrameFeatures,
    cache: FrameCache,
    prompts: Mapping[int, ModelPrompt],
    step: StreamPosition,
    objects_per_batch: int = 1,
) -> tuple[dict[int, Decoded], dict[int, MemoryBank]]:
    """As `track_frame`, from an image that is already encoded."""
    decoded: dict[int, Decoded] = {}
    remembered: dict[int, MemoryBank] = {}
    several_videos = raw.s16.shape[0] > 1  # a batch already
    tracked = {i: bank for i, bank in banks.items() if i not in prompts}
    if model.exact or several_videos:
        tracked = {}
    together = track_together(model, refiner, policy, tracked, raw, cache, step, objects_per_batch)
    for object_id in sorted({*banks, *prompts}):
        if object_id in together:
            decoded[object_id], remembered[object_id] = together[object_id]
            continue
        bank = banks.get(object_id, MemoryBank())
        prompt = prompts.get(object_id)
        if bank.first_prompt is None:
            bank = replace(bank, first_prompt=prompt)
        answer = decode_object(model, refiner, policy, bank, raw, cache, prompt, step)
        entry = model.encode_memory(raw, answer, step.frame_idx)
        decoded[object_id] = answer
        remembered[object_id] = policy.admit(bank, entry, prompted=prompt is not None)
    return decoded, remembered


def decode_object(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    bank: MemoryBank,
    raw: FrameFeatures,
    cache: FrameCache,
    prompt: ModelPrompt | None,
    step: StreamPosition,
    before: Decoded | None = None,
) -> Decoded:
    """One object's mask: recall, condition, fuse, decode, refine.

    before: the answer to an earlier prompt on this very frame; only refiners look at it.
    Points on an object that is already tracked correct its mask: the tracked answer is decoded
    first and given to the decoder beside them, as SAM 2 does for a click on a tracked frame.
    """
    asked = Asked(now=prompt, first=bank.first_prompt, before=before)
    recall = None if bank.is_empty else policy.select(bank, step)
    takes_mask = prompt is not None and prompt.mask is not None
    plain = raw.s16 if takes_mask else model.condition(raw, recall)
    fused = refiner.fuse(plain, cache, asked)
    kept = plain if refiner.plain_memory else fused
    if recall is not None and prompt is not None and not takes_mask:
        tracked = model.decode(kept, raw, None, first=False, choose=policy.choose)
        prompt = replace(prompt, previous=tracked.mask_logits)

    def decode(embedding: Tensor) -> Decoded:
        return model.decode(embedding, raw, prompt, first=recall is None, choose=policy.choose)

    return refiner.refine(decode_fused(decode, kept, fused), raw, cache, asked)


def track_together(
    model: Sam2Model,
    refiner: Refiner,
    policy: MemoryPolicy,
    banks: Mapping[int, MemoryBank],
    raw: FrameFeatures,
    cache: FrameCache,
    step: StreamPosition,
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
    step: StreamPosition,
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
