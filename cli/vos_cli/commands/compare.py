"""`vos compare`: two results of one clip side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from vos import settings
from vos.errors import Parameter, UsageError
from vos.io.disk import output_errors
from vos_cli.compare.pictures import Pictures
from vos_cli.compare.place import check_place
from vos_cli.compare.sides import (
    OpenSide,
    check_names,
    describe_sides,
    find_differences,
    open_side,
)
from vos_cli.console.errors import one_line
from vos_cli.console.notices import complain, notify, stay_silent, warn
from vos_cli.console.progress import open_progress
from vos_cli.console.tables import print_table
from vos_cli.options.shared import OUTPUT_PANEL, Json, ProgressForm, Quiet, form_of_progress
from vos_cli.options.takes import takes
from vos_eval.agreement import Comparison, compare
from vos_eval.errors import EvalError
from vos_eval.report.agreement import call, find_notes, to_json, write_comparison


@takes(verbose_panel=OUTPUT_PANEL)
def compare_command(
    *,
    a: Annotated[
        Path,
        typer.Argument(metavar="A", help="A result of `vos track`, or a folder of mask PNGs."),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another of the same clip.")],
    gt: Annotated[
        Path | None,
        typer.Option("--gt", metavar="DIR", help="Ground truth: mask PNGs of some or all frames."),
    ] = None,
    below: Annotated[
        float,
        typer.Option("--below", metavar="J", help="Masks part where they agree less, 0 to 1."),
    ] = 0.8,
    common: Annotated[
        bool,
        typer.Option("--common", help="Leave out frames that only one has, and say which."),
    ] = False,
    ignore_names: Annotated[
        bool,
        typer.Option("--ignore-names", help="Match objects by their ids, whatever their names."),
    ] = False,
    video: Annotated[
        str | None,
        typer.Option(
            "--video",
            metavar="INPUT",
            help="The clip, for the pictures, where no result says where it is.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--html",
            metavar="DIR",
            help="Also write a page with pictures, DIR/index.html.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Show where two results of one clip agree and where they part.

    Objects are matched by their ids, masks by the names of their files. With ground truth both are
    scored, on every frame that has some.
    """
    form = form_of_progress(progress, quiet=quiet)
    report = settings.resolve({"progress": form}).progress
    if not 0 <= below <= 1:
        raise UsageError(Parameter("below", below), ": an agreement is from 0 to 1; try 0.8")
    if video is not None and page is None:
        raise UsageError("--video is for the pictures of the page; add -o DIR, or leave it out")
    if page is not None:
        check_place(page)
    with ExitStack() as stack:
        sides = [open_side(path) for path in (a, b)]
        truth = None if gt is None else open_side(gt)
        for one in (*sides, *(() if truth is None else (truth,))):
            stack.callback(one.close)
        if not ignore_names:
            check_names(*sides)
        with _problems():
            with open_progress(report, len(sides[0].side.masks)) as counter:
                found = compare(
                    sides[0].side,
                    sides[1].side,
                    None if truth is None else truth.side,
                    below=below,
                    only_common=common,
                    on_frame=counter.advance,
                )
            names = {**sides[1].names, **sides[0].names}
            notes = [text for one in sides for text in one.notes] + find_differences(*sides)
            written = None
            if page is not None:
                with output_errors(page):
                    written, more = _write_page(found, page, sides, names, notes, video)
                notes += more
    notes = [*find_notes(found, names), *notes]
    for text in notes:
        warn(text)
    if as_json:
        values = to_json(found, names)
        shown = {"a": str(a), "b": str(b), "page": written and str(written), "notes": notes}
        print(json.dumps({**values, **shown}))
    else:
        _print_tables(found, names)
    if written is not None:
        (stay_silent if quiet else notify)(f"page: {written}")


def _write_page(
    found: Comparison,
    folder: Path,
    sides: Sequence[OpenSide],
    names: dict[int, str],
    notes: Sequence[str],
    video: str | None,
) -> tuple[Path, list[str]]:
    """Write the page; return its path, and what a reader has to know of its pictures."""
    pictures = Pictures(sides, video)
    try:
        pictures.check_size(found.size_hw)
        written = write_comparison(
            found,
            folder,
            names=names,
            about=describe_sides(sides[0], sides[1]),
            notes=notes,
            pictures=pictures,
        )
    finally:
        pictures.close()
    if pictures.why_none is None:
        return written, []
    return written, [f"the pictures show masks only ({pictures.why_none}): --video INPUT"]


@contextmanager
def _problems() -> Iterator[None]:
    """Name every problem of the masks on stderr, and exit with their code."""
    try:
        yield
    except EvalError as error:
        for problem in error.problems:
            complain(problem)
        raise typer.Exit(error.exit_code) from None


def _print_tables(found: Comparison, names: dict[int, str]) -> None:
    has_truth = any(item.scores for item in found.objects)
    columns = ("J&F of A", "J of A", "F of A", "J&F of B", "J of B", "F of B")
    head = ["object", "agreement", "lowest", "on frame", "spans apart"]
    rows = [[*head, *(columns if has_truth else ())]]
    for item in found.objects:
        lowest = item.lowest
        row = [call(item.object_id, names), _cell(item.mean)]
        if lowest is None:
            row += ["-", "-"]
        else:
            row += [_cell(float(item.agreement[lowest])), found.frames[lowest]]
        row.append(str(len(item.spans)))
        if has_truth:
            numbers = [value for one in item.scores for value in one.numbers.values()]
            row += [_cell(value) for value in numbers] or ["-"] * len(columns)
        rows.append(row)
    _print(rows)
    spans = [["object", "first", "last", "frames", "lowest", "on frame"]]
    for item in found.objects:
        for span in item.spans:
            spans.append(
                [
                    str(item.object_id),
                    found.frames[span.first],
                    found.frames[span.last],
                    str(span.last - span.first + 1),
                    _cell(float(item.agreement[span.lowest])),
                    found.frames[span.lowest],
                ]
            )
    if len(spans) > 1:
        print()
        _print(spans)


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Print a table; frames are called by the names of files, which may hold anything."""
    print_table([[one_line(cell) for cell in row] for row in rows])


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
