"""One tracking job from input to finished folder. Here sources, sessions and sinks meet."""

from __future__ import annotations

import glob
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from vos.config import nearest
from vos.errors import PromptError, UsageError
from vos.io.manifest import (
    Fingerprint,
    edits_in_force,
    fingerprint_input,
    read_manifest,
)
from vos.io.output_folder import OutputFolder
from vos.io.source import SourceInfo, TimePoint, open_source, parse_time
from vos.io.timecode import exact_text
from vos.model import registry, weight_file
from vos.model.registry import ResolvedModel
from vos.prompts import (
    Direction,
    Prompt,
    prompts_text,
    save_prompts,
)
from vos.refine.resolve import NONE, RefinerInfo, resolve_refiner
from vos.settings import Settings
from vos_cli.checkpointing import take_up
from vos_cli.errors import Interrupted
from vos_cli.job_prompts import check_prompts
from vos_cli.parts import open_parts
from vos_cli.progress import Mode, Progress, open_progress

if TYPE_CHECKING:
    from vos.api import Tracker

PROMPTS_NAME = "prompts.json"

Save = Literal["masks", "overlay", "stats"]

DIRECTIONS: tuple[str, ...] = get_args(Direction)
SAVES: tuple[str, ...] = get_args(Save)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What one `vos track` does.

    source: a video, a folder or a glob, as the user named it. output: the folder to make.
    start (inclusive), end (exclusive): a frame index or seconds. names: what objects are called,
    by id; they go into the output's prompt file and make no other output of it. drawn_on: the
    size_hw that the prompt file names, else None.
    """

    source: str
    output: Path
    prompts: tuple[Prompt, ...]
    start: TimePoint | None
    end: TimePoint | None
    direction: Direction
    settings: Settings
    overwrite: bool
    names: Mapping[int, str] = field(default_factory=dict)
    drawn_on: tuple[int, int] | None = None

    @classmethod
    def checked(
        cls,
        *,
        source: str,
        output: Path,
        prompts: tuple[Prompt, ...],
        start: str | None,
        end: str | None,
        direction: str,
        settings: Settings,
        overwrite: bool,
    ) -> Self:
        """A job from the texts of the command line.

        Raises:
            UsageError: a value that no input could make right.
        """
        _one_of("--direction", direction, DIRECTIONS)
        for name in settings.save:
            _one_of("--save", name, SAVES)
        if not settings.save:
            raise UsageError(f"--save: nothing named; give some of {','.join(SAVES)}")
        return cls(
            source=source,
            output=output,
            prompts=prompts,
            start=None if start is None else parse_time(start),
            end=None if end is None else parse_time(end),
            direction=direction,  # pyright: ignore[reportArgumentType]
            settings=settings,
            overwrite=overwrite,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job left behind.

    files: entries of the output folder. frames: in the output. frames_per_s: of this run, loading
    left out; None where it was skipped. resumed_at: index of the frame at which this run continued
    an interrupted one, else None. scene_cuts: index of the first frame of each scene but the first,
    None where nobody looked. ended_at_cut: index of the cut that ended the output, else None.
    corrections: made since with `vos fix`.
    """

    output: Path
    files: tuple[str, ...]
    frames: int
    frames_per_s: float | None
    model: str
    model_sha256: str
    refiner: RefinerInfo | None
    warnings: tuple[str, ...]
    is_skipped: bool
    resumed_at: int | None = None
    scene_cuts: tuple[int, ...] | None = None
    ended_at_cut: int | None = None
    corrections: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "output": str(self.output),
            "files": list(self.files),
            "frames": self.frames,
            "frames_per_s": None if self.frames_per_s is None else round(self.frames_per_s, 2),
            "model": {"name": self.model, "sha256": self.model_sha256},
            "refiner": self.refiner and {"name": self.refiner.name, "sha256": self.refiner.sha256},
            "warnings": list(self.warnings),
            "skipped": self.is_skipped,
            "resumed_at": self.resumed_at,
            "scene_cuts": None if self.scene_cuts is None else list(self.scene_cuts),
            "ended_at_cut": self.ended_at_cut,
        }

    def summary(self) -> str:
        """One line for people."""
        if self.frames_per_s is None and self.corrections:
            return (
                f"already complete with these parameters and corrected ({self.corrections} by `vos "
                "fix`), skipped"
            )
        if self.frames_per_s is None:
            return "already complete with these parameters, skipped (--overwrite makes it again)"
        resumed = "" if self.resumed_at is None else f", continued at frame {self.resumed_at}"
        speed = f"{self.frames_per_s:.1f} frames/s"
        fixed = f", {_counted(self.corrections)} made since" if self.corrections else ""
        return f"{self.frames} frames, {speed}, model {self.model}{resumed}{self._cuts()}{fixed}"

    def _cuts(self) -> str:
        count = len(self.scene_cuts or ())
        marked = f", {count} scene cut{'s' if count > 1 else ''}" if count else ""
        if self.ended_at_cut is None:
            return marked
        return f"{marked}, ended before the scene cut at frame {self.ended_at_cut}"


def _counted(corrections: int) -> str:
    return f"{corrections} correction{'' if corrections == 1 else 's'}"


def default_output(source: str) -> Path:
    """`INPUT-vos` beside the input; for a glob, beside the folder that its files are in."""
    path = Path(source)
    while glob.has_magic(path.name):
        path = path.parent
    path = path.absolute() if path.name in ("", "..") else path
    return path.with_name(f"{path.name}-vos")


def load_tracker(settings: Settings) -> Tracker | None:
    """The tracker these settings name, None for the null model. Raises as `vos.api.load`."""
    if settings.model == registry.NULL.name:
        return None
    from vos.api import load

    return load(
        settings.model,
        refiner=settings.refiner,
        device=settings.device,
        dtype=settings.dtype,
        policy=settings.policy,
        exact=settings.exact,
        compiled=settings.compile,
        size_px=settings.size,
        pool_memory=settings.pool_memory,
    )


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
                work = take_up(
                    folder,
                    partial(open_parts, job, source, tracker, folder),
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
        "policy": settings.policy,
        "dtype": settings.dtype,
        "exact": settings.exact,
        "compile": settings.compile,
        "size_px": settings.size,
        "pool_memory": settings.pool_memory,
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


def _one_of(flag: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise UsageError(
            f"{flag} {value!r}: not one of {', '.join(valid)}{nearest(value, valid)}; correct it"
        )
