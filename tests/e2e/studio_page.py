"""A running `vos pick` or bare `vos track`, and a browser in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

WIDTH, HEIGHT = 320, 180
INSIDE, OUTSIDE = (110, 90), (290, 20)  # of the square in `video`, on frame 0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LINK = "http://127.0.0.1:"
PATIENCE_MS = 120_000  # the model loads behind the page, and machines are busy


@dataclass(frozen=True, slots=True)
class Command:
    """link: what the terminal shows, good for one browser."""

    process: subprocess.Popen[str]
    link: str

    def finished(self) -> tuple[int, str, str]:
        """Exit code, stdout and the rest of stderr, once it has ended by itself."""
        out, err = self.process.communicate(timeout=PATIENCE_MS / 1000)
        return self.process.returncode, out, err


@contextmanager
def started(environ: dict[str, str], *arguments: object) -> Iterator[Command]:
    """Run `vos ARGUMENTS` up to the link; it is interrupted at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vos_cli", *map(str, arguments)],
        env=environ | {"BROWSER": "true", "PYTHONFAULTHANDLER": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process:
        said = []
        for line in process.stderr:
            said.append(line)
            if _LINK in line:
                break
        else:
            pytest.fail("".join(said))
        try:
            yield Command(process, said[-1].split()[-1])
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.communicate(timeout=PATIENCE_MS / 1000)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGABRT)  # it says where its threads are
                    pytest.fail(f"Ctrl-C did not end it: {process.communicate()[1]}")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium; skips where it or Playwright is absent."""
    reason = "browser tests need Playwright"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    with playwright.sync_playwright() as driver:
        program = _program(driver)
        # As root, as in containers, Chromium has no sandbox.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = driver.chromium.launch(executable_path=program, args=flags)
        yield running
        running.close()


def _program(driver: Any) -> str:
    """The system's Chromium, else the one that `playwright install chromium` got."""
    own = driver.chromium.executable_path
    found = [*filter(None, map(shutil.which, _BROWSERS)), *([own] if Path(own).exists() else [])]
    if not found:
        pytest.skip("browser tests need Chromium: `make browser`, or `playwright install chromium`")
    return found[0]


def video(
    path: Path, width: int = WIDTH, height: int = HEIGHT, frames: int = 12, key_every: int = 6
) -> Path:
    """An orange square that moves right over a soft background, and comes back every 80 frames."""
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"g": str(key_every)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        plain = np.stack([40 + columns // 8, 60 + rows // 6, 70 + 0 * rows], -1).astype(np.uint8)
        for index in range(frames):
            image = plain.copy()
            left = 80 + 2 * (index % 80)
            image[60:120, left : left + 60] = (230, 120, 60)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


def wait_for_model(tab: Tab) -> None:
    """Wait until prompts can be drawn: the model is there, and the frame that they are drawn on."""
    tab.page.wait_for_selector("#model.ready")
    tab.page.wait_for_function(
        """() => {
            const canvas = document.getElementById("canvas");
            const {width, height} = canvas;
            const data = canvas.getContext("2d").getImageData(0, height >> 1, width, 1).data;
            return data.some((value, at) => at % 4 < 3 && value > 0);
        }"""
    )


def middle(tab: Tab, selector: str) -> tuple[float, float]:
    """Where the mouse has to go to be on an element, in CSS pixels."""
    box = tab.page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Tab:
    """One tab with the page, in coordinates of the frame."""

    def __init__(self, page: Any, link: str) -> None:
        self.errors: list[str] = []
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(link)
        page.wait_for_selector("#canvas[data-view]")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the frame is in the window, in CSS pixels."""
        self.page.wait_for_timeout(60)  # the frame is laid out when it is painted
        view = self.page.get_attribute("#canvas", "data-view")
        scale, left, top = map(float, view.split(","))
        box = self.page.locator("#canvas").bounding_box()
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def tool(self, name: str) -> None:
        self.page.click(f"[data-tool={name}]")

    def drag(self, *places: tuple[float, float], shift: bool = False) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*places[0]))
        if shift:
            self.page.keyboard.down("Shift")
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.at(*place), steps=4)
        mouse.up()
        if shift:
            self.page.keyboard.up("Shift")

    def outline(self, *corners: tuple[float, float]) -> None:
        """Draw a polygon; returns once it is one of the prompts."""
        drawn = self.page.locator("#prompts .here").count()
        self.tool("polygon")
        for corner in corners:
            self.click(*corner)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f"#prompts .here >> nth={drawn}")

    def click(self, x: float, y: float, button: str = "left") -> None:
        self.page.mouse.click(*self.at(x, y), button=button)

    def wheel(self, x: float, y: float, delta: float) -> None:
        """Zoom about a place of the frame; returns once that is painted."""
        before = self.page.get_attribute("#canvas", "data-view")
        self.page.mouse.move(*self.at(x, y))
        self.page.mouse.wheel(0, delta)
        self.page.wait_for_selector(f'#canvas:not([data-view="{before}"])')
        self.page.wait_for_timeout(200)

    def prompts(self) -> list[dict[str, Any]]:
        """What the server has."""
        return self.document()["prompts"]

    def version(self) -> int:
        return self.document()["version"]

    def wait_for_server(self, version: int) -> None:
        """Until the server has this version of the document."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < deadline:
            if self.version() >= version:
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"still at version {self.version()}")

    def document(self) -> Any:
        """The document that the server has."""
        return self.page.evaluate("fetch('api/document').then((answer) => answer.json())")

    def wait_for_version(self, version: int) -> None:
        """Until the mask of this version of the document is on the screen."""
        self.page.wait_for_selector(f'#canvas[data-version="{version}"]')
        self.page.wait_for_timeout(100)

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """The RGB on the canvas at a place of the frame."""
        script = """(() => {
            const canvas = document.getElementById("canvas");
            const [scale, left, top] = canvas.dataset.view.split(",").map(Number);
            const ratio = canvas.width / canvas.clientWidth;
            const at = (start, value) => Math.floor((start + value * scale) * ratio);
            const data = canvas.getContext("2d").getImageData(at(left, X), at(top, Y), 1, 1).data;
            return [...data].slice(0, 3);
        })()"""
        return tuple(self.page.evaluate(script.replace("X", f"{x}").replace("Y", f"{y}")))

    def close_and_keep(self) -> None:
        """Close the page, and keep what is drawn for the next time."""
        self.page.mouse.click(*middle(self, "#close"))
        self.page.click("#ask button >> text=Close, go on next time")
        self.page.wait_for_selector("#over:not([hidden])")

    def shot(self, name: str) -> None:
        """A screenshot into the folder VOS_SCREENSHOTS, where it is named."""
        folder = os.environ.get("VOS_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))
