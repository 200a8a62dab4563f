"""One export, from a finished result to a folder that is there complete or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vos.errors import InputError, OtherOutputError, Parameter, VerificationError
from vos.io.disk import output_errors, write_atomic
from vos.io.paths import display_name
from vos.io.queues import prefetch
from vos.io.results.fingerprint import fingerprint_input
from vos.io.results.folder import OutputFolder
from vos.io.results.layout import MASKS_NAME, MATTES_NAME
from vos.io.results.manifest import Fingerprint, read_manifest
from vos.io.results.part import discard_part
from vos.io.write.deliver.finished import FinishedResult, frames_with_images
from vos.io.write.deliver.format import ShotFrame
from vos.io.write.deliver.mattes import ResultMattes, open_mattes
from vos.io.write.deliver.order import ExportPlan
from vos.io.write.deliver.resume import Saver, count_done
from vos.io.write.deliver.strangers import Strangers
from vos.io.write.deliver.verify import shot_as_json, verify

_MATTES_SHA256 = "mattes_sha256"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export left behind.

    output: the folder.
    frames: how many frames it has.
    compared: how many mattes were read back and compared; None where nothing was verified.
    is_skipped: whether an equal export was there already.
    is_renewed: whether it replaces one that was made before the masks changed.
    resumed_at: index of the first frame that an interrupted export had not saved, else None.
    warnings: what went less than well, one line each.
    """

    output: Path
    frames: int
    compared: int | None
    is_skipped: bool
    is_renewed: bool = False
    resumed_at: int | None = None
    warnings: tuple[str, ...] = ()


def export(
    result: FinishedResult,
    plan: ExportPlan,
    *,
    overwrite: bool = False,
    is_verified: bool = True,
    on_frame: Callable[[int], None] = lambda _idx: None,
    on_resume: Callable[[int], None] = lambda _frames: None,
) -> Exported:
    """Write an export, read it back and move it into place.

    An interrupted one continues where its format allows that and it is of the same masks and
    settings; else it starts over. A finished one of older masks is made anew.

    on_resume: called with how many frames are there already.

    Raises OutputError for a place that cannot be written, VerificationError where what was written
    is not what was to be; nothing is at the place then that was not there before.
    """
    form, shot = plan.format, plan.shot
    parameters = {**shot_as_json(form, shot), **_mattes_of(result, plan)}
    fingerprint = Fingerprint(fingerprint_input(result.path / MASKS_NAME), parameters, None)
    is_renewed = _is_of_older_masks(plan.output, fingerprint)
    output = _open(plan, fingerprint, result, overwrite=overwrite or is_renewed)
    if output.is_complete:
        compared = verify(plan.output, form, shot, result, is_sampled=True) if is_verified else None
        return Exported(plan.output, len(shot.frames), compared, is_skipped=True)
    with output:
        done = count_done(output, form, shot)
        on_resume(done)
        with output_errors(plan.output):
            warnings = _write(result, plan, output, done, on_frame)
        compared = None
        if is_verified:
            try:
                compared = verify(output.part, form, shot, result, is_sampled=True)
            except VerificationError:
                output.restart()  # what is wrong is not continued
                raise
        output.commit(frame_count=len(shot.frames), warnings=warnings)
    return Exported(
        plan.output,
        len(shot.frames),
        compared,
        is_skipped=False,
        is_renewed=is_renewed and not overwrite,
        resumed_at=shot.frames[done] if 0 < done < len(shot.frames) else None,
        warnings=tuple(warnings),
    )


def _mattes_of(result: FinishedResult, plan: ExportPlan) -> dict[str, Any]:
    """Say by their checksums which soft mattes are exported."""
    if not plan.shot.is_soft:
        return {}
    folders = {one: result.path / MATTES_NAME / str(one) for one in plan.shot.objects}
    sums = {one: fingerprint_input(path).sha256 for one, path in folders.items() if path.is_dir()}
    return {_MATTES_SHA256: {str(one): value for one, value in sums.items()}}


def _is_of_older_masks(place: Path, fingerprint: Fingerprint) -> bool:
    """Tell whether an export of the same kind is there, made before masks or mattes changed."""
    manifest = read_manifest(place)
    if manifest is None:
        return False
    differences = set(fingerprint.differences(manifest))
    return bool(differences) and differences <= {"input", _MATTES_SHA256}


