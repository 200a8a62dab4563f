"""`vos track`: one video; `vos_cli.job` does the work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from vos.errors import PromptError, UsageError
from vos.io.live.address import LiveAddress, find_address
from vos.model import registry
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.job.deliver import Delivered, deliver
from vos_cli.job.everything import find_prompts
from vos_cli.job.job import Job, Outcome, Say, default_output
from vos_cli.job.run import load_tracker, run
from vos_cli.options import live as live_options
from vos_cli.options.bare import TOOLS, take_bare
from vos_cli.options.shared import (
    OUTPUT_PANEL,
    PROMPTS_PANEL,
    Host,
    Json,
    ProgressForm,
    Quiet,
    Source,
    form_of_progress,
)
from vos_cli.options.takes import takes
from vos_cli.options.track import PROMPT_OPTIONS, TrackFlags


@takes(TrackFlags, verbose_panel=OUTPUT_PANEL)
def track(
    source: Source,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder to write; default INPUT-vos beside the input.",
            rich_help_panel=OUTPUT_PANEL,
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    flags: TrackFlags,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="Find the objects on the first frame without a prompt, and track them.",
            rich_help_panel=PROMPTS_PANEL,
        ),
    ] = False,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            help="With --everything: look again on every N-th frame, and track what is new there.",
            rich_help_panel=PROMPTS_PANEL,
            metavar="N",
            show_default=False,
        ),
    ] = None,
    drop: live_options.Drop = None,
    reconnect: live_options.Reconnect = None,
    keep: live_options.Keep = None,
    host: Host = None,
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Follow the prompted objects through a video.

    Writes masks, an overlay video and statistics to a folder and prints its path.
    """
    values, tool = take_bare({name: getattr(flags, name) for name in TOOLS.values()})
    flags = replace(flags, **values)
    form = form_of_progress(progress, quiet=quiet)
    on_notice = stay_silent if quiet else notify
    if every is not None and not everything:
        raise UsageError(f"--every {every} says when --everything looks again; give both")
    live = live_options.LiveFlags(drop, reconnect, keep)
    if address := find_address(source):
        live_options.check_together(everything=everything, tool=tool, host=host)
        outcome = _track_live(address, live, flags, output, form, on_notice)
        on_notice(outcome.summary())
        print_outcome(outcome, as_json=as_json)
        return
    live.refuse_for_a_file()
    folder = default_output(source) if output is None else output
    if everything:
        if tool is not None or any(getattr(flags, name) for name in PROMPT_OPTIONS):
            raise UsageError("--everything and prompts contradict each other; give one of them")
        if host is not None:
            raise UsageError("--host is for the page: leave it out, or give --box without a value")
        job = flags.job_without_prompts(source, folder, progress=form)
        outcome = _track_everything(job, every, on_notice)
    elif tool is None:
        if host is not None:
            raise UsageError("--host is for the page: give --box without a value, or no --host")
        outcome = run(flags.job(source, folder, progress=form), say=on_notice, warn=warn)
    else:
        from vos_cli.commands.pick import pick_and_track

        job = flags.job_without_prompts(source, folder, progress=form)
        # The link is what this is about, so that not even --quiet silences it.
        drawn = flags.all_prompts(lambda: flags.frame_size(source))
        for text in drawn.notes:
            on_notice(text)
        outcome = pick_and_track(source, job, drawn, tool=tool, host=host, notify=notify)
    for text in outcome.found_lines():
        on_notice(text)
    on_notice(outcome.summary())
    delivered = _deliver(outcome, flags, form, on_notice)
    print_outcome(outcome, delivered, as_json=as_json)


def _track_live(
    address: LiveAddress,
    live: live_options.LiveFlags,
    flags: TrackFlags,
    output: Path | None,
    form: str | None,
    say: Say,
) -> Outcome:
    from vos_cli.job.live import (  # FFmpeg loads slowly
        check_live_job,
        default_live_output,
        run_live,
    )

    folder = default_live_output(datetime.now()) if output is None else output
    job = flags.job_without_prompts(address.shown, folder, progress=form)
    check_live_job(job, address.shown)
    if not any(getattr(flags, name) for name in PROMPT_OPTIONS):
        raise PromptError(live_options.NO_PROMPT)
    return run_live(
        live.job(address, job),
        lambda size_hw: flags.all_prompts(lambda: size_hw),
        say=say,
        warn=warn,
    )


def _track_everything(job: Job, every: int | None, say: Say) -> Outcome:
    """Find the objects, then track them with the model that found them.

    every: frames from one look to the next, None for the first frame alone.
    """
    if job.direction != "forward":
        raise UsageError(
            f"--everything begins at the first frame and goes forward, where --direction "
            f"{job.direction} has nothing to do; leave it out"
        )
    if every is not None:
        if every < 1:
            raise UsageError(f"--every {every}: it is a number of frames, 1 or more")
        if registry.resolve(job.settings.model).name == registry.NULL.name:
            raise UsageError("--everything needs a model that finds something: name another")
        return run(replace(job, every=every), say=say, warn=warn)
    tracker = load_tracker(job.settings)
    if tracker is None:
        raise UsageError("--everything needs a model that finds something: name another")
    prompts = find_prompts(job, tracker, warn)
    count = len(prompts)
    say(f"{count} object{'' if count == 1 else 's'} found on frame {prompts[0].frame_idx}")
    return run(replace(job, prompts=prompts), say=say, warn=warn, load=lambda _settings: tracker)


def _deliver(
    outcome: Outcome, flags: TrackFlags, form: str | None, on_notice: Say
) -> tuple[Delivered, ...]:
    settings = flags.settings(form)
    return deliver(
        outcome.output,
        settings.deliver,
        overwrite=flags.overwrite,
        say=on_notice,
        warn=warn,
        show=lambda frames: open_progress(settings.progress, frames),
    )


def print_outcome(outcome: Outcome, delivered: Sequence[Delivered] = (), *, as_json: bool) -> None:
    """Print the result on stdout: its folder and those of its exports, or one JSON object."""
    if as_json:
        exports = [one.as_json() for one in delivered]
        print(json.dumps({**outcome.as_json(), "delivered": exports}))
        return
    for folder in (outcome.output, *(one.exported.output for one in delivered)):
        print(folder)
