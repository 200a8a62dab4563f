"""SAM 2's interactive evaluation: in each round one more frame of every object gets clicks.

Offline, the frame is the worst of the whole video. Online, it is the first one behind the last
clicks whose IoU is under 0.75, which is where a single pass would have paused: what comes before
does not depend on what comes after, so tracking again with one click more is that same pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vos.frame import FrameResult
from vos.io.inside import Inside
from vos_cli.evaluate.clicks import Clicker, is_own_pixel
from vos_cli.evaluate.job import PREDICTIONS, ROUNDS_FOLDER, EvalJob, Interactive
from vos_eval.data_sets.base import ObjectMasks, Video
from vos_eval.metrics.region import jaccard

if TYPE_CHECKING:
    from vos.api import Tracker

ROUNDS = 8
PAUSE_BELOW = 0.75


Write = Callable[[Path, FrameResult], None]
"""A function: a folder, the masks of one frame -> nothing, but the masks are in the folder."""


def round_folder(number: int) -> str:
    """Return the folder, inside an output, of the predictions after a round."""
    return f"{ROUNDS_FOLDER}/{number}"


def track_in_rounds(
    job: EvalJob,
    tracker: Tracker,
    video: Video,
    write: Write,
    last: Path,
    advance: Callable[[], None],
    skip: Callable[[int], None],
) -> None:
    """Track a video round after round, and leave the masks of each.

    last: folder inside the output that gets those of the last round too.
    advance, skip: called for a frame that is tracked, and for a number of frames that need not be.
    """
    assert job.interactive is not None
    inside = Inside(job.output)
    clicker = Clicker(tracker, video, job.prompt.clicks)
    for one in video.objects:
        clicker.ask(one, one.prompted[0])
    is_done = False
    for number in range(1, ROUNDS + 1):
        place = Path(PREDICTIONS) / f".{video.name}.part-{number}"
        inside.remove(place)
        inside.make_folder(place, is_new=True)
        if is_done:  # nothing was left to correct
            _link(inside, place_of(number - 1, video), place)
            skip(len(video.frames))
        else:
            ious = _track_round(clicker, video, write, inside.root / place, advance)
            is_done = not _choose(job.interactive, clicker, video, ious)
        inside.remove(place_of(number, video))
        inside.move(place, place_of(number, video))
    _link(inside, place_of(ROUNDS, video), last)


def place_of(number: int, video: Video) -> Path:
    """Return where the masks of a video after a round are, inside the output."""
    return Path(round_folder(number)) / video.name


Ious = dict[int, dict[int, float]]
"""IoU by object and by the position of the frame, where there is a true mask."""


def _track_round(
    clicker: Clicker, video: Video, write: Write, folder: Path, advance: Callable[[], None]
) -> Ious:
    ious: Ious = defaultdict(dict)
    for result in clicker.track():
        write(folder, result)
        for one in video.objects:
            idx = result.frame_idx
            if idx >= one.prompted[0] and one.path(result.name).is_file():
                mask = is_own_pixel(result, one.object_id)
                ious[one.object_id][idx] = jaccard(one.read(result.name), mask)
        advance()
    return ious


def _choose(mode: Interactive, clicker: Clicker, video: Video, ious: Ious) -> bool:
    """Ask for clicks on the next frame of each object; tell whether there is one."""
    is_any = False
    for one in video.objects:
        idx = _choose_frame(mode, clicker, one, ious[one.object_id])
        if idx is not None:
            clicker.ask(one, idx)
            is_any = True
    return is_any


def _choose_frame(
    mode: Interactive, clicker: Clicker, one: ObjectMasks, ious: dict[int, float]
) -> int | None:
    clicked = [idx for idx in ious if clicker.is_clicked(one, idx)]
    if mode == "offline":
        left = {idx: iou for idx, iou in ious.items() if idx not in clicked and iou < 1}
        return min(left, key=lambda idx: (left[idx], idx)) if left else None
    last = max(clicked, default=one.prompted[0])
    return next(
        (idx for idx, iou in sorted(ious.items()) if idx > last and iou < PAUSE_BELOW), None
    )


def _link(inside: Inside, source: Path, target: Path) -> None:
    """Have the files of one folder in another."""
    for file in inside.files(source):
        inside.link(source / file, target / file)
