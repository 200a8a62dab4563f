"""One tracking job from input to finished folder. Here sources, sessions and sinks meet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vos.errors import Cancelled, InputError, PromptError
from vos.io.paths import display_name
from vos.io.read.source import SourceInfo, TimePoint
from vos.io.results.fingerprint import fingerprint_input, stamp_input
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import PROMPTS_NAME
from vos.io.results.manifest import CHANGED, edits_in_force, find_found, read_manifest
from vos.model import registry
from vos.model.options import ModelOptions
from vos.model.registry import ResolvedModel
from vos.prompts import save_prompts
from vos.settings import Settings
from vos_cli.console.errors import Interrupted
from vos_cli.console.progress import Mode, Progress, open_progress
from vos_cli.job.check import Prepared, check
from vos_cli.job.go_on import GOING_ON_S, find_droppable, fits_on
from vos_cli.job.job import Job, Outcome, Say, found_json
from vos_cli.job.pipeline import open_pipeline
from vos_cli.job.resumable import resume_or_start

if TYPE_CHECKING:
    from vos.api import Tracker
    from vos.refine.resolve import RefinerInfo


_NOTHING_FOUND = (
    "nothing was found on any frame that was looked at, so that all masks are empty: give a "
    "prompt, look more often, or give a better model with --model"
)


def load_tracker(options: ModelOptions) -> Tracker | None:
    """Load the tracker these options name, None for the null model. Raises as `vos.load`."""
    if options.model == registry.NULL.name:
        return None
    from vos.loading import load

    return load(options)


def run(
    job: Job,
    *,
    say: Say,
    warn: Say,
    load: Callable[[Settings], Tracker | None] = load_tracker,
    show: Callable[[Mode, int | None], Progress] = open_progress,
) -> Outcome:
    """Do the job, or find it already done.

    Whatever can be refused without the model is refused before torch is imported.

    say: told which model is used. warn: told of everything that went less than well. load: called
    once there is something to track. show: opens the progress report, given its form and the
    number of frames to come.

    Raises:
        VosError: of every kind the parts raise. Interrupted: on Ctrl-C. There is no output then,
        but the same job goes on from the last checkpoint.
    """
    with (
        check(job) as prepared,
        OutputFolder.open(
            job.output,
            prepared.fingerprint,
            source=prepared.source.info.path,
            overwrite=job.overwrite,
            fits_on=partial(fits_on, job, prepared.fingerprint) if job.goes_on else None,
            droppable=find_droppable(job),
        ) as folder,
    ):
        if folder.is_known_by_ends:
            warn(
                "what is there was made by an older vos, which compared the size and both ends of "
                "the input and not all of it; where the middle may have changed, give --overwrite"
            )
        if folder.is_complete:
            return _skipped(prepared)
        for text in prepared.source.notices:
            say(text)
        say(describe_model(prepared.model, prepared.model_sha256, prepared.refiner, job.settings))
        progress = show(job.settings.progress, frames_to_come(job, prepared.source.info))
        try:
            outcome = _track(prepared, folder, load, progress, say=say, warn=warn)
        except PromptError:
            folder.restart()  # the same command will never do
            raise
        except (KeyboardInterrupt, Cancelled) as error:
            raise Interrupted(_left_behind(job, folder, progress.done)) from error
    for text in outcome.warnings:
        warn(text)
    return outcome


def _track(
    prepared: Prepared,
    folder: OutputFolder,
    load: Callable[[Settings], Tracker | None],
    progress: Progress,
    *,
    say: Say,
    warn: Say,
) -> Outcome:
    """Track what is not tracked yet and make the output of it."""
    job, source = prepared.job, prepared.source
    run = resume_or_start(
        folder,
        partial(open_pipeline, job, source, load(job.settings), folder),
        period_s=min(job.settings.checkpoint_s, GOING_ON_S if job.goes_on else math.inf),
        is_eager=job.goes_on,
        warn=warn,
    )
    if run.resumed_at is not None:
        say(f"continued at frame {run.resumed_at}")
    save = partial(
        save_prompts, folder.part / PROMPTS_NAME, size_hw=source.info.size_hw, names=job.names
    )
    save(job.prompts)
    begun, started = run.stream.frames, time.monotonic()
    with run, progress:
        run.run(progress)
    seconds = max(time.monotonic() - started, 1e-9)
    frames = run.stream.frames
    found = None
    if job.every is not None:
        newcomers = run.stream.found
        save((*job.prompts, *(one.prompt() for one in newcomers)))
        found = tuple((one.object_id, one.frame_idx) for one in newcomers)
    sink_warnings = [text for sink in run.sinks for text in sink.warnings]
    changed = _input_warnings(prepared)
    nothing = [_NOTHING_FOUND] if found == () and not job.prompts else []
    warnings = (*source.warnings, *sink_warnings, *run.notes, *changed, *nothing)
    known = prepared.fingerprint.input.as_json()
    cuts = None if job.settings.scene_cuts == "off" else tuple(run.stream.cuts.found)
    ended_at = run.stream.cuts.ended_at
    folder.commit(
        frame_count=frames,
        warnings=warnings,
        more={
            **({"input": {**known, CHANGED: True}} if changed else {}),
            "scene_cuts": cuts,
            "ended_at_cut": ended_at,
            **({} if found is None else {"found": found_json(found)}),
        },
    )
    return Outcome(
        output=job.output,
        files=list_entries(job.output),
        frames=frames,
        frames_per_s=(frames - begun) / seconds,
        resumed_at=run.resumed_at,
        scene_cuts=cuts,
        ended_at_cut=ended_at,
        model=prepared.model.name,
        model_sha256=prepared.model_sha256,
        refiner=prepared.refiner,
        warnings=warnings,
        is_skipped=False,
        found=found,
    )


def _input_warnings(prepared: Prepared) -> list[str]:
    """Say so where the input is not what it was when the job was checked."""
    path = prepared.source.info.path
    if stamp_input(path) == prepared.stamp:
        return []
    try:
        if fingerprint_input(path) == prepared.fingerprint.input:
            return []  # moved, copied back or touched: the bytes are the same
        what = "has changed"
    except InputError:
        what = "has changed or is gone"
    return [
        f"{display_name(path)} {what} while it was tracked: masks may be of its old content, of "
        "its new content or of both; track it again with --overwrite once it stays as it is"
    ]


def _left_behind(job: Job, folder: OutputFolder, done: int) -> str:
    """What to say of an interrupted job."""
    stopped = f"stopped after {done} frames, {job.output} is not made yet"
    if folder.is_resumable:
        return f"{stopped}; the same command continues where it was saved last"
    return f"{stopped}; nothing was saved, so the same command starts again"


def frames_to_come(job: Job, info: SourceInfo) -> int | None:
    """About how many frames the job works on, both passes; None where the input does not say."""
    if info.frame_count is None:
        return None
    first = _as_index(job.start, info) or 0
    last = _as_index(job.end, info)
    count = max(min(info.frame_count, info.frame_count if last is None else last) - first, 0)
    if job.direction != "forward":
        count += max(prompt.frame_idx for prompt in job.prompts) - first + 1
    return count


def _as_index(when: TimePoint | None, info: SourceInfo) -> int | None:
    if isinstance(when, Fraction):
        return None if info.average_rate is None else round(when * info.average_rate)
    return when


def describe_model(
    model: ResolvedModel, sha256: str, refiner: RefinerInfo | None, settings: Settings
) -> str:
    """Say what is used, and how to get a better model where "auto" found less than the best."""
    line = f"model {model.name}"
    refined = "" if refiner is None else f", refiner {refiner.name}"
    is_published = registry.find_published(sha256) is not None
    if model.named_px is not None and not is_published and settings.size is None:
        line += f" at {model.named_px} px, as its name says (--size for another)"
    if not model.is_automatic or model.name == registry.BEST:
        return line + refined
    why = "embedded" if model.name == registry.EMBEDDED else "the best here"
    better = f"better masks with `vos models pull {registry.BEST}`"
    return f"{line} ({why}){refined}; {better}"


def _skipped(prepared: Prepared) -> Outcome:
    found = find_outcome(prepared.job.output)
    return replace(
        found,
        model=prepared.model.name,
        model_sha256=prepared.model_sha256,
        refiner=prepared.refiner,
        is_skipped=True,
    )


def find_outcome(output: Path) -> Outcome:
    """Return what there is of a result that another command has made."""
    manifest = read_manifest(output) or {}
    cuts = manifest.get("scene_cuts")
    sha256 = manifest.get("model_sha256") or ""
    published = registry.find_published(sha256)
    return Outcome(
        output=output,
        files=list_entries(output),
        frames=manifest.get("frame_count", 0),
        frames_per_s=None,
        model="unknown" if published is None else published.name,
        model_sha256=sha256,
        refiner=None,
        warnings=tuple(manifest.get("warnings", ())),
        is_skipped=False,
        scene_cuts=None if cuts is None else tuple(cuts),
        ended_at_cut=manifest.get("ended_at_cut"),
        corrections=len(edits_in_force(manifest)),
        found=find_found(manifest),
    )


def list_entries(output: Path) -> tuple[str, ...]:
    """List what is in an output folder, folders with a slash."""
    return tuple(sorted(f"{p.name}/" if p.is_dir() else p.name for p in output.iterdir()))
