"""A refiner's training loss on one batch, through the frozen base."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded
from vos.refine.registry import TrainableRefiner
from vos.track.engine import EncodedFrame, Engine, look_at
from vos.track.policy import Fifo, StreamPosition
from vos.train.losses import PointConfig, dense_loss, point_loss
from vos.train.refiner.config import LossConfig
from vos.train.refiner.earlier_frame import EarlierFrame
from vos.train.refiner.forward import decode_prompt, decode_tracked
from vos.train.refiner.prompts import KINDS, PromptKind, correcting_click, training_prompt


class RefinerObjective(nn.Module):
    """The module that is trained: the refiner, called through one `forward`.

    That is what gradient synchronisation between processes needs. The base is no part of it.
    """

    def __init__(
        self,
        model: Sam2Model,
        refiner: TrainableRefiner,
        loss: LossConfig,
        *,
        box_jitter: float = 0.0,
        corrections: float = 0.0,
        tracked: float = 0.0,
    ):
        """Store what training needs.

        box_jitter, corrections, tracked: as in `RefinerTrainConfig`.
        """
        super().__init__()
        self.refiner = refiner
        self.model, self.loss = model, loss
        self.engine = Engine(model, refiner, Fifo())
        self.box_jitter, self.corrections, self.tracked = box_jitter, corrections, tracked

    def forward(
        self,
        images: Float[Tensor, "b 3 s s"],
        target: Float[Tensor, "b 1 l l"],
        generator: torch.Generator,
    ) -> dict[str, Float[Tensor, ""]]:
        """Return mean losses over the batch: "total" and its weighted parts.

        The rows are shared out at random among the three kinds of prompt, given on this very still
        or on an earlier view of it; what a click corrects is a prediction of the refiner itself,
        without a gradient.

        images: in [0, 1].
        """
        b, size = images.shape[0], images.shape[-1]
        with torch.no_grad():
            features = self.model.encode_image(normalise(images))
        frame = look_at(self.engine, features, StreamPosition(0))
        draw = torch.randperm(b, generator=generator, device=images.device)
        earlier = None
        if torch.rand((), generator=generator, device=images.device) < self.tracked:
            earlier = EarlierFrame.of(self.model, images, target, generator)
        parts: dict[str, Tensor] = {}
        for first, kind in enumerate(KINDS):
            rows = draw[first :: len(KINDS)].sort().values
            if len(rows) == 0:
                continue
            truth = target[rows]
            cache = {name: value[rows] for name, value in frame.cache.items()}
            seen = EncodedFrame(features.rows(rows), cache, frame.at)
            if earlier is None:
                prediction = self._decode_prompted(kind, seen, truth, size, generator)
            else:
                bank = earlier.remember(self.model, rows, kind, generator, self.box_jitter)
                prediction = decode_tracked(self.engine, seen, bank)
            for name, value in self.parts(prediction, truth, generator).items():
                parts[name] = parts.get(name, 0) + value.sum() / b
        parts["total"] = torch.stack(list(parts.values())).sum()
        return parts

    def _decode_prompted(
        self,
        kind: PromptKind,
        frame: EncodedFrame,
        truth: Float[Tensor, "b 1 l l"],
        size: int,
        generator: torch.Generator,
    ) -> Decoded:
        prompt = training_prompt(kind, truth, size, generator, self.box_jitter)
        before = None
        chance = torch.rand((), generator=generator, device=truth.device)
        if kind != "mask" and chance < self.corrections:
            with torch.no_grad():
                before = decode_prompt(self.engine, frame, prompt)
            prompt = correcting_click(before, truth, prompt, size, generator)
        return decode_prompt(self.engine, frame, prompt, before)

    def parts(
        self, prediction: Decoded, truth: Float[Tensor, "b 1 l l"], generator: torch.Generator
    ) -> dict[str, Float[Tensor, " b"]]:
        """Return weighted losses per row.

        A refiner without an output of its own works before decoding: then it is trained by the
        decoder's mask.
        """
        loss = self.loss
        final, points = prediction.refined_logits, loss.final_points
        if final is None:
            final, points = prediction.raw_logits, loss.points

        def mask_loss(logits: Tensor, target: Tensor, points: int) -> Tensor:
            if loss.mode == "dense":
                return dense_loss(logits, target, loss.dice)
            return point_loss(logits, target, generator, PointConfig(points), loss.dice)

        parts = {"final": loss.final * mask_loss(final, truth, points)}
        for i, aux in enumerate(prediction.aux_logits):
            parts[f"aux{i}"] = loss.aux * mask_loss(aux, truth, loss.points)
        if prediction.error_logits is not None:
            mask = F.interpolate(
                prediction.raw_logits, size=truth.shape[-2:], mode="bilinear", align_corners=False
            )
            wrong = ((mask > 0) != (truth > 0.5)).float()
            parts["error"] = loss.error * mask_loss(prediction.error_logits, wrong, loss.points)
        return parts
