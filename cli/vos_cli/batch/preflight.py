"""Open every clip and check its prompts before any model is loaded."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vos.errors import OtherOutputError, Parameter, PromptError
from vos.io.inside import check_inside
from vos.io.paths import display_name, is_there
from vos.io.read.open import open_source
from vos.io.read.scan import scan_video
from vos.io.read.source import SourceInfo
from vos.io.results.fingerprint import fingerprint_input
from vos.io.results.manifest import is_input, read_manifest
from vos.io.write.deliver.order import place_beside
from vos.model import registry
from vos.prompts import find_notes
from vos_cli.batch.clips.clip import Clip, strip_name
from vos_cli.batch.folder import BatchFolder
from vos_cli.console.errors import report
from vos_cli.console.notices import stay_silent
from vos_cli.console.progress import PLAIN_PERIOD_S
from vos_cli.job import run as tracking
from vos_cli.job.check import check, check_prompts
from vos_cli.job.job import Job

_MOST_AT_ONCE = 8
_SCAN_LIMIT_BYTES = 256 * 10**6


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a clip before it is tracked.

    clip: the clip.
    job: what to do; None where `problem` says why not.
    problem: why it cannot be tracked, one line.
    exit_code: of the problem.
    info: what the input says about itself; None where it cannot be opened.
    frames: in the whole file, exact where its packets were counted.
    is_vfr: whether the intervals between frames vary; None where unknown.
    notes: what was noticed about the input, a line each.
    has_output: whether an output of this very input is there.
    differs: what that output was made with that is not so now, such as "size"; empty where nothing
        is, and where it may be replaced.
    """

    clip: Clip
    job: Job | None
    problem: str | None = None
    exit_code: int = 0
    info: SourceInfo | None = None
    frames: int | None = None
    is_vfr: bool | None = None
    notes: tuple[str, ...] = ()
    has_output: bool = False
    differs: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the input's part of a report as JSON values."""
        info = self.info
        if info is None:
            return {}
        height, width = info.size_hw
        return {
            "codec": info.codec,
            "width": width,
            "height": height,
            "frame_count": self.frames,
            "duration_s": None if info.duration is None else round(float(info.duration), 3),
            "rate": None if info.average_rate is None else round(float(info.average_rate), 3),
            "rotation_deg": info.rotation_deg,
            "is_vfr": self.is_vfr,
            "objects": 0 if self.job is None else len({p.object_id for p in self.job.prompts}),
        }


def probe_all(
    clips: Sequence[Clip],
    folder: BatchFolder,
    progress: str | None,
    on_notice: Callable[[str], None] = stay_silent,
) -> list[Probe]:
    """Probe every clip, several at once; return the probes in order.

    on_notice: called every ten seconds with how far it is.
    """
    probes: list[Probe] = []
    last = time.monotonic()
    with (
        ThreadPoolExecutor(min(_MOST_AT_ONCE, 2 * (os.cpu_count() or 1))) as pool,
        closing(pool.map(lambda clip: probe(clip, folder, progress), clips)) as found,  # pyright: ignore[reportArgumentType]
    ):
        for one in found:
            probes.append(one)
            if time.monotonic() - last >= PLAIN_PERIOD_S:
                last = time.monotonic()
                on_notice(f"{len(probes)}/{len(clips)} clips looked at")
    names = {clip.name.lower() for clip in clips}
    return [_refuse_collision(one, names) for one in probes]


def _refuse_collision(one: Probe, names: Container[str]) -> Probe:
    """Refuse a clip whose export would be where another clip's result is."""
    if one.job is None:
        return one
    for form in one.job.settings.deliver:
        place = place_beside(one.job.output, form).name
        if place.lower() in names:
            problem = (
                f"its export would be {display_name(place)}, as another clip is called; give one "
                "another name in a manifest"
            )
            return replace(one, job=None, problem=problem, exit_code=2)
    return one


