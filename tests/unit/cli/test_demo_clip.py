"""The clip of `vos demo` is the same every time, so that its score is too."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos_cli.commands import demo


def test_the_clip_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "_FRAMES", 8)
    frames, _ = demo._draw()
    found = set()
    for number in range(4):
        path = tmp_path / f"{number}.mp4"
        demo._encode(path, frames)
        found.add(path.read_bytes())
    assert len(found) == 1
