"""The output folder of an evaluation: whose it is, what made it, and how fast."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vos.bounded import read_json
from vos.errors import BusyError, OutputError
from vos.io.disk import output_errors, take_lock
from vos.io.inside import Inside
from vos.model.options import ModelOptions
from vos.version import __version__
from vos_cli.console.errors import one_line
from vos_cli.evaluate.identity import video_sha256
from vos_cli.evaluate.job import EARLIER_PARAMETERS, PREDICTIONS, ROUNDS_FOLDER, EvalJob
from vos_eval.data_sets.base import Video

if TYPE_CHECKING:
    from vos.api import Tracker

RUN_NAME = "run.json"
SUBMISSION_NAME = "submission.zip"
SPEED, VIDEOS = "speed", "videos"
_LOCK = ".lock"
_CLAIMS = ".claims"
_RECORD_LOCK = f"{_CLAIMS}/.record"  # no video's name begins with a dot
_TRIES, _PAUSE_S = 100, 0.1


@contextmanager
def hold(job: EvalJob) -> Iterator[int]:
    """Hold the output folder against other evaluations; yield the lock's descriptor.

    Shards of one evaluation do not shut each other out. Raises BusyError.
    """
    index, count = job.shard
    with ExitStack() as stack:
        with output_errors(job.output):
            job.output.mkdir(parents=True, exist_ok=True)
            handles = []
            names = [_LOCK] if count == 1 else [_LOCK, f"{_LOCK}-{index + 1}-of-{count}"]
            for name in names:
                handles.append(Inside(job.output).open(name, os.O_RDWR | os.O_CREAT))
                stack.callback(os.close, handles[-1])
                if not take_lock(handles[-1], is_shared=name == _LOCK and count > 1):
                    raise _busy(job)
        yield handles[0]


def _busy(job: EvalJob) -> BusyError:
    return BusyError(
        f"{one_line(str(job.output))}: another vos eval is writing here: wait for it, choose "
        "another -o, or give each its --shard i/n"
    )


@contextmanager
def claim(job: EvalJob, video: str) -> Iterator[bool]:
    """Hold a video against other shards; tell whether that went well.

    Shards of one count have no video in common, but 1/2 and 1/3 do. Without shards the folder's
    own lock shuts everybody else out.
    """
    if job.shard[1] == 1:
        yield True
        return
    inside = Inside(job.output)
    with output_errors(job.output):
        inside.make_folder(_CLAIMS)
        handle = inside.open(f"{_CLAIMS}/{video}", os.O_RDWR | os.O_CREAT)
    try:
        yield take_lock(handle)
    finally:
        os.close(handle)


def describe(tracker: Tracker, options: ModelOptions) -> dict[str, Any]:
    """Return what makes a tracker's masks, as JSON values by name."""
    info, refiner = tracker.model_info, tracker.refiner_info
    return {
        "model": info.name,
        "model_sha256": info.sha256,
        "refiner": tracker.refiner.name,
        "refiner_sha256": None if refiner is None else refiner.sha256,
        **options.as_parameters(),
        "dtype": str(tracker.dtype).removeprefix("torch."),
        "input_px": info.image_size_px,
    }


