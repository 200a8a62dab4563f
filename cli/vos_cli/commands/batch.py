"""`vos batch`: its flags and its output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from vos.config import nearest
from vos.errors import UsageError
from vos.io.disk import output_errors
from vos.model import registry
from vos_cli.batch.clips import make_clips
from vos_cli.batch.engines import Plan, local_plan
from vos_cli.batch.find_clips import find_left_out, find_rows
from vos_cli.batch.folder import EXIT_SOME_FAILED, BatchFolder
from vos_cli.batch.measure import Estimate, estimate
from vos_cli.batch.preflight import Probe, frames_to_track, probe_all, table
from vos_cli.batch.rows import Row, read_rows
from vos_cli.batch.run import Limits, run_batch
from vos_cli.console.errors import one_line
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import clock
from vos_cli.console.tables import print_table
from vos_cli.options import track as options
from vos_cli.options.takes import takes
from vos_cli.options.track import TrackFlags, form_of_progress, parse_shard

ENGINES = ("local", "ray")
_BATCH = "Batch"


@takes(TrackFlags, verbose_panel=options.OUTPUT_PANEL)
def batch(
    *,
    source: Annotated[
        str,
        typer.Argument(
            metavar="DIR|MANIFEST|-",
            help="A folder of clips; a list, CSV or JSONL file of clips; or - for a list on stdin.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Folder for all results.",
            rich_help_panel=_BATCH,
            metavar="OUT",
            show_default=False,
        ),
    ],
    recursive: Annotated[
        bool,
        typer.Option("--recursive", help="Folders below DIR too.", rich_help_panel=_BATCH),
    ] = False,
    match: Annotated[
        str | None,
        typer.Option(
            "--match",
            help="Names to take from DIR, such as '*.mov'; default: every video and image folder.",
            rich_help_panel=_BATCH,
            metavar="PATTERN",
        ),
    ] = None,
    prompts_from: Annotated[
        str | None,
        typer.Option(
            "--prompts-from",
            help="sidecar (default: CLIP.prompts.json beside each clip), a folder of such "
            "files, or one prompt file for all.",
            rich_help_panel=_BATCH,
            metavar="sidecar|DIR|FILE",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            help="Clips at once; default one per GPU, on a CPU one per four cores.",
            rich_help_panel=_BATCH,
            metavar="N",
            min=1,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="local (default): processes on this machine; ray: a Ray cluster.",
            rich_help_panel=_BATCH,
            metavar="local|ray",
        ),
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address",
            help="Head of a running Ray cluster, or auto; default: a Ray on this machine.",
            rich_help_panel=_BATCH,
            metavar="HOST:PORT",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            help="Every n-th clip, starting with the i-th.",
            rich_help_panel=_BATCH,
            metavar="i/n",
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Only what failed in an earlier run.", rich_help_panel=_BATCH
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=_BATCH),
    ] = False,
    max_failures: Annotated[
        int | None,
        typer.Option(
            "--max-failures",
            help="Stop at that many failures.",
            rich_help_panel=_BATCH,
            metavar="N",
            min=1,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Look at every clip; say what would be done, how long, how large; write nothing.",
            rich_help_panel=_BATCH,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="report.json on stdout.", rich_help_panel=options.OUTPUT_PANEL),
    ] = False,
    flags: TrackFlags,
    progress: options.ProgressForm = None,
    quiet: options.Quiet = False,
) -> None:
    """Track many clips into one folder, each on its own; a report says how each went.

    Run it again to continue: finished clips are skipped. The options below hold for every clip that
    does not say otherwise in its manifest row.
    """
    form = form_of_progress(progress, quiet=quiet)
    if fail_fast and max_failures is not None:
        raise UsageError("--fail-fast and --max-failures contradict each other; give one")
    _check_engine(engine, ray_address)
    chosen = flags.settings(form)
    _check_flags(flags, chosen.model, output)
    with output_errors(output):
        folder = BatchFolder(output.resolve(), None if shard is None else parse_shard(shard))
    clips = make_clips(_rows(source, recursive, match, folder.root), flags, prompts_from)
    if folder.shard is not None:
        index, count = folder.shard
        clips = clips[index::count]
    on_notice = stay_silent if quiet else notify
    if dry_run:
        probes = probe_all(clips, folder, form, on_notice)
        guess = None
        if ray_address is None:
            guess = estimate(probes, local_plan(jobs, chosen.device), warn=warn)
        else:
            warn("no estimate: only this machine can be measured; leave out --ray-address for that")
        _print_plan(probes, guess, folder, as_json=as_json)
        return
    with _plan(engine, ray_address, jobs, chosen.device) as plan:
        folder.make()
        with folder.lock():
            probes = probe_all(clips, folder, form, on_notice)
            on_notice(_summary(probes))
            for one in probes:
                if one.problem is not None:
                    warn(f"{one.clip.name}: {one.problem}")
            content = run_batch(
                probes,
                folder,
                plan,
                limits=Limits(retry_failed, 1 if fail_fast else max_failures),
                view=chosen.progress,
            )
    counts = content["counts"]
    page = folder.report(".html")
    print(json.dumps(content) if as_json else page)
    on_notice(f"{counts['done']} done, {counts['failed']} failed, {counts['left']} left; {page}")
    if counts["failed"]:
        raise typer.Exit(EXIT_SOME_FAILED)


def _check_flags(flags: TrackFlags, model: str, output: Path) -> None:
    """Refuse at once what every clip would be refused for."""
    flags.job_without_prompts("", output, progress=None)
    flags.all_prompts()
    registry.resolve(model)


def _check_engine(engine: str, ray_address: str | None) -> None:
    """Refuse what no engine understands before anything is read."""
    if engine not in ENGINES:
        raise UsageError(
            f"--engine {engine!r}: not one of {', '.join(ENGINES)}{nearest(engine, ENGINES)}; "
            "correct it"
        )
    if ray_address is not None and engine != "ray":
        raise UsageError("--ray-address: only Ray has one; add --engine ray")
    if ray_address is not None and "://" in ray_address:
        raise UsageError(
            f"--ray-address {ray_address}: Ray Client is not supported; run vos on a node of the "
            "cluster and give HOST:PORT, or auto"
        )


@contextmanager
def _plan(engine: str, ray_address: str | None, jobs: int | None, device: str) -> Iterator[Plan]:
    """Make the chosen engine ready to run."""
    if engine == "local":
        yield local_plan(jobs, device)
        return
    from vos_cli.batch.ray.plan import ray_plan

    with ray_plan(jobs, ray_address, device) as plan:
        yield plan


def _rows(source: str, recursive: bool, match: str | None, output: Path) -> list[Row]:
    if source != "-" and Path(source).is_dir():
        rows = find_rows(Path(source), recursive=recursive, match=match, leave_out=output)
        left = [] if match else find_left_out(Path(source), rows, output)
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            notify(f"left out, as no clip of this folder: {', '.join(left[:3])}{more}")
        return rows
    if recursive or match is not None:
        raise UsageError(f"{source}: --recursive and --match are for folders; leave them out")
    return read_rows(source)


def _summary(probes: list[Probe]) -> str:
    bad = sum(one.problem is not None for one in probes)
    frames = sum(frames_to_track(one) or 0 for one in probes)
    clips = f"{len(probes)} clip{'s' * (len(probes) != 1)}"
    return f"{clips}, about {frames} frames; {bad} cannot be tracked"


def _print_plan(
    probes: list[Probe], guess: Estimate | None, folder: BatchFolder, *, as_json: bool
) -> None:
    free = folder.free_bytes()
    if as_json:
        print(json.dumps(_plan_json(probes, guess, folder, free)))
        return
    rows = table(probes)
    print_table([[one_line(cell) for cell in row] for row in rows], {"ok": "green"})
    print(f"\n{_summary(probes)}")
    if guess is not None:
        print(
            f"about {clock(guess.seconds)} (h:mm:ss) at {guess.frames_per_s:.1f} frames/s per "
            f"worker, measured on {one_line(guess.measured)} with {guess.jobs} at work"
        )
        print(f"about {guess.size_bytes / 1e6:.1f} MB; {free / 1e6:.0f} MB are free")


def _plan_json(
    probes: list[Probe], guess: Estimate | None, folder: BatchFolder, free: int
) -> dict[str, Any]:
    return {
        "schema": 1,
        "output": str(folder.root),
        "clips": [
            {
                "name": one.clip.name,
                "source": one.clip.source,
                "problem": one.problem,
                "has_output": one.has_output,
                "frames_to_track": frames_to_track(one),
                "input": one.as_json(),
                "notes": list(one.notes),
            }
            for one in probes
        ],
        "estimate": None
        if guess is None
        else {
            "seconds": round(guess.seconds, 1),
            "size_bytes": guess.size_bytes,
            "frames_per_s": round(guess.frames_per_s, 2),
            "jobs": guess.jobs,
            "measured": guess.measured,
        },
        "free_bytes": free,
    }
