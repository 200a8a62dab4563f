"""One frame, pure: banks in, predictions and new banks out. Training calls it with gradients.

Everything that tracks goes through here: streams, single images and refiner training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from vos.model.decoding import ChooseMask, best_iou
from vos.model.types import (
    Candidates,
    Decoded,
    MemoryEntry,
    MemoryInput,
    ModelPrompt,
    Recall,
)
from vos.refine.base import PromptHistory
from vos.refine.memory_gate import decode_fused, join_fused
from vos.refine.rows import RefineRows
from vos.track.engine import EncodedFrame, Engine, Foreseen
from vos.track.hypotheses import Pick
from vos.track.memory_bank import MemoryBank
from vos.track.obeyed_clicks import has_positive_click, obey_clicks
from vos.track.policy import StreamPosition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One object on this frame.

    object_id: the user's id.
    bank: what is remembered of it, its first prompt included.
    prompt: this frame's, None on tracked frames.
    recall: the memories to attend to; None on the object's first frame.
    before: the prediction for an earlier prompt on this very frame, which only refiners read.
    """

    object_id: int
    bank: MemoryBank
    prompt: ModelPrompt | None
    recall: Recall | None
    before: Decoded | None = None

    @property
    def history(self) -> PromptHistory:
        """Return what the user prompted, as refiners take it."""
        return PromptHistory(self.prompt, self.bank.first_prompt, self.before)


def track_frame(
    engine: Engine,
    frame: EncodedFrame,
    banks: Mapping[int, MemoryBank],
    prompts: Mapping[int, ModelPrompt],
    *,
    batch_size: int = 1,
) -> tuple[dict[int, Decoded], dict[int, MemoryBank]]:
    """Mask every object on one frame and remember the prediction.

    banks: per object id. prompts: this frame's, per object id; an id without a bank starts one.
    batch_size: how many unprompted objects go through the model at once; an exact model takes them
    one by one, which is SAM 2's own arithmetic. A batch of several videos is one object.
    """
    decoded: dict[int, Decoded] = {}
    remembered: dict[int, MemoryBank] = {}
    for object_id in _find_forking(engine, frame, banks, prompts):
        decoded[object_id], remembered[object_id] = _track_hypotheses(
            engine, frame, object_id, banks[object_id], batch_size
        )
    banks = {object_id: bank for object_id, bank in banks.items() if object_id not in decoded}
    for group in _batches(engine, frame, banks, prompts, batch_size):
        predictions, entries = _track_group(engine, frame, group)
        for one, prediction, entry in zip(group, predictions, entries, strict=True):
            decoded[one.object_id] = prediction
            remembered[one.object_id] = engine.policy.admit(
                one.bank, entry, prediction, prompted=one.prompt is not None
            )
    return _sort_by_id(decoded), _sort_by_id(remembered)


def find_memories(
    engine: Engine,
    at: StreamPosition,
    object_id: int,
    bank: MemoryBank,
    prompt: ModelPrompt | None,
    before: Decoded | None = None,
) -> Tracked:
    """Return one object with the memories it attends to at this place; the first prompt goes into
    its bank.
    """
    if bank.first_prompt is None:
        first = None if prompt is None else replace(prompt, found=None)
        bank = replace(bank, first_prompt=first)
    recall = None
    if not bank.is_empty:
        model = engine.model
        recall = engine.policy.select(bank, at).thin_out(model.memory_slots, model.memory_stride)
    return Tracked(object_id, bank, prompt, recall, before)


def decode_group(
    engine: Engine,
    frame: EncodedFrame,
    group: Sequence[Tracked],
    on_decoded: Callable[[Decoded], Decoded] = lambda decoded: decoded,
) -> list[Decoded]:
    """Predict the masks of a group: condition, fuse, decode, refine.

    group: one object, or several without a prompt whose recalls have one `shape`. on_decoded:
    changes what the decoder gave before the refiner sees it; training uses it.

    Points on an object that is already tracked correct its mask: the tracked mask is decoded first
    and given to the decoder beside them, as SAM 2 does for a click on a tracked frame. Of a model
    that propagates masks, clicked pixels are as clicked, and a tracked mask stays as it is far from
    them (`vos.track.obeyed_clicks`).
    """
    model, features = engine.model, frame.features
    prompt = group[0].prompt
    recalls = [one.recall for one in group if one.recall is not None]
    choose = _make_chooser(engine, [one.bank for one in group], frame.at)
    present_above = engine.policy.present_above
    keys = features.keys if engine.obeys_clicks else None
    if keys is not None and has_positive_click(prompt):
        present_above = -math.inf
    kept, fused = _embed_group(engine, frame, group)
    tracked: Decoded | None = None
    if recalls and prompt is not None and prompt.mask is None:
        known = _find_foreseen(frame, group)
        tracked = None if known is None else known.decoded
        if tracked is None:
            tracked = _decode_tracked(engine, frame, group, kept)
        prompt = replace(prompt, previous=tracked.mask_logits)

    def decode(embedding: Tensor) -> Decoded:
        return model.decode(
            embedding,
            features,
            prompt,
            first=not recalls,
            choose=choose,
            present_above=present_above,
        )

    decoded = on_decoded(decode_fused(decode, kept, fused))
    if keys is not None and prompt is not None:
        decoded = obey_clicks(decoded, prompt, keys, model.image_size, tracked)
    return [
        engine.refiner.refine(row, features, frame.cache, one.history)
        for row, one in zip(_split_rows(decoded, len(group)), group, strict=True)
    ]


