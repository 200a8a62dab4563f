"""An object that is not there because a prompt says so: its mask, and what is remembered of it.

Its mask is empty whatever the model would see. What it was seen as just before is forgotten, as
that was something else or has left; its prompted frames stay, by which it is found again, and
beside them one memory of the last frame without it, as SAM 2 keeps of an empty mask. A prompt that
ends an absence starts from the prompted frames alone.
"""

from __future__ import annotations

import numpy as np
import torch

from vos.frame import ObjectResult
from vos.model.mask_prompt import MASK_PROMPT_LOGIT
from vos.model.sam2 import Sam2Model
from vos.track.compose import ObjectLogits
from vos.track.engine import EncodedFrame, Engine
from vos.track.from_masks import KnownMask, bank_from_mask
from vos.track.memory_bank import MemoryBank

SCORES = ObjectResult(iou_pred=1.0, object_score=-MASK_PROMPT_LOGIT)
"""Those of an empty mask prompt in SAM 2."""

_SIDE_PX = 16


def absent_logits(model: Sam2Model) -> ObjectLogits:
    """Return the prediction for an object that is not there."""
    side = model.mask_size
    return ObjectLogits(
        torch.full((1, 1, side, side), -MASK_PROMPT_LOGIT, device=model.device),
        torch.tensor([SCORES.iou_pred, SCORES.object_score], device=model.device),
    )


def remember_absent(engine: Engine, bank: MemoryBank, frame: EncodedFrame | None) -> MemoryBank:
    """Return the bank after a frame without the object.

    frame: None where the next frame is without it too, so that this one need not be encoded.
    """
    bank = bank.without_recent()
    if frame is None:
        return bank
    known = KnownMask(np.zeros((_SIDE_PX, _SIDE_PX), dtype=bool), SCORES)
    return bank_from_mask(engine, bank, frame, known, prompted=False)
