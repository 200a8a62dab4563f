"""Corrections: recompute the spans they concern, replace the files in one step, take it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vos.errors import Cancelled, OutputError, UsageError
from vos.io.disk import output_errors
from vos.io.paths import display_name
from vos.io.results.edits import EditStore
from vos.io.results.layout import OVERLAY_NAME, PROMPTS_NAME
from vos.io.results.manifest import (
    MANIFEST_NAME,
    as_text,
    edits_in_force,
    find_found,
    read_manifest,
)
from vos.prompts import Prompt, collect, save_prompts
from vos.prompts.file import prompts_to_json
from vos.version import __version__
from vos_cli.console.errors import Interrupted
from vos_cli.fix.interrupted import require_finished
from vos_cli.fix.plan import (
    Course,
    Span,
    absent_course,
    check,
    course,
    find_absent,
    lifetime,
    merged,
    prompted_frames,
    shown_frames,
    within_limits,
    within_scene,
)
from vos_cli.fix.result import Result

if TYPE_CHECKING:
    from vos.api import Tracker

OnFrame = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Edit:
    """One correction, made. number: counts from 1. frames: indices whose mask changed. new_objects:
    ids that the result did not have.
    """

    number: int
    prompts: tuple[Prompt, ...]
    spans: tuple[Span, ...]
    frames: tuple[int, ...]
    new_objects: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "prompts": prompts_to_json(self.prompts),
            "new_objects": list(self.new_objects),
            "spans": [span.as_json() for span in self.spans],
            "frames_changed": len(self.frames),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a correction will do. prompts: all of them, the new ones last. courses: in order, those
    of one frame and one way together. new_objects: ids that the result does not have. within: the
    first and the last frame that may change, None for all.
    """

    new: tuple[Prompt, ...]
    prompts: tuple[Prompt, ...]
    courses: tuple[tuple[Course, ...], ...]
    new_objects: tuple[int, ...]
    within: tuple[int, int] | None = None


def plan(result: Result, prompts: Sequence[Prompt], within: tuple[int, int] | None = None) -> Plan:
    """Check the new prompts and see what they concern. No model is needed.

    within: the first and the last frame that may change, None for all.

    Raises: PromptError (frame outside, prompts that contradict each other), UsageError for an
    interrupted track.
    """
    require_finished(result)
    series = result.timeline()
    check(prompts, result.frames)
    parameters = result.manifest["parameters"]
    direction = parameters["direction"]
    everything = merged(result.prompts, prompts)
    collect(everything, result.source.info.size_hw, direction=direction)
    shown, absent = shown_frames(everything), find_absent(everything, result.frames)
    tracked_from = _tracked_from(result, prompts)
    is_new = {i: i not in series for i in tracked_from}
    existing = {
        i: lifetime(those, result.frames, direction)
        if is_new[i]
        else range(int(series[i].frame_idx[0]), int(series[i].frame_idx[-1]) + 1)
        for i, those in tracked_from.items()
    }
    courses: list[Course] = []
    for frame_idx, i in sorted({(one.frame_idx, one.object_id) for one in prompts}):
        where = (shown[i], tracked_from[i], existing[i], result.frames, direction)
        own = absent.get(i, {})
        if frame_idx not in own:
            courses.append(course(i, frame_idx, *where, own))
            continue
        frames = range(frame_idx, own[frame_idx] + 1)
        others = {first: last for first, last in own.items() if first not in frames}
        courses.append(absent_course(i, frames, *where, others))
    stops = parameters.get("scene_cuts") == "stop"
    courses = [
        one if is_new[one.object_id] and not stops else within_scene(one, result.cuts)
        for one in courses
    ]
    if within is not None:
        courses = [within_limits(one, *within) for one in courses]
    courses.sort(key=lambda one: (one.frame_idx, one.reverse))
    groups = groupby(courses, key=lambda one: (one.frame_idx, one.reverse))
    return Plan(
        tuple(prompts),
        everything,
        tuple(tuple(group) for _, group in groups),
        tuple(i for i in sorted({one.object_id for one in prompts}) if is_new[i]),
        within,
    )


def fix(
    result: Result,
    prompts: Sequence[Prompt],
    tracker: Tracker,
    *,
    names: Mapping[int, str] = MappingProxyType({}),
    within: tuple[int, int] | None = None,
    on_frame: OnFrame = lambda _frame_idx: None,
    stop: Callable[[], bool] = lambda: False,
) -> Edit:
    """Add the prompts, recompute what they concern, and replace masks, stats, prompts, manifest.

    names: what new objects are called. within: as for `plan`. on_frame: told of each frame that is
    done. stop: asked after each frame; True ends the work with Interrupted and leaves everything as
    it was, as Ctrl-C does.
    `result` is out of date afterwards: `open_result` it again. The overlay video is stale then:
    `redraw_overlay`.

    Raises: PromptError as `plan`, Interrupted, BusyError, OutputError.
    """
    planned = plan(result, prompts, within)
    store = EditStore(result.path)
    with store.holding():
        manifest = current_manifest(result)
        number = 1 + sum("edit" in entry for entry in manifest.get("history", ()))
        folder = store.begin(number)
        try:
            edit = _prepare(
                result, planned, tracker, names, manifest, number, folder, on_frame, stop
            )
        except (KeyboardInterrupt, Cancelled) as error:
            store.drop(number)
            raise Interrupted(f"stopped, {display_name(result.path)} is as it was") from error
        except BaseException:
            store.drop(number)
            raise
        store.commit(number)
    return edit