def _open(
    plan: ExportPlan, fingerprint: Fingerprint, result: FinishedResult, *, overwrite: bool
) -> OutputFolder:
    """Open the place; what another export left half done there is dropped."""
    try:
        return OutputFolder.open(plan.output, fingerprint, source=result.path, overwrite=overwrite)
    except OtherOutputError:
        if read_manifest(plan.output) is not None:
            raise
    discard_part(plan.output)
    return OutputFolder.open(plan.output, fingerprint, source=result.path, overwrite=overwrite)


def _write(
    result: FinishedResult,
    plan: ExportPlan,
    output: OutputFolder,
    done: int,
    on_frame: Callable[[int], None],
) -> list[str]:
    """Write all but the first frames and return the warnings."""
    form, shot = plan.format, plan.shot
    times = [(one, result.time(one)) for one in shot.frames[:done]]
    mattes = open_mattes(result, form, shot)
    strangers = Strangers(result.objects)
    for one in shot.frames[:done]:  # what was said of them went with the interrupted export
        strangers.look(one, result.label_map(one))
    with form.open(output.part, shot) as delivery:
        saver = Saver(output, form, delivery, done)
        try:
            with prefetch(_read(result, plan, mattes, shot.frames[done:])) as frames:
                for frame in frames:
                    strangers.look(frame.frame_idx, frame.label_map)
                    delivery.write(frame)
                    saver.count()
                    times.append((frame.frame_idx, frame.pts))
                    on_frame(frame.frame_idx)
        except KeyboardInterrupt:
            saver.save()
            raise
    if form.has_rate and result.is_vfr:
        _write_times(output.part / f"{result.clip}_times.csv", times)
    return [*delivery.warnings, *_warn_of_hard(mattes), *strangers.warnings()]


def _warn_of_hard(mattes: ResultMattes | None) -> list[str]:
    if mattes is None or not mattes.hard:
        return []
    frame_idx, object_id = min(mattes.hard)
    return [
        f"{len(mattes.hard)} mattes are hard, the first of them that of object {object_id} on "
        f"frame {frame_idx}: their soft ones do not fit the masks, which were changed outside of "
        "vos; `vos fix` changes both"
    ]


def _read(
    result: FinishedResult, plan: ExportPlan, mattes: ResultMattes | None, frames: range
) -> Iterator[ShotFrame]:
    needs_source = plan.format.needs_image or (
        result.is_vfr and plan.format.has_rate and result.source is not None
    )
    images: Iterator[tuple[int, np.ndarray | None, Fraction | None]]
    if needs_source:
        images = frames_with_images(result, frames)
    else:
        images = ((one, None, result.time(one)) for one in frames)
    expected = frames.start
    for frame_idx, image, pts in images:
        yield _frame(result, plan, mattes, frame_idx, image, pts)
        expected = frame_idx + 1
    if expected < frames.stop:
        raise InputError(
            f"{display_name(result.path)}: its clip ends before frame {expected}, where it was to "
            f"have {frames.stop}; it is damaged there: give ",
            Parameter("span", f"{plan.shot.frames.start}..{expected - 1}"),
        )


def _frame(
    result: FinishedResult,
    plan: ExportPlan,
    mattes: ResultMattes | None,
    frame_idx: int,
    image: np.ndarray | None,
    pts: Fraction | None,
) -> ShotFrame:
    scores: dict[int, dict[str, Any]] = result.scores(frame_idx)
    if mattes is None:
        return ShotFrame(frame_idx, result.label_map(frame_idx), image, pts, scores)
    made = mattes.of_frame(frame_idx, plan.shot.objects)
    return ShotFrame(frame_idx, mattes.labels(frame_idx), image, pts, scores, made)


def _write_times(path: Path, times: list[tuple[int, Fraction | None]]) -> None:
    """Write when each frame of the movie is shown in the source, as a table."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(("position", "frame", "time_s"))
    for position, (frame_idx, pts) in enumerate(times):
        rows.writerow((position, frame_idx, "" if pts is None else f"{float(pts):.6f}"))
    write_atomic(path, text.getvalue().encode())
