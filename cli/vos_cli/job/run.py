"""One tracking job from input to finished folder. Here sources, sessions and sinks meet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vos.errors import PromptError
from vos.io.read.open import open_source
from vos.io.read.source import SourceInfo, TimePoint
from vos.io.results.folder import OutputFolder
from vos.io.results.manifest import Fingerprint, edits_in_force, fingerprint_input, read_manifest
from vos.io.timecode import exact_text
from vos.model import registry
from vos.model import weights as weight_file
from vos.model.options import ModelOptions
from vos.model.registry import ResolvedModel
from vos.prompts import prompts_text, save_prompts
from vos.refine.resolve import NONE, RefinerInfo, resolve_refiner
from vos.settings import Settings
from vos_cli.console.errors import Interrupted
from vos_cli.console.progress import Mode, Progress, open_progress
from vos_cli.job.check import check_prompts
from vos_cli.job.pipeline import open_pipeline
from vos_cli.job.resumable import resume_or_start

if TYPE_CHECKING:
    from vos.api import Tracker
from vos_cli.job.job import PROMPTS_NAME, Job, Outcome, Say


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
    resolved = registry.resolve(job.settings.model)
    with open_source(job.source, decoder=job.settings.decoder) as source:
        info = source.info
        check_prompts(job, info)
        sha256 = weight_file.checked_sha256(resolved)
        refiner = resolve_refiner(job.settings.refiner, resolved.name, sha256)
        parameters = _parameters(job, info, refiner)
        fingerprint = Fingerprint(fingerprint_input(info.path), parameters, sha256)
        with OutputFolder.open(
            job.output, fingerprint, source=info.path, overwrite=job.overwrite
        ) as folder:
            if folder.is_complete:
                return _skipped(job.output, resolved, sha256, refiner)
            say(_model_line(resolved, refiner))
            progress = show(job.settings.progress, frames_to_come(job, info))
            try:
                tracker = load(job.settings)
                work = resume_or_start(
                    folder,
                    partial(open_pipeline, job, source, tracker, folder),
                    period_s=job.settings.checkpoint_s,
                    warn=warn,
                )
                if work.resumed_at is not None:
                    say(f"continued at frame {work.resumed_at}")
                save_prompts(
                    folder.part / PROMPTS_NAME, job.prompts, size_hw=info.size_hw, names=job.names
                )
                begun, started = work.stream.frames, time.monotonic()
                with work, progress:
                    work.run(progress)
                seconds = max(time.monotonic() - started, 1e-9)
            except PromptError:
                folder.restart()  # the same command will never do
                raise
            except KeyboardInterrupt as error:
                raise Interrupted(_left_behind(job, folder, progress.done)) from error
            frames = work.stream.frames
            sink_warnings = [text for sink in work.sinks for text in sink.warnings]
            warnings = (*source.warnings, *sink_warnings, *work.notes)
            cuts = None if job.settings.scene_cuts == "off" else tuple(work.stream.cuts.found)
            ended_at = work.stream.cuts.ended_at
            folder.commit(
                frame_count=frames,
                warnings=warnings,
                more={"scene_cuts": cuts, "ended_at_cut": ended_at},
            )
    for text in warnings:
        warn(text)
    return Outcome(
        output=job.output,
        files=_entries(job.output),
        frames=frames,
        frames_per_s=(frames - begun) / seconds,
        resumed_at=work.resumed_at,
        scene_cuts=cuts,
        ended_at_cut=ended_at,
        model=resolved.name,
        model_sha256=sha256,
        refiner=refiner,
        warnings=warnings,
        is_skipped=False,
    )


def _left_behind(job: Job, folder: OutputFolder, done: int) -> str:
    """What to say of an interrupted job."""
    stopped = f"stopped after {done} frames, {job.output} is not made yet"
    if folder.is_resumable:
        return f"{stopped}; the same command continues where it was saved last"
    return f"{stopped}; nothing was saved, so the same command starts again"


def _parameters(job: Job, info: SourceInfo, refiner: RefinerInfo | None) -> dict[str, Any]:
    """What decides the output besides input and weights."""
    settings = job.settings
    return {
        "prompts": json.loads(prompts_text(job.prompts, size_hw=info.size_hw))["prompts"],
        "start": None if job.start is None else exact_text(job.start),
        "end": None if job.end is None else exact_text(job.end),
        "direction": job.direction,
        "save": sorted(settings.save),
        "refiner": NONE if refiner is None else refiner.name,
        "refiner_sha256": None if refiner is None else refiner.sha256,
        **settings.as_parameters(),
        "decoder": settings.decoder,
        "scene_cuts": settings.scene_cuts,
    }


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


def _model_line(resolved: ResolvedModel, refiner: RefinerInfo | None) -> str:
    """What is used, and how to get a better model where "auto" found less than the best."""
    line = f"model {resolved.name}"
    refined = "" if refiner is None else f", refiner {refiner.name}"
    if not resolved.is_automatic or resolved.name == registry.BEST:
        return line + refined
    why = "embedded" if resolved.name == registry.EMBEDDED else "the best here"
    better = f"better masks with `vos models pull {registry.BEST}`"
    return f"{line} ({why}){refined}; {better}"


def _skipped(
    output: Path, resolved: ResolvedModel, sha256: str, refiner: RefinerInfo | None
) -> Outcome:
    manifest = read_manifest(output) or {}
    cuts = manifest.get("scene_cuts")
    return Outcome(
        output=output,
        files=_entries(output),
        frames=manifest.get("frame_count", 0),
        frames_per_s=None,
        model=resolved.name,
        model_sha256=sha256,
        refiner=refiner,
        warnings=tuple(manifest.get("warnings", ())),
        is_skipped=True,
        scene_cuts=None if cuts is None else tuple(cuts),
        ended_at_cut=manifest.get("ended_at_cut"),
        corrections=len(edits_in_force(manifest)),
    )


def _entries(output: Path) -> tuple[str, ...]:
    return tuple(sorted(f"{p.name}/" if p.is_dir() else p.name for p in output.iterdir()))
