"""`vos track`: one video; `vos_cli.job` does the work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vos.errors import UsageError
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.job.job import Outcome, default_output
from vos_cli.job.run import run
from vos_cli.options import track as options
from vos_cli.options.bare import TOOLS, take_bare
from vos_cli.options.takes import takes
from vos_cli.options.track import TrackFlags, form_of_progress


@takes(TrackFlags, verbose_panel=options.OUTPUT_PANEL)
def track(
    source: options.Source,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder to write; default INPUT-vos beside the input.",
            rich_help_panel=options.OUTPUT_PANEL,
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    flags: TrackFlags,
    host: options.Host = None,
    as_json: options.Json = False,
    progress: options.ProgressForm = None,
    quiet: options.Quiet = False,
) -> None:
    """Follow the prompted objects through a video.

    Writes masks, an overlay video and statistics to a folder and prints its path.
    """
    values, tool = take_bare({name: getattr(flags, name) for name in TOOLS.values()})
    flags = replace(flags, **values)
    folder = default_output(source) if output is None else output
    form = form_of_progress(progress, quiet=quiet)
    on_notice = stay_silent if quiet else notify
    if tool is None:
        if host is not None:
            raise UsageError("--host is for the page: give --box without a value, or no --host")
        outcome = run(flags.job(source, folder, progress=form), say=on_notice, warn=warn)
    else:
        from vos_cli.commands.pick import pick_and_track

        job = flags.job_without_prompts(source, folder, progress=form)
        # The link is what this is about, so that not even --quiet silences it.
        outcome = pick_and_track(
            source, job, flags.all_prompts(), tool=tool, host=host, notify=notify
        )
    print_outcome(outcome, as_json=as_json)
    if not quiet:
        notify(outcome.summary())


def print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print the result on stdout: the folder, or one JSON object."""
    print(json.dumps(outcome.as_json()) if as_json else outcome.output)
