"""`vos fix`: corrections of a result, from the command line; `vos_cli.fix` does the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from vos import settings
from vos.errors import UsageError
from vos.io.results.layout import OVERLAY_NAME
from vos.prompts import find_notes
from vos.prompts.file import NamedPrompts, check_size
from vos.settings import Settings
from vos.suspicious import Suspicion
from vos_cli.console.errors import Interrupted
from vos_cli.console.notices import notify, stay_silent, warn
from vos_cli.console.progress import Mode, open_progress
from vos_cli.console.tables import print_table
from vos_cli.fix.edit import Edit, plan
from vos_cli.fix.edit import fix as make_edit
from vos_cli.fix.edit import undo as undo_last
from vos_cli.fix.interrupted import rest_of
from vos_cli.fix.overlay import redraw_overlay
from vos_cli.fix.result import Result, open_result
from vos_cli.fix.settings import model_line, settings_like
from vos_cli.job.job import Say
from vos_cli.job.run import load_tracker
from vos_cli.options.shared import OUTPUT_PANEL, Host, Json, ProgressForm, Quiet, form_of_progress
from vos_cli.options.takes import takes
from vos_cli.options.track import DRAWN_OPTIONS, TrackFlags


@takes(
    TrackFlags,
    only=(*DRAWN_OPTIONS, "model", "refiner", "device"),
    verbose_panel=OUTPUT_PANEL,
)
def fix(
    *,
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="A folder that `vos track` has made.")
    ],
    flags: TrackFlags,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the last correction, byte for byte.")
    ] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="Print what looks wrong, and the corrections so far.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="PATH", help="The input, where it was moved."),
    ] = None,
    host: Host = None,
    as_json: Json = False,
    progress: ProgressForm = None,
    quiet: Quiet = False,
) -> None:
    """Correct a result: only the frames that a correction concerns are computed again.

    Without one a page opens to make some on, or to continue an interrupted track. An ID that the
    result does not have begins a new object. Prints the result's path.
    """
    drawn = flags.all_prompts()
    if sum((bool(drawn.prompts), undo, listing)) > 1:
        raise UsageError("prompts, --undo and --list contradict each other; give one of them")
    form = form_of_progress(progress, quiet=quiet)
    open_again = partial(open_result, result, source=source)
    opened = open_result(result, source=source, is_only_looking=listing)
    check_size(drawn.size_hw, opened.source.info.size_hw)
    for text in find_notes(drawn.prompts, opened.source.info.size_hw):
        warn(text)
    on_notice = stay_silent if quiet else notify
    if listing:
        if not opened.is_finished:
            on_notice(f"interrupted after frame {opened.frames[-1]}; this is what there is so far")
        _print_listing(opened, as_json=as_json)
        return
    is_page = not drawn.prompts and not undo
    if host is not None and not is_page:
        raise UsageError("--host is for the page: leave out the correction, or --host")
    if undo:
        number = undo_last(opened)
        change: dict[str, Any] = {"undone": number}
        report = settings.resolve({"progress": form}).progress
        summary = f"correction {number} is taken back"
    else:
        used = settings_like(
            opened.manifest,
            model=flags.model,
            refiner=flags.refiner,
            device=flags.device,
            progress=form,
        )
        report = used.progress
        if is_page:
            change, summary = _on_page(opened, open_again, used, host)
        else:
            edit = _correct(opened, drawn, used, on_notice)
            change, summary = edit.as_json(), _summary(edit)
    warnings = _redraw(_finished_again(open_again), report, summary)
    for text in warnings:
        warn(text)
    values = {"schema": 1, "output": str(result), **change, "warnings": warnings}
    print(json.dumps(values) if as_json else result)
    on_notice(summary)


def _on_page(
    result: Result, open_again: Callable[[], Result], used: Settings, host: str | None
) -> tuple[dict[str, Any], str]:
    """Correct it on a page, until that is closed; return its JSON values and a summary."""
    from vos_cli.studio.serve import serve

    if not result.is_finished:
        notify(f"interrupted after frame {result.frames[-1]}: Continue on the page does the rest")
    serve(
        source=result.source,
        settings=used,
        drawn=NamedPrompts(),
        tool="point",
        notify=notify,  # the link is the point, so that not even --quiet silences it
        host=host,
        job=None if result.is_finished else rest_of(result, used),
        result=open_again,
    )
    made = _finished_again(open_again).history()[len(result.history()) :]
    edits, undos = (sum(kind in entry for entry in made) for kind in ("edit", "undo"))
    plural = "" if edits == 1 else "s"
    return {"history": made}, f"{edits} correction{plural} made, {undos} taken back"


def _finished_again(open_again: Callable[[], Result]) -> Result:
    """Open the result as it is by now. Raises Interrupted where the rest is still to be done."""
    now = open_again()
    if not now.is_finished:
        raise Interrupted(
            f"closed, {now.output} is not made yet; the same `vos track` command continues it, or "
            "Continue on this page"
        )
    return now


def _correct(result: Result, drawn: NamedPrompts, used: Settings, on_notice: Say) -> Edit:
    plan(result, drawn.prompts)  # refuses what it can before the model is loaded
    on_notice(model_line(used))
    if used.lag:
        on_notice(
            f"tracked with --lag {used.lag}: a correction does not wait, and takes the hypothesis "
            "that is the best on each frame"
        )
    tracker = load_tracker(used)
    assert tracker is not None  # a result without a model is refused when it is opened
    progress = open_progress(used.progress, None)
    with progress:
        return make_edit(
            result,
            drawn.prompts,
            tracker,
            names=drawn.names,
            on_frame=lambda _idx: progress.advance(),
        )


def _redraw(result: Result, report: Mode, done: str) -> list[str]:
    """Draw the overlay again; return warnings.

    done: what was done before this, for the message where it is interrupted.
    """
    progress = open_progress(report, len(result.frames))
    try:
        with progress:
            return redraw_overlay(result, lambda _idx: progress.advance())
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"{done}, but {OVERLAY_NAME} still shows the masks of before; the next correction or "
            "--undo draws it again"
        ) from error


def _summary(edit: Edit) -> str:
    """Return one line for people."""
    spans = _spans(edit.as_json()["spans"])
    new = "".join(f", object {i} is new" for i in edit.new_objects)
    return f"correction {edit.number}: {len(edit.frames)} masks changed ({spans}){new}"


def _spans(spans: Iterable[Mapping[str, Any]]) -> str:
    """Put the manifest's spans into words."""
    return ", ".join(f"object {one['object_id']} {one['first']}-{one['last']}" for one in spans)


