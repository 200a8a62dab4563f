"""Highlights of a finished clip for the report: thumbnails, and where scores were low."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from vos.io.results.layout import MASKS_NAME, OVERLAY_NAME
from vos.io.write.stats_file import parse_row

THUMBNAILS = 6
_HEIGHT_PX = 96
_WIDEST_PX = 171
_LOW_IOU = 0.5
_SHORTEST_FRAMES = 3
_JOIN_FRAMES = 5
_MOST_SPANS = 5


def low_score_spans(stats: Path) -> tuple[str, ...]:
    """Return a line per object and stretch of 3 frames or more where the track may be lost.

    Lost: the model says the object is absent (score <= 0), or predicts an IoU below 0.5.
    """
    absent: defaultdict[int, list[int]] = defaultdict(list)
    unsure: defaultdict[int, list[int]] = defaultdict(list)
    with stats.open("rb") as file:
        for row in filter(None, map(parse_row, file)):
            score, iou = row["object_score"], row["iou_pred"]
            if score is not None and score <= 0:
                absent[row["object_id"]].append(row["frame_idx"])
            elif iou is not None and iou < _LOW_IOU:
                unsure[row["object_id"]].append(row["frame_idx"])
    lines = []
    for object_id in sorted({*absent, *unsure}):
        for what, frames in (("absent", absent), ("low score", unsure)):
            spans = list(_spans(frames.get(object_id, [])))
            shown = ", ".join(f"{first}-{last}" for first, last in spans[:_MOST_SPANS])
            more = f" and {len(spans) - _MOST_SPANS} more" if len(spans) > _MOST_SPANS else ""
            if spans:
                lines.append(f"object {object_id}: {what} on frames {shown}{more}")
    return tuple(lines)


def _spans(frames: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last frame of each stretch; gaps of a few frames are part of it."""
    if not frames:
        return
    first = frames[0]
    for frame, following in pairwise([*frames, frames[-1] + _JOIN_FRAMES + 2]):
        if following - frame <= _JOIN_FRAMES:
            continue
        if frame - first + 1 >= _SHORTEST_FRAMES:
            yield first, frame
        first = following


def thumbnail_strip(output: Path) -> bytes | None:
    """Draw six moments of an output side by side, as a JPEG; None where nothing can be shown.

    They come from the overlay; without one, from the masks in their colours.
    """
    if (output / OVERLAY_NAME).exists():
        frames = list(_overlay_frames(output / OVERLAY_NAME))
    else:
        frames = list(_mask_frames(output / MASKS_NAME))
    if not frames:
        return None
    tiles = [_fit(frame) for frame in frames]
    strip = Image.new("RGB", (sum(one.width + 2 for one in tiles) - 2, _HEIGHT_PX))
    left = 0
    for one in tiles:
        strip.paste(one, (left, 0))
        left += one.width + 2
    data = io.BytesIO()
    strip.save(data, "JPEG", quality=75)
    return data.getvalue()


def _overlay_frames(path: Path) -> Iterator[Image.Image]:
    from vos.io.read.container_file import open_container  # FFmpeg loads slowly

    with ExitStack() as stack:
        container = open_container(path, stack)
        stream = container.streams.video[0]
        start, length = stream.start_time or 0, stream.duration or 0
        for number in range(THUMBNAILS):
            wanted = start + length * (2 * number + 1) // (2 * THUMBNAILS)
            container.seek(wanted, stream=stream)
            frame = None
            for frame in container.decode(stream):
                if (frame.pts or 0) >= wanted:
                    break
            if frame is not None:
                yield frame.to_image()


def _mask_frames(folder: Path) -> Iterator[Image.Image]:
    paths = sorted(folder.glob("*.png"))
    for number in np.unique(np.linspace(0, len(paths) - 1, THUMBNAILS).round().astype(int)):
        if paths:
            with Image.open(paths[number]) as image:
                yield image.convert("RGB")


def _fit(frame: Image.Image) -> Image.Image:
    width = max(1, round(frame.width * _HEIGHT_PX / frame.height))
    tile = frame.resize((width, _HEIGHT_PX), Image.Resampling.LANCZOS)
    spare = max(0, width - _WIDEST_PX) // 2
    return tile.crop((spare, 0, width - spare, _HEIGHT_PX))
