"""The page's most telling uses, in Chromium: draw and see a mask, correct a result and undo it.

Few, so that every run of the tests has them; test_pick_browser.py has the others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.hang_guard import hang_guard
from e2e.studio_here import served
from e2e.studio_page import INSIDE, OUTSIDE, Tab, video, wait_for_model
from vos_cli.main import run as run_command

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

MODEL = ("--model", "nano", "--device", "cpu")
HANGS_S = 180  # once one did, while the page asked without a pause


def test_a_box_gets_its_mask_and_its_file(monkeypatch, capsys, window: Any, tmp_path: Path):
    clip, file = video(tmp_path / "clip.mp4", frames=4), tmp_path / "drawn.json"
    with served(monkeypatch, "pick", clip, "-o", file, *MODEL) as command:
        tab = Tab(window.new_page(), command.link)
        wait_for_model(tab)
        plain = tab.pixel(*INSIDE), tab.pixel(*OUTSIDE)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_version(1)
        masked = tab.pixel(*INSIDE), tab.pixel(*OUTSIDE)
        tab.shot("pick")
        tab.page.click("#go")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, out = command.finished(), capsys.readouterr().out
    assert masked[0] != plain[0]
    assert masked[1] == plain[1]
    assert (code, out, tab.errors) == (0, f"{file}\n", [])
    assert json.loads(file.read_text())["prompts"][0]["box_xyxy_px"] == [78, 58, 142, 122]


def test_a_span_is_fixed_and_the_fix_undone(monkeypatch, capsys, window: Any, tmp_path: Path):
    clip, out = video(tmp_path / "clip.mp4", frames=6), tmp_path / "out"
    wrong = ("--box", "240,10,310,60", *MODEL, "--size", "128")
    assert run_command(["track", str(clip), "-o", str(out), *wrong, "-q"]) == 0
    capsys.readouterr()
    before = contents(out)
    page = window.new_page()
    with served(monkeypatch, "fix", out) as command, hang_guard(page, HANGS_S):
        tab = Tab(page, command.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        wait_for_model(tab)
        show(tab, 3)
        plain = tab.pixel(*INSIDE)
        # It is taken as exact, so that the model's skill is no part of this.
        tab.outline((86, 60), (146, 60), (146, 120), (86, 120))
        tab.page.click("#go")
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector('#run-title:text-is("Corrected")')
        assert len(list((out / "history").iterdir())) == 1

        tab.page.reload()
        tab.page.wait_for_selector("#timeline-canvas[data-id='1']")
        tab.page.wait_for_selector('#canvas[data-frame="3"]')
        tab.page.wait_for_timeout(300)
        assert tab.pixel(*INSIDE) != plain
        assert tab.page.locator("#history li").count() == 1
        assert tab.prompts() == []
        tab.shot("fix-short")

        tab.page.click("#fix-undo")
        tab.page.wait_for_selector("#timeline-canvas[data-id='2']")
        tab.page.wait_for_selector("#history li.undone")
        tab.page.wait_for_timeout(300)
        assert tab.pixel(*INSIDE) == plain
        assert contents(out) == before
        tab.page.click("#close")
        tab.page.wait_for_selector("#over:not([hidden])")
        code, (printed, err) = command.finished(), capsys.readouterr()
    assert (code, printed, tab.errors) == (0, f"{out}\n", [])
    assert "1 correction made, 1 taken back" in err


def show(tab: Tab, frame_idx: int) -> None:
    """Go to a frame; returns once it is painted with its mask."""
    tab.page.fill("#frame-number", str(frame_idx))
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(f'#canvas[data-frame="{frame_idx}"]')
    tab.page.wait_for_timeout(300)


def contents(output: Path) -> dict[str, bytes]:
    """What an undo brings back."""
    names = ("stats.jsonl", "prompts.json")
    masks = {path.name: path.read_bytes() for path in (output / "masks").iterdir()}
    return masks | {name: (output / name).read_bytes() for name in names}
