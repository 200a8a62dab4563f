"""The clip's sound beside its frames, in Chromium: what is heard is taken from the audio graph."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from e2e.clips import BEEP_FRAME, RATE, video_with_beep
from e2e.studio_here import served
from e2e.studio_page import Tab, video
from vos.errors import InputError

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "null")  # nothing is drawn here
CLOSE_S = 0.1  # less than what people notice

LISTEN = """
const nodes = [];
const { start, stop } = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when, offset, length) {
  nodes.push({ node: this, when, offset, end: when + length });
  return start.call(this, when, offset, length);
};
AudioBufferSourceNode.prototype.stop = function () {
  for (const one of nodes) if (one.node === this) one.end = this.context.currentTime;
  return stop.call(this);
};
// What is at the loudspeaker now: the second of the part, and the largest sample of 5 ms.
const heard = () => {
  for (const { node, when, offset, end } of nodes) {
    const { currentTime, outputLatency, state } = node.context;
    const now = currentTime - outputLatency;
    if (state !== "running" || now < when || now >= end) continue;
    const { sampleRate } = node.buffer;
    const second = offset + now - when;
    const at = Math.round(second * sampleRate);
    const samples = node.buffer.getChannelData(0).subarray(at, at + sampleRate / 200);
    return [second, samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)];
  }
  return [null, 0];
};
window.seen = [];
window.starts = () => nodes.length;
setInterval(() => {
  const frame = Number(document.getElementById("canvas")?.dataset.frame ?? -1);
  seen.push([frame, ...heard()]);
}, 10);
"""


@contextmanager
def opened(monkeypatch: Any, window: Any, clip: Path) -> Iterator[Tab]:
    """Show the page to draw prompts on a clip, and listen to it."""
    with served(monkeypatch, "pick", clip, "-o", clip.with_suffix(".json"), *MODEL) as command:
        page = window.new_page()
        page.add_init_script(LISTEN)
        tab = Tab(page, command.link)
        page.wait_for_selector("#canvas[data-frame='0']")
        yield tab
    assert tab.errors == []


def play_through(tab: Tab, last: int) -> list[tuple[int, float | None, float]]:
    """Play to the end; return what was seen and heard over time: (frame, second, loudness)."""
    tab.page.evaluate("seen.length = 0")
    tab.page.keyboard.press("Space")
    tab.page.wait_for_selector("#play[aria-label=Pause]")
    tab.page.wait_for_selector("#play[aria-label=Play]")
    assert tab.page.get_attribute("#canvas", "data-frame") == str(last)
    return tab.page.evaluate("seen")


def go_to(tab: Tab, frame: int) -> None:
    tab.page.fill("#frame-number", str(frame))
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(f"#canvas[data-frame='{frame}']")


def distance(seen: list[tuple[int, float | None, float]]) -> float:
    """How far the sound is from a frame that appears, the median in seconds.

    A busy machine shows some of them late, but not most.
    """
    appeared = [
        (frame, second)
        for (before, *_), (frame, second, _) in pairwise(seen)
        if frame > before and second is not None
    ]
    assert len(appeared) > 2
    return statistics.median(abs(second - frame / RATE) for frame, second in appeared)


@pytest.mark.slow
def test_sound_and_frames_are_in_step(monkeypatch, window: Any, tmp_path: Path):
    clip = video_with_beep(tmp_path / "clip.mp4", frames=48)
    with opened(monkeypatch, window, clip) as tab:
        tab.page.keyboard.press("l")
        tab.page.keyboard.press("Space")
        tab.page.wait_for_function("() => starts() > 1")  # it has begun again
        tab.page.wait_for_selector("#canvas[data-frame='9']")
        tab.page.keyboard.press("Space")
        seen = tab.page.evaluate("seen")
        assert distance(seen) < CLOSE_S
        loud = [second for _, second, loudness in seen if loudness > 0.1]
        assert min(loud) > BEEP_FRAME / RATE - 0.02
        assert max(loud) < BEEP_FRAME / RATE + 0.52
        tab.page.keyboard.press("l")

        # From the Out point on nothing is heard.
        go_to(tab, BEEP_FRAME - 2)
        tab.page.keyboard.press("o")
        go_to(tab, 0)
        seen = play_through(tab, BEEP_FRAME - 2)
        assert max(second or 0 for _, second, _ in seen) < (BEEP_FRAME - 1) / RATE + 0.01

        # Silence is kept over a reload.
        tab.page.keyboard.press("j")
        tab.page.reload()
        tab.page.wait_for_selector("#mute[aria-pressed=true]")
        tab.page.wait_for_selector("#canvas[data-frame]")
        play_through(tab, BEEP_FRAME - 2)
        assert tab.page.evaluate("starts()") == 0
        tab.page.click("#mute")
        play_through(tab, BEEP_FRAME - 2)
        assert tab.page.evaluate("starts()") == 1


@pytest.mark.slow
def test_a_clip_without_sound_has_no_buttons_for_it(monkeypatch, window: Any, tmp_path: Path):
    with opened(monkeypatch, window, video(tmp_path / "clip.mp4", frames=6)) as tab:
        assert not tab.page.is_visible("#mute")
        assert not tab.page.is_visible("#volume")
        tab.page.keyboard.press("j")
        tab.page.wait_for_selector("#toast:text-is('This clip has no sound')")
        play_through(tab, 5)
        assert tab.page.evaluate("starts()") == 0


@pytest.mark.slow
def test_sound_that_cannot_be_read_is_said_and_the_frames_play(
    monkeypatch, window: Any, tmp_path: Path
):
    def refuse(*_: object) -> None:
        raise InputError("clip.mp4: its sound cannot be read (no decoder)")

    monkeypatch.setattr("vos_cli.studio.sound.SoundReader", refuse)
    clip = video_with_beep(tmp_path / "clip.mp4", frames=12)
    with opened(monkeypatch, window, clip) as tab:
        play_through(tab, 11)
        said = "clip.mp4: its sound cannot be read (no decoder). The frames play without sound."
        assert tab.page.inner_text("#toast") == said
        assert tab.page.is_disabled("#mute")
        play_through(tab, 11)


@pytest.mark.slow
def test_sound_switched_on_while_playing_is_in_step(monkeypatch, window: Any, tmp_path: Path):
    clip = video_with_beep(tmp_path / "clip.mp4", frames=60, beep_frame=45)
    with opened(monkeypatch, window, clip) as tab:
        tab.page.keyboard.press("j")
        tab.page.keyboard.press("Space")
        tab.page.wait_for_selector("#play[aria-label=Pause]")
        tab.page.wait_for_function(
            "() => Number(document.getElementById('canvas').dataset.frame) > 4"
        )
        assert tab.page.evaluate("starts()") == 0
        tab.page.keyboard.press("j")
        tab.page.wait_for_selector("#play[aria-label=Play]")
        seen = tab.page.evaluate("seen")
        assert distance(seen) < CLOSE_S
        assert any(loudness > 0.1 for *_, loudness in seen)