def undo(result: Result) -> int:
    """Take back the last correction in force; its number. The overlay video is stale then.

    Raises: UsageError if there is none, BusyError, OutputError.
    """
    require_finished(result)
    store = EditStore(result.path)
    with store.holding():
        manifest = current_manifest(result)
        edits = edits_in_force(manifest)
        if not edits:
            raise UsageError(f"{display_name(result.path)}: has no correction to take back")
        number = edits[-1]["edit"]
        entry = {"undo": number, "when": _now(), "vos": __version__}
        store.undo(number, _manifest_text(result, manifest, entry, edits[-1]["spans"]))
    return number


def _prepare(
    result: Result,
    planned: Plan,
    tracker: Tracker,
    names: Mapping[int, str],
    manifest: Mapping[str, Any],
    number: int,
    folder: Path,
    on_frame: OnFrame,
    stop: Callable[[], bool],
) -> Edit:
    """The new files, into the folder."""
    from vos_cli.fix.draft import Draft
    from vos_cli.fix.recompute import Setting, recompute

    def done(frame_idx: int) -> None:
        on_frame(frame_idx)
        if stop():
            raise Cancelled("stopped between two frames")

    draft = Draft(result, folder)
    resets = result.cuts if result.manifest["parameters"].get("scene_cuts") == "reset" else ()
    setting = Setting(
        tracker,
        result.source,
        result.frames,
        draft,
        planned.prompts,
        planned.new_objects,
        resets,
        result.is_soft,
        done,
    )
    spans = [span for courses in planned.courses for span in recompute(setting, courses)]
    draft.finish()
    new_names = {i: names[i] for i in planned.new_objects if names.get(i)}
    save_prompts(
        folder / PROMPTS_NAME,
        planned.prompts,
        size_hw=result.source.info.size_hw,
        names={**result.names, **new_names},
    )
    frames = tuple(sorted(draft.changed))
    edit = Edit(number, planned.new, tuple(spans), frames, planned.new_objects)
    refiner = tracker.refiner_info
    entry = {
        "edit": number,
        "when": _now(),
        "prompts": prompts_to_json(planned.new),
        "new_objects": list(edit.new_objects),
        "spans": [span.as_json() for span in spans],
        "frames_changed": len(edit.frames),
        **({} if planned.within is None else {"within": list(planned.within)}),
        "model": tracker.model_info.name,
        "model_sha256": tracker.model_info.sha256,
        "refiner": None if refiner is None else refiner.name,
        "refiner_sha256": None if refiner is None else refiner.sha256,
        "vos": __version__,
    }
    path = folder / MANIFEST_NAME
    with output_errors(path):
        path.write_bytes(_manifest_text(result, manifest, entry, entry["spans"]))
    return edit


def current_manifest(result: Result) -> dict[str, Any]:
    """The manifest, which must still be the one that was opened. Raises OutputError."""
    manifest = read_manifest(result.path)
    if manifest is None or manifest != dict(result.manifest):
        raise OutputError(
            f"{display_name(result.path)}: was changed meanwhile by another command; run this one "
            "again"
        )
    return manifest


def _manifest_text(
    result: Result,
    manifest: Mapping[str, Any],
    entry: Mapping[str, Any],
    spans: Sequence[Mapping[str, Any]],
) -> bytes:
    """spans: of frames whose masks are others now, so that the overlay shows old ones there."""
    changed: dict[str, Any] = {"history": [*manifest.get("history", ()), dict(entry)]}
    if result.has_overlay:
        stale = dict(manifest.get("stale", {}))
        pairs = [[span["first"], span["last"]] for span in spans]
        changed["stale"] = stale | {OVERLAY_NAME: [*stale.get(OVERLAY_NAME, ()), *pairs]}
    return as_text({**manifest, **changed}).encode()


def _tracked_from(result: Result, new: Sequence[Prompt]) -> dict[int, set[int]]:
    """By object id, the frames with the prompts that it was tracked from, before any correction."""
    made = (edit["prompts"] for edit in result.corrections())
    tracked_from = prompted_frames(find_found(result.manifest) or ())
    for prompts in (result.manifest["parameters"]["prompts"], *made, prompts_to_json(new)):
        shown = (one for one in prompts if one.get("type") != "absent")
        asked = ((one["object_id"], one["frame_idx"]) for one in shown)
        tracked_from = prompted_frames(asked) | tracked_from
    return tracked_from


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
