"""Looking at many clips before anything is tracked."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vos_cli.batch import preflight
from vos_cli.batch.clips.clip import Clip
from vos_cli.batch.folder import BatchFolder
from vos_cli.batch.preflight import Probe, probe_all
from vos_cli.options.track import TrackFlags

CLIPS = [Clip(f"c{number}", f"l:{number}", "/none", TrackFlags()) for number in range(200)]


def test_long_looks_are_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(preflight, "PLAIN_PERIOD_S", 0)
    said: list[str] = []
    probes = probe_all(CLIPS[:3], BatchFolder(tmp_path), None, said.append)
    assert [one.clip for one in probes] == CLIPS[:3]
    assert said == [f"{number}/3 clips looked at" for number in (1, 2, 3)]


def test_ctrl_c_does_not_wait_for_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    looked: list[Clip] = []

    def slow(clip: Clip, *_: object) -> Probe:
        looked.append(clip)
        time.sleep(0.02)
        return Probe(clip, None)

    def interrupt(_text: str) -> None:
        assert threading.current_thread() is threading.main_thread()
        raise KeyboardInterrupt

    monkeypatch.setattr(preflight, "probe", slow)
    monkeypatch.setattr(preflight, "PLAIN_PERIOD_S", 0)
    with pytest.raises(KeyboardInterrupt):
        probe_all(CLIPS, BatchFolder(tmp_path), None, interrupt)
    assert len(looked) < 50


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are no files there")
@pytest.mark.parametrize("option", ["prompts", "mask", "model"])
def test_a_pipe_in_a_row_fails_the_row_and_hangs_nothing(option: str, tmp_path: Path):
    Image.new("RGB", (32, 24)).save(tmp_path / "still.png")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    options: dict[str, Any] = {"box": ("1,1,9,9",)} if option == "model" else {}
    value = {"prompts": pipe, "mask": (str(pipe),)}.get(option, str(pipe))
    flags = replace(TrackFlags(model="null"), **(options | {option: value}))
    clip = Clip("c", "l:1", str(tmp_path / "still.png"), flags)
    (one,) = probe_all([clip], BatchFolder(tmp_path), None)
    assert one.problem is not None
    assert "pipe" in one.problem


def test_an_export_in_the_place_of_another_clip_is_refused(tmp_path: Path):
    Image.new("RGB", (32, 24)).save(tmp_path / "still.png")
    flags = TrackFlags(model="null", box=("1,1,9,9",), deliver="png-matte,csv")
    clips = [
        Clip(name, "l:1", str(tmp_path / "still.png"), flags) for name in ("take", "Take-CSV", "b")
    ]
    problems = [one.problem for one in probe_all(clips, BatchFolder(tmp_path / "out"), None)]
    assert problems[1:] == [None, None]
    assert problems[0] is not None
    assert "its export would be take-csv, as another clip is called" in problems[0]