def _embed_group(
    engine: Engine, frame: EncodedFrame, group: Sequence[Tracked]
) -> tuple[Float[Tensor, "r c h w"], Float[Tensor, "r c h w"]]:
    """Return what is decoded for the memory and for the user: condition, then fuse. Both are the
    very same tensor where one run of the decoder does for both.
    """
    refiner, features, prompt = engine.refiner, frame.features, group[0].prompt
    if prompt is not None and prompt.mask is not None:
        plain = features.s16
    elif (known := _find_foreseen(frame, group)) is not None:
        plain = known.embedding
    else:
        recalls = [one.recall for one in group if one.recall is not None]
        plain = engine.model.condition(features, recalls, prompted=prompt is not None)
    rows = [plain] if len(group) == 1 else plain.split(1)
    fused_rows = [
        refiner.fuse(row, frame.cache, one.history) for row, one in zip(rows, group, strict=True)
    ]
    if all(fused is row for fused, row in zip(fused_rows, rows, strict=True)):
        fused = plain
    else:
        fused = fused_rows[0] if len(group) == 1 else torch.cat(fused_rows)
    return (plain if refiner.plain_memory else fused), fused


@torch.inference_mode()
def foresee(engine: Engine, frame: EncodedFrame, banks: Mapping[int, MemoryBank]) -> EncodedFrame:
    """Return the frame with what objects are there before anybody prompts them.

    Their prompts on it are quicker then, and give the same.

    banks: of the objects, by id; those whose very bank the frame knows already cost nothing.
    """
    refiner, foreseen = engine.refiner, dict(frame.foreseen)
    for object_id, bank in banks.items():
        one = find_memories(engine, frame.at, object_id, bank, None)
        is_known = object_id in foreseen and foreseen[object_id].bank is bank
        if one.recall is None or is_known:
            continue
        with engine.autocast():
            embedding = engine.model.condition(frame.features, [one.recall], prompted=True)
            decoded = None
            if refiner.plain_memory or refiner.is_identity or refiner.is_static:
                decoded = _decode_tracked(engine, frame, [one], embedding)
        foreseen[object_id] = Foreseen(bank, embedding, decoded)
    return replace(frame, foreseen=foreseen)


def _find_foreseen(frame: EncodedFrame, group: Sequence[Tracked]) -> Foreseen | None:
    """Return what is known already of an object alone, by this very memory."""
    one = group[0]
    known = frame.foreseen.get(one.object_id) if len(group) == 1 else None
    return known if known is not None and known.bank is one.bank else None


def _decode_tracked(
    engine: Engine,
    frame: EncodedFrame,
    group: Sequence[Tracked],
    embedding: Float[Tensor, "r c h w"],
) -> Decoded:
    """Return the masks of a group as if it had no prompt on this frame."""
    return engine.model.decode(
        embedding,
        frame.features,
        None,
        first=False,
        choose=_make_chooser(engine, [one.bank for one in group], frame.at),
        present_above=engine.policy.present_above,
    )


def _find_forking(
    engine: Engine,
    frame: EncodedFrame,
    banks: Mapping[int, MemoryBank],
    prompts: Mapping[int, ModelPrompt],
) -> list[int]:
    """Return the objects that are tracked by several hypotheses on this frame."""
    is_one_video = frame.features.s16.shape[0] == 1
    if engine.policy.hypotheses is None or not is_one_video or not engine.model.offers_alternatives:
        return []
    return [i for i in sorted(banks) if i not in prompts and not banks[i].is_empty]


def _track_hypotheses(
    engine: Engine, frame: EncodedFrame, object_id: int, bank: MemoryBank, batch_size: int
) -> tuple[Decoded, MemoryBank]:
    """Predict and remember an object's masks by each of its hypotheses; return the best one's."""
    model, policy = engine.model, engine.policy.hypotheses
    assert policy is not None
    group = [find_memories(engine, frame.at, object_id, one, None) for one in policy.split(bank)]
    offers = _decode_alternatives(engine, frame, group, 1 if model.exact else batch_size)
    seen = [
        Candidates(one.all_logits[:, 1:], one.all_iou_pred[:, 1:], one.object_score)
        for one, _ in offers
    ]
    picks = policy.pick(bank, seen)
    made: dict[Pick, tuple[MemoryEntry, Decoded]] = {}
    for pick in dict.fromkeys(picks):
        chosen = torch.tensor([pick.alternative], device=model.device)
        remembered, shown = offers[pick.parent]
        again = model.choose_again(remembered, chosen)
        if shown is not remembered:
            again = join_fused(again, model.choose_again(shown, chosen))
        history = group[pick.parent].history
        prediction = engine.refiner.refine(again, frame.features, frame.cache, history)
        entry = model.encode_memory(frame.features, MemoryInput.of(prediction), frame.at.frame_idx)
        made[pick] = entry, prediction
    return made[picks[0]][1], policy.join(bank, picks, made)


