"""What the page needs to show timecode: where a clip begins, and how frames are counted."""

from __future__ import annotations

from vos.io.read.source import SourceInfo
from vos.io.write.deliver.timecode import count_frames, read_timecode


def describe_timecode(info: SourceInfo) -> dict[str, int] | None:
    """Return start, base and dropped numbers; from zero where the source has no timecode.

    None where nobody knows the rate.
    """
    rate = info.average_rate
    if rate is None or round(rate) < 1:
        return None
    own = (read_timecode(info.path) if info.kind == "video" else None) or ""
    count, base = count_frames(own, rate), round(rate)
    is_drop = count is not None and (";" in own or "." in own)
    return {"start": count or 0, "base": base, "dropped": round(base / 15) if is_drop else 0}
