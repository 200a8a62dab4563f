"""What the page does while nobody does anything, in Chromium: little, and nothing in a hurry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, video

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "null")  # quick, and nothing is drawn here that needs one
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


@pytest.mark.slow
def test_an_idle_page_asks_and_draws_little(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=12)
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        page = window.new_page()
        page.add_init_script(COUNT_FRAMES)
        tab = Tab(page, here.link)
        page.wait_for_selector("#canvas[data-frame='0']")
        page.wait_for_selector("#model.failed")
        page.wait_for_timeout(1000)  # what follows has come
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
        page.wait_for_selector("#canvas[data-frame='0']")
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


def test_a_page_that_only_loads_may_be_left(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=4)
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        page = window.new_page()
        tab = Tab(page, here.link)
        page.wait_for_selector("#canvas[data-frame='0']")
        asks = """() => {
            const event = new Event("beforeunload", { cancelable: true });
            window.dispatchEvent(event);
            return event.defaultPrevented;
        }"""
        sent = '{ version: 0, prompts: [], objects: { 1: "elsewhere" } }'
        page.evaluate(
            f"""fetch("api/document", {{ method: "PUT", body: JSON.stringify({sent}),
            headers: {{ "Content-Type": "application/json" }} }})"""
        )
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append(route)

        page.route("**/api/document", hold, times=1)
        while not held:  # the other tab's name is on its way
            page.wait_for_timeout(50)
        assert not page.evaluate(asks)
        page.keyboard.press("a")  # drawn here, and waiting behind it
        assert page.evaluate(asks)
        held[0].continue_()
        tab.wait_for_server(2)
        assert tab.document()["objects"] == {"1": "elsewhere", "2": ""}
        assert tab.errors == []
