"""`vos pick`: draw prompts in the browser, save them to a prompt file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vos.io.results.layout import PROMPTS_NAME
from vos.io.results.part import locate_part
from vos.prompts.file import NamedPrompts, load_named_prompts
from vos_cli.console.errors import Interrupted
from vos_cli.console.notices import notify, warn
from vos_cli.fix.overlay import redraw_overlay
from vos_cli.fix.result import open_result
from vos_cli.job.job import Job, Outcome, Say
from vos_cli.job.run import find_outcome
from vos_cli.options.shared import OUTPUT_PANEL, Host, Source
from vos_cli.options.takes import takes
from vos_cli.options.track import TrackFlags
from vos_cli.studio.serve import serve


@takes(TrackFlags, only=("model", "refiner", "device", "size"), verbose_panel=OUTPUT_PANEL)
def pick(
    source: Source,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Prompt file to write; default INPUT.prompts.json beside the input. Prompts that "
            "are in it are shown.",
            rich_help_panel=OUTPUT_PANEL,
            metavar="FILE.json",
            show_default=False,
        ),
    ] = None,
    flags: TrackFlags,
    host: Host = None,
) -> None:
    """Draw prompts on a page in the browser and save them to a file.

    The file serves `vos track --prompts`, `vos batch` and the Python API, on any machine.
    """
    path = default_file(source) if output is None else output
    drawn = load_named_prompts(path) if path.exists() and not path.is_dir() else NamedPrompts()
    session = serve(
        source=source,
        settings=flags.settings(),
        drawn=drawn,
        tool="box",
        notify=notify,
        host=host,
        save_to=path,
    )
    if session.saved_version < 0:
        raise Interrupted(f"closed before anything was saved, {path} is as it was")
    print(path)


def pick_and_track(
    source: str, job: Job, drawn: NamedPrompts, *, tool: str, host: str | None, notify: Say
) -> Outcome:
    """Draw prompts on a page and track them from there; return the last finished run's outcome.

    drawn: prompts that are there already.
    tool: the name of the tool that the page starts with.
    host: to listen at, None for the loopback address.
    notify: called with lines for the terminal, the link among them.

    Raises VosError of every kind. Interrupted: nothing was tracked to its end.
    """
    session = serve(
        source=source,
        settings=job.settings,
        drawn=drawn,
        tool=tool,
        notify=notify,
        host=host,
        job=job,
    )
    corrections = 0
    if session.fixes is not None:
        corrections = len(session.fixes.result.corrections())
        for text in redraw_overlay(open_result(job.output)):
            warn(text)
    if session.runs.outcome is None and session.fixes is not None:
        return find_outcome(job.output)  # a result that was there, opened on the page
    if session.runs.outcome is None:
        file = locate_part(job.output.resolve()) / PROMPTS_NAME
        if file.exists():
            raise Interrupted(
                f"stopped half-way, {job.output} is not made yet; "
                f"`vos track {source} --prompts {file} -o {job.output}` continues it"
            )
        left = "is as it was" if job.output.exists() else "is not made"
        raise Interrupted(f"closed before anything was tracked, {job.output} {left}")
    return replace(session.runs.outcome, corrections=corrections)


def default_file(source: str) -> Path:
    """Return `INPUT.prompts.json` beside the input, where `vos batch` looks for it."""
    path = Path(source)
    return path.with_name(f"{path.name}.prompts.json")
