"""What can be known of a data set before hours of tracking: whether its scores will exist."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from vos_eval.data_sets.base import DataSet, Scoring, Video
from vos_eval.data_sets.folders import image_files
from vos_eval.errors import EvalError
from vos_eval.png import MaskError, check_header
from vos_eval.protocols.plan import Missing

_SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION = 0x0112


def check_data_set(data_set: DataSet) -> None:
    """Refuse prompts that show nothing, masks of another size, and what would keep from scoring.

    Raises:
        EvalError: all problems are named.
    """
    problems: list[str] = []
    sizes = {}
    for video in data_set.videos:
        size_hw = image_size_hw(video)
        if size_hw is None:
            problems.append(f"{video.name}: the first image of {video.image_dir} cannot be read")
            continue
        sizes[video.name] = size_hw
        problems += _check_prompts(video, size_hw)
    if data_set.scoring is not None:
        problems += _check_scoring(data_set.scoring, data_set.videos, sizes)
    if problems:
        raise EvalError(list(dict.fromkeys(problems)))


def image_size_hw(video: Video) -> tuple[int, int] | None:
    """Read the size of a video's first image, as it is displayed; None where that fails."""
    try:
        with Image.open(image_files(video.image_dir)[video.frames[0]]) as image:
            is_sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
            width, height = image.size
    except Exception:  # Pillow's format readers raise nearly anything on damaged data
        return None
    return (width, height) if is_sideways else (height, width)


def _check_prompts(video: Video, size_hw: tuple[int, int]) -> Iterable[str]:
    for one in video.objects:
        for index in one.prompted:
            frame = video.frames[index]
            try:
                mask = one.read(frame)
            except EvalError as error:
                yield from (f"{video.name}: {problem}" for problem in error.problems)
                continue
            if mask.shape != size_hw:
                yield _size_problem(video, one.path(frame), mask.shape, size_hw)
            elif not mask.any():
                yield (
                    f"{video.name}: {one.path(frame)}: no pixel of object {one.object_id}, which "
                    "begins on this frame by the metadata"
                )


def _check_scoring(
    scoring: Scoring, videos: Iterable[Video], sizes: dict[str, tuple[int, int]]
) -> Iterable[str]:
    """Plan the scoring of nothing: what is wrong then is wrong with the ground truth."""
    options = replace(scoring.options, missing=Missing.EMPTY)
    with tempfile.TemporaryDirectory() as empty:
        plan = scoring.protocol.plan(scoring.truth, Path(empty), options)
    yield from plan.problems
    by_name = {video.name: video for video in videos}
    for sequence in plan.sequences:
        video = by_name.get(sequence.video)
        if video is None or video.name not in sizes:
            continue
        frames = set(video.frames)
        lost = [frame.name for frame in sequence.frames if frame.name not in frames]
        if lost:
            yield (
                f"{sequence.title}: {len(lost)} scored frames have no image in "
                f"{video.image_dir}: {', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}"
            )
        for frame in sequence.frames:
            try:
                size_hw = check_header(frame.gt)
            except MaskError as error:
                yield f"{video.name}: ground truth {frame.gt}: {error}"
                continue
            if size_hw != sizes[video.name]:
                yield _size_problem(video, frame.gt, size_hw, sizes[video.name])


def _size_problem(
    video: Video, path: Path, found_hw: tuple[int, ...], wanted_hw: tuple[int, int]
) -> str:
    return (
        f"{video.name}: ground truth {path} is {found_hw[1]}x{found_hw[0]}; the images are "
        f"{wanted_hw[1]}x{wanted_hw[0]}, and both must have one size"
    )