def _decode_alternatives(
    engine: Engine, frame: EncodedFrame, group: Sequence[Tracked], batch_size: int
) -> list[tuple[Decoded, Decoded]]:
    """Return what each hypothesis predicts before a mask is chosen: for the memory and for the
    user, which are often the same.
    """
    model, offers = engine.model, dict[int, tuple[Decoded, Decoded]]()
    by_shape: dict[Hashable, list[int]] = {}
    for i, one in enumerate(group):
        assert one.recall is not None
        by_shape.setdefault(model.batch_key(one.recall), []).append(i)
    for alike in by_shape.values():
        for begin in range(0, len(alike), batch_size):
            batch = alike[begin : begin + batch_size]
            kept, fused = _embed_group(engine, frame, [group[i] for i in batch])
            remembered = model.decode(kept, frame.features, None, first=False)
            shown = remembered
            if fused is not kept:
                shown = model.decode(fused, frame.features, None, first=False)
            for row, i in enumerate(batch):
                one = remembered.row(row)
                offers[i] = one, one if shown is remembered else shown.row(row)
    return [offers[i] for i in range(len(group))]


def _track_group(
    engine: Engine, frame: EncodedFrame, group: Sequence[Tracked]
) -> tuple[Sequence[Decoded], Sequence[MemoryEntry]]:
    """Predict and remember the masks of a group, in one where the model has a quicker way."""
    model, refiner, frame_idx = engine.model, engine.refiner, frame.at.frame_idx
    recalls = [one.recall for one in group if one.recall is not None and one.prompt is None]
    is_static = refiner.is_identity or refiner.is_static
    is_usual = engine.policy.chooses_best and engine.policy.present_above == 0
    if is_static and is_usual and len(recalls) == len(group):
        refine, beside = None, ()
        if not refiner.is_identity:
            refine = RefineRows(refiner)
            beside = (frame.cache, tuple(one.bank.first_prompt for one in group))
        tracked = model.track(frame.features, recalls, frame_idx, refine, beside)
        if tracked is not None:
            decoded, entry = tracked
            return _split_rows(decoded, len(group)), entry.rows()
    predictions = decode_group(engine, frame, group)
    entry = model.encode_memory(frame.features, MemoryInput.of(*predictions), frame_idx)
    # One object may be a batch of several videos, which is not split.
    return predictions, [entry] if len(group) == 1 else entry.rows()


def _batches(
    engine: Engine,
    frame: EncodedFrame,
    banks: Mapping[int, MemoryBank],
    prompts: Mapping[int, ModelPrompt],
    batch_size: int,
) -> Iterator[list[Tracked]]:
    """Yield prompted objects alone, then the others by the shape of their recalls."""
    is_one_video = frame.features.s16.shape[0] == 1
    size = batch_size if is_one_video and not engine.model.exact else 1
    by_shape: dict[Hashable, list[Tracked]] = {}
    for object_id in sorted({*banks, *prompts}):
        bank, prompt = banks.get(object_id, MemoryBank()), prompts.get(object_id)
        one = find_memories(engine, frame.at, object_id, bank, prompt)
        if prompt is not None or one.recall is None:
            yield [one]
        else:
            by_shape.setdefault(engine.model.batch_key(one.recall), []).append(one)
    for group in by_shape.values():
        for begin in range(0, len(group), size):
            yield group[begin : begin + size]


def _make_chooser(engine: Engine, banks: Sequence[MemoryBank], at: StreamPosition) -> ChooseMask:
    """Return the policy's choice, made for each row of a group by its own bank."""
    policy = engine.policy
    if policy.chooses_best:
        return best_iou

    def choose(candidates: Candidates) -> Tensor:
        if len(banks) == 1:
            return policy.choose(candidates, banks[0], at)
        return torch.cat(
            [policy.choose(candidates.row(i), bank, at) for i, bank in enumerate(banks)]
        )

    return choose


def _split_rows(decoded: Decoded, count: int) -> list[Decoded]:
    """Yield one prediction per object; that of a single object as it is."""
    return [decoded] if count == 1 else [decoded.row(i) for i in range(count)]


def _sort_by_id(by_id: Mapping[int, T]) -> dict[int, T]:
    return {object_id: by_id[object_id] for object_id in sorted(by_id)}
