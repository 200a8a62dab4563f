"""The options that many commands take one by one, and the panels of the help."""

from __future__ import annotations

from typing import Annotated

import typer

from vos.errors import UsageError

PROMPTS_PANEL = "Prompts (each may be repeated; ID 1-255, default 1; FRAME default 0)"
OUTPUT_PANEL = "Output"


def option(*names: str, text: str, panel: str, metavar: str, choices: tuple[str, ...] = ()):
    """Declare an option with a value, as Typer takes it; `choices` are what a shell completes."""
    return typer.Option(
        *names,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        show_default=False,
        autocompletion=(lambda: list(choices)) if choices else None,
    )


Source = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A video, a folder of images, a quoted glob of images, or a live source.",
    ),
]

Host = Annotated[
    str | None,
    option(
        "--host",
        text="Where the page listens: an address or name of this machine, 0.0.0.0 for all; default "
        "127.0.0.1, which only this machine reaches.",
        panel=OUTPUT_PANEL,
        metavar="ADDRESS",
    ),
]

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout.", rich_help_panel=OUTPUT_PANEL),
]

ProgressForm = Annotated[
    str | None,
    option(
        "--progress",
        text="auto (default), rich, plain, json or none.",
        panel=OUTPUT_PANEL,
        metavar="FORM",
    ),
]

Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", help="Only errors and warnings on stderr.", rich_help_panel=OUTPUT_PANEL
    ),
]


def form_of_progress(progress: str | None, *, quiet: bool) -> str | None:
    """Join --progress and --quiet to one form. Raises UsageError if they contradict."""
    if quiet and progress not in (None, "none"):
        raise UsageError(f"--quiet and --progress {progress} contradict each other; give one")
    return "none" if quiet else progress


def parse_shard(text: str) -> tuple[int, int]:
    """Parse `i/n` to a 0-based index and a count. Raises UsageError."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise UsageError(f"--shard {text}: expected i/n with 1 <= i <= n, such as 1/4")
    return int(first) - 1, int(count)