def _print_listing(result: Result, *, as_json: bool) -> None:
    suspicious = sorted([*result.suspicious(), *result.weak()], key=lambda one: one.first)
    if as_json:
        listing = {
            "schema": 1,
            "output": str(result.output),
            "frames": [result.frames[0], result.frames[-1]],
            "is_finished": result.is_finished,
            "objects": list(result.timeline()),
            "suspicious": [one.as_json() for one in suspicious],
            "history": result.history(),
        }
        print(json.dumps(listing))
        return
    rows = [
        (f"{one.first}-{one.last}", f"object {one.object_id}", one.kind, _amount(one))
        for one in suspicious
    ]
    if rows:
        print_table([("frames", "object", "what", "how much"), *rows])
    else:
        print("nothing looks wrong")
    in_force = {edit["edit"] for edit in result.corrections()}
    for entry in result.history():
        if "undo" in entry:
            print(f"{entry['when']}  correction {entry['undo']} taken back")
            continue
        gone = "" if entry["edit"] in in_force else ", taken back later"
        print(f"{entry['when']}  correction {entry['edit']}: {_spans(entry['spans'])}{gone}")


def _amount(one: Suspicion) -> str:
    if one.kind == "score drop":
        return f"predicted IoU {one.amount:.2f} under its median, on frame {one.worst}"
    if one.kind == "area jump":
        return f"{one.amount:.2f} times the area before, on frame {one.worst}"
    if one.kind == "low score":
        return f"predicted IoU {one.amount:.2f}, on frame {one.worst}"
    return f"{one.amount:.0f} frames"
