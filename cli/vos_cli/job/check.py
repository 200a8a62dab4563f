"""What is checked of a job before anything is tracked, without torch."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vos.errors import PromptError
from vos.io.read.open import open_source
from vos.io.read.scan import frames_before, scan_video
from vos.io.read.source import IMAGE_RATE, Source, SourceInfo, check_range
from vos.io.results.fingerprint import Stamp, fingerprint_input, stamp_input
from vos.io.results.manifest import Fingerprint
from vos.io.timecode import exact_text, format_time
from vos.io.write.deliver.registry import check_format, get_format
from vos.io.write.overlay.limits import check_overlay_size
from vos.model import registry
from vos.model.files import weights as weight_file
from vos.model.registry import ResolvedModel
from vos.prompts import (
    Absent,
    MaskPrompt,
    Polygon,
    check_frame_range,
    collect,
    find_notes,
    prompts_text,
)
from vos.prompts.collect import last_frame
from vos.prompts.file import check_size
from vos.refine.resolve import NONE, RefinerInfo, resolve_refiner

if TYPE_CHECKING:
    from vos_cli.job.job import Job


_MANY_OBJECTS = 8
"""From so many on it is said what a policy of several hypotheses costs."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that can be done, as far as that is known without its model. A context manager.

    job: what to do.
    source: its input, open until the context ends.
    model: the weights that its settings name.
    model_sha256: their checksum.
    refiner: what its settings name, None for none.
    fingerprint: what decides the output.
    stamp: tells whether the input changes from now on.
    """

    job: Job
    source: Source
    model: ResolvedModel
    model_sha256: str
    refiner: RefinerInfo | None
    fingerprint: Fingerprint
    stamp: Stamp | None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.source.__exit__(kind, error, trace)


def check(job: Job) -> Prepared:
    """Refuse all that can be refused without torch: source, prompts, weights and refiner.

    Raises: VosError of every kind that these raise.
    """
    model = registry.resolve(job.settings.model)
    with ExitStack() as stack:
        source = stack.enter_context(_open(job))
        check_prompts(job, source.info)
        source.warnings += find_notes(job.prompts, source.info.size_hw)
        source.notices += (*job.notes, *find_policy_notes(job, model))
        sha256 = weight_file.check_sha256(model)
        refiner = resolve_refiner(job.settings.refiner, model.name, sha256)
        parameters = list_parameters(job, source.info, refiner)
        stamp = stamp_input(source.info.path)
        fingerprint = Fingerprint(fingerprint_input(source.info.path), parameters, sha256)
        stack.pop_all()
    return Prepared(job, source, model, sha256, refiner, fingerprint, stamp)


def find_policy_notes(job: Job, model: ResolvedModel) -> tuple[str, ...]:
    """Return a line for what the memory policy makes of these prompts, where that is not plain."""
    if job.settings.policy == "long":
        if model.name == registry.EMBEDDED:
            return (
                "policy long: nano offers a single mask on tracked frames, so that each object has "
                "one hypothesis; the models of SAM 2 offer three",
            )
        return _find_cost_notes({prompt.object_id for prompt in job.prompts})
    if job.settings.policy != "samurai":
        return ()
    with_points = {
        prompt.object_id
        for prompt in job.prompts
        if not isinstance(prompt, (MaskPrompt, Polygon, Absent))
    }
    masks_only = sorted({prompt.object_id for prompt in job.prompts} - with_points)
    if not masks_only:
        return ()
    which = ", ".join(map(str, masks_only))
    return (
        f"policy samurai: object {which} is prompted by a mask only, so its motion is learned from "
        "the next frame on",
    )


def _find_cost_notes(objects: set[int]) -> tuple[str, ...]:
    """Return a line for what three hypotheses of many objects cost; it does not depend on how long
    the clip is.
    """
    if len(objects) < _MANY_OBJECTS:
        return ()
    return (
        f"policy long: {len(objects)} objects with up to 3 hypotheses each are up to "
        f"{3 * len(objects)} masks on every frame, computed one object after the other; frames may "
        "take 3 times as long as with --policy fifo, and more on a GPU",
    )


def _open(job: Job) -> Source:
    return open_source(job.source, decoder=job.settings.decoder, rate=job.settings.rate)


def check_prompts(job: Job, info: SourceInfo) -> None:
    """Refuse now what would otherwise be refused after hours of tracking.

    Raises PromptError, UsageError. Times that are not in order are left to the run.
    """
    check_range(job.start, job.end)
    check_size(job.drawn_on, info.size_hw)
    if "overlay" in job.settings.save:
        check_overlay_size(info.size_hw)
    for name in job.settings.deliver:
        check_format(get_format(name), info.size_hw)
    collect(job.prompts, info.size_hw, direction=job.direction)
    last = max(map(last_frame, job.prompts), default=0)
    if info.kind != "video":
        assert info.frame_count is not None
        check_frame_range(job.prompts, info.frame_count)
    elif info.frame_count is None or last >= info.frame_count:  # an estimate, so count
        check_frame_range(job.prompts, scan_video(info.path).frame_count)
    end = _end_idx(job, info)
    for prompt in job.prompts:
        early = isinstance(job.start, int) and prompt.frame_idx < job.start
        late = end is not None and prompt.frame_idx >= end
        limit = job.start if early else job.end
        if limit is not None and (early or late):
            flag = "--start" if early else "--end"
            raise PromptError(
                f"prompt on frame {prompt.frame_idx}: {flag} {format_time(limit)} leaves that "
                f"frame out; change {flag} or the prompt's @FRAME"
            )


def _end_idx(job: Job, info: SourceInfo) -> int | None:
    """Index of the first frame that `--end` leaves out; None where it leaves out none, or where
    only decoding tells. (What `--start` leaves out is refused on the first frame anyway.)
    """
    if job.end is None or isinstance(job.end, int):
        return job.end
    if info.kind == "video":  # decord's times are rounded
        return frames_before(info.path, job.end) if job.settings.decoder == "pyav" else None
    assert info.average_rate is not None
    return math.ceil(job.end * info.average_rate)


def list_parameters(job: Job, info: SourceInfo, refiner: RefinerInfo | None) -> dict[str, Any]:
    """Return what decides the output besides input and weights."""
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
        # Left out where it is what older results were made with.
        **({} if settings.rate in (None, IMAGE_RATE) else {"rate": str(settings.rate)}),
        **({} if job.every is None else {"every": job.every}),
    }
