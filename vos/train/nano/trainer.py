"""Train the embedded model on generated clips: `python -m vos.train.nano --minutes 60`.

One loop for CPU and GPU, resumable at any moment: the run folder holds weights, their moving
average, optimiser state and the minutes already spent. Batches are still images (every prompt kind,
corrections) and clips through the memory bank, drawn and, where there are images, pasted; what
learns in which stage is in `vos.train.nano.stages`.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from vos.config import from_mapping
from vos.errors import CheckpointError
from vos.model.files.torch_file import load_torch_file
from vos.model.files.weights import compute_sha256, load_state_dict
from vos.model.networks.nano.build import NanoSAM2, build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.efficientnet import EfficientNetLite0
from vos.model.networks.nano.file import save_nano
from vos.model.prepare import prepare_network, set_image_size
from vos.model.preprocess import normalise
from vos.model.sam2 import Sam2Model
from vos.synth.clips import RICH
from vos.train.machine import describe_machine
from vos.train.nano.clip_feed import ClipFeed, ClipShape, pick_objects
from vos.train.nano.objective import clip_loss, image_loss
from vos.train.nano.stages import DRAWN, Stage, Work
from vos.train.optimise import bf16_products, parameter_groups

EMA_EVERY = 4

PAUSE_S = 60.0
"""A step that takes longer was stopped meanwhile, and counts for this much."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything a run depends on besides its length.

    seed: of clips, prompts and weights.
    lr: highest learning rate.
    trunk_rate: learning rate of the trunk, as a share of `lr`.
    weight_decay: of convolutions, linear layers and embeddings.
    warmup_steps: over which the rate rises.
    decay_share: last part of the budget, over which the rate falls to zero.
    clip_norm: largest norm of the gradient.
    ema: share of the moving average that each update keeps.
    checkpoint_s: seconds between checkpoints.
    parts, workers, pool: see `ClipFeed`.
    stages: what is trained on, and when.
    model: structure and sizes of the network.
    """

    seed: int = 1
    lr: float = 5e-4
    trunk_rate: float = 0.1
    weight_decay: float = 0.05
    warmup_steps: int = 100
    decay_share: float = 0.25
    clip_norm: float = 1.0
    ema: float = 0.998
    checkpoint_s: float = 60.0
    parts: int = 1
    workers: int = 1
    pool: int = 16
    stages: tuple[Stage, ...] = (Stage(1.0, DRAWN),)
    model: NanoConfig = field(default_factory=NanoConfig)


class Trainer:
    """One run: its model, moving average, optimiser and clock."""

    def __init__(self, folder: Path, config: TrainConfig, minutes: float, device: torch.device):
        self.folder, self.config, self.minutes, self.device = folder, config, minutes, device
        torch.manual_seed(config.seed)
        net = build_nano(config.model).to(device)
        # Start every object as present: an untrained score must not erase masks.
        torch.nn.init.constant_(
            net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias"), 4.0
        )
        self.model = Sam2Model(prepare_network(net, exact=True))
        self.restart_average()
        self.trunk = net.image_encoder.trunk
        self.optimiser = torch.optim.AdamW(
            [
                group | {"lr": config.lr * share, "share": share}
                for is_meant, share in ((_outside_trunk, 1.0), (_inside_trunk, config.trunk_rate))
                for group in parameter_groups(net, config.weight_decay, is_meant)
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        self.step, self.spent_s = 0, 0.0
        self.feed = ClipFeed(
            device,
            folder / "clips",
            parts=config.parts,
            workers=config.workers,
            pool=config.pool,
        )

    @property
    def progress(self) -> float:
        return min(1.0, self.spent_s / (60 * self.minutes))

    @property
    def stage(self) -> Stage:
        """Return the phase of the next step."""
        stages = self.config.stages
        return next((s for s in stages if self.progress < s.until), stages[-1])

    @property
    def work(self) -> Work:
        """Return what the next step trains on."""
        work = self.stage.work
        return work[self.step % len(work)]

    def run(self) -> None:
        """Train until the minutes are spent; write log.jsonl and checkpoint.pt.

        Every start of the run is a row of the log, which says on what machine, then every 50 steps.
        """
        self._write(
            {
                "machine": describe_machine(self.feed.device),
                "threads": torch.get_num_threads(),
                "workers": self.config.workers,
                "seed": self.config.seed,
                "step": self.step,
                "minutes": round(self.spent_s / 60, 2),
            }
        )
        saved = time.monotonic()
        losses: list[float] = []
        while self.spent_s < 60 * self.minutes:
            began = time.monotonic()
            losses.append(self.train_step())
            self.spent_s += min(time.monotonic() - began, PAUSE_S)
            if len(losses) == 50:
                self._log(sum(losses) / len(losses))
                losses.clear()
            if time.monotonic() - saved > self.config.checkpoint_s:
                self.save()
                saved = time.monotonic()
        self.save()
        self.feed.close()

    def save(self) -> None:
        part = self.folder / "checkpoint.pt.part"
        state = {
            "net": self.model.net.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
            "config": json.dumps(asdict(self.config)),
        }
        torch.save(state, part)
        part.replace(self.folder / "checkpoint.pt")

    def load(self, path: Path) -> None:
        """Continue a run."""
        state = _load_run(path, self.device)
        self.model.net.load_state_dict(state["net"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent_s = state["step"], state["spent_s"]

    def start_from(self, path: Path) -> None:
        """Begin a new run at the weights of an exported file."""
        self.model.net.load_state_dict(
            {name: value.float() for name, value in load_state_dict(path).items()}
        )
        self.restart_average()

    def start_trunk_from(self, path: Path) -> None:
        """Begin a new run with the trunk that `vos.train.nano.imagenet_trunk` wrote."""
        self.trunk.load_state_dict(load_state_dict(path))
        self.restart_average()

    def restart_average(self) -> None:
        """Set the moving average to the present weights."""
        self.average = {k: v.detach().clone() for k, v in self.model.net.state_dict().items()}

    def train_step(self) -> float:
        config, work = self.config, self.work
        rate = config.lr * min(1.0, (self.step + 1) / config.warmup_steps)
        rate *= max(0.01, min(1.0, (1 - self.progress) / config.decay_share))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["share"]
        let_learn(self.trunk, self.stage.trunk_from)
        set_image_size(self.model.net, work.size_px)
        seed = config.seed * 1_000_003 + self.step
        generator = torch.Generator(device=self.device).manual_seed(seed)
        self._draw_memory_stride(generator)
        shape = ClipShape(work.batch, work.frames, work.size_px, work.clips)
        frames, labels = self.feed.next(shape, seed, generator)
        rows, masks = pick_objects(labels, work.objects, generator)
        amp = torch.autocast(
            self.device.type, torch.bfloat16, enabled=_gains_by_autocast(self.device)
        )
        with amp, bf16_products(self.device.type == "cpu"):
            images = normalise(frames.float() / 255.0)
            if work.frames == 1:
                loss = image_loss(self.model, images[:, 0], rows, masks[:, 0], generator)
            else:
                loss = clip_loss(self.model, images, rows, masks, generator, work.rolled)
        self.optimiser.zero_grad(set_to_none=True)
        with bf16_products(self.device.type == "cpu"):
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.net.parameters(), config.clip_norm)
        self.optimiser.step()
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self._update_average()
        return float(loss.detach())

    def _draw_memory_stride(self, generator: torch.Generator) -> None:
        """Let a batch see its recent memories as closely as the model will, or closer.

        Otherwise there would be none in a clip of a few frames.
        """
        most = self.config.model.memory_stride
        draw = torch.randint(most, (), generator=generator, device=self.device)
        cast(NanoSAM2, self.model.net).memory_stride = 1 + int(draw)

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.config.ema, (1 + self.step) / (10 + self.step)) ** EMA_EVERY
        for name, value in self.model.net.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def _log(self, loss: float) -> None:
        self._write(
            {
                "step": self.step,
                "minutes": round(self.spent_s / 60, 2),
                "size_px": self.work.size_px,
                "frames": self.work.frames,
                "rich": self.work.clips == RICH,
                "loss": round(loss, 4),
            }
        )

    def _write(self, row: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(row, flush=True)


def _gains_by_autocast(device: torch.device) -> bool:
    """Tell whether mixed precision is faster; on a CPU with AMX `bf16_products` is."""
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() and not torch.cpu._is_amx_tile_supported()
    return device.type == "cuda"


def _inside_trunk(name: str) -> bool:
    return name.startswith("image_encoder.trunk.")


def _outside_trunk(name: str) -> bool:
    return not _inside_trunk(name)


def let_learn(trunk: nn.Module, first_block: int) -> None:
    """Let an EfficientNet's blocks from this one on learn, and its stem only with block 0."""
    if not isinstance(trunk, EfficientNetLite0):
        return
    trunk.stem.requires_grad_(first_block == 0)
    for index, block in enumerate(trunk.blocks):
        block.requires_grad_(index >= first_block)


