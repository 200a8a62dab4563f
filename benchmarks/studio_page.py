"""Measure the page itself in Chromium: click to mask, seeking, playback, memory.

    python -m benchmarks.studio_page CLIP --box 1:300,200,500,400 --box 2:600,200,800,400 --end 120f

The clip is tracked first, which is not measured; then its result is opened on the page of `vos fix`
as a user would open it. After that the boxes are opened with `vos pick`, for clicks on a frame that
the tracker knows from the memory of the prompted one. All else that the machine does meanwhile
counts: the load is written down.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.common import machine, write_result
from vos.model.registry import resolve

PATIENCE_MS = 120_000
PLAY_S = 5.0
WAIT_FOR = """([name, before]) => new Promise((resolve) => {
    const canvas = document.getElementById("canvas");
    const began = performance.now();
    const timer = setInterval(() => {
        if (canvas.dataset[name] === before && performance.now() - began < 30000) return;
        clearInterval(timer);
        resolve();
    }, 4);
})"""
"""Resolves once the canvas shows something else, or after half a minute."""


@contextmanager
def opened(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `vos ARGUMENTS` up to its link."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vos_cli", *map(str, arguments)],
        env=os.environ | {"BROWSER": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        link = next(line.split()[-1] for line in process.stderr if "http://127.0.0.1" in line)
        yield process, link
    finally:
        process.terminate()
        process.wait()


def timed(page: Any, name: str, act: Any) -> float:
    """Return the milliseconds from an act to what it changes on the canvas."""
    before = page.get_attribute("#canvas", f"data-{name}")
    began = time.perf_counter()
    act()
    page.evaluate(WAIT_FOR, [name, before])
    return 1000 * (time.perf_counter() - began)


def seek_times(page: Any, count: int, seeks: int) -> list[float]:
    """Return how long frames anywhere take to be seen."""
    dice, times = random.Random(0), []
    for _ in range(seeks):
        now = int(page.get_attribute("#canvas", "data-frame"))
        to = dice.choice([one for one in range(count) if one != now])
        page.locator("#frame-number").fill(str(to))
        times.append(timed(page, "frame", lambda: page.keyboard.press("Enter")))
    return times


def click_times(page: Any, clicks: int) -> list[float]:
    """Return how long masks take after clicks on one frame, which the model has looked at."""
    box = page.locator("#canvas").bounding_box()
    page.keyboard.press("p")
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    timed(page, "version", lambda: page.mouse.click(*middle))  # the model looks at the frame
    page.wait_for_timeout(1000)
    times = []
    for index in range(clicks):
        place = (middle[0] + 40 * (index + 1), middle[1])  # nearer, it would be taken hold of
        times.append(timed(page, "version", lambda place=place: page.mouse.click(*place)))
        page.wait_for_timeout(300)
    return times


def preview_times(driver: Any, clip: Path, prompts: Path, clicks: int) -> list[float]:
    """Return how long masks take after clicks on a frame behind the prompted one."""
    with opened("pick", clip, "-o", prompts, "--model", "nano") as (_, link):
        page = open_page(driver, link)
        page.locator("#frame-number").fill("40")
        page.keyboard.press("Enter")
        page.wait_for_selector("#canvas[data-preview^='1']")
        page.wait_for_timeout(1000)
        return click_times(page, clicks)


def open_page(driver: Any, link: str) -> Any:
    """Return the page in a browser of its own, once its model is there."""
    flags = ["--no-sandbox", "--enable-precise-memory-info"]
    browser = driver.chromium.launch(executable_path=which("chromium"), args=flags)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(link)
    page.wait_for_selector("#model.ready")
    return page


def play(page: Any) -> float:
    """Return how many frames a second are seen in playback."""
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    page.evaluate(
        """() => { window.seen = 0; new MutationObserver(() => (window.seen += 1)).observe(
            document.getElementById("canvas"), {attributeFilter: ["data-frame"]}); }"""
    )
    page.keyboard.press("l")
    page.keyboard.press("Space")
    began = time.perf_counter()
    page.wait_for_timeout(1000 * PLAY_S)
    seen = page.evaluate("window.seen")
    rate = seen / (time.perf_counter() - began)
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.wait_for_timeout(2000)
    return rate


def memory_mb(pid: int) -> float:
    """Return the largest resident size a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def is_ours(pid: int) -> bool:
    """Tell whether a process descends from this one."""
    while pid > 1:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        pid = next(int(line.split()[1]) for line in lines if line.startswith("PPid"))
        if pid == os.getpid():
            return True
    return False


def renderer_mb() -> float:
    """Return the largest resident size of a renderer of the browser that was started here."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_renderer = b"--type=renderer" in (folder / "cmdline").read_bytes()
            if is_renderer and is_ours(int(folder.name)):
                found.append(memory_mb(int(folder.name)))
        except (OSError, StopIteration):
            continue
    return max(found, default=0.0)


def row(what: str, times_ms: list[float], wanted_ms: int) -> tuple[str, ...]:
    middle, worst = statistics.median(times_ms), max(times_ms)
    return what, "ms", f"{middle:.0f}", f"{worst:.0f}", f"{wanted_ms}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--box", action="append", required=True)
    parser.add_argument("--end", default="120f")
    parser.add_argument("--seeks", type=int, default=20)
    parser.add_argument("--clicks", type=int, default=8)
    args = parser.parse_args()
    boxes = [word for one in args.box for word in ("--box", one)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        track = ["track", str(args.clip), *boxes, "--end", args.end, "-o", str(out), "-q"]
        subprocess.run([sys.executable, "-m", "vos_cli", *track, "--model", "nano"], check=True)
        with opened("fix", out) as (process, link), sync_playwright() as driver:
            page = open_page(driver, link)
            page.wait_for_selector("#timeline-canvas[data-id]")
            page.wait_for_timeout(3000)
            count = len(list((out / "masks").iterdir()))
            facts, rate = (
                page.inner_text("#clip-facts"),
                page.evaluate(
                    "fetch('api/clip').then((one) => one.json()).then((one) => one.rate)"
                ),
            )
            seeks, frames_per_s = seek_times(page, count, args.seeks), play(page)
            clicks = click_times(page, args.clicks)
            heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
            renderer, server = renderer_mb(), memory_mb(process.pid)
            page.context.browser.close()
            later = preview_times(driver, args.clip, out / "prompts.json", args.clicks)
    rows = [
        row("click to mask of a correction", clicks, 150),
        row("click to mask on a frame behind the prompted one, before tracking", later, 150),
        row("seek anywhere", seeks, 250),
        ("playback", "frames/s", f"{frames_per_s:.1f}", "", f"{rate:.1f}"),
        ("JS heap", "MB", f"{heap:.0f}", "", "300"),
        ("renderer, at most", "MB", f"{renderer:.0f}", "", "1000"),
        ("server, at most", "MB", f"{server:.0f}", "", "1500"),
    ]
    head = [
        "# The page in Chromium",
        "",
        f"{facts}; {count} of its frames tracked, {len(args.box)} objects, `nano`. {machine()}; "
        f"load average {os.getloadavg()[0]:.1f}: other work on the machine counts.",
        f"Command: `python -m benchmarks.studio_page CLIP {' '.join(boxes)} --end {args.end}`.",
        "",
        "| what | unit | median | worst | wanted |",
        "|---|---|---|---|---|",
    ]
    lines = [f"| {' | '.join(one)} |" for one in rows]
    write_result("studio_page.md", "\n".join([*head, *lines, ""]), [resolve("nano").path])


if __name__ == "__main__":
    main()
