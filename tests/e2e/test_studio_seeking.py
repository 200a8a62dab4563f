"""Long and large footage in Chromium: how long a frame takes to appear. Times are printed, and gate
nothing: they are the machine's. `python -m benchmarks.studio` has the server's share of them.
"""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_page import (
    Tab,
    started,
    video,
)

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

SEEKS = 15
SEEK = """(frame) => new Promise((resolve) => {
    const canvas = document.getElementById("canvas");
    const field = document.getElementById("frame-number");
    const begun = performance.now();
    let first = null;
    const look = () => {
        const { frame: shown, thumbnail } = canvas.dataset;
        const now = performance.now() - begun;
        if (first === null && [shown, thumbnail].includes(String(frame))) first = now;
        if (shown === String(frame)) resolve([first, now]);
        else requestAnimationFrame(look);
    };
    field.value = frame;
    field.dispatchEvent(new Event("change"));
    look();
})"""


@pytest.mark.parametrize(
    ("name", "width", "height", "frames"), [("long", 160, 144, 8000), ("4K", 3840, 2160, 100)]
)
def test_any_frame_can_be_gone_to(
    environ,
    window: Any,
    tmp_path: Path,
    name: str,
    width: int,
    height: int,
    frames: int,
):
    clip = video(tmp_path / "clip.mp4", width, height, frames, key_every=250)
    dice = random.Random(0)
    with started(environ, "pick", clip) as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.wait_for_selector(f'#clip-facts:text-matches("{frames} frames ·")')
        order = dice.sample(range(1, frames), SEEKS)
        first, whole = zip(*(tab.page.evaluate(SEEK, frame) for frame in order), strict=True)
        tab.page.evaluate(SEEK, 88)
        assert tab.pixel(100, 90)[0] > 180, "the square of frame 8, and of every 80th after it"
        tab.shot(f"seek-{name}")
        assert tab.page.input_value("#frame-number") == "88"
        assert tab.errors == []
    for kind, times in (("something to see", first), ("the frame itself", whole)):
        middle, worst = statistics.median(times), max(times)
        print(f"\n{name}: {kind} after {middle:.0f} ms (median), {worst:.0f} ms (worst)", end="")
