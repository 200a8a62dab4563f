"""The scores of every frame as CSV, unrounded, for programs of one's own."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from vos_eval.protocols.base import Score
from vos_eval.report.export import write_text

HEAD = ("prediction", "video", "object", "frame", "J", "F")


def write_frames(scores: Mapping[str, Score], path: Path) -> None:
    """Write one line per prediction, object and frame, 0-1; under `mosev2` F is F-dot."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for name, score in scores.items():
        for item in score.objects:
            for frame, j, f in zip(item.frames, item.j.tolist(), item.f.tolist(), strict=True):
                writer.writerow((name, item.video, item.object_id, frame, j, f))
    write_text(text.getvalue(), path)
