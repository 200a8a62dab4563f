"""The `vos` program: commands are imported only when they are run, so `--help` stays fast."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from vos.errors import UsageError
from vos.version import __version__
from vos_cli.console.errors import EXIT_BROKEN_PIPE, carry_errors, report
from vos_cli.console.interrupts import end_on_second_interrupt
from vos_cli.options.bare import BareOptionsCommand


@dataclass(frozen=True, slots=True)
class _Lazy:
    """Where a command lives: a function, or a typer.Typer for a command with subcommands.

    example: shown at the end of a function's `--help`; a typer.Typer brings its own. has_bare: some
    of its options may stand without a value.
    """

    module: str
    attribute: str
    help: str
    example: str = ""
    has_bare: bool = False


COMMANDS: dict[str, _Lazy] = {
    "track": _Lazy(
        "vos_cli.commands.track",
        "track",
        "Follow the prompted objects through a video.",
        "vos track video.mp4 --box 100,50,400,300 -o out",
        has_bare=True,
    ),
    "pick": _Lazy(
        "vos_cli.commands.pick",
        "pick",
        "Draw prompts in the browser and save them to a file.",
        "vos pick video.mp4 -o prompts.json",
    ),
    "fix": _Lazy(
        "vos_cli.commands.fix",
        "fix",
        "Correct a result where it went wrong, or undo that.",
        "vos fix video.mp4-vos --point 1:420,310@1834",
    ),
    "segment-everything": _Lazy(
        "vos_cli.commands.segment_everything",
        "everything",
        "Find all objects of images, without a prompt.",
        "vos segment-everything photo.jpg",
    ),
    "batch": _Lazy(
        "vos_cli.commands.batch",
        "batch",
        "Track a folder or list of clips; a report says how each went.",
        "vos batch footage/ -o results --save masks,stats",
    ),
    "export": _Lazy(
        "vos_cli.commands.export",
        "export_command",
        "Write a result as movies, mattes or tables that other programs take.",
        "vos export video.mp4-vos --to prores4444",
    ),
    "verify": _Lazy(
        "vos_cli.commands.verify",
        "verify_command",
        "Read an export back and compare it with its result.",
        "vos verify video.mp4-vos-prores4444",
    ),
    "compare": _Lazy(
        "vos_cli.commands.compare",
        "compare_command",
        "Show where two results agree and where they part.",
        "vos compare video.mp4-vos other-vos -o side-by-side",
    ),
    "info": _Lazy(
        "vos_cli.commands.info",
        "info",
        "Print what we see in a video or image folder.",
        "vos info video.mp4",
    ),
    "eval": _Lazy("vos_cli.commands.eval.group", "app", "Score masks against ground truth."),
    "train": _Lazy("vos_cli.commands.train", "app", "Train refiners on a frozen base model."),
    "models": _Lazy("vos_cli.commands.models", "app", "List, get, find and check model weights."),
    "demo": _Lazy(
        "vos_cli.commands.demo",
        "demo",
        "Make a clip, track it, and say how well that went.",
        "vos demo -o demo",
    ),
    "bench": _Lazy(
        "vos_cli.commands.bench",
        "bench",
        "Measure how fast this machine tracks.",
        "vos bench --model nano --objects 8",
    ),
    "serve": _Lazy(
        "vos_cli.commands.serve",
        "serve",
        "Answer other programs over HTTP: frames in, masks out.",
        "vos serve --port 8765 --model nano",
    ),
    "doctor": _Lazy("vos_cli.commands.doctor", "doctor", "Check this installation.", "vos doctor"),
}


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    def __init__(self, **attributes: Any):
        super().__init__(**attributes)
        for name, lazy in COMMANDS.items():  # stand-ins that know name and help
            self.commands[name] = TyperCommand(name, help=lazy.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load_command(name), rest

    def invoke(self, ctx: Any) -> Any:
        with carry_errors():
            return super().invoke(ctx)


def load_command(name: str) -> Any:
    """Import a command and return it, with its options."""
    lazy = COMMANDS[name]
    target = getattr(importlib.import_module(lazy.module), lazy.attribute)
    if isinstance(target, typer.Typer):
        command = get_group(target)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode="rich")
        epilog = f"Example:  {lazy.example}" if lazy.example else None
        kind = BareOptionsCommand if lazy.has_bare else TyperCommand
        single.command(name, cls=kind, context_settings=CONTEXT, epilog=epilog)(target)
        command = get_command(single)
    command.name = name
    _reflow(command)
    return command


def _reflow(command: Any) -> None:
    """Join the lines of each paragraph of the help, which Typer breaks where the docstring does."""
    if command.help:
        paragraphs = command.help.split("\n\n")
        command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
    for below in getattr(command, "commands", {}).values():
        _reflow(below)


CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="vos",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
    epilog="Example:  vos track video.mp4 --box 100,50,400,300",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vos {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Video object segmentation: one prompt on one frame, a precise mask on every frame."""


def _open_standard_streams() -> None:
    """Give the program the streams it was started without (`>&-`).

    Else the next file that is opened becomes stdout, and what is printed lands in it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _show_log() -> None:
    """Show the whole log: what was recorded on a GPU too, and how long that took."""
    log = logging.getLogger("vos")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)


def _is_verbose(arguments: list[str]) -> bool:
    """Tell before anything is parsed, since parsing may fail."""
    return not {"-v", "--verbose"}.isdisjoint(arguments)


def _require_folder() -> None:
    """Raise UsageError where the current folder does not exist any more: no path means anything."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be read ({error.strerror or error}); change to another one"
        ) from None


def run(arguments: list[str]) -> int:
    """Run one command line and return the exit code."""
    _open_standard_streams()
    verbose = _is_verbose(arguments)
    if not verbose and not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries; ours go through `vos: warning:`
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # file names need not be valid text
            reconfigure(errors="surrogateescape")
    try:
        _require_folder()
        outcome = get_command(app)(args=arguments, prog_name="vos", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        code = report(error, verbose=verbose)
        if code == EXIT_BROKEN_PIPE:  # else the interpreter's own flush at exit complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    return outcome if isinstance(outcome, int) else 0


def main() -> None:
    """Entry point of the `vos` program."""
    end_on_second_interrupt()
    if _is_verbose(sys.argv[1:]):
        _show_log()
    sys.exit(run(sys.argv[1:]))
