"""A refiner's training loss on one batch, through the frozen base."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, ModelPrompt
from vos.refine.base import Asked, FrameCache, Refiner
from vos.refine.build import TrainableRefiner
from vos.train.point_losses import PointConfig, dense_loss, point_loss
from vos.train.refiner_config import LossConfig
from vos.train.refiner_prompts import KINDS, correcting_click, training_prompt

PRESENT = 10.0
"""An object score that hides nothing."""


def answer_prompt(
    model: Sam2Model,
    refiner: Refiner,
    features: FrameFeatures,
    cache: FrameCache,
    prompt: ModelPrompt,
    before: Decoded | None = None,
) -> Decoded:
    """A prompt on a still, decoded and refined. before: the answer that the prompt corrects.

    The object is known to be there, so the object score is overruled: a wrong "absent" would
    replace the mask, and its gradient, by a constant.
    """
    asked = Asked(now=prompt, first=prompt, before=before)
    embedding = refiner.fuse(model.condition(features, None), cache, asked)
    coarse = model.decode(embedding, features, prompt, first=True)
    present = torch.full_like(coarse.object_score, PRESENT)
    coarse = replace(coarse, object_score=present, mask_logits=coarse.raw_logits)
    return refiner.refine(coarse, features, cache, asked)


class RefinerObjective(nn.Module):
    """The module that is trained: the refiner, called through one `forward`, which is what
    gradient synchronisation between processes needs. The base is no part of it.
    """

    def __init__(
        self,
        model: Sam2Model,
        refiner: TrainableRefiner,
        loss: LossConfig,
        *,
        box_jitter: float = 0.0,
        corrections: float = 0.0,
    ):
        """box_jitter, corrections: as `RefinerTrainConfig`'s."""
        super().__init__()
        self.refiner = refiner
        self.model, self.loss = model, loss
        self.box_jitter, self.corrections = box_jitter, corrections

    def forward(
        self,
        images: Float[Tensor, "b 3 s s"],
        target: Float[Tensor, "b 1 l l"],
        generator: torch.Generator,
    ) -> dict[str, Float[Tensor, ""]]:
        """Mean losses over the batch: "total" and its weighted parts.

        The rows are shared out at random among the three kinds of prompt; what a click corrects is
        an answer of the refiner itself, without a gradient. images: in [0, 1].
        """
        b, size = images.shape[0], images.shape[-1]
        with torch.no_grad():
            features = self.model.encode_image(normalise(images))
        cache = self.refiner.augment(self.model, features, 0)
        draw = torch.randperm(b, generator=generator, device=images.device)
        parts: dict[str, Tensor] = {}
        for first, kind in enumerate(KINDS):
            rows = draw[first :: len(KINDS)].sort().values
            if len(rows) == 0:
                continue
            truth = target[rows]
            prompt = training_prompt(kind, truth, size, generator, self.box_jitter)
            seen = features.rows(rows), {name: value[rows] for name, value in cache.items()}
            before = None
            chance = torch.rand((), generator=generator, device=images.device)
            if kind != "mask" and chance < self.corrections:
                with torch.no_grad():
                    before = answer_prompt(self.model, self.refiner, *seen, prompt)
                prompt = correcting_click(before, truth, prompt, size, generator)
            answer = answer_prompt(self.model, self.refiner, *seen, prompt, before)
            for name, value in self.parts(answer, truth, generator).items():
                parts[name] = parts.get(name, 0) + value.sum() / b
        parts["total"] = torch.stack(list(parts.values())).sum()
        return parts

    def parts(
        self, answer: Decoded, truth: Float[Tensor, "b 1 l l"], generator: torch.Generator
    ) -> dict[str, Float[Tensor, " b"]]:
        """Weighted losses per row. A refiner without an output of its own works before decoding:
        then the decoder's mask is what it is trained by.
        """
        loss = self.loss
        final, points = answer.refined_logits, loss.final_points
        if final is None:
            final, points = answer.raw_logits, loss.points

        def mask_loss(logits: Tensor, target: Tensor, points: int) -> Tensor:
            if loss.mode == "dense":
                return dense_loss(logits, target, loss.dice)
            return point_loss(logits, target, generator, PointConfig(points), loss.dice)

        parts = {"final": loss.final * mask_loss(final, truth, points)}
        for i, aux in enumerate(answer.aux_logits):
            parts[f"aux{i}"] = loss.aux * mask_loss(aux, truth, loss.points)
        if answer.error_logits is not None:
            mask = F.interpolate(
                answer.raw_logits, size=truth.shape[-2:], mode="bilinear", align_corners=False
            )
            wrong = ((mask > 0) != (truth > 0.5)).float()
            parts["error"] = loss.error * mask_loss(answer.error_logits, wrong, loss.points)
        return parts
