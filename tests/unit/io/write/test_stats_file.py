"""Rows of statistics are replaced by frame; every other byte stays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vos.errors import OutputError
from vos.io.write.stats_file import StatsFile, encode_row

ROW = {"iou_pred": 0.9, "object_score": 2.5, "area_px": 7, "name": "x"}


def row(frame_idx: int, object_id: int, **changes) -> dict:
    return {"frame_idx": frame_idx, "object_id": object_id, **ROW, **changes}


def text(rows: list[dict]) -> bytes:
    return b"".join(map(encode_row, rows))


ROWS = [row(3, 1), row(3, 2), row(4, 2, iou_pred=None, area_px=0), row(5, 1), row(5, 2)]


@pytest.fixture
def path(tmp_path):
    # Spaces that we would not write show that untouched rows are not written again.
    data = text(ROWS[:4]) + json.dumps(ROWS[4], separators=(",", ":")).encode() + b"\n"
    (tmp_path / "stats.jsonl").write_bytes(data)
    return tmp_path / "stats.jsonl"


def test_series(path):
    series = StatsFile(path).series()
    assert list(series) == [1, 2]
    assert series[1].frame_idx.tolist() == [3, 5]
    assert series[2].area_px.tolist() == [7, 0, 7]
    assert np.isnan(series[2].iou_pred[1])
    assert series[2].as_json()["iou_pred"] == [0.9, None, 0.9]


def test_only_the_named_frames_change(path):
    before = path.read_bytes()
    stats = StatsFile(path)
    assert stats.replace_rows({}) == before
    assert stats.replace_rows({3: ROWS[:2]}) == before
    changed = stats.replace_rows({3: [row(3, 2, area_px=1)], 2: [row(2, 1)]})
    assert changed == text([row(2, 1), row(3, 2, area_px=1)]) + before.split(b"\n", 2)[2]
    assert stats.rows(5) == ROWS[3:]
    assert stats.rows(9) == []


@pytest.mark.parametrize(
    "data",
    [
        b"{}\n",
        b"[]\n",
        b"\xff\n",
        text([row(2, 1), row(1, 1)]),
        text([row(1, 1)])[:-1],
        text([row(1.5, 1)]),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, data):
    (tmp_path / "stats.jsonl").write_bytes(data)
    with pytest.raises(OutputError, match=r"stats.jsonl: damaged after frame"):
        StatsFile(tmp_path / "stats.jsonl")


def test_a_missing_file_names_what_to_save(tmp_path):
    with pytest.raises(OutputError, match="save='masks,stats"):
        StatsFile(tmp_path / "stats.jsonl")
