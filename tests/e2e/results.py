"""Results to correct: made with a small model, read back, compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vos.api import Tracker
from vos.frame import FrameResult, ObjectResult
from vos.io.read.open import open_source
from vos.io.write.mask_png import read_label_png
from vos.io.write.stats import make_rows
from vos.model.files.weights import check_sha256
from vos.model.load import ModelInfo
from vos.model.registry import resolve
from vos.model.sam2 import Sam2Model
from vos.prompts import Box
from vos.refine.base import NoRefiner
from vos.settings import Settings
from vos.track.policy import Fifo
from vos_cli.job import run as tracking
from vos_cli.job.job import Job

FRAMES = 24
BOX = Box(1, (20.0, 16.0, 52.0, 48.0))
OTHER = Box(3, (60.0, 10.0, 90.0, 50.0))


def small_tracker(model: Sam2Model) -> Tracker:
    resolved = resolve("nano")
    info = ModelInfo("nano", "nano", resolved.path, check_sha256(resolved), 64, False)
    return Tracker(model, info, NoRefiner(), torch.float32, Fifo())


def make(tracker: Tracker, source: Path, output: Path, **changes: Any) -> tracking.Outcome:
    values: dict[str, Any] = {
        "prompts": (BOX, OTHER),
        "start": None,
        "end": None,
        "direction": "forward",
        "overwrite": False,
        "save": ("masks", "overlay", "stats"),
    } | changes
    settings = Settings(
        model="nano", refiner="none", device="cpu", progress="none", save=values.pop("save")
    )
    return tracking.run(
        Job(source=str(source), output=output, settings=settings, **values),
        say=lambda _text: None,
        warn=lambda _text: None,
        load=lambda _settings: tracker,
    )


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def without(files: dict[str, bytes], *names: str) -> dict[str, bytes]:
    return {
        name: data
        for name, data in files.items()
        if name not in names and not name.startswith("history/")
    }


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def rows_of(folder: Path) -> dict[tuple[int, int], dict[str, Any]]:
    lines = (folder / "stats.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows == sorted(rows, key=lambda row: (row["frame_idx"], row["object_id"]))
    return {(row["frame_idx"], row["object_id"]): row for row in rows}


def check_stats_fit_masks(folder: Path) -> None:
    """The rows of every frame are those that a track with these masks writes."""
    rows = rows_of(folder)
    with open_source(folder.parent / "clip.mp4") as source:
        for frame in source.frames():
            labels = read_label_png(folder / "masks" / f"{frame.name}.png")
            here = {i: row for (idx, i), row in rows.items() if idx == frame.frame_idx}
            scores = {i: ObjectResult(r["iou_pred"], r["object_score"]) for i, r in here.items()}
            assert set(np.unique(labels)) <= {0, *here}
            again = make_rows(FrameResult(frame.frame_idx, frame.pts, frame.name, labels, scores))
            assert again == list(here.values())
