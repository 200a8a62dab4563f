"""What the page does while nobody does anything, in Chromium: little, and nothing in a hurry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, video, wait_for_model

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")
IDLE_MS = 3000
COUNT_FRAMES = """
window.drawn = 0;
const { requestAnimationFrame: wait } = window;
window.requestAnimationFrame = (work) => wait((time) => { window.drawn += 1; work(time); });
"""
WATCH_POINT = """
window.wasUnset = false;
const point = document.getElementById("point-first");
new MutationObserver(() => {
  if (!point.classList.contains("set")) window.wasUnset = true;
}).observe(point, { attributes: true });
"""


def test_an_idle_page_asks_and_draws_little(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=12)
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        page = window.new_page()
        page.add_init_script(COUNT_FRAMES)
        tab = Tab(page, here.link)
        wait_for_model(tab)
        page.wait_for_timeout(1000)  # what follows the model has come
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("drawn = 0")
        page.wait_for_timeout(IDLE_MS)
        assert len(asked) <= 4
        assert page.evaluate("drawn") <= 4

        # Nor is it in a hurry where the pictures do not come, though the server answers.
        page.route("**/api/frames/**", lambda route: route.abort())
        page.keyboard.press("End")
        page.wait_for_selector("#toast:text-is('Connected again')")
        asked.clear()
        page.wait_for_timeout(IDLE_MS)
        assert len(asked) <= 16
        page.unroute("**/api/frames/**")
        page.wait_for_selector("#canvas[data-frame='11']")
        assert tab.errors == []


def test_an_answer_that_was_overtaken_changes_nothing(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=12)
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        page = window.new_page()
        tab = Tab(page, here.link)
        wait_for_model(tab)
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append((route, route.fetch()))

        page.route("**/api/status", hold, times=1)
        while not held:
            page.wait_for_timeout(50)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("i")
        page.wait_for_selector("#toast:has-text('In at frame 1')")
        page.evaluate(WATCH_POINT)
        route, answer = held[0]
        route.fulfill(response=answer)
        page.wait_for_timeout(300)
        assert page.evaluate("document.querySelector('#point-first.set') !== null")
        assert not page.evaluate("wasUnset")
        assert tab.errors == []