def probe(clip: Clip, folder: BatchFolder, progress: str | None) -> Probe:
    """Look at one clip; what is wrong with it is in the result."""
    if clip.problem is not None:
        return Probe(clip, None, f"{clip.place}: {clip.problem}", exit_code=2)
    info = frames = is_vfr = None
    notes: tuple[str, ...] = ()
    try:
        output = folder.output(clip.name)
        for place in (output, folder.log(clip.name)):
            check_inside(folder.root, place)
        settings = clip.flags.settings(progress)
        with open_source(clip.source, decoder=settings.decoder, rate=settings.rate) as source:
            info = source.info
            frames, is_vfr = _length(info)
            notes = (*source.notices, *source.warnings)
        job = _job(clip, output, progress)
        check_prompts(job, info)
        notes += (*job.notes, *find_notes(job.prompts, info.size_hw))
        registry.resolve(job.settings.model)
        has_output = _has_output(output, info.path)
        differs = _differences(job) if has_output and not job.overwrite else ()
        return Probe(
            clip, job, None, 0, info, frames, is_vfr, notes, has_output=has_output, differs=differs
        )
    except Exception as error:
        text = io.StringIO()
        code = report(error, verbose=False, stream=text)
        reason = text.getvalue().strip().removeprefix("vos: ").removeprefix("error: ")
        reason = strip_name(reason, clip.source)
        return Probe(clip, None, reason, code, info, frames, is_vfr, notes)


def _job(clip: Clip, output: Path, progress: str | None) -> Job:
    flags = clip.flags
    file = flags.prompts
    if file is not None and is_there(file) and not file.is_file():  # a pipe may never end
        raise PromptError(f"{display_name(file)}: not a regular file; give a prompt file")
    if not flags.all_prompts().prompts and flags.boxes is None:
        name = Path(clip.source).name
        raise PromptError(
            f"no prompt; put {name}.prompts.json beside it (see --prompts-from), "
            "name it in a manifest, or give --box for all"
        )
    return flags.job(clip.source, output, progress=progress)


def _length(info: SourceInfo) -> tuple[int | None, bool | None]:
    """Count frames and see whether their intervals vary, by packets unless the file is huge."""
    if info.kind != "video":
        return info.frame_count, None
    if info.path.stat().st_size > _SCAN_LIMIT_BYTES:
        return info.frame_count, None
    scan = scan_video(info.path)
    return scan.frame_count, scan.is_vfr


def _has_output(output: Path, source: Path) -> bool:
    manifest = read_manifest(output)
    if manifest is None or not isinstance(manifest.get("input"), dict):
        return False
    return is_input(manifest, fingerprint_input(source))


def _differences(job: Job) -> tuple[str, ...]:
    """List what the finished output was made with that the job would have otherwise."""
    manifest = read_manifest(job.output)
    if manifest is None:
        return ()
    with check(job) as prepared:
        return tuple(prepared.fingerprint.differences(manifest))


def refuse_other_settings(probes: Sequence[Probe]) -> None:
    """Raise OtherOutputError where clips are done with other settings; nothing has changed then."""
    others = [one for one in probes if one.differs]
    if not others:
        return
    shown = "; ".join(
        f"{display_name(one.clip.name)}: {', '.join(one.differs)}" for one in others[:3]
    )
    more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
    count = f"{len(others)} finished clip{'s' * (len(others) != 1)}"
    raise OtherOutputError(
        f"{count} made with other settings ({shown}{more}), nothing was changed: give the settings "
        "of that run, choose another ",
        Parameter("output"),
        ", or give ",
        Parameter("overwrite"),
        " to make them again",
    )


def frames_to_track(one: Probe) -> int | None:
    """Estimate how many frames are worked on; None where the input does not say."""
    if one.job is None or one.info is None:
        return None
    return tracking.frames_to_come(one.job, replace(one.info, frame_count=one.frames))


def table(probes: Sequence[Probe]) -> list[list[str]]:
    """Return rows for people, a header first."""
    rows = [["clip", "codec", "size", "frames", "seconds", "turned", "rate", "objects", "state"]]
    for one in probes:
        known = one.as_json()
        rate = known.get("rate")
        state = one.problem or ("output is there" if one.has_output else "ok")
        if one.differs:
            state += f", made with other settings ({', '.join(one.differs)})"
        rows.append(
            [
                one.clip.name,
                known.get("codec") or "-",
                f"{known['width']}x{known['height']}" if known else "-",
                _text(one.frames),
                _text(known.get("duration_s"), digits=1),
                f"{known['rotation_deg']}" if known.get("rotation_deg") else "-",
                "-" if rate is None else f"{rate:g}{' vfr' if one.is_vfr else ''}",
                _text(known.get("objects") or None),
                state,
            ]
        )
    return rows


def _text(value: float | None, *, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
