"""Train a refiner on a frozen base: the loop, its checkpoints and its export.

Every step is a function of the configuration, the base and the step's number: data, prompts,
sampled points and dropout are drawn from a seed made of them. A run that is killed goes on from its
last checkpoint and repeats, bit for bit on a CPU, what it would have done.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vos.errors import CheckpointError, ConfigError, Parameter, TrainingError, UsageError
from vos.model.device import pick_device
from vos.model.files.torch_file import load_torch_file
from vos.model.load import load_model
from vos.refine.base import NoRefiner
from vos.refine.registry import TrainableRefiner, build_refiner, config_as_data, load_refiner_config
from vos.refine.resolve import read_info
from vos.refine.weights import read_refiner, save_refiner
from vos.train.optimise import bf16_products, parameter_groups
from vos.train.refiner.config import RefinerTrainConfig
from vos.train.refiner.data import Share, batches, find_data
from vos.train.refiner.evaluate import RefinerScores, evaluate_refiner
from vos.train.refiner.log import RunLog
from vos.train.refiner.objective import RefinerObjective

if TYPE_CHECKING:
    from lightning.fabric import Fabric

CHECKPOINT = "checkpoint.pt"
EXPORT = "refiner.safetensors"


@dataclass(frozen=True, slots=True)
class Progress:
    """One finished step.

    step: how many are done.
    steps: how many there are.
    loss: of this step.
    scores: where the refiner has just been evaluated, else None.
    """

    step: int
    steps: int
    loss: float
    scores: RefinerScores | None = None


@dataclass(frozen=True, slots=True)
class TrainOutcome:
    """A finished run.

    path: the exported refiner, the best one seen.
    steps: how many were done.
    minutes: how long it took.
    base: scores without a refiner.
    best: scores of the exported one.
    empty: masks without an object that were passed over, by this process.
    """

    path: Path
    steps: int
    minutes: float
    base: RefinerScores
    best: RefinerScores
    empty: tuple[str, ...]


class RefinerTrainer:
    """One run; public state is what the checkpoint holds.

    step: how many steps are done.
    spent_s: seconds spent on them.
    base: scores without a refiner; None until measured.
    best: scores of the best refiner so far; None until measured.
    """

    def __init__(
        self,
        config: RefinerTrainConfig,
        out: Path,
        *,
        data: Path | None = None,
        device: str = "auto",
        minutes: float | None = None,
        start_from: Path | None = None,
    ):
        """Prepare the run, or continue the one in the folder.

        minutes: end the schedule by then even if steps are left.
        start_from: a refiner file to begin with, whose base may be another one; parts that it
            lacks, or has with other options, begin untrained.

        Raises: UsageError, ConfigError, InputError, ModelError, CheckpointError: what is wanted
        does not fit, is not here, or the folder holds another run.
        """
        self.config, self.out, self.minutes = config, out, minutes
        place = _place(config, device)
        pairs = find_data(config, data)
        self.fabric = _fabric(config, place)
        self.model, self.info = load_model(
            config.model, device=self.fabric.device, image_size_px=config.image_size_px
        )
        self.model.net.requires_grad_(False)
        torch.manual_seed(config.seed)
        self.refiner = self._beginning(start_from)
        if self.refiner.wants_image_2x:
            raise ConfigError(
                f"{config.refiner}: la.source native: training data has no finer image; "
                "train with source: input, the weights serve both"
            )
        objective = RefinerObjective(
            self.model,
            self.refiner,
            config.loss,
            box_jitter=config.box_jitter,
            corrections=config.corrections,
            tracked=config.tracked,
        )
        optimiser = torch.optim.AdamW(
            parameter_groups(objective, config.weight_decay), lr=config.lr, fused=True
        )
        self.objective, self.optimiser = self.fabric.setup(objective, optimiser)
        self.step, self.spent_s = 0, 0.0
        self.base: RefinerScores | None = None
        self.best: RefinerScores | None = None
        self._empty: set[str] = set()
        out.mkdir(parents=True, exist_ok=True)
        if (out / CHECKPOINT).exists():
            self._load(out / CHECKPOINT)
        share = Share(self.fabric.global_rank, self.fabric.world_size)
        self._batches = batches(
            config, pairs, self.model.image_size, self.fabric.device, self.step, share
        )
        self._log = RunLog(out, self.step, writes=self.fabric.is_global_zero)

    @property
    def progress(self) -> float:
        """Return the share of the run that is done, in [0, 1]."""
        done = self.step / self.config.steps
        if self.minutes is not None:
            done = max(done, self.spent_s / (60 * self.minutes))
        return min(1.0, done)

    def run(self, on_step: Callable[[Progress], None] = lambda _: None) -> TrainOutcome:
        """Train to the end; the best refiner so far is always in `refiner.safetensors`.

        Raises: TrainingError if the loss is no number any more; InputError for a bad image.
        """
        if self.base is None:
            self.base = self._scores(NoRefiner())
            self._log.scores(0, "base", self.base)
        began, before = time.monotonic(), self.spent_s
        try:
            while self.progress < 1:
                loss = self.train_step()
                # One clock, or processes would stop at different steps and wait for each other.
                self.spent_s = self.fabric.broadcast(before + time.monotonic() - began)
                last = self.progress >= 1
                scores = None
                if last or self.step % self.config.eval_every == 0:
                    scores = self.evaluate()
                if last or self.step % self.config.checkpoint_every == 0:
                    self.save()
                on_step(Progress(self.step, self.config.steps, loss, scores))
            best = self.best or self.evaluate()  # none where a resumed run has no time left
        except KeyboardInterrupt:
            self.save()
            raise
        finally:
            self._log.close()
        empty = tuple(sorted(self._empty))
        return TrainOutcome(self.out / EXPORT, self.step, self.spent_s / 60, self.base, best, empty)

    def train_step(self) -> float:
        """Take one step of the optimiser and return the loss."""
        config, fabric = self.config, self.fabric
        rate = config.rate_at(self.step, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        batch = next(self._batches)
        seed = (config.seed * 1_000_003 + self.step) * fabric.world_size + fabric.global_rank
        torch.manual_seed(seed)  # a refiner's own dropout
        generator = torch.Generator(fabric.device).manual_seed(seed)
        self.refiner.train()
        on_cpu = fabric.device.type == "cpu"
        with bf16_products(on_cpu):
            parts: dict[str, Tensor] = self.objective(batch.images, batch.target, generator)
        losses = {name: float(value.detach()) for name, value in parts.items()}
        # Over all processes, so that they stop together.
        losses["total"] = float(_tensor(fabric.all_reduce(parts["total"].detach())))
        if not math.isfinite(losses["total"]):
            raise TrainingError(
                f"step {self.step}: the loss is {losses['total']} on {', '.join(batch.names)}; "
                "lower lr or look at these images, then start again from the last checkpoint"
            )
        self.optimiser.zero_grad(set_to_none=True)
        with bf16_products(on_cpu):
            fabric.backward(parts["total"])
        fabric.clip_gradients(self.objective, self.optimiser, max_norm=config.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._empty.update(batch.empty)
        self._log.step(self.step, losses, rate, len(self._empty))
        return losses["total"]

    def evaluate(self) -> RefinerScores:
        """Score on the held-out stills; export if this is the best so far."""
        scores = self._scores(self.refiner.eval())
        self._log.scores(self.step, "eval", scores)
        if self.best is None or scores.overall > self.best.overall:
            self.best = scores
            if self.fabric.is_global_zero:
                self._export(scores)
        return scores

    def save(self) -> None:
        """Write the checkpoint in one piece."""
        if not self.fabric.is_global_zero:
            return
        part = self.out / f"{CHECKPOINT}.part"
        state = {
            "refiner": self.refiner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
            "base": None if self.base is None else self.base.flat(),
            "best": None if self.best is None else self.best.flat(),
            "config": json.dumps(asdict(self.config)),
            "base_sha256": self.info.sha256,
            "empty": sorted(self._empty),
        }
        torch.save(state, part)
        part.replace(self.out / CHECKPOINT)

    def _load(self, path: Path) -> None:
        try:
            state = load_torch_file(path, self.fabric.device)
            self._empty = set(state["empty"])
            same = (
                state["config"] == json.dumps(asdict(self.config))
                and state["base_sha256"] == self.info.sha256
            )
        except Exception as error:  # truncated, foreign: torch raises many kinds
            raise CheckpointError(
                f"{path}: not a readable checkpoint; delete it to start again"
            ) from error
        if not same:
            raise UsageError(
                f"{path}: a run with another config or base model; choose another ",
                Parameter("out"),
                ", or delete the folder",
            )
        self.refiner.load_state_dict(state["refiner"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.base, self.best = (
            None if state[name] is None else RefinerScores.from_flat(state[name])
            for name in ("base", "best")
        )

    def _beginning(self, start_from: Path | None) -> TrainableRefiner:
        wanted = load_refiner_config(self.config.refiner)
        if start_from is None:
            return build_refiner(wanted, self.model)
        given = read_refiner(read_info(start_from), self.model)
        mine, theirs = config_as_data(wanted), config_as_data(given.config)
        if mine == theirs:
            return given
        refiner = build_refiner(wanted, self.model)
        shared = [
            name
            for name, _ in refiner.named_children()
            if name in mine["options"] and mine["options"][name] == theirs["options"].get(name)
        ]
        if mine["kind"] != theirs["kind"] or not shared:
            raise UsageError(
                Parameter("start_from", str(start_from)),
                f": has no part of {self.config.refiner} with the same options; start from a "
                "refiner that has, or leave ",
                Parameter("start_from"),
                " out",
            )
        for name in shared:
            refiner.get_submodule(name).load_state_dict(given.get_submodule(name).state_dict())
        return refiner

    def _scores(self, refiner: Any) -> RefinerScores:
        return evaluate_refiner(
            self.model, refiner, images=self.config.eval_images, config=self.config.fine
        )

    def _export(self, scores: RefinerScores) -> None:
        card = {
            "vos.trained_steps": str(self.step),
            "vos.trained_minutes": f"{self.spent_s / 60:.0f}",
            "vos.train_config": json.dumps(asdict(self.config)),
            "vos.held_out": json.dumps({k: round(v, 4) for k, v in scores.flat().items()}),
        }
        part = self.out / f"{EXPORT}.part"
        save_refiner(part, self.refiner, self.info, card)
        part.replace(self.out / EXPORT)


def _tensor(value: Any) -> Tensor:
    """Return a tensor as one: `all_reduce` of a tensor is one, though its annotation says more."""
    return value


def _place(config: RefinerTrainConfig, requested: str) -> torch.device:
    device = pick_device(requested)
    on_gpu = device.type == "cuda"
    if config.needs_gpu and requested == "auto" and not on_gpu:
        raise UsageError(
            Parameter("device", "auto"),
            ": this config needs a CUDA GPU and this machine has none; run it on one, or give ",
            Parameter("device", "cpu"),
            " to insist",
        )
    if config.gpus > 1 and (not on_gpu or torch.cuda.device_count() < config.gpus):
        raise UsageError(
            f"gpus {config.gpus}: there are {torch.cuda.device_count()} CUDA GPUs here; lower gpus"
        )
    return device


def _fabric(config: RefinerTrainConfig, device: torch.device) -> Fabric:
    """Set up where the run happens; bf16 autocast on a GPU only."""
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.strategies.ddp import DDPStrategy
    except ImportError as error:
        raise UsageError(
            "training needs the package lightning; install it with `pip install 'vos[train]'`"
        ) from error
    devices: int | list[int] = config.gpus
    if config.gpus == 1 and device.index is not None:
        devices = [device.index]
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        precision="bf16-mixed" if device.type == "cuda" else "32-true",
        # A refiner's parts may be idle in a step, which plain DDP takes for an error.
        strategy=DDPStrategy(find_unused_parameters=True) if config.gpus > 1 else "auto",
    )
    fabric.launch()
    return fabric
