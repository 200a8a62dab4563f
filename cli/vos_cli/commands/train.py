"""`vos train`: refiners on a frozen base model."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vos.config import load_yaml, preset_or_file
from vos.errors import OutputError
from vos_cli.console.errors import Interrupted
from vos_cli.console.notices import notify, warn
from vos_cli.options.takes import takes

if TYPE_CHECKING:
    from vos.train.refiner.config import RefinerTrainConfig
    from vos.train.refiner.trainer import Progress, TrainOutcome

_PERIOD_S = 10.0

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train refiners.",
    epilog="Example:  vos train refiner --config nano-refiner --out runs/nano-pr-mr",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _group() -> None:
    """Train refiners."""


@app.command(
    "refiner",
    epilog="Example:  vos train refiner --config sam2.1-hqseg --data sam_hq_data/data",
)
@takes()
def refiner(
    config: Annotated[
        str,
        typer.Option("--config", metavar="NAME|PATH", help="A preset of configs/train, or a YAML."),
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="HQ-SAM's data folder, for HQSeg-44K."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Run folder; default runs/ and the config."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME|PATH", help="The base, instead of the config's."),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--start-from", metavar="FILE", help="Begin with this refiner, of this or another base."
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.01, help="Finish the schedule within this time."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 ...")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Only errors and warnings on stderr.")
    ] = False,
) -> None:
    """Train a refiner on a frozen base and export the best one as refiner.safetensors.

    A run that was stopped goes on when the same command is given again. Needs the packages of the
    extra named train.
    """
    from vos.train.refiner.config import RefinerTrainConfig
    from vos.train.refiner.trainer import RefinerTrainer

    file = preset_or_file("train", config)
    chosen = load_yaml(RefinerTrainConfig, file)
    if model is not None:
        chosen = dataclasses.replace(chosen, model=model)
    folder = out or Path("runs") / file.stem
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; a run needs a folder: choose another --out")
    trainer = RefinerTrainer(
        chosen, folder, data=data, device=device, minutes=minutes, start_from=start_from
    )
    reports = trainer.fabric.is_global_zero  # one of the processes that train together
    reporter = _Reporter(quiet or not reports)
    reporter.start(chosen, folder, trainer.info.name, trainer.step)
    try:
        outcome = trainer.run(reporter.progress)
    except KeyboardInterrupt:
        raise Interrupted(
            f"{folder}: stopped at step {trainer.step}; the same command goes on from there"
        ) from None
    if not reports:
        return
    if outcome.empty:
        warn(f"{outcome.empty[0]}: no object in it; masks skipped so: {len(outcome.empty)}")
    if as_json:
        print(json.dumps(_as_json(outcome)))
    else:
        print(f"refiner: {outcome.path}")
        for prompt in ("box", "points"):
            before, after = getattr(outcome.base, prompt), getattr(outcome.best, prompt)
            print(
                f"{prompt}: mIoU {before.miou:.3f} -> {after.miou:.3f}, "
                f"mBIoU {before.mbiou:.3f} -> {after.mbiou:.3f}"
            )


class _Reporter:
    """Lines on stderr: the start, every evaluation, and one every ten seconds."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._last = time.monotonic()

    def start(self, config: RefinerTrainConfig, folder: Path, base: str, step: int) -> None:
        begins = f"going on at step {step}" if step else "beginning"
        self._report(f"{config.refiner} on {base}, {config.steps} steps into {folder}, {begins}")

    def progress(self, progress: Progress) -> None:
        at = f"step {progress.step}/{progress.steps}, loss {progress.loss:.3f}"
        if progress.scores is not None:
            box, points = progress.scores.box, progress.scores.points
            tracked = progress.scores.tracked
            self._report(
                f"{at}; held out: box mIoU {box.miou:.3f} mBIoU {box.mbiou:.3f}, "
                f"5 points {points.miou:.3f} {points.mbiou:.3f}, "
                f"tracked {tracked.miou:.3f} {tracked.mbiou:.3f}"
            )
        elif time.monotonic() - self._last >= _PERIOD_S:
            self._report(at)

    def _report(self, text: str) -> None:
        self._last = time.monotonic()
        if not self._quiet:
            notify(text)


def _as_json(outcome: TrainOutcome) -> dict[str, object]:
    return {
        "schema": 1,
        "refiner": str(outcome.path),
        "steps": outcome.steps,
        "minutes": round(outcome.minutes, 2),
        "base": {name: round(value, 4) for name, value in outcome.base.flat().items()},
        "best": {name: round(value, 4) for name, value in outcome.best.flat().items()},
        "empty_masks": len(outcome.empty),
    }
