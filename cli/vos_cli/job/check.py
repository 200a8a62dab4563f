"""What can be said of a job's prompts before anything is tracked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vos.errors import PromptError
from vos.io.read.scan import frames_before, scan_video
from vos.io.read.source import SourceInfo, check_range
from vos.io.timecode import format_time
from vos.prompts import check_frame_range, collect
from vos.prompts.file import check_size

if TYPE_CHECKING:
    from vos_cli.job.job import Job


def check_prompts(job: Job, info: SourceInfo) -> None:
    """Refuse now what would otherwise be refused after hours of tracking.

    Raises PromptError, UsageError. Times that are not in order are left to the run.
    """
    check_range(job.start, job.end)
    check_size(job.drawn_on, info.size_hw)
    collect(job.prompts, info.size_hw, direction=job.direction)
    last = max(prompt.frame_idx for prompt in job.prompts)
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
