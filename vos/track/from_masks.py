"""Tracking taken up in the middle, from masks that an earlier run left.

A mask says what the tracker saw, so its memory can be made again: the frame and the mask are
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
from vos.model.types import Decoded
from vos.prompts.kinds import ObjectPrompt
from vos.track.inputs import autocast, to_inputs, to_model_prompt
from vos.track.memory_bank import MemoryBank
from vos.track.session import Session


@dataclass(frozen=True, slots=True)
class KnownMask:
    """What an object was on one frame, as a run left it. mask: at the video's size, maybe empty."""

    mask: Bool[np.ndarray, "h w"]
    scores: ObjectResult


@torch.inference_mode()
def remember(
    session: Session, frame: Frame, known: Mapping[int, KnownMask], *, prompted: bool = False
) -> None:
    """Give the session's banks the memories of a frame it has not tracked itself.

    known: by object id; an object without a bank gets one, which its mask starts. prompted: keep
    them as prompted frames, for good, instead of as recent ones. Call it in tracking order.
    """
    model, policy = session.model, session.policy
    if not known:
        return
    with autocast(model, session.dtype):
        image, _ = to_inputs(frame.image, model, session.refiner)
        raw = model.encode_image(image)
        for object_id, one in known.items():
            asked = to_model_prompt(_as_prompt(one.mask), frame.size_hw, model)
            decoded = model.decode(raw.s16, raw, asked, first=True)
            decoded = _with_scores(decoded, one, prompted=prompted)
            entry = model.encode_memory(raw, decoded, frame.frame_idx)
            bank = session.banks.get(object_id, MemoryBank())
            if bank.first_prompt is None:
                bank = replace(bank, first_prompt=asked)
            bank = policy.admit(bank, entry, prompted=prompted)
            session.banks = {**session.banks, object_id: bank}


def _with_scores(decoded: Decoded, known: KnownMask, *, prompted: bool) -> Decoded:
    """A mask prompt's answer with the scores of then; an empty mask stays an absent object."""
    iou_pred, score = known.scores.iou_pred, known.scores.object_score
    absent = min(score, float(decoded.object_score[0, 0]))
    return replace(
        decoded,
        iou_pred=torch.full_like(decoded.iou_pred, iou_pred),
        object_score=torch.full_like(decoded.object_score, score if known.mask.any() else absent),
        from_prompt=prompted,
    )


def _as_prompt(mask: Bool[np.ndarray, "h w"]) -> ObjectPrompt:
    """Unlike a user's, it may be empty."""
    return ObjectPrompt(
        object_id=1,
        frame_idx=0,
        points_xy_px=np.zeros((0, 2), np.float32),
        labels=np.zeros(0, np.int32),
        mask=mask,
        segments_xy_px=np.zeros((0, 2, 2), np.float32),
        segment_labels=np.zeros(0, np.int32),
    )
