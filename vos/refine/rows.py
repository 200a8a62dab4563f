"""Refine several objects of one image in a function of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor

from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.refine.base import FrameCache, PromptHistory, Refiner


@dataclass(frozen=True, slots=True)
class RefineRows:
    """A refiner's last part, for every object of a batch on a frame without prompts.

    It never looks at a value where the refiner `is_static`.
    """

    refiner: Refiner

    def __call__(
        self,
        decoded: Decoded,
        features: FrameFeatures,
        cache: FrameCache,
        first_prompts: Sequence[ModelPrompt | None],
    ) -> Decoded:
        """Return the refined predictions, a row per object. first_prompts: one per row."""
        return _join(
            [
                self.refiner.refine(decoded.row(index), features, cache, PromptHistory(None, first))
                for index, first in enumerate(first_prompts)
            ]
        )


def _join(rows: Sequence[Decoded]) -> Decoded:
    """Join predictions to one batch, without the decoder's states."""
    if len(rows) == 1:
        return rows[0]
    joined: dict[str, Any] = {}
    for each in fields(Decoded):
        values = [getattr(row, each.name) for row in rows]
        first = values[0]
        if isinstance(first, Tensor):
            joined[each.name] = torch.cat(cast(list[Tensor], values))
        elif each.name != "state":
            joined[each.name] = first
    return Decoded(**joined)
