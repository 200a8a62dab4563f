"""The report: thumbnails, low scores, and a page that needs nothing and trusts no name."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from vos.io.write.mask_png import encode_label_png
from vos_cli.batch.clips.clip import Clip
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.batch.preflight import Probe
from vos_cli.batch.report.highlights import low_score_spans, thumbnail_strip
from vos_cli.batch.report.report import Entry, Run, write_reports
from vos_cli.options.track import TrackFlags


def write_stats(path: Path, scores: dict[int, tuple[float, float]], object_id: int = 1) -> Path:
    row = {"object_id": object_id, "area_px": 7}
    rows = [
        {"frame_idx": i, **row, "iou_pred": iou, "object_score": score}
        for i, (iou, score) in scores.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_low_scores_are_spans_of_frames(tmp_path: Path):
    good, unsure, absent = (0.9, 5.0), (0.2, 5.0), (0.9, -2.0)
    scores = dict.fromkeys(range(100), good)
    scores |= dict.fromkeys(range(10, 14), unsure)
    scores |= dict.fromkeys(range(16, 20), unsure)  # close by: one span
    scores |= {40: unsure}  # too short
    scores |= dict.fromkeys(range(60, 100), absent)
    stats = write_stats(tmp_path / "stats.jsonl", scores)
    assert low_score_spans(stats) == (
        "object 1: absent on frames 60-99",
        "object 1: low score on frames 10-19",
    )
    assert low_score_spans(write_stats(stats, dict.fromkeys(range(9), good))) == ()


def test_a_strip_shows_the_masks_where_there_is_no_overlay(tmp_path: Path):
    assert thumbnail_strip(tmp_path) is None
    (tmp_path / "masks").mkdir()
    for number in range(3):
        label = np.zeros((48, 64), np.uint8)
        label[:, : 20 * number] = 1
        (tmp_path / "masks" / f"{number}.png").write_bytes(encode_label_png(label))
    data = thumbnail_strip(tmp_path)
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (3 * 128 + 2 * 2, 96)
        pixels = np.asarray(image.convert("RGB"))
    assert pixels[:, :120].max() < 20
    assert pixels[48, 264:300, 0].min() > 80


def test_the_page_is_whole_and_escapes_every_name(tmp_path: Path):
    folder = BatchFolder(tmp_path)
    folder.make()
    hostile = "<script>alert(1)</script>\n\udcff"
    probes = [
        Probe(Clip(name, "l:1", f"/x/{hostile}", TrackFlags()), None, notes=(hostile,))
        for name in ("good", "bad & worse", "left")
    ]
    probes.append(Probe(Clip("clean", "l:9", "/x/clean", TrackFlags()), None))
    folder.thumbnails("good").write_bytes(b"jpeg")
    folder.log("good").touch()
    good = ClipResult("good", "done", frames=8, seconds=2.0, frames_per_s=4.0, model="nano")
    bad = ClipResult("bad & worse", "failed", reason=hostile, exit_code=3)
    clean = ClipResult("clean", "done", frames=8, was_there=True, model="nano")
    entries = list(map(Entry, probes, (good, bad, None, clean)))
    content = write_reports(entries, Run("interrupted", 2, 4.0, 0.0), folder)
    assert content["counts"] == {"clips": 4, "done": 2, "already_done": 1, "failed": 1, "left": 1}
    assert json.loads(folder.report(".json").read_text()) == content
    page = folder.report(".html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "data:image/jpeg;base64,anBlZw==" in page
    assert 'href="logs/good.log"' in page
    assert "Interrupted" in page
    headings = re.findall(r"<h[23]>(.*?) <", page)
    assert headings == [
        *("Failed", "bad &amp; worse", "Not done yet", "left"),
        *("Done, worth a look", "good", "Done", "clean"),
    ]
    assert "by an earlier run" in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "<link" not in page
