"""Make memories from masks that an earlier run left, so that tracking can begin in its middle.

A mask shows what the tracker saw, so its memory can be made again: the frame and the mask are
encoded as for a mask prompt, and kept as what they were, a prompted frame or a recent one. Stored
masks are binary and cut where objects overlap, so what follows is close to the earlier run, not
equal (tests/unit/track/test_from_masks.py has the tolerance).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool

from vos.frame import Frame, ObjectResult
from vos.model.types import Decoded, MemoryInput
from vos.prompts.kinds import ObjectPrompt
from vos.track.engine import EncodedFrame, Engine
from vos.track.inputs import to_inputs, to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.policy import StreamPosition
from vos.track.step import Tracked, decode_group


@dataclass(frozen=True, slots=True)
class KnownMask:
    """An object's mask on one frame, as an earlier run left it.

    mask: at the video's size, maybe empty.
    scores: its predicted IoU and object score.
    """

    mask: Bool[np.ndarray, "h w"]
    scores: ObjectResult


@torch.inference_mode()
def remember_masks(
    engine: Engine,
    banks: Mapping[int, MemoryBank],
    frame: Frame,
    known: Mapping[int, KnownMask],
    *,
    prompted: bool = False,
) -> dict[int, MemoryBank]:
    """Return the banks with the memories of a frame that nobody tracked.

    known: by object id; an object without a bank gets one, which its mask starts. prompted: keep
    them as prompted frames, for good, instead of as recent ones. Call it in tracking order.
    """
    if not known:
        return dict(banks)
    with engine.autocast():
        image, _ = to_inputs(frame.image, engine.model, engine.refiner)
        features = engine.model.encode_image(image)
        encoded = EncodedFrame(features, {}, StreamPosition(frame.frame_idx))
        return dict(banks) | {
            object_id: bank_from_mask(
                engine, banks.get(object_id, MemoryBank()), encoded, one, prompted=prompted
            )
            for object_id, one in known.items()
        }


def bank_from_mask(
    engine: Engine, bank: MemoryBank, frame: EncodedFrame, known: KnownMask, *, prompted: bool
) -> MemoryBank:
    """Return the bank with the memory that this mask on this frame leaves."""
    model = engine.model
    height, width = known.mask.shape
    prompt = to_model_prompt(_as_prompt(known.mask), (height, width), model)
    # The object's number is of no account to the model.
    (decoded,) = decode_group(engine, frame, [Tracked(1, MemoryBank(), prompt, recall=None)])
    decoded = _with_scores(decoded, known, prompted=prompted)
    entry = model.encode_memory(frame.features, MemoryInput.of(decoded), frame.at.frame_idx)
    if bank.first_prompt is None:
        bank = replace(bank, first_prompt=prompt)
    return engine.policy.admit(bank, entry, None, prompted=prompted)


def _with_scores(decoded: Decoded, known: KnownMask, *, prompted: bool) -> Decoded:
    """Return a mask prompt's prediction with the known scores; an empty mask stays absent."""
    iou_pred, score = known.scores.iou_pred, known.scores.object_score
    absent = min(score, float(decoded.object_score[0, 0]))
    return replace(
        decoded,
        iou_pred=torch.full_like(decoded.iou_pred, iou_pred),
        object_score=torch.full_like(decoded.object_score, score if known.mask.any() else absent),
        from_prompt=prompted,
    )


def _as_prompt(mask: Bool[np.ndarray, "h w"]) -> ObjectPrompt:
    """Return the mask as a prompt, which unlike a user's may be empty."""
    return ObjectPrompt(
        object_id=1,
        frame_idx=0,
        points_xy_px=np.zeros((0, 2), np.float32),
        labels=np.zeros(0, np.int32),
        mask=mask,
        segments_xy_px=np.zeros((0, 2, 2), np.float32),
        segment_labels=np.zeros(0, np.int32),
    )
