"""`vos batch`: its flags and its output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vos.config import nearest
from vos.errors import UsageError
from vos.io.disk import output_errors
from vos.model import registry
from vos_cli.batch.clips.clip import Clip, make_clips
from vos_cli.batch.clips.find_clips import find_left_out, find_rows
from vos_cli.batch.clips.name_template import check_template
from vos_cli.batch.clips.rows import Row, read_rows
from vos_cli.batch.engines.plan import Plan, local_plan, parse_devices, refuse_missing_devices
from vos_cli.batch.folder import EXIT_SOME_FAILED, BatchFolder
from vos_cli.batch.measure import estimate, print_plan, summary
from vos_cli.batch.on_done import parse_command
from vos_cli.batch.preflight import probe_all
from vos_cli.batch.report.about import describe_run
from vos_cli.batch.run import Limits, run_batch
from vos_cli.batch.watch import Round, watch_folder
from vos_cli.console.errors import Interrupted
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.options.shared import OUTPUT_PANEL, ProgressForm, Quiet, form_of_progress, parse_shard
from vos_cli.options.takes import takes
from vos_cli.options.track import TrackFlags

ENGINES = ("local", "ray")
_BATCH = "Batch"


@takes(TrackFlags, verbose_panel=OUTPUT_PANEL)
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
    devices: Annotated[
        str | None,
        typer.Option(
            "--devices",
            help="Devices to share the clips out over, such as cuda:0,cuda:1; default all GPUs.",
            rich_help_panel=_BATCH,
            metavar="LIST",
        ),
    ] = None,
    name_template: Annotated[
        str | None,
        typer.Option(
            "--name-template",
            help="Names of the results, of {name}, {stem}, {suffix} and {parent}, such as "
            "{parent}_{stem}.",
            rich_help_panel=_BATCH,
            metavar="TEXT",
        ),
    ] = None,
    on_done: Annotated[
        str | None,
        typer.Option(
            "--on-done",
            help="A program to run after each clip, without a shell, such as 'notify {output}'; "
            "the clip's entry of report.json is on its stdin.",
            rich_help_panel=_BATCH,
            metavar="COMMAND",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Go on until Ctrl-C, and take what comes into DIR once it is still for 5 s.",
            rich_help_panel=_BATCH,
        ),
    ] = False,
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
        typer.Option("--json", help="report.json on stdout.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    flags: TrackFlags,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Track many clips into one folder, each on its own; a report says how each went.

    Run it again to continue: finished clips are skipped. The options below hold for every clip that
    does not say otherwise in its manifest row.
    """
    form = form_of_progress(progress, quiet=quiet)
    if fail_fast and max_failures is not None:
        raise UsageError("--fail-fast and --max-failures contradict each other; give one")
    _check_engine(engine, ray_address)
    if watch:
        _check_watch(
            source, {"--dry-run": dry_run, "--shard": shard, "--retry-failed": retry_failed}
        )
    shared_out = () if devices is None else parse_devices(devices)
    if shared_out:
        _check_devices(flags, engine)
        flags = replace(flags, device="auto")  # which workers put theirs in place of
    if name_template is not None:
        check_template(name_template)
    program = None if on_done is None else parse_command(on_done)
    chosen = flags.settings(form)
    _check_flags(flags, chosen.model, output)
    with output_errors(output):
        folder = BatchFolder(output.resolve(), None if shard is None else parse_shard(shard))

    def find_clips(*, is_first: bool = True) -> list[Clip]:
        rows = _rows(source, recursive, match, folder.root, is_watched=watch, is_first=is_first)
        clips = make_clips(rows, flags, prompts_from, name_template, is_growing=not is_first)
        return clips if engine == "ray" else refuse_missing_devices(clips)

    clips = find_clips()
    if folder.shard is not None:
        index, count = folder.shard
        clips = clips[index::count]
    on_notice = stay_silent if quiet else notify
    if dry_run:
        probes = probe_all(clips, folder, form, on_notice)
        guess = None
        if ray_address is None:
            guess = estimate(probes, local_plan(jobs, chosen.device, shared_out), warn=warn)
        else:
            warn("no estimate: only this machine can be measured; leave out --ray-address for that")
        print_plan(probes, guess, folder, as_json=as_json)
        return
    page = folder.report(".html")
    with _plan(engine, ray_address, jobs, chosen.device, shared_out) as plan:
        limits = Limits(retry_failed, 1 if fail_fast else max_failures)
        about = describe_run(sys.argv[1:], chosen)

        def do_round(clips: list[Clip], before: Round) -> Round:
            probes = probe_all(clips, folder, form, on_notice)
            on_notice(summary(probes))
            for one in probes:
                if one.problem is not None:
                    warn(f"{one.clip.name}: {one.problem}")
            ended = run_batch(
                before.with_new(probes),
                folder,
                plan,
                limits=limits,
                view=chosen.progress,
                about=about,
                program=program,
                known=before.known(clips),
            )
            counts = ended.content["counts"]
            on_notice(
                f"{counts['done']} done, {counts['failed']} failed, {counts['left']} left; {page}"
            )
            return Round(before.with_new(probes), ended)

        folder.make()
        with folder.lock():
            if watch:
                on_notice(f"watching {source}; Ctrl-C ends it")
                last = watch_folder(lambda: find_clips(is_first=False), do_round)
            else:
                last = do_round(clips, Round())
    if last.ended is None:
        raise Interrupted(f"no clip came into {source}; nothing was tracked")
    print(json.dumps(last.ended.content) if as_json else page)
    if last.ended.content["counts"]["failed"]:
        raise typer.Exit(EXIT_SOME_FAILED)


def _check_flags(flags: TrackFlags, model: str, output: Path) -> None:
    """Refuse at once what every clip would be refused for."""
    flags.job_without_prompts("", output, progress=None)
    flags.all_prompts()
    registry.resolve(model)


def _check_watch(source: str, others: Mapping[str, object]) -> None:
    for option, value in others.items():
        if value:
            raise UsageError(f"--watch and {option} contradict each other; give one")
    if source == "-" or not Path(source).is_dir():
        raise UsageError(f"--watch: {source} is no folder, and only a folder grows; leave it out")


def _check_devices(flags: TrackFlags, engine: str) -> None:
    if flags.device is not None:
        raise UsageError("--devices and --device contradict each other; give one")
    if engine != "local":
        raise UsageError(f"--devices: with --engine {engine} Ray deals out the GPUs; leave it out")


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
def _plan(
    engine: str, ray_address: str | None, jobs: int | None, device: str, devices: Sequence[str]
) -> Iterator[Plan]:
    """Make the chosen engine ready to run."""
    if engine == "local":
        yield local_plan(jobs, device, devices)
        return
    from vos_cli.batch.engines.ray.plan import ray_plan

    with ray_plan(jobs, ray_address, device) as plan:
        yield plan


def _rows(
    source: str,
    recursive: bool,
    match: str | None,
    output: Path,
    *,
    is_watched: bool,
    is_first: bool,
) -> list[Row]:
    if source != "-" and (is_watched or Path(source).is_dir()):
        rows = find_rows(
            Path(source),
            recursive=recursive,
            match=match,
            leave_out=output,
            may_be_empty=is_watched,
        )
        left = [] if match or not is_first else find_left_out(Path(source), rows, output)
        if left:
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            notify(f"left out, as no clip of this folder: {', '.join(left[:3])}{more}")
        return rows
    if recursive or match is not None:
        raise UsageError(f"{source}: --recursive and --match are for folders; leave them out")
    return read_rows(source)
