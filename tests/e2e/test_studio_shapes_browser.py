"""Drawing that stays changeable, masks that are painted, objects that are not there, and views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e2e.studio_here import served
from e2e.studio_page import INSIDE, Tab, middle, video, wait_for_model
from vos.io.write.mask_png import read_label_png
from vos.prompts import MaskPrompt
from vos.prompts.file import prompts_from_json
from vos_cli.main import run as run_command

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")


def painted(tab: Tab) -> np.ndarray:
    """Return the mask that was painted, as the server has it."""
    (prompt,) = prompts_from_json([one for one in tab.prompts() if one["type"] == "mask"])
    assert isinstance(prompt, MaskPrompt)
    return prompt.mask


def test_shapes_are_changed_masks_painted_and_looks_kept(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=4)
    with served(monkeypatch, "pick", clip, "-o", tmp_path / "drawn.json", *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.drag((142, 122), (150, 130))  # the corner, not a new box
        tab.wait_for_version(2)
        assert tab.prompts()[0]["box_xyxy_px"] == [78, 58, 150, 130]
        tab.drag((78, 100), (70, 90))  # an edge moves one way
        tab.wait_for_version(3)
        assert tab.prompts()[0]["box_xyxy_px"] == [70, 58, 150, 130]

        plain = tab.pixel(250, 40)
        tab.page.keyboard.press("d")
        tab.page.keyboard.press("]")
        tab.drag((220, 40), (280, 40))
        tab.wait_for_version(4)
        assert [one["type"] for one in tab.prompts()] == ["mask"], "it takes the box's place"
        first = painted(tab)
        radius = 15
        assert first[40, 210:290].all()
        assert first[40 - radius + 1, 250]
        assert not first[40 - radius - 1, 220:280].any()
        assert tab.pixel(250, 40) != plain
        tab.page.keyboard.down("Alt")
        tab.drag((250, 20), (250, 60))
        tab.page.keyboard.up("Alt")
        tab.wait_for_version(5)
        assert not painted(tab)[40, 240:260].any()
        assert (painted(tab) & ~first).sum() == 0
        tab.page.keyboard.press("Control+z")
        tab.wait_for_version(6)
        assert np.array_equal(painted(tab), first)

        tab.page.keyboard.press("v")
        tab.page.wait_for_selector("#canvas[data-look='matte']")
        tab.page.wait_for_timeout(100)
        assert tab.pixel(250, 40) == (255, 255, 255)
        assert tab.pixel(20, 160) == (0, 0, 0)
        tab.page.mouse.click(*middle(tab, "#objects .eye"))
        tab.page.wait_for_timeout(100)
        assert tab.pixel(250, 40) == (0, 0, 0)
        tab.page.mouse.click(*middle(tab, "#objects .lock"))
        tab.page.fill("#opacity", "80")
        tab.page.reload()
        tab.wait_for_version(6)
        assert tab.page.get_attribute("#canvas", "data-look") == "matte"
        assert tab.page.input_value("#view") == "matte"
        assert tab.page.input_value("#opacity") == "80"
        assert tab.page.get_attribute("#objects .eye", "aria-pressed") == "true"
        tab.drag((20, 20), (60, 60))
        assert "locked" in tab.page.inner_text("#toast")
        assert tab.version() == 6
        tab.page.mouse.click(*middle(tab, "#objects .lock"))

        tab.page.keyboard.press("x")
        tab.page.wait_for_selector("#absent[open]")
        tab.shot("not-here")
        tab.page.click("#absent-on")
        tab.wait_for_server(7)
        (absent,) = tab.prompts()
        assert (absent["type"], absent["frame_idx"], absent["last_idx"]) == ("absent", 0, "end")
        assert tab.page.inner_text("#objects .absent") == "not here"
        assert tab.errors == []


@pytest.mark.slow
def test_points_and_polygons_are_changed_and_lose_one(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "clip.mp4", frames=3)
    with served(monkeypatch, "pick", clip, "-o", tmp_path / "drawn.json", *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.outline((40, 40), (120, 40), (120, 120), (40, 120))
        tab.wait_for_server(1)
        tab.drag((120, 120), (140, 130))
        tab.wait_for_server(2)
        tab.page.keyboard.press("t")
        tab.drag((80, 40), (85, 30))  # an edge takes both of its corners along
        tab.wait_for_server(3)
        corners = [[45, 30], [125, 30], [140, 130], [40, 120]]
        assert tab.prompts()[0]["vertices_xy_px"] == corners
        tab.page.keyboard.down("Alt")
        tab.click(140, 130)
        tab.page.keyboard.up("Alt")
        tab.wait_for_server(4)
        assert tab.prompts()[0]["vertices_xy_px"] == [*corners[:2], corners[3]]
        tab.page.keyboard.press("e")
        tab.click(85, 30)
        tab.wait_for_server(5)
        assert tab.prompts() == []
        tab.tool("point")
        tab.click(100.5, 90.5)
        tab.click(120.5, 90.5)
        tab.wait_for_server(7)
        tab.drag((100.5, 90.5), (110.5, 80.5))
        tab.wait_for_server(8)
        assert tab.prompts()[0]["points_xy_px"] == [[110.5, 80.5], [120.5, 90.5]]
        assert tab.errors == []


@pytest.mark.slow
def test_an_exit_is_marked_fixed_and_looked_at(monkeypatch, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=10), tmp_path / "out"
    track = ("track", clip, "-o", out, "--box", "80,60,140,120", "-q", *MODEL)
    assert run_command([*map(str, track)]) == 0
    before = {path.name: path.read_bytes() for path in (out / "masks").iterdir()}
    with served(monkeypatch, "fix", out) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        tab.page.fill("#frame-number", "4")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector('#canvas[data-frame="4"]')
        tab.page.wait_for_timeout(300)
        masked = tab.pixel(*INSIDE)
        tab.page.keyboard.press("x")
        tab.page.fill("#absent-first", "6")
        tab.page.fill("#absent-last", "5")
        tab.page.keyboard.press("Enter")
        assert tab.page.locator("#absent[open]").count() == 1, "the last frame is before the first"
        tab.page.fill("#absent-first", "4")
        tab.page.fill("#absent-last", "6")
        tab.page.keyboard.press("Enter")
        tab.wait_for_server(1)
        tab.page.wait_for_timeout(300)
        assert tab.pixel(*INSIDE) != masked, "it is shown at once"
        tab.page.click("#go")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector('#run-title:text-is("Corrected")')
        tab.page.wait_for_timeout(300)
        for index in (4, 5, 6):
            assert not read_label_png(out / "masks" / f"{index:05}.png").any()
        assert all(
            (out / "masks" / f"{i:05}.png").read_bytes() == before[f"{i:05}.png"] for i in range(4)
        )
        tab.page.select_option("#view", "before")
        tab.page.wait_for_timeout(500)
        assert tab.pixel(*INSIDE) == masked
        tab.page.select_option("#view", "overlay")
        tab.page.wait_for_timeout(500)
        assert tab.pixel(*INSIDE) != masked

        tab.page.fill("#frame-number", "7")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector('#canvas[data-frame="7"]')
        tab.page.keyboard.press("d")
        tab.drag((200, 30), (260, 30))
        tab.wait_for_server(tab.version())
        tab.page.wait_for_selector("#prompts .here")
        drawn = painted(tab)
        tab.page.click("#go")
        tab.page.wait_for_selector("#timeline-canvas[data-id='2']")
        assert np.array_equal(read_label_png(out / "masks/00007.png") == 1, drawn), "as painted"
        assert tab.errors == []


@pytest.mark.slow
def test_what_is_new_is_open_to_all(monkeypatch, window: Any, tmp_path: Path):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="it looks at the page"
    )
    clip = video(tmp_path / "clip.mp4", frames=3)
    wrong: list[str] = []

    def look(state: str) -> None:
        for one in axe.Axe().run(tab.page).response["violations"]:
            wrong.extend(f"{state}: {one['id']}: {node['html'][:120]}" for node in one["nodes"])

    with served(monkeypatch, "pick", clip, "-o", tmp_path / "drawn.json", *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.page.keyboard.press("a")
        for name in ("eye", "solo", "lock"):
            tab.page.click(f"#objects [data-object='1'] .{name}")
            look(name)
        tab.page.click("#next")
        tab.page.keyboard.press("2")
        tab.page.keyboard.press("x")
        look("not here, to be said")
        tab.page.keyboard.press("Enter")
        tab.wait_for_server(3)
        look("not here")
        tab.page.keyboard.press("v")
        look("matte")
        tab.page.keyboard.press("x")
        tab.page.click("#absent-back")
        tab.wait_for_server(4)
        assert [one["type"] for one in tab.prompts()] == ["box"]
    assert not wrong, "\n".join(wrong)
