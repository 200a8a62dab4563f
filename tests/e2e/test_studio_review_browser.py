"""The review queue in Chromium: incidents, "fine", playing around one, the timeline closer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, middle, wait_for_model
from e2e.test_fix_browser import film
from e2e.test_studio_run_browser import go
from vos_cli.main import run as run_command

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu")


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A square that passes behind a post, tracked."""
    folder = tmp_path_factory.mktemp("review")
    clip = film(folder / "film.mp4")
    track = ("track", clip, "-o", folder / "out", "--box", "30,60,90,120", "-q", *MODEL)
    assert run_command([*map(str, track), "--size", "256"]) == 0
    return folder


@pytest.fixture
def out(tracked: Path, tmp_path: Path) -> Path:
    shutil.copy(tracked / "film.mp4", tmp_path)
    shutil.copytree(tracked / "out", tmp_path / "out")
    return tmp_path / "out"


def incidents(tab: Tab) -> list[dict[str, Any]]:
    script = "fetch('api/timeline').then((answer) => answer.json()).then((all) => all.incidents)"
    return tab.page.evaluate(script)


def test_what_is_fine_is_remembered_and_passed_over(monkeypatch, window: Any, out: Path):
    with served(monkeypatch, "fix", out, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        found = incidents(tab)
        assert found
        severities = [one["severity"] for one in found]
        assert severities == sorted(severities, reverse=True)
        assert tab.page.locator("#review li img").count() == len(found)
        tab.page.wait_for_selector("#review img.there")
        tab.shot("review")
        tab.page.mouse.click(*middle(tab, "#review li:nth-child(1) .pick"))
        tab.page.wait_for_selector(f'#canvas[data-frame="{found[0]["worst"]}"]')
        tab.page.keyboard.press("k")
        tab.page.wait_for_selector("#review li.isfine")
        kept = json.loads((out / "reviewed.json").read_text())["fine"]
        assert kept == [found[0]["key"]]
        tab.page.keyboard.press("Home")
        tab.page.wait_for_selector('#canvas[data-frame="0"]')
        left = sorted(one["first"] for one in found[1:])
        tab.page.keyboard.press(".")
        if left:
            tab.page.wait_for_selector(f'#canvas[data-frame="{left[0]}"]')
        else:
            tab.page.wait_for_selector("#toast:not([hidden])")
        tab.page.reload()
        tab.page.wait_for_selector("#review li.isfine")
        tab.page.mouse.click(*middle(tab, "#review li.isfine .fine"))
        tab.page.wait_for_selector("#review li.isfine", state="detached")
        assert json.loads((out / "reviewed.json").read_text())["fine"] == []
        assert tab.errors == []


def test_not_here_offers_the_frames_where_it_was_lost(monkeypatch, window: Any, out: Path):
    lost = {"object_id": 1, "kind": "lost", "first": 10, "last": 20, "worst": 15, "amount": 1.0}

    def add(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "suspicious": [lost]})

    with served(monkeypatch, "fix", out, "--device", "cpu") as here:
        page = window.new_page()
        page.route("**/api/timeline", add)
        tab = Tab(page, here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        go(tab, 17)
        tab.page.keyboard.press("x")
        tab.page.wait_for_selector("#absent[open]")
        values = [tab.page.input_value(f"#absent-{name}") for name in ("first", "last")]
        assert values == ["10", "20"]
        assert tab.errors == []


def test_pictures_that_fail_are_asked_for_now_and_then(monkeypatch, window: Any, out: Path):
    with served(monkeypatch, "fix", out, "--device", "cpu") as here:
        asked: list[str] = []

        def refuse(route: Any) -> None:
            asked.append(route.request.url)
            route.abort()

        page = window.new_page()
        page.route("**/api/review/**", refuse)
        tab = Tab(page, here.link)
        page.wait_for_selector("#timeline-canvas[data-id='0']")
        page.wait_for_timeout(12_000)
        rows = page.locator("#review li img").count()
        # Each every two seconds, however often the list is filled anew meanwhile.
        assert 4 < len(asked) <= 8 * rows
        assert tab.errors == []


def test_around_an_incident_it_plays_again_and_again(monkeypatch, window: Any, out: Path):
    with served(monkeypatch, "fix", out, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        tab.page.evaluate(
            """window.seen = []; new MutationObserver(() =>
            window.seen.push(Number(document.getElementById("canvas").dataset.frame)))
            .observe(document.getElementById("canvas"), {attributeFilter: ["data-frame"]})"""
        )
        tab.page.mouse.click(*middle(tab, "#review li:nth-child(1) .pick"))
        tab.page.keyboard.press("w")
        tab.page.wait_for_function(
            "() => window.seen.filter((frame, at) => at && frame < window.seen[at - 1]).length > 1"
        )
        tab.page.keyboard.press("Space")
        tab.page.wait_for_selector("#play[aria-label=Play]")
        assert tab.errors == []


def test_the_timeline_is_zoomed_and_says_what_is_under_the_pointer(
    monkeypatch, window: Any, out: Path
):
    with served(monkeypatch, "fix", out, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        slider = tab.page.locator("#slider").bounding_box()
        strips = tab.page.locator("#timeline-canvas").bounding_box()
        at = slider["x"] + slider["width"] / 2, strips["y"] + 20
        tab.page.mouse.move(*at)
        tab.page.wait_for_selector("#hover:not([hidden])")
        said = tab.page.inner_text("#hover-text")
        assert said.startswith("Frame 1")
        assert "IoU" in said
        tab.page.mouse.wheel(0, -300)
        tab.page.wait_for_selector("#span-text:not([hidden])")
        first, last = map(int, tab.page.inner_text("#span-text").split()[1::2])
        assert 0 < first <= 18 <= last < 35
        tab.shot("timeline-close")
        tab.page.mouse.click(*at)
        tab.page.wait_for_function(
            "() => Math.abs(document.getElementById('canvas').dataset.frame - 17.5) <= 1"
        )
        tab.page.keyboard.press("Home")  # is shown, wherever the timeline was
        tab.page.wait_for_function(
            "() => document.getElementById('span-text').textContent.startsWith('Frames 0 ')"
        )
        tab.page.keyboard.press("<")
        tab.page.keyboard.press("<")
        tab.page.wait_for_selector("#span-text", state="hidden")
        tab.page.keyboard.press(">")
        tab.page.wait_for_selector("#span-text:not([hidden])")
        tab.page.mouse.click(*middle(tab, "#whole"))
        tab.page.wait_for_selector("#span-text", state="hidden")
        assert tab.errors == []
