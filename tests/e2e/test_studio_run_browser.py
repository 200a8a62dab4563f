"""Tracking from the page in Chromium: In and Out, stopping to correct, going on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, middle, video, wait_for_model
from vos_cli.main import run as run_command

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")


def go(tab: Tab, frame_idx: int) -> None:
    """Go to a frame as people do; returns once it is seen."""
    tab.page.mouse.click(*middle(tab, "#frame-number"), click_count=3)
    tab.page.keyboard.type(str(frame_idx))
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(f'#canvas[data-frame="{frame_idx}"]')
    tab.page.wait_for_timeout(100)


def points(tab: Tab) -> tuple[int, int]:
    """The frames at the In and the Out point."""
    values = [
        tab.page.get_attribute(f"#point-{name}", "aria-valuenow") for name in ("first", "last")
    ]
    return int(values[0]), int(values[1])


def masks(output: Path) -> dict[int, bytes]:
    return {int(path.stem): path.read_bytes() for path in (output / "masks").iterdir()}


def test_in_and_out_are_seen_and_obeyed(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=24), tmp_path / "out"
    command = ("track", clip, "--box", "-o", out, *MODEL, "--start", "4f", "--end", "16f")
    with served(monkeypatch, *command) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.page.wait_for_selector('#clip-facts:text-matches("24 frames ·")')
        assert points(tab) == (4, 15)
        go(tab, 20)
        assert "Out point" in tab.page.inner_text("#hint")
        tab.drag((20, 20), (60, 60))
        assert tab.prompts() == []

        go(tab, 10)
        tab.page.keyboard.press("o")
        tab.page.wait_for_selector("#point-last[aria-valuenow='10']")
        tab.shot("in-out")
        tab.page.keyboard.press("Home")
        tab.page.keyboard.press("Space")
        tab.page.wait_for_selector('#canvas[data-frame="10"]')
        tab.page.wait_for_timeout(400)
        assert tab.page.get_attribute("#canvas", "data-frame") == "10"
        assert tab.page.get_attribute("#play", "aria-label") == "Play"

        go(tab, 4)
        tab.drag((86, 58), (150, 122))
        tab.wait_for_server(1)
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        assert sorted(masks(out)) == list(range(4, 11))
        red, _green, blue = tab.pixel(118, 90)
        assert red - blue > 100

        # What cannot be does not take the result away.
        tab.page.mouse.move(*middle(tab, "#point-first"))
        tab.page.mouse.down()
        x, y = middle(tab, "#point-last")
        tab.page.mouse.move(x, y, steps=5)
        tab.page.mouse.up()
        tab.page.wait_for_selector("#point-first[aria-valuenow='10']")
        tab.page.mouse.click(*middle(tab, "#go"))
        tab.page.wait_for_selector("#toast.bad:not([hidden])")
        said = tab.page.inner_text("#toast")
        assert "Object 1 has a prompt on frame 4, before the In point at 10" in said
        for button in ("close", "run-correct"):
            assert tab.page.locator(f"#{button}").is_visible()
        go(tab, 4)
        assert tab.pixel(118, 90) == (red, _green, blue)
        tab.page.keyboard.press("i")
        tab.page.wait_for_selector("#point-first[aria-valuenow='4']")

        # A correction changes nothing outside.
        before = masks(out)
        tab.page.mouse.click(*middle(tab, "#run-correct"))
        tab.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        wait_for_model(tab)
        go(tab, 8)
        tab.page.keyboard.press("o")
        go(tab, 6)
        tab.page.keyboard.press("i")
        go(tab, 7)
        tab.outline((94, 60), (124, 60), (124, 120), (94, 120))
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        after = masks(out)
        assert {idx for idx in after if after[idx] != before[idx]} <= {6, 7, 8}
        assert after[7] != before[7]
        tab.shot("in-out-fixed")
        assert tab.errors == []


def test_stop_correct_and_go_on(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=40), tmp_path / "out"
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector(r'#run-text:text-matches("^([6-9]|[1-9][0-9]) of 40")')
        tab.page.mouse.click(*middle(tab, "#run-stop"))
        tab.page.wait_for_selector('#run-title:text-is("Stopped")')
        assert not out.exists()
        tab.shot("stopped")
        go(tab, 4)
        red, _green, blue = tab.pixel(118, 90)
        assert red - blue > 100  # the mask is there to be looked at
        tab.outline((88, 60), (148, 60), (148, 90), (88, 90))
        tab.page.wait_for_timeout(300)
        tab.shot("stopped-corrected")
        script = "fetch('api/masks/4.png').then((found) => found.headers.get('X-Vos-Mask'))"
        assert json.loads(tab.page.evaluate(script))["from_prompts"] == []  # of those so far
        assert tab.page.inner_text("#go") == "Continue"

        # Nothing of it is lost with the command.
        tab.close_and_keep()
        assert here.finished() == 130
        assert tab.errors == []
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#ask[open]")
        assert "A track was stopped after frame" in tab.page.inner_text("#ask-text")
        tab.shot("offer-stopped")
        tab.page.click("#ask button >> text=Go on")
        tab.page.wait_for_selector("#prompts .here")
        go(tab, 2)
        red, _green, blue = tab.pixel(114, 90)
        assert red - blue > 100
        tab.page.wait_for_selector("#go:enabled")
        tab.page.mouse.click(*middle(tab, "#go"))
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        assert tab.errors == []
    whole = tmp_path / "whole"
    again = ("track", clip, "--prompts", out / "prompts.json", "-o", whole, *MODEL, "-q")
    assert run_command([*map(str, again)]) == 0
    assert masks(out) == masks(whole)
    assert (out / "stats.jsonl").read_bytes() == (whole / "stats.jsonl").read_bytes()
