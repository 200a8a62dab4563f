"""The zip that an evaluation server takes, written beside its place and moved there when whole."""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vos.errors import OutputError
from vos.io.disk import output_errors
from vos.io.inside import Inside
from vos.io.paths import display_name
from vos_cli.evaluate.job import PREDICTIONS, EvalJob
from vos_cli.evaluate.output import SUBMISSION_NAME
from vos_eval.data_sets.base import Video

_ENTRY_BYTES = 300  # of names and headers, twice
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16


def write_submission(job: EvalJob, videos: Sequence[Video]) -> Path:
    """Write the masks of all videos as the data set's server takes them.

    The same masks give the same bytes. Raises OutputError for no space, naming the zip.
    """
    inside, path = Inside(job.output), job.output / SUBMISSION_NAME
    files = [
        (video.name, file)
        for video in videos
        for file in inside.files(Path(PREDICTIONS) / video.name)
        if video.submitted is None or file.stem in video.submitted
    ]
    _check_space(job, path, files)
    part = f".{secrets.token_hex(8)}.tmp"  # shards that end at the same time may both be here
    with output_errors(path):
        if job.shard[1] == 1:
            for file in inside.half_written():
                inside.remove(file)
        try:
            handle = inside.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            with os.fdopen(handle, "w+b") as out:
                with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
                    for video, file in files:
                        name = Path(job.data_set.submission.folder, video, file).as_posix()
                        entry = zipfile.ZipInfo(name, _BEGINNING)
                        entry.external_attr = _FILE_MODE
                        archive.writestr(entry, (job.predictions / video / file).read_bytes())
                out.flush()
                os.fsync(out.fileno())
            inside.move(part, SUBMISSION_NAME)
        except BaseException:
            with suppress(OSError):
                inside.remove(part)
            raise
    return path


def _check_space(job: EvalJob, path: Path, files: Sequence[tuple[str, Path]]) -> None:
    needed = sum(
        (job.predictions / video / file).stat().st_size + _ENTRY_BYTES for video, file in files
    )
    free = shutil.disk_usage(job.output).free
    if needed > free:
        raise OutputError(
            f"{display_name(path)}: needs {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are left; "
            "free some and give the same command again: the masks are kept"
        )
