"""An editor's way through the page, in Chromium: what is seen after each step, and what next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, middle, video, wait_for_model
from e2e.test_studio_run_browser import go

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")
AREA = "Number(document.querySelector('#objects .thumb canvas').dataset.area)"
THUMBNAILS = "[...document.querySelectorAll('#objects .thumb canvas')].map((one) => one.width)"


def is_whole(tab: Tab, selector: str) -> bool:
    """Tell whether all of an element's text is to be seen, in the window and in what holds it."""
    return tab.page.evaluate(
        """(selector) => {
            const element = document.querySelector(selector);
            const own = element.getBoundingClientRect();
            const around = element.parentElement.getBoundingClientRect();
            return own.width > 0 && element.scrollWidth <= Math.ceil(own.width)
                && own.left >= around.left && own.right <= around.right
                && own.right <= window.innerWidth;
        }""",
        selector,
    )


def export(tab: Tab) -> str:
    """Export as it is chosen; return the path."""
    tab.page.mouse.click(*middle(tab, "#export-go"))
    tab.page.wait_for_selector('#export-leave.primary:text-is("Done")')
    return tab.page.inner_text("#export-path")


def test_an_editor_finds_the_next_step(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=40), tmp_path / "out"
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.page.set_viewport_size({"width": 900, "height": 700})
        assert is_whole(tab, "#model-name")
        assert is_whole(tab, "#clip-name")
        slider = tab.page.locator(".track").bounding_box()
        assert slider["width"] > 500  # the timeline is as wide
        tab.page.keyboard.press("?")
        tab.page.wait_for_selector("#keys[open]")
        tab.page.wait_for_timeout(200)
        assert tab.page.evaluate("document.getElementById('keys').scrollTop") == 0
        tab.page.keyboard.press("Escape")
        tab.page.set_viewport_size({"width": 1280, "height": 800})

        # Two objects, of which one is not on the frame where it goes on.
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.page.wait_for_function(f"() => {AREA} < 12000")
        tab.page.keyboard.press("d")
        tab.drag((220, 40), (280, 40))
        tab.page.wait_for_function(f"() => {AREA} > 15000")  # the picture is of what is painted
        tab.page.keyboard.press("Control+z")
        tab.page.wait_for_function(f"() => {AREA} < 12000")
        tab.page.mouse.click(*middle(tab, "#add-object"))
        tab.outline((250, 20), (290, 20), (290, 50), (250, 50))
        # Whoever gets the number of one that was removed is another.
        tab.page.keyboard.press("a")
        tab.outline((10, 20), (50, 20), (50, 50), (10, 50))
        tab.page.wait_for_selector("#objects li:nth-child(3) .thumb canvas")
        tab.page.mouse.move(*middle(tab, "#objects li:nth-child(3)"))
        tab.page.mouse.click(*middle(tab, "#objects li:nth-child(3) .remove"))
        tab.page.wait_for_selector("#objects li:nth-child(3)", state="detached")
        tab.page.keyboard.press("a")
        tab.page.wait_for_selector("#objects li:nth-child(3)")
        assert tab.page.locator("#objects li:nth-child(3) .thumb canvas").count() == 0
        tab.page.keyboard.press("Control+z")
        tab.page.wait_for_selector("#objects li:nth-child(3)", state="detached")
        tab.page.keyboard.press("2")
        go(tab, 9)
        tab.page.keyboard.press("x")
        tab.page.mouse.click(*middle(tab, "#absent-on"))
        tab.page.keyboard.press("o")
        tab.page.wait_for_selector("#point-last[aria-valuenow='9']")
        go(tab, 0)
        tab.page.wait_for_selector("#objects li:nth-child(2) .thumb canvas")
        tab.page.mouse.click(*middle(tab, "#go"))
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        tab.page.keyboard.press("b")
        assert "Correct it" in tab.page.inner_text("#hint")
        go(tab, 9)
        tab.page.mouse.click(*middle(tab, "#run-correct"))
        tab.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        tab.page.wait_for_function(f"() => {THUMBNAILS}.length === 2")

        # The timeline is as wide as what was tracked, and follows In and Out.
        assert tab.page.inner_text("#span-text") == "Frames 0 to 9"
        tab.page.mouse.click(*middle(tab, "#whole"))
        tab.page.wait_for_selector("#span-text", state="hidden")
        tab.page.mouse.click(*middle(tab, "#whole"))
        tab.page.wait_for_selector('#span-text:text-is("Frames 0 to 9")')
        go(tab, 3)
        tab.page.keyboard.press("i")
        tab.page.wait_for_selector('#span-text:text-is("Frames 3 to 9")')
        go(tab, 5)
        tab.page.keyboard.press(">")  # seen more closely, it stays so
        closer = tab.page.inner_text("#span-text")
        tab.page.keyboard.press("i")
        tab.page.wait_for_selector("#point-first[aria-valuenow='5']")
        assert tab.page.inner_text("#span-text") == closer
        tab.page.keyboard.press("i")

        # What was exported, where it is, and what is next.
        tab.page.keyboard.press("Control+e")
        tab.page.wait_for_selector("#export-image[data-turn]")
        assert tab.page.inner_text("#export-leave") == "Close"
        first = export(tab)
        assert not tab.page.locator("#export-go").is_visible()
        tab.page.select_option("#export-format", "csv")
        tab.page.wait_for_selector("#export-go:visible")
        second = export(tab)
        tab.page.mouse.click(*middle(tab, "#export-leave"))
        tab.page.wait_for_selector("#export-dialog", state="hidden")
        titles = "[...document.querySelectorAll('#delivered li')].map((row) => row.title)"
        assert tab.page.evaluate(titles) == [second, first]
        assert tab.page.locator("#delivered li.old").count() == 0
        tab.page.reload()
        tab.page.wait_for_selector("#delivered li >> nth=1")
        wait_for_model(tab)
        tab.outline((94, 60), (124, 60), (124, 120), (94, 120))
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector("#delivered li.old >> nth=1")
        tab.page.keyboard.press("Control+e")
        tab.page.wait_for_selector("#export-go:visible")
        export(tab)
        tab.page.mouse.click(*middle(tab, "#export-leave"))
        tab.page.wait_for_selector("#delivered li.old >> nth=1", state="detached")
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#over:not([hidden])")
        assert f"Exported into {second}." in tab.page.inner_text("#over-text")
        assert here.finished() == 0
        assert tab.errors == []
