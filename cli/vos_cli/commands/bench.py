"""`vos bench`: how fast this machine tracks, and where the time goes."""

from __future__ import annotations

import json
import sys
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vos.model.options import ModelOptions
from vos_cli.console.tables import print_table

if TYPE_CHECKING:
    from vos.bench.session import Bench, Case

_PROFILED_FRAMES = 8


def bench(
    model: Annotated[
        str, typer.Option(help="A registered name (random weights if absent), or a weight file.")
    ] = "nano",
    size: Annotated[
        int | None, typer.Option(help="Input side in pixels, a multiple of 32.", metavar="PX")
    ] = None,
    objects: Annotated[int, typer.Option(help="Objects tracked at once.", metavar="N")] = 1,
    refiner: Annotated[
        str, typer.Option(help="none, auto, a file, or a preset such as pr_mr, untrained.")
    ] = "none",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    exact: Annotated[bool, typer.Option("--exact", help="SAM 2's own bits.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile first.")] = False,
    pool_memory: Annotated[
        int, typer.Option(help="Side of the squares of memory tokens attended to as one.")
    ] = 1,
    frames: Annotated[
        int, typer.Option(help="Timed frames, after those that fill the memory.", metavar="N")
    ] = 10,
    vs_sam2: Annotated[
        bool,
        typer.Option(
            "--vs-sam2", help="The official predictor takes turns with ours, same weights."
        ),
    ] = False,
    vs_sam2_compiled: Annotated[
        bool,
        typer.Option(
            "--vs-sam2-compiled", help="The same, with the official predictor compiled by itself."
        ),
    ] = False,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Where the time goes, on stderr: launches, work of the device and idle time per "
            "stage, and what a 1080p frame costs beside the model.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure frames/s, time per stage, memory and arithmetic on a generated clip."""
    from vos.bench.session import Bench, Case

    options = ModelOptions(
        model,
        refiner=refiner,
        device=device,
        dtype=dtype,  # pyright: ignore[reportArgumentType]
        exact=exact,
        compile=compiled,
        size=size,
        pool_memory=pool_memory,
    )
    official = "compiled" if vs_sam2_compiled else "eager" if vs_sam2 else None
    case = Case(options, objects, frames, official)
    report = _run(case, Bench.open(case), profile=profile)
    if as_json:
        print(json.dumps({"schema": 1, **report}))
    else:
        print_table([(key, _text(value)) for key, value in report.items()])


def _run(case: Case, ours: Bench, *, profile: bool) -> dict[str, Any]:
    from contextlib import ExitStack

    from vos.bench.official import Official, agreement, jpeg_folder
    from vos.bench.session import matmul_peak_gflops, moving_frames

    count = ours.timed.stop + 1
    more = _PROFILED_FRAMES + 1 if profile else 0  # one of them is only begun
    clip = list(moving_frames(count + 1 + more, case.size_hw))
    tracked, counted, profiled = clip[:count], clip[count], clip[count + 1 :]
    agreements: list[float] = []
    with ExitStack() as stack:
        theirs = None
        if case.official is not None:
            folder, tracked = stack.enter_context(jpeg_folder(tracked))
            theirs = Official(case.options.model, ours, folder)
        steps = ours.run(tracked)
        if ours.model.device.type != "cpu":
            # A device works on for one while the other is timed.
            steps = iter(list(steps))
        for step in steps:
            if theirs is not None:
                agreements.append(agreement(step.masks(), theirs.step()))
    report = ours.report(counted, matmul_peak_gflops(ours.model.device, ours.session.dtype))
    if theirs is not None:
        report |= {
            "official_cpu_ms_per_frame": 1e3 * min(theirs.cpu_s),
            "cpu_time_ratio": min(theirs.cpu_s) / min(ours.cpu_s),
            "speed_ratio": fmean(theirs.wall_s) / fmean(ours.wall_s),
            "mask_iou": sum(agreements) / len(agreements),
        }
    if profile:
        print(ours.profile(profiled), file=sys.stderr)
        print(_beside_the_model(ours.model.image_size), file=sys.stderr)
    return report


def _beside_the_model(side_px: int) -> str:
    """Print a table of what other threads do."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from vos.bench.stages import measure_stages

    with TemporaryDirectory() as name:
        stages = measure_stages(_PROFILED_FRAMES, side_px, Path(name))
    lines = ["A 1080p frame beside the model", f"{'':<20}{'CPU ms':>8}  threads beside the model's"]
    lines += [f"{one.name:<20}{one.all_threads_ms:>8.1f}  {one.where}" for one in stages]
    return "\n".join(lines)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else _whole(value)


def _whole(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
