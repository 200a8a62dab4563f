"""`python -m vos.train.nano`: train the embedded model, or write its weight file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from vos.train.nano.stages import CONTINUED
from vos.train.nano.trainer import TrainConfig, Trainer, export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("runs/nano"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--start-from", type=Path, help="exported weights to start from")
    parser.add_argument("--seed", type=int, default=1, help="another one for other clips")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0 for torch's default")
    parser.add_argument("--export", type=Path, help="write --out's weights to this file and stop")
    args = parser.parse_args()
    if args.export:
        export(args.out / "checkpoint.pt", args.export)
        return
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    config = TrainConfig(seed=args.seed)
    if args.start_from:
        # Nothing is gained before the rate falls, so it falls from the start.
        config = replace(config, stages=CONTINUED, decay_share=0.9)
    trainer = Trainer(args.out, config, args.minutes, torch.device(args.device))
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    elif args.start_from:
        trainer.start_from(args.start_from)
    trainer.run()


if __name__ == "__main__":
    main()
