"""The page in every state, as axe-core sees it: nothing that shuts people out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from e2e.clips import video_with_beep
from e2e.studio_here import served
from e2e.studio_page import Tab, middle, video, wait_for_model

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it looks at the page")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")


def look(tab: Tab, state: str, wrong: list[str]) -> None:
    """Add what axe-core finds wrong to a list."""
    for one in axe.Axe().run(tab.page).response["violations"]:
        for node in one["nodes"]:
            wrong.append(f"{state}: {one['id']}: {node['html'][:120]} {node['failureSummary']}")
    if os.environ.get("VOS_SCREENSHOTS"):
        for width in (1440, 900, 1280):
            tab.page.set_viewport_size({"width": width, "height": 800})
            tab.shot(f"axe-{state}-{width}")


def test_the_page_is_open_to_all(monkeypatch, window: Any, tmp_path: Path):
    clip = video_with_beep(tmp_path / "clip.mp4", frames=4)
    wrong: list[str] = []
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_server(1)
        tab.page.keyboard.press("ArrowRight")
        tab.page.wait_for_selector("#canvas[data-preview='1']")
        look(tab, "drawn", wrong)
        tab.page.keyboard.press("?")
        tab.page.wait_for_selector("#keys[open]")
        look(tab, "shortcuts", wrong)
        assert tab.errors == []
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_state_is_open_to_all(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=12), tmp_path / "out"
    wrong: list[str] = []
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        look(tab, "empty", wrong)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.page.mouse.click(*middle(tab, "#add-object"))
        tab.page.keyboard.press("ArrowRight")
        tab.page.keyboard.press("i")
        look(tab, "drawn", wrong)
        tab.page.keyboard.press("i")
        tab.page.keyboard.press("?")
        tab.page.wait_for_selector("#keys[open]")
        look(tab, "shortcuts", wrong)
        tab.page.keyboard.press("Escape")
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector("#run-stop:visible")
        look(tab, "tracking", wrong)
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        look(tab, "tracked", wrong)
        tab.tool("point")
        tab.click(100, 80)
        tab.wait_for_server(3)
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#ask[open]")
        look(tab, "close", wrong)
        tab.page.keyboard.press("Escape")
        window.set_offline(True)
        tab.page.wait_for_selector("#lost:not([hidden])")
        look(tab, "lost", wrong)
        window.set_offline(False)
        tab.page.wait_for_selector("#lost", state="hidden")
        tab.page.mouse.click(*middle(tab, "#run-correct"))
        tab.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        wait_for_model(tab)
        look(tab, "correcting", wrong)
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        look(tab, "corrected", wrong)
        tab.page.keyboard.press("Control+e")
        tab.page.wait_for_selector("#export-image[data-turn]")
        look(tab, "export", wrong)
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector("#export-dialog[data-state=done]")
        look(tab, "exported", wrong)
        tab.page.keyboard.press("Escape")
        tab.page.mouse.click(*middle(tab, "#model"))
        tab.page.wait_for_selector("#models[open]")
        look(tab, "models", wrong)
        tab.page.keyboard.press("Escape")
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#over:not([hidden])")
        look(tab, "over", wrong)
        assert tab.errors == []
    assert not wrong, "\n".join(wrong)
