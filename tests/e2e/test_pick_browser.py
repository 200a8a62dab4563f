"""The page as people use it: a mouse, a keyboard, and Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import (
    HEIGHT,
    INSIDE,
    OUTSIDE,
    WIDTH,
    Tab,
    started,
    video,
    wait_for_model,
)
from vos.prompts import load_prompts

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return video(tmp_path / "clip.mp4")


@pytest.mark.slow
def test_draw_see_undo_save_and_come_back(environ, window: Any, clip: Path, tmp_path: Path):
    file = tmp_path / "drawn.json"
    with started(environ, "pick", clip, "-o", file) as command:
        tab = Tab(window.new_page(), command.link)
        wait_for_model(tab)
        assert tab.page.locator("#go").is_disabled()
        plain = tab.pixel(*INSIDE), tab.pixel(*OUTSIDE)

        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        tab.shot("box")
        masked = tab.pixel(*INSIDE), tab.pixel(*OUTSIDE)
        assert masked[0] != plain[0]
        assert masked[1] == plain[1]

        tab.page.keyboard.press("Control+z")
        tab.page.wait_for_selector("#redo:enabled")
        tab.page.wait_for_timeout(500)
        assert (tab.pixel(*INSIDE), tab.pixel(*OUTSIDE)) == plain
        tab.page.keyboard.press("Control+Shift+z")
        tab.wait_for_version(3)
        assert tab.pixel(*INSIDE) == masked[0]

        tab.tool("point")
        tab.click(100.2, 70.9)
        tab.wait_for_version(4)
        tab.click(200.5, 30.5, button="right")
        tab.wait_for_version(5)
        tab.page.click("#add-object")
        tab.page.click("#objects [data-object='2'] input")
        tab.page.keyboard.type("corner")
        tab.page.keyboard.press("Enter")
        tab.outline((250, 110), (310, 110), (310, 170), (250, 170))
        tab.wait_for_version(8)
        assert tab.pixel(280, 140) != tab.pixel(*OUTSIDE)

        tab.page.click("#next")
        tab.page.wait_for_selector('#canvas[data-frame="1"]')
        tab.page.keyboard.press("1")
        tab.tool("scribble")
        tab.drag((95.5, 90.5), (120.5, 90.5))
        tab.wait_for_version(9)
        tab.drag((20.5, 20.5), (40.5, 20.5), shift=True)
        tab.wait_for_version(10)
        tab.shot("scribble")
        tab.tool("erase")
        tab.click(30, 20.5)
        tab.wait_for_version(11)

        before = tab.prompts()
        tab.page.reload()
        tab.wait_for_version(11)
        assert tab.page.get_attribute("#canvas", "data-frame") == "1"
        assert tab.prompts() == before
        assert tab.page.input_value("#objects [data-object='2'] input") == "corner"
        assert tab.page.locator("#undo").is_enabled()

        tab.page.click("#go")
        tab.page.wait_for_selector("#over:not([hidden])")
        tab.shot("saved")
        code, out, _err = command.finished()
        assert (code, out, tab.errors) == (0, f"{file}\n", [])
    saved = json.loads(file.read_text())
    assert saved["size_hw"] == [HEIGHT, WIDTH]
    assert saved["names"] == {"2": "corner"}
    box, points, polygon, scribble = saved["prompts"]
    assert box["box_xyxy_px"] == [78, 58, 142, 122]
    assert points["points_xy_px"] == [[100.5, 70.5], [200.5, 30.5]]
    assert points["labels"] == [1, 0]
    assert polygon["vertices_xy_px"] == [[250, 110], [310, 110], [310, 170], [250, 170]]
    assert (polygon["object_id"], polygon["frame_idx"]) == (2, 0)
    assert (scribble["object_id"], scribble["frame_idx"]) == (1, 1)
    assert scribble["stroke_xy_px"][0] == [95.5, 90.5]
    assert scribble["stroke_xy_px"][-1] == [120.5, 90.5]
    assert len(load_prompts(file, size_hw=(HEIGHT, WIDTH))) == 4


@pytest.mark.parametrize(
    "ratio", [pytest.param(1, marks=pytest.mark.slow), 1.5, pytest.param(2, marks=pytest.mark.slow)]
)
def test_coordinates_are_exact_at_any_zoom(monkeypatch, chromium: Any, clip: Path, ratio: float):
    context = chromium.new_context(
        viewport={"width": 1113, "height": 747}, device_scale_factor=ratio
    )
    with served(monkeypatch, "pick", clip, *MODEL) as command:
        tab = Tab(context.new_page(), command.link)
        expected = []
        # Far from each other, as what is drawn already can be taken hold of.
        places = {0: (92, 82), 500: (150, 120), -900: (100, 62), -400: (94, 98)}
        for wheel, (x, y) in places.items():
            if wheel:
                tab.wheel(100, 90, wheel)
            tab.tool("box")
            tab.drag((x, y), (x + 17, y + 11))
            tab.tool("point")
            tab.click(x + 3.5, y + 6.5)
            expected.append([x + 3.5, y + 6.5])
            tab.wait_for_server(2 * len(expected))
            box, points = tab.prompts()
            if points["type"] == "box":
                box, points = points, box
            assert box["box_xyxy_px"] == [x, y, x + 17, y + 11], wheel
            assert points["points_xy_px"] == expected, wheel
        tab.shot(f"zoom-{ratio}")
        assert tab.errors == []
    context.close()


@pytest.mark.slow
def test_portrait_footage_and_a_narrow_window(environ, chromium: Any, tmp_path: Path):
    clip = video(tmp_path / "tall.mp4", 180, 320)
    context = chromium.new_context(viewport={"width": 820, "height": 560})
    with started(environ, "pick", clip) as command:
        tab = Tab(context.new_page(), command.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        assert tab.prompts()[0]["box_xyxy_px"] == [78, 58, 142, 122]
        tab.shot("portrait")
        tab.page.set_viewport_size({"width": 1300, "height": 900})
        tab.page.wait_for_timeout(300)
        tab.drag((0, 0), (180, 320))
        tab.wait_for_version(2)
        assert tab.prompts()[0]["box_xyxy_px"] == [0, 0, 180, 320]
    context.close()


@pytest.mark.slow
def test_track_play_and_close(environ, window: Any, clip: Path, tmp_path: Path):
    out = tmp_path / "out"
    with started(environ, "track", clip, "--box", "-o", out, *MODEL) as command:
        tab = Tab(window.new_page(), command.link)
        tab.drag((78, 58), (142, 122))
        wait_for_model(tab)
        plain = tab.pixel(*OUTSIDE)
        tab.page.click("#go")
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        tab.shot("tracked")
        assert len(list((out / "masks").glob("*.png"))) == 12
        tab.page.keyboard.press("End")
        tab.page.wait_for_selector('#canvas[data-frame="11"]')
        tab.page.wait_for_timeout(300)
        red, _green, blue = tab.pixel(125, 90)
        assert red - blue > 100  # the mask's red over the square
        assert tab.pixel(*OUTSIDE) == pytest.approx(plain, abs=6)
        tab.page.keyboard.press("Home")
        tab.page.wait_for_selector('#canvas[data-frame="0"]')
        tab.page.keyboard.press("Space")
        tab.page.wait_for_selector('#canvas[data-frame="11"]')

        tab.page.reload()
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        assert len(tab.prompts()) == 1
        tab.page.click("#close")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, printed, err = command.finished()
    assert (code, printed, tab.errors) == (0, f"{out}\n", [])
    assert "12 frames" in err
    assert json.loads((out / "prompts.json").read_text())["prompts"][0]["box_xyxy_px"] == [
        78,
        58,
        142,
        122,
    ]


@pytest.mark.slow
def test_two_tabs_show_the_same(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as command:
        first = Tab(window.new_page(), command.link)
        second = Tab(window.new_page(), re.sub(r"\?.*", "", command.link))
        first.drag((78, 58), (142, 122))
        second.page.wait_for_selector("#prompts .here")
        for tab in (first, second):  # at once, so that one of them comes too late
            tab.tool("point")
        first.click(100.5, 90.5)
        second.click(110.5, 90.5)
        first.wait_for_server(3)
        points = [place for prompt in first.prompts() for place in prompt.get("points_xy_px", [])]
        assert sorted(points) == [[100.5, 90.5], [110.5, 90.5]]
        second.tool("box")
        second.drag((10, 10), (60, 50))
        first.wait_for_version(4)
        second.wait_for_version(4)
        assert first.prompts() == second.prompts()
        boxes = [prompt for prompt in first.prompts() if prompt["type"] == "box"]
        assert [box["box_xyxy_px"] for box in boxes] == [[10, 10, 60, 50]]
        assert first.errors == second.errors == []


@pytest.mark.slow
def test_a_slow_line_loses_nothing(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as command:
        tab = Tab(window.new_page(), command.link)
        line = window.new_cdp_session(tab.page)
        slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
        line.send("Network.emulateNetworkConditions", slow)
        tab.tool("point")
        drawn = [[90.5 + 5 * step, 90.5] for step in range(5)]
        for place in drawn:
            tab.click(*place)
        tab.page.keyboard.press("Control+z")
        tab.page.keyboard.press("Control+z")
        tab.click(20.5, 30.5)  # before the answer to any of them is there
        tab.wait_for_server(8)
        assert tab.prompts()[0]["points_xy_px"] == [*drawn[:3], [20.5, 30.5]]
        assert tab.errors == []


@pytest.mark.slow
def test_what_cannot_be_is_said(environ, window: Any, clip: Path, tmp_path: Path):
    nowhere = tmp_path / "missing" / "prompts.json"
    nowhere.parent.mkdir()
    with started(environ, "pick", clip, "-o", nowhere) as command:
        nowhere.parent.rmdir()
        tab = Tab(window.new_page(), command.link)
        tab.tool("neg")
        tab.click(100.5, 90.5)
        wait_for_model(tab)
        tab.wait_for_version(1)
        assert "negative points only" in tab.page.inner_text("#hint")
        tab.page.click("#go")
        tab.page.wait_for_selector("#toast.bad:not([hidden])")
        assert "prompts.json" in tab.page.inner_text("#toast")
        tab.shot("refused")
        tab.page.keyboard.press("?")
        tab.page.wait_for_selector("#keys[open]")
        tab.shot("keys")
        tab.page.keyboard.press("Escape")
        tab.page.wait_for_selector("#keys:not([open])", state="attached")
        for _ in range(30):
            tab.page.keyboard.press("Tab")
            if tab.page.evaluate("document.activeElement.id") == "help":
                break
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("#keys[open]")
    assert not nowhere.parent.exists()


@pytest.mark.slow
def test_without_its_model_it_says_why(environ, window: Any, clip: Path, tmp_path: Path):
    file = tmp_path / "drawn.json"
    with started(environ, "pick", clip, "-o", file, "--model", "sam2.1-tiny") as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.wait_for_selector("#model.failed")
        tab.drag((78, 58), (142, 122))
        tab.wait_for_server(1)
        assert "vos models pull sam2.1-tiny" in tab.page.inner_text("#hint")
        tab.shot("no-model")
        tab.page.click("#go")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, out, _err = command.finished()
    assert (code, out, tab.errors) == (0, f"{file}\n", [])


@pytest.mark.slow
def test_stop_and_continue_and_an_earlier_result(environ, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=60), tmp_path / "out"
    earlier = [*map(str, ("track", clip, "--box", "10,10,60,50", "-o", out, "--end", "2f"))]
    done = subprocess.run([sys.executable, "-m", "vos_cli", *earlier], env=environ)
    assert done.returncode == 0
    quick = environ | {"VOS_CHECKPOINT_S": "0"}
    with started(quick, "track", clip, "-o", out, "--box", *MODEL) as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.click("#ask button >> text=Track anew")
        tab.drag((78, 58), (142, 122))
        wait_for_model(tab)
        tab.page.click("#go")
        tab.page.wait_for_selector("#run.bad")
        assert "other settings" in tab.page.inner_text("#run-text")
        assert "--overwrite" not in tab.page.inner_text("#run-text")  # a button does that
        assert len(list((out / "masks").iterdir())) == 2
        tab.shot("earlier")
        tab.page.click("#run-replace")
        tab.page.wait_for_selector(r'#run-text:text-matches("^[0-9]+ of 60")')
        tab.shot("tracking")
        tab.page.click("#run-stop")
        tab.page.wait_for_selector('#run-title:text-is("Stopped")')
        assert len(list((out / "masks").iterdir())) == 2
        assert tab.page.inner_text("#go") == "Continue"
        tab.page.click("#go")
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        assert len(list((out / "masks").iterdir())) == 60
        assert tab.errors == []
        tab.page.click("#close")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, _out, err = command.finished()
    assert code == 0
    assert re.search(r"60 frames.*continued at frame [0-9]+", err)
