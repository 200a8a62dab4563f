"""The config of a refiner's training: one YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vos.synth.thin.stills import FineConfig


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of a refiner's outputs.

    final: of the mask, SAM2Refiner's lambda_f (section 3.4).
    aux: of the coarser masks, SAM2Refiner's lambda_i.
    error: of SAM-REF's error map.
    mode: compare masks at sampled "points", or everywhere ("dense"): a base whose masks are wrong
        in whole regions, not along borders, gives points too little to hold on to.
    dice: weight of dice against BCE; BCE alone leaves thin parts out that are rather not there,
        though adding them would raise the IoU.
    final_points: sampled per mask of the final output; HQ-SAM takes 112 x 112 of 256 x 256.
    points: sampled per mask of the smaller outputs.
    """

    final: float = 1.0
    aux: float = 0.3
    error: float = 1.0
    mode: Literal["points", "dense"] = "points"
    dice: float = 1.0
    final_points: int = 4 * 112 * 112
    points: int = 112 * 112


@dataclass(frozen=True, slots=True)
class RefinerTrainConfig:
    """All that a refiner's training depends on.

    refiner: a preset of configs/refiner, or a YAML file.
    model: the frozen base.
    image_size_px: input side; null is the base's own.
    data: "synthetic" stills (see `fine`), or "hqseg" from its folder.
    allow_partial: train on what is there of HQSeg-44K.
    fine: how synthetic stills are drawn.
    reuse: steps per generated batch, each seen differently.
    workers: processes that read images.
    seed: of images, prompts and weights.
    steps: of the whole run.
    batch: stills per step, over all GPUs.
    lr: highest learning rate.
    weight_decay: of convolutions, linear layers and embeddings.
    warmup_steps: over which the rate rises.
    decay_at: shares of the run after which the rate is multiplied by decay_factor.
    decay_factor: see `decay_at`.
    clip_norm: largest norm of the gradient.
    box_jitter: share of its size by which a side of a box prompt is off.
    corrections: share of box and point prompts that get one more click on their prediction.
    tracked: share of steps whose stills are predicted without a prompt, from the memory of an
        earlier view.
    loss: weights of the outputs.
    eval_every: steps from one evaluation to the next.
    eval_images: held-out stills.
    checkpoint_every: steps from one checkpoint to the next.
    needs_gpu: refuse to start on a CPU unless told to by `--device cpu`.
    gpus: how many.
    """

    refiner: str
    model: str = "auto"
    image_size_px: int | None = None
    data: Literal["synthetic", "hqseg"] = "synthetic"
    allow_partial: bool = False
    fine: FineConfig = field(default_factory=FineConfig)
    reuse: int = 1
    workers: int = 0
    seed: int = 1
    steps: int = 1000
    batch: int = 8
    lr: float = 1e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 500
    decay_at: tuple[float, ...] = (0.6, 0.85)
    decay_factor: float = 0.1
    clip_norm: float = 1.0
    box_jitter: float = 0.1
    corrections: float = 0.25
    tracked: float = 0.0
    loss: LossConfig = field(default_factory=LossConfig)
    eval_every: int = 500
    eval_images: int = 64
    checkpoint_every: int = 200
    needs_gpu: bool = False
    gpus: int = 1

    def __post_init__(self) -> None:
        for name in ("reuse", "steps", "batch", "eval_every", "eval_images", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be at least 1")
        for name in ("corrections", "tracked"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: not a share in [0, 1]")
        if self.gpus < 1 or self.batch % self.gpus:
            raise ValueError(f"batch {self.batch}: cannot be split over {self.gpus} GPUs")

    def rate_at(self, step: int, progress: float) -> float:
        """Return the learning rate of a step.

        progress: share of the run that is done, in [0, 1].
        """
        rate = self.lr * min(1.0, (step + 1) / max(1, self.warmup_steps))
        return rate * self.decay_factor ** sum(progress >= share for share in self.decay_at)
