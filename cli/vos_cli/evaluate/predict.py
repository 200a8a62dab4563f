"""Tracking the videos of an evaluation, each into a part folder that is moved into place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vos.errors import InputError
from vos.frame import FrameResult
from vos.io.disk import output_errors
from vos.io.inside import Inside
from vos.io.paths import check_name
from vos.io.read.sequence import arrange_folder
from vos.io.write.mask_png import encode_label_png
from vos.prompts import Box, MaskPrompt, Prompt
from vos_cli.console.notices import notify
from vos_cli.console.progress import open_progress
from vos_cli.evaluate.clicks import Clicker, is_own_pixel
from vos_cli.evaluate.job import PREDICTIONS, EvalJob, PromptChoice
from vos_cli.evaluate.output import claim, finished_videos, record, record_speed, record_video
from vos_cli.evaluate.rounds import ROUNDS, track_in_rounds
from vos_eval.data_sets.base import ObjectMasks, Video
from vos_eval.errors import EvalError

if TYPE_CHECKING:
    from vos.api import Tracker

_SPARE_BYTES = len("..part")


def check_videos(videos: Sequence[Video]) -> list[str]:
    """Refuse what cannot be a folder's name, and images that vos would order differently.

    Returns: what looks wrong with the images and is tracked all the same, one line each.

    Raises:
        EvalError: all problems are named.
    """
    problems, doubts = [], []
    for video in videos:
        try:
            check_name(video.name, "video", spare_bytes=_SPARE_BYTES)
            if video.name.startswith("."):
                problems.append(f"video name {video.name!r}: begins with a dot: rename it")
                continue
            entries = [p for p in video.image_dir.iterdir() if not p.name.startswith(".")]
            arranged = arrange_folder(video.image_dir, entries)
        except InputError as error:
            problems.append(str(error))
            continue
        doubts += [*arranged.notices, *arranged.warnings]
        if tuple(path.stem for path in arranged.files) != video.frames:
            problems.append(
                f"{video.name}: the images of {video.image_dir} have no plain order; number them "
                "with zeros in front, such as 00000.jpg"
            )
    if problems:
        raise EvalError(problems)
    return doubts


def track_videos(job: EvalJob, videos: Sequence[Video], lock: int) -> None:
    """Track this shard's videos that are not there yet.

    lock: the held lock of the output.
    """
    from vos.loading import load

    tracker = load(job.settings.model_options)
    record(job, tracker, lock)
    index, count = job.shard
    share = videos[index::count]
    finished = finished_videos(job, videos)
    todo = [video for video in share if video.name not in finished]
    if len(todo) < len(share):
        notify(f"{len(share) - len(todo)} finished videos kept in {job.predictions}")
    passes = 1 if job.interactive is None else ROUNDS
    frames, seconds = 0, 0.0
    total = passes * sum(len(video.frames) for video in todo)
    with open_progress(job.settings.progress, total) as progress:

        def advance() -> None:
            nonlocal frames
            frames += 1
            progress.advance()

        for video in todo:
            with claim(job, video.name) as is_ours:
                if not is_ours:
                    notify(f"{video.name}: another shard is tracking it, skipped")
                elif (job.predictions / video.name).is_dir():
                    notify(f"{video.name}: another shard has tracked it meanwhile, kept")
                else:
                    start = time.monotonic()
                    _track_video(job, tracker, video, advance, progress.skip)
                    seconds += time.monotonic() - start
    record_speed(job, tracker, frames, seconds)


def _track_video(
    job: EvalJob,
    tracker: Tracker,
    video: Video,
    advance: Callable[[], None],
    skip: Callable[[int], None],
) -> None:
    inside = Inside(job.output)
    place = Path(PREDICTIONS) / f".{video.name}.part"
    write = MaskWriter(video, has_object_folders=job.data_set.has_object_folders)
    with output_errors(job.output / place):
        inside.remove(place)
        inside.make_folder(place, is_new=True)
        if job.interactive is not None:
            track_in_rounds(job, tracker, video, write, place, advance, skip)
        else:
            for result in _results(job, tracker, video):
                write(job.output / place, result)
                advance()
        record_video(job, video)
        inside.move(place, Path(PREDICTIONS) / video.name)


def _results(job: EvalJob, tracker: Tracker, video: Video) -> Iterator[FrameResult]:
    if job.prompt.kind == "clicks":
        clicker = Clicker(tracker, video, job.prompt.clicks)
        for one in video.objects:
            for index in one.prompted:
                clicker.ask(one, index)
        return clicker.track()
    return tracker.track(
        str(video.image_dir),
        make_prompts(video, job.prompt),
        scene_cuts="reset" if job.settings.scene_cuts == "reset" else "off",
        soft=job.data_set.has_object_folders,
    )


def make_prompts(video: Video, choice: PromptChoice) -> list[Prompt]:
    """Make the prompts of a video from its masks, or from their boxes."""
    return [
        _make_prompt(one, one.read(video.frames[index]), index, choice)
        for one in video.objects
        for index in one.prompted
    ]


def _make_prompt(one: ObjectMasks, mask: np.ndarray, index: int, choice: PromptChoice) -> Prompt:
    if choice.kind == "mask":
        return MaskPrompt(one.object_id, mask, index)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = float(columns[0]), float(rows[0])
    # SAM 2's box goes from the first to the last pixel; one pixel alone would have no area.
    right, bottom = max(float(columns[-1]), left + 1), max(float(rows[-1]), top + 1)
    return Box(one.object_id, (left, top, right, bottom), index)


class MaskWriter:
    """A writer of one video's masks: a label map per frame, or a folder per object."""

    def __init__(self, video: Video, *, has_object_folders: bool) -> None:
        self._video = video
        self._has_object_folders = has_object_folders

    def __call__(self, folder: Path, result: FrameResult) -> None:
        """Write the masks of one frame to a folder that this run has made.

        Raises InputError where the images are not those of the data set any more.
        """
        wanted = self._video.frames[result.frame_idx]
        if wanted != result.name:
            raise InputError(
                f"{self._video.image_dir}: frame {result.frame_idx} is {result.name}, not "
                f"{wanted}; leave the images alone while they are tracked"
            )
        if not self._has_object_folders:
            (folder / f"{result.name}.png").write_bytes(encode_label_png(result.label_map))
            return
        for one in self._video.objects:
            mask = is_own_pixel(result, one.object_id).astype(np.uint8)
            place = folder / str(one.folder_name)
            place.mkdir(exist_ok=True)
            (place / f"{result.name}.png").write_bytes(encode_label_png(mask))
