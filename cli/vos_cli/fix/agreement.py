"""When a track that was corrected is the old one again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from vos_eval.agreement import AGREEING_FRAMES
from vos_eval.metrics.region import jaccard

MOST_DIFFERENCE, LEAST_DIFFERENCE = 0.05, 0.02
SHARE_OF_CORRECTION = 0.25


@dataclass(frozen=True, slots=True)
class Agreement:
    """Compares new masks with the old ones, frame after frame.

    They agree where their IoU is at least `least_iou`: what is left of the difference is at most a
    quarter of what the correction changed on its own frame, 5 % at most and 2 % at least (less is
    the noise of masks at pixel edges). Agreeing on 8 frames in a row, they are the same track
    again. A frame on which neither shows the object says nothing and is passed over.
    """

    least_iou: float
    count: int = 0

    @staticmethod
    def after(correction_iou: float) -> Agreement:
        """correction_iou: of the old and the new mask on the corrected frame."""
        left = (1 - correction_iou) * SHARE_OF_CORRECTION
        return Agreement(1 - min(max(left, LEAST_DIFFERENCE), MOST_DIFFERENCE))

    @property
    def is_reached(self) -> bool:
        return self.count >= AGREEING_FRAMES

    def seen(self, old: Bool[np.ndarray, "h w"], new: Bool[np.ndarray, "h w"]) -> Agreement:
        """After one more frame."""
        if not old.any() and not new.any():
            return self
        return replace(self, count=self.count + 1 if jaccard(old, new) >= self.least_iou else 0)