def export(
    checkpoint: Path, target: Path, mean_with: Path | None = None, share: float = 0.5
) -> None:
    """Write the averaged weights of a run as the fp16 safetensors file that ships.

    mean_with: an exported file, usually the one the run began with; a mean of both is written, with
    `share` (0 to 1) of the run. A short run that learns much in large steps forgets some of what it
    began with; the mean keeps both (Wortsman et al., 2022, arXiv 2203.05482).
    """
    state = _load_run(checkpoint, "cpu")
    weights = state["average"]
    card = {
        "vos.trained_steps": str(state["step"]),
        "vos.trained_minutes": f"{state['spent_s'] / 60:.0f}",
        "vos.train_config": state["config"],
    }
    if mean_with is not None:
        other = load_state_dict(mean_with)
        weights = {k: torch.lerp(other[k].float(), value, share) for k, value in weights.items()}
        card |= {"vos.mean_with": compute_sha256(mean_with), "vos.mean_share": str(share)}
    # Runs from before this field have the defaults.
    config = from_mapping(NanoConfig, json.loads(state["config"]).get("model", {}))
    save_nano(target, weights, config, card)


def _load_run(path: Path, device: str | torch.device) -> Any:
    try:
        return load_torch_file(path, device)
    except ValueError as error:
        raise CheckpointError(f"{path}: no state of a training run ({error})") from error
