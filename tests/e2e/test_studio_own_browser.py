"""The page as its user sets it: light or dark, timecode, other keys."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, middle, video, wait_for_model
from vos.io.write.deliver.timecode import add_frames, count_frames

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="it looks at the page")

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")
STATIC = Path(__file__).parents[2] / "cli" / "vos_cli" / "studio" / "static"


def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "vos").mkdir(parents=True)
    (tmp_path / "config" / "vos" / "page.json").write_text(text)


def test_light_timecode_and_own_keys(monkeypatch, window: Any, tmp_path: Path):
    own(monkeypatch, tmp_path, '{"theme": "light", "keys": {"g": "q", "1": "F1"}}')
    clip = video(tmp_path / "clip.mp4", frames=30)
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        assert tab.page.get_attribute("html", "data-theme") == "light"
        violations = axe.Axe().run(tab.page).response["violations"]
        assert violations == [], violations
        for width in (1440, 1280, 900):
            tab.page.set_viewport_size({"width": width, "height": 800})
            tab.shot(f"light-{width}")
        tab.page.keyboard.press("q")
        tab.page.wait_for_selector("[data-tool=polygon][aria-pressed=true]")
        tab.page.keyboard.press("b")
        tab.page.keyboard.press("g")  # is no key any more
        tab.page.wait_for_selector("[data-tool=box][aria-pressed=true]")
        tab.page.keyboard.press("a")
        tab.page.wait_for_selector("[data-object='2'] .pick[aria-pressed=true]")
        tab.page.keyboard.press("F1")
        tab.page.wait_for_selector("[data-object='1'] .pick[aria-pressed=true]")
        tab.page.keyboard.press("End")
        tab.page.mouse.click(*middle(tab, "#time"))
        tab.page.wait_for_selector('#time:text-is("00:00:01:05 / 00:00:01:05")')
        tab.page.mouse.click(*middle(tab, "#theme"))
        assert tab.page.get_attribute("html", "data-theme") == "dark"
        tab.page.reload()
        tab.page.wait_for_selector("html[data-theme=dark]")
        tab.page.wait_for_selector('#time:text-is("00:00:01:05 / 00:00:01:05")')
        assert tab.errors == []


def test_keys_that_mean_two_things_are_refused(monkeypatch, window: Any, tmp_path: Path):
    own(monkeypatch, tmp_path, '{"keys": {"g": "b"}}')
    with served(monkeypatch, "pick", video(tmp_path / "clip.mp4", frames=2), *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#toast:not([hidden])")
        assert 'both "Box" and "Polygon"' in tab.page.inner_text("#toast")
        tab.page.keyboard.press("g")
        tab.page.wait_for_selector("[data-tool=polygon][aria-pressed=true]")


@pytest.mark.parametrize(
    ("first", "rate"),
    [
        ("00:00:00:00", Fraction(24)),
        ("10:59:58:20", Fraction(25)),
        ("00:00:00;00", Fraction(30000, 1001)),
        ("23:59:50;00", Fraction(60000, 1001)),
    ],
)
def test_timecode_is_that_of_exports(chromium: Any, first: str, rate: Fraction):
    text = (STATIC / "timecode.js").read_text().replace("export function", "function")
    base = round(rate)
    count = count_frames(first, rate)
    asked = {"start": count, "base": base, "dropped": round(base / 15) if ";" in first else 0}
    frames = [0, 1, 59, 1799, 1800, 1801, 17981, 17982, 17983, 107892, 250_000]
    page = chromium.new_page()
    work = f"{text} return frames.map((frame) => timecode(frame, about));"
    found = page.evaluate(f"([frames, about]) => {{ {work} }}", [frames, asked])
    page.close()
    assert found == [add_frames(first, one, rate) for one in frames]
