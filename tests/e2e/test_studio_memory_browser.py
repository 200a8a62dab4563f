"""Previews on later frames from the memory of the prompted ones, in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import INSIDE, Tab, middle, video, wait_for_model

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu")
LABEL = "Preview from the prompted frames"


def go(tab: Tab, frame_idx: int) -> None:
    """Go to a frame with the mouse and the keyboard; returns once it is seen."""
    tab.page.mouse.click(*middle(tab, "#frame-number"), click_count=3)
    tab.page.keyboard.type(str(frame_idx))
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(f'#canvas[data-frame="{frame_idx}"]')
    painted(tab)


def seen(tab: Tab, objects: str) -> None:
    """Wait until the previews of these objects are on the screen."""
    tab.page.wait_for_selector(f'#canvas[data-preview="{objects}"]')
    painted(tab)


def painted(tab: Tab) -> None:
    """Wait until what was there by now is painted."""
    tab.page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def row(tab: Tab, left: int, right: int, y: int = 90) -> list[list[int]]:
    """Every third colour along a row of the frame."""
    script = """([left, right, y]) => {
        const canvas = document.getElementById("canvas");
        const [scale, x0, y0] = canvas.dataset.view.split(",").map(Number);
        const ratio = canvas.width / canvas.clientWidth;
        const at = (start, value) => Math.floor((start + value * scale) * ratio);
        const width = at(x0, right) - at(x0, left);
        const data = canvas.getContext("2d").getImageData(at(x0, left), at(y0, y), width, 1).data;
        const step = 4 * Math.round(3 * scale * ratio);
        return Array.from({length: Math.floor(data.length / step)}, (_, index) =>
            [...data.slice(index * step, index * step + 3)]);
    }"""
    return tab.page.evaluate(script, [left, right, y])


def colours(found: list[list[int]]) -> int:
    return len({tuple(one) for one in found})


def label(tab: Tab) -> str:
    return tab.page.inner_text("#preview") if tab.page.locator("#preview").is_visible() else ""


def test_a_later_frame_shows_what_the_prompted_ones_give(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4")
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        go(tab, 8)
        plain = row(tab, 100, 150)
        go(tab, 0)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        assert label(tab) == ""  # that is what tracking gives
        solid = colours(row(tab, 90, 130))

        go(tab, 8)
        seen(tab, "1")
        assert LABEL in label(tab)
        assert "not found" not in label(tab)
        assert "Clicks correct the preview" in tab.page.inner_text("#hint")
        masked = row(tab, 100, 150)
        assert all(one != other for one, other in zip(plain, masked, strict=True))
        assert colours(masked) > solid  # stripes
        assert tab.pixel(290, 20)[0] < 120
        tab.shot("preview")

        tab.tool("neg")
        tab.click(125.5, 90.5)
        tab.wait_for_version(2)
        seen(tab, "1")
        assert row(tab, 100, 150) != masked
        tab.shot("preview-clicked")
        tab.page.keyboard.press("Control+z")
        tab.wait_for_version(3)
        seen(tab, "1")
        assert row(tab, 100, 150) == masked
        assert LABEL in label(tab)
        assert [one["type"] for one in tab.prompts()] == ["box"]
        assert tab.errors == []


@pytest.mark.slow
def test_each_object_has_its_own_and_none_where_it_is_not(monkeypatch, window: Any, tmp_path: Path):
    clip, file = video(tmp_path / "clip.mp4"), tmp_path / "drawn.json"
    with served(monkeypatch, "pick", clip, "-o", file, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        go(tab, 8)
        seen(tab, "1")
        # The second one begins here, as it will be tracked.
        tab.page.keyboard.press("a")
        tab.tool("polygon")
        tab.outline((230, 20), (300, 20), (300, 60), (230, 60))
        tab.page.wait_for_timeout(300)
        seen(tab, "1")
        assert colours(row(tab, 240, 290, y=40)) < 6
        go(tab, 10)
        seen(tab, "1,2")
        go(tab, 4)
        seen(tab, "1")

        # Said to be absent from here on: nothing is seen, and nothing promised.
        tab.page.mouse.click(*middle(tab, "#objects [data-object='1'] .pick"))
        tab.page.keyboard.press("x")
        tab.page.click("#absent-on")
        tab.page.wait_for_selector('#canvas[data-preview=""]')
        tab.page.wait_for_timeout(400)
        assert label(tab) == ""
        go(tab, 6)
        tab.page.wait_for_timeout(600)
        assert (label(tab), tab.page.get_attribute("#canvas", "data-preview")) == ("", "")
        go(tab, 2)
        seen(tab, "1")
        go(tab, 10)
        seen(tab, "2")
        tab.shot("preview-absent")

        saved = tab.prompts()
        tab.page.mouse.click(*middle(tab, "#go"))
        tab.page.wait_for_selector("#over:not([hidden])")
        assert here.finished() == 0
        assert tab.errors == []
    assert [one["type"] for one in saved] == ["box", "polygon", "absent"]  # no preview is kept


def test_tracked_masks_take_its_place(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=8), tmp_path / "out"
    command = ("track", clip, "--box", "-o", out, *MODEL, "--size", "128", "--end", "5f")
    with served(monkeypatch, *command) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        go(tab, 4)
        seen(tab, "1")
        tab.page.keyboard.press("x")  # from here on, though the In point is not set
        values = [tab.page.input_value(f"#absent-{end}") for end in ("first", "last")]
        assert values == ["4", "4"]
        tab.page.keyboard.press("Escape")
        go(tab, 6)  # after the Out point nothing will be tracked
        tab.page.wait_for_timeout(600)
        assert label(tab) == ""
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        go(tab, 4)
        tab.page.wait_for_timeout(400)
        assert label(tab) == ""
        assert colours(row(tab, INSIDE[0] - 10, INSIDE[0] + 20)) < 6
        assert tab.errors == []
