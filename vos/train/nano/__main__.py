"""`python -m vos.train.nano`: train the embedded model, or write its weight file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from vos.config import load_preset
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import read_nano_config
from vos.synth.pasted import PastedConfig, has_images
from vos.train.nano.stages import make_stages
from vos.train.nano.trainer import TrainConfig, Trainer, export


def main() -> None:
    defaults = TrainConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--trunk", type=Path, help="ImageNet weights to start from")
    parser.add_argument("--images", type=Path, help="folder of images for pasted clips")
    parser.add_argument("--start-from", type=Path, help="exported weights to start from")
    parser.add_argument("--seed", type=int, default=1, help="another one for other clips")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for torch's default")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips")
    parser.add_argument("--parts", type=int, default=1, help="times as many clips per batch")
    parser.add_argument("--rate", type=float, default=defaults.lr, help="highest learning rate")
    parser.add_argument("--export", type=Path, help="write --out's weights to this file and stop")
    parser.add_argument("--mean-with", type=Path, help="exported weights to average those with")
    parser.add_argument("--share", type=float, default=0.5, help="of --out in that average")
    args = parser.parse_args()
    if args.export:
        export(args.out / "checkpoint.pt", args.export, args.mean_with, args.share)
        return
    if args.workers < 1 or args.parts < 1:
        parser.error("--workers and --parts: at least 1")
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    stages = make_stages(_find_images(args.images))
    config = TrainConfig(
        seed=args.seed,
        lr=args.rate,
        stages=stages,
        # Averages and the warm-up go over as many clips as with small batches.
        ema=defaults.ema**args.parts,
        warmup_steps=max(30, defaults.warmup_steps // args.parts),
        parts=args.parts,
        workers=args.workers,
        model=load_preset(NanoConfig, "model", "nano"),
    )
    if args.start_from:
        # Such weights track already. Nothing is gained before the rate falls: it falls at once.
        wanted = config.model
        model = replace(
            read_nano_config(args.start_from),
            image_size=wanted.image_size,
            memory_stride=wanted.memory_stride,
        )
        config = replace(config, stages=config.stages[-1:], decay_share=0.9, model=model)
    trainer = Trainer(args.out, config, args.minutes, torch.device(args.device))
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif args.start_from:
        trainer.start_from(args.start_from)
    elif args.trunk:
        trainer.start_trunk_from(args.trunk)
    trainer.run()


def _find_images(folder: Path | None) -> PastedConfig | None:
    """Return how clips are pasted, or say that there are no images for it."""
    if folder is not None and has_images(config := PastedConfig(str(folder))):
        return config
    print("no images, so drawn clips alone; get some by `python -m vos.synth.pasted_sources DIR`")
    return None


if __name__ == "__main__":
    main()
