"""The page of `vos fix` in Chromium: timeline, stopping, keys, correcting what was tracked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from e2e.jobs import Runner, interrupt, job_for
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
from vos.prompts import Box
from vos_cli.job.run import load_tracker
from vos_cli.main import run as run_command

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

FRAMES, CUT = 36, 28


def film(path: Path) -> Path:
    """An orange square passes behind a post; then another scene."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "6"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            image = np.stack([40 + columns // 8, 60 + rows // 6, 70 + 0 * rows], -1)
            if index >= CUT:
                stripes = 40 * (columns // 40 % 2)
                image = np.stack([100 + stripes, 80 + 0 * rows, 150 - rows // 3], -1)
            image = image.astype(np.uint8)
            left = 30 + 5 * index
            image[60:120, left : left + 60] = (230, 120, 60)
            image[20:160, 130:185] = (60, 90, 110)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


def masks(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (output / "masks").iterdir()}


def frame_of(tab: Tab) -> int:
    return int(tab.page.get_attribute("#canvas", "data-frame"))


def wait_for_frame(tab: Tab, frame_idx: int) -> None:
    tab.page.wait_for_selector(f'#canvas[data-frame="{frame_idx}"]')
    tab.page.wait_for_timeout(300)


def outline_square(tab: Tab, left: int) -> None:
    tab.outline((left, 60), (left + 60, 60), (left + 60, 120), (left, 120))


def test_timeline_stop_and_keys(environ, window: Any, tmp_path: Path):
    out = tmp_path / "out"
    track = ("track", film(tmp_path / "film.mp4"), "-o", out, "--box", "30,60,90,120", "-q")
    assert run_command([*map(str, track), "--model", "nano", "--device", "cpu"]) == 0
    before = masks(out)
    with started(environ, "fix", out) as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        timeline = tab.page.evaluate("fetch('api/timeline').then((answer) => answer.json())")
        assert timeline["cuts"] == [CUT]
        starts = sorted({one["first"] for one in timeline["incidents"]})
        assert starts  # the post hides half of the square
        tab.page.keyboard.press(".")
        wait_for_frame(tab, starts[0])
        assert "frame" in tab.page.inner_text("#suspicious-text")
        tab.page.set_viewport_size({"width": 760, "height": 560})
        tab.page.wait_for_timeout(200)
        for name in ("before", "next"):
            button = tab.page.locator(f"#suspicious-{name}")
            assert button.evaluate("(one) => one.scrollHeight <= one.clientHeight"), name
        tab.shot("fix-narrow")
        tab.page.set_viewport_size({"width": 1280, "height": 800})
        tab.page.wait_for_timeout(200)
        box = tab.page.locator("#slider").bounding_box()
        strips = tab.page.locator("#timeline-canvas").bounding_box()
        tab.page.mouse.click(box["x"] + box["width"] - 8, strips["y"] + 20)
        wait_for_frame(tab, FRAMES - 1)
        tab.page.keyboard.press(",")
        wait_for_frame(tab, starts[-1])

        wait_for_model(tab)
        tab.page.fill("#frame-number", str(CUT + 2))
        tab.page.keyboard.press("Enter")
        wait_for_frame(tab, CUT + 2)
        outline_square(tab, 30 + 5 * (CUT + 2))
        tab.page.click("#go")
        tab.page.click("#run-stop")
        tab.page.wait_for_selector('#run-title:text-is("Stopped")')
        assert masks(out) == before
        assert len(tab.prompts()) == 1
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector('#run-title:text-is("Corrected")')
        tab.page.wait_for_timeout(500)
        tab.shot("fix")
        after = masks(out)
        assert {name for name in after if after[name] != before[name]} <= {
            f"{index:05}.png" for index in range(CUT, FRAMES)
        }
        tab.page.keyboard.press("Control+z")
        tab.page.wait_for_selector("#timeline-canvas[data-id='2']")
        assert masks(out) == before
        tab.page.wait_for_selector("#redo:enabled")
        tab.page.keyboard.press("Control+Shift+z")
        tab.page.wait_for_selector("#timeline-canvas[data-id='3']")
        assert masks(out) == after
        assert tab.errors == []


def test_what_was_tracked_here_is_corrected_here(
    environ,
    window: Any,
    tmp_path: Path,
):
    clip, out = video(tmp_path / "clip.mp4", frames=6), tmp_path / "out"
    with started(environ, "track", clip, "--box", "-o", out) as command:
        tab = Tab(window.new_page(), command.link)
        tab.drag((240, 10), (310, 60))
        tab.page.fill("#objects input", "corner")
        tab.page.keyboard.press("Enter")
        wait_for_model(tab)
        tab.page.click("#go")
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')
        before = masks(out)
        tab.page.fill("#frame-number", "3")
        tab.page.keyboard.press("Enter")
        wait_for_frame(tab, 3)
        outline_square(tab, 86)
        second = Tab(window.new_page(), re.sub(r"\?.*", "", command.link))
        second.page.wait_for_selector('#run-title:text-is("Tracked")')
        tab.page.click("#run-correct")
        for one in (tab, second):
            one.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        second.page.close()
        assert tab.page.input_value("#objects input") == "corner"
        assert [prompt["type"] for prompt in tab.prompts()] == ["polygon"]
        wait_for_frame(tab, 3)
        wait_for_model(tab)
        tab.page.click("#go")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        assert masks(out)["00003.png"] != before["00003.png"]
        tab.page.click("#close")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, printed, err = command.finished()
    assert (code, printed, tab.errors) == (0, f"{out}\n", [])
    assert "1 correction made since" in err
    assert (out / "history/0001").is_dir()


def test_a_new_object_is_named_and_tracked(environ, window: Any, tmp_path: Path):
    out = tmp_path / "out"
    track = ("track", film(tmp_path / "film.mp4"), "-o", out, "--box", "30,60,90,120", "-q")
    end = ("--end", "12f", "--model", "nano", "--device", "cpu")
    assert run_command([*map(str, track), *end]) == 0
    before = masks(out)
    with started(environ, "fix", out) as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        wait_for_model(tab)
        tab.page.fill("#frame-number", "12")
        tab.page.keyboard.press("Enter")
        wait_for_frame(tab, 12)
        assert tab.page.inner_text("#hint") == "Not part of the result, which has frames 0 to 11"
        tab.click(170, 30)
        assert tab.prompts() == []
        tab.page.fill("#frame-number", "8")
        tab.page.keyboard.press("Enter")
        wait_for_frame(tab, 8)
        plain = tab.pixel(170, 30)
        tab.page.keyboard.press("a")
        tab.page.fill("#objects [data-object='2'] input", "post")
        tab.page.keyboard.press("Enter")
        tab.outline((130, 20), (185, 20), (185, 160), (130, 160))
        tab.page.click("#go")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector('#run-title:text-is("Corrected")')
        wait_for_frame(tab, 8)
        assert tab.pixel(170, 30) != plain
        assert tab.page.locator("#objects [data-object='2'] input[readonly]").count() == 1
        assert tab.page.locator("#objects [data-object='2'] .remove:visible").count() == 0
        tab.shot("fix-new")
        changed = {name for name, data in masks(out).items() if data != before[name]}
        assert min(changed) == "00008.png"
        tab.page.reload()
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        assert tab.page.input_value("#objects [data-object='2'] input") == "post"
        tab.page.click("#fix-undo")
        tab.page.wait_for_selector("#timeline-canvas[data-id='2']")
        assert masks(out) == before
        assert tab.errors == []


def test_an_interrupted_track_is_continued(environ, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=24), tmp_path / "out"
    job = job_for(clip, out, prompts=(Box(1, (80, 60, 140, 120)),), save=("masks", "stats"))
    tracker = load_tracker(job.settings)
    assert tracker is not None
    interrupt(Runner(tracker), job, 10)
    with started(environ, "fix", out) as command:
        tab = Tab(window.new_page(), command.link)
        tab.page.wait_for_selector('#run-title:text-is("Interrupted")')
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        wait_for_frame(tab, 0)
        red, _green, blue = tab.pixel(*INSIDE)
        assert red - blue > 100
        tab.click(*OUTSIDE)
        tab.page.wait_for_selector("#toast:not([hidden])")
        assert "Continue does the rest" in tab.page.inner_text("#toast")
        assert tab.prompts() == []
        assert tab.page.inner_text("#go") == "Continue"
        tab.shot("interrupted")
        tab.page.click("#go")
        tab.page.wait_for_selector('body:not(.fix) #run-title:text-is("Tracked")')
        assert len(masks(out)) == 24
        tab.shot("continued")
        tab.page.click("#run-correct")
        tab.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        tab.page.click("#close")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, printed, _err = command.finished()
    assert (code, printed, tab.errors) == (0, f"{out}\n", [])