def record(job: EvalJob, tracker: Tracker, lock: int) -> None:
    """Write down in the output folder what makes these predictions; refuse to mix two kinds.

    lock: the held lock of the folder.
    """
    made_with = describe(tracker, job.settings.model_options)
    wanted = {"schema": 1, "vos": __version__, **job.parameters, **made_with}
    path = job.output / RUN_NAME
    if path.is_file() and not job.overwrite:
        found = _read_record(path)
        # Before an option was recorded it had no effect on what `vos eval` did.
        before = ModelOptions().as_parameters() | {"input_px": tracker.model_info.image_size_px}
        found = before | dict(EARLIER_PARAMETERS) | found if found else found
        names = {*found, *wanted} - {SPEED, VIDEOS}
        changed = sorted(name for name in names if found.get(name) != wanted.get(name))
        if changed:
            raise OutputError(
                f"{one_line(str(job.output))}: made with other {', '.join(changed)}; give another "
                "-o, or --overwrite"
            )
        return
    inside, is_shard = Inside(job.output), job.shard[1] > 1
    with output_errors(job.output):
        if os.path.lexists(job.predictions):
            if not job.overwrite:
                raise OutputError(
                    f"{one_line(str(job.predictions))}: exists without {RUN_NAME}, so its maker "
                    "is unknown; give another -o, or --overwrite"
                )
            if not take_lock(lock):  # other shards are writing what would be deleted
                raise _busy(job)
            inside.remove(PREDICTIONS)
        for name in (ROUNDS_FOLDER, SUBMISSION_NAME):
            inside.remove(name)
        for file in inside.half_written():
            inside.remove(file)
        inside.write(RUN_NAME, json.dumps(wanted, indent=1).encode())
        inside.make_folder(PREDICTIONS)  # second: without the record nobody could go on with it
        take_lock(lock, is_shared=is_shard)


def finished_videos(job: EvalJob, videos: Sequence[Video]) -> set[str]:
    """Return the names of the videos that are tracked already.

    Raises OutputError where one was made of other images or masks than those here.
    """
    there = [video for video in videos if (job.predictions / video.name).is_dir()]
    known = _read_record(job.output / RUN_NAME).get(VIDEOS)
    known = known if isinstance(known, dict) else {}
    # Videos of before this was recorded have no entry, and are taken by their name alone.
    other = [
        video.name
        for video in there
        if video.name in known and known[video.name] != video_sha256(video)
    ]
    if other:
        raise OutputError(
            f"{one_line(str(job.predictions))}: {', '.join(other[:5])}"
            f"{', ...' if len(other) > 5 else ''}: made of other images or masks than those of "
            "this data set; give another -o, or --overwrite"
        )
    return {video.name for video in there}


def record_video(job: EvalJob, video: Video) -> None:
    """Add to the record what a video is made of, before it is moved into place."""

    def add(found: dict[str, Any]) -> None:
        known = found.get(VIDEOS)
        found[VIDEOS] = (known if isinstance(known, dict) else {}) | {
            video.name: video_sha256(video)
        }

    _change_record(job, add)


def record_speed(job: EvalJob, tracker: Tracker, frames: int, seconds: float) -> None:
    """Add to the record how fast this run tracked, and on which hardware."""
    if frames == 0:
        return
    entry = {
        "frames": frames,
        "seconds": round(seconds, 3),
        "frames_per_s": round(frames / seconds, 3) if seconds else None,
        **_hardware(tracker),
    }

    def add(found: dict[str, Any]) -> None:
        entries = found.get(SPEED)
        found[SPEED] = [*(entries if isinstance(entries, list) else []), entry]

    _change_record(job, add)


def _change_record(job: EvalJob, change: Callable[[dict[str, Any]], None]) -> None:
    inside, path = Inside(job.output), job.output / RUN_NAME
    with output_errors(path), _alone(job, inside):
        found = _read_record(path)
        change(found)
        inside.write(RUN_NAME, json.dumps(found, indent=1).encode())


def _hardware(tracker: Tracker) -> Mapping[str, Any]:
    import platform

    import torch

    device = tracker.model.device
    is_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if is_gpu else device.type,
        "processor": platform.processor() or platform.machine(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


@contextmanager
def _alone(job: EvalJob, inside: Inside) -> Iterator[None]:
    """Keep other shards from changing the record at the same moment."""
    if job.shard[1] == 1:
        yield
        return
    inside.make_folder(_CLAIMS)
    handle = inside.open(_RECORD_LOCK, os.O_RDWR | os.O_CREAT)
    try:
        for _ in range(_TRIES):
            if take_lock(handle):
                break
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
