"""A result says so where its input changed, and never passes for one of what is there now."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.errors import OtherOutputError
from vos.io.results import fingerprint
from vos.prompts import Box
from vos.settings import resolve
from vos_cli.job.job import Job, Outcome
from vos_cli.job.run import run


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fingerprint, "_remembered", {})
    (tmp_path / "shots").mkdir()
    for number in range(3):
        image = np.zeros((96, 128, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / "shots" / f"{number}.bmp")
    return tmp_path / "shots"


def job(shots: Path) -> Job:
    return Job.checked(
        source=str(shots),
        output=shots.with_name("out"),
        prompts=(Box(1, (1, 1, 9, 9)),),
        start=None,
        end=None,
        direction="forward",
        settings=resolve({"model": "null", "save": ("masks",), "progress": "none"}),
        overwrite=False,
    )


def track(shots: Path, warned: list[str], say=lambda _text: None) -> Outcome:
    return run(job(shots), say=say, warn=warned.append)


def redraw_middle(still: Path) -> None:
    """Change a pixel in the middle of an uncompressed still: same size, same ends."""
    data, times = bytearray(still.read_bytes()), still.stat()
    data[len(data) // 2] ^= 255
    still.write_bytes(data)
    os.utime(still, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_footage_that_was_rendered_again_is_not_already_complete(shots):
    track(shots, [])
    assert track(shots, []).is_skipped
    redraw_middle(shots / "1.bmp")
    with pytest.raises(OtherOutputError, match=r"other settings \(input\)"):
        track(shots, [])


def test_footage_that_changes_meanwhile_is_named(shots):
    warned: list[str] = []
    outcome = track(shots, warned, say=lambda _text: (shots / "2.bmp").touch())
    assert warned == []
    manifest = shots.with_name("out") / "manifest.json"
    (shots / "0.bmp").touch()  # the bytes are the same
    assert track(shots, warned).is_skipped
    for path in sorted(outcome.output.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    def change_it(_text: str) -> None:
        redraw_middle(shots / "1.bmp")

    track(shots, warned, say=change_it)
    assert len(warned) == 1
    assert "has changed while it was tracked" in warned[0]
    assert json.loads(manifest.read_text())["warnings"] == warned
    redraw_middle(shots / "1.bmp")
    with pytest.raises(OtherOutputError, match="input"):
        track(shots, [])


def test_results_of_an_older_vos_are_skipped_by_its_rule_which_is_said(shots):
    track(shots, [])
    path = shots.with_name("out") / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["input"]["covers"]
    manifest["input"]["sha256"] = fingerprint.fingerprint_input(shots).ends_sha256
    path.write_text(json.dumps({**manifest, "schema": 1}))
    warned: list[str] = []
    assert track(shots, warned).is_skipped
    assert len(warned) == 1
    assert "older vos" in warned[0]
