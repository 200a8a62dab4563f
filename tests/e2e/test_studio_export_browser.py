"""The export dialog in Chromium: formats, edges that show at once, the files, cancelling."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2e.studio_here import served
from e2e.studio_page import Tab, middle
from vos_cli.studio import exports

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")


def open_dialog(tab: Tab) -> None:
    tab.page.wait_for_selector("#export:not([hidden])")
    tab.page.keyboard.press("Control+e")
    tab.page.wait_for_selector("#export-dialog[open]")
    wait_for_preview(tab, 1)


def wait_for_preview(tab: Tab, turn: int) -> None:
    tab.page.wait_for_function(
        "(turn) => Number(document.getElementById('export-image').dataset.turn ?? 0) >= turn",
        arg=turn,
    )


def turn_of(tab: Tab) -> int:
    return int(tab.page.get_attribute("#export-image", "data-turn"))


def whiteness(tab: Tab) -> float:
    return tab.page.evaluate(
        """() => {
            const image = document.getElementById("export-image");
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
            return data.reduce((sum, value, at) => sum + (at % 4 === 0 && value > 127), 0);
        }"""
    )


def test_a_matte_with_edges_is_seen_exported_and_downloaded(
    monkeypatch, window: Any, result: Path, tmp_path: Path
):
    with served(monkeypatch, "fix", result, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        open_dialog(tab)
        for width in (1440, 1280, 900):
            tab.page.set_viewport_size({"width": width, "height": 800})
            tab.shot(f"export-{width}")
        tab.page.set_viewport_size({"width": 1280, "height": 800})
        before, turn = whiteness(tab), turn_of(tab)
        tab.page.locator("#edge-grow").focus()
        for _ in range(4):
            tab.page.keyboard.press("ArrowRight")
        wait_for_preview(tab, turn + 1)
        tab.page.wait_for_timeout(500)
        assert whiteness(tab) > before
        tab.page.mouse.click(*middle(tab, "#export-objects input[value='3']"))  # without it
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector("#export-dialog[data-state=done]")
        place = tmp_path / "out-png-matte"
        assert tab.page.inner_text("#export-path") == str(place)
        tab.shot("exported")
        images = sorted(place.glob("*.png"))
        assert len(images) == 24
        assert {path.name.split(".")[0] for path in images} == {"clip_obj1"}
        assert (np.asarray(Image.open(images[0])) > 127).sum() > 0
        with tab.page.expect_download() as download:
            tab.page.mouse.click(*middle(tab, "#export-get"))
        assert download.value.suggested_filename == "out-png-matte.zip"
        with zipfile.ZipFile(download.value.path()) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 24
        tab.page.keyboard.press("Escape")
        tab.page.wait_for_selector("#export-dialog", state="hidden")
        open_dialog(tab)  # with what was chosen
        assert tab.page.input_value("#edge-grow") == "4"
        tab.page.select_option("#export-format", "csv")
        assert tab.page.locator("#edge-grow").is_disabled()
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector('#export-get:text-is("Download")')
        with tab.page.expect_download() as download:
            tab.page.mouse.click(*middle(tab, "#export-get"))
        assert download.value.suggested_filename == "clip.csv"
        assert tab.errors == []


def test_another_export_is_replaced_after_a_question(
    monkeypatch, window: Any, result: Path, tmp_path: Path
):
    with served(monkeypatch, "fix", result, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        open_dialog(tab)
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector("#export-dialog[data-state=done]")
        first = (tmp_path / "out-png-matte" / "manifest.json").read_bytes()
        tab.page.mouse.click(*middle(tab, "#export-invert"))
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector("#export-replace:visible")
        assert (tmp_path / "out-png-matte" / "manifest.json").read_bytes() == first
        assert "--" not in tab.page.inner_text("#export-text")
        tab.shot("export-replace")
        tab.page.mouse.click(*middle(tab, "#export-replace"))
        tab.page.wait_for_selector("#export-dialog[data-state=done]")
        assert (tmp_path / "out-png-matte" / "manifest.json").read_bytes() != first
        assert tab.errors == []


def test_close_waits_for_an_export_that_is_written_and_it_can_be_cancelled(
    monkeypatch, window: Any, result: Path, tmp_path: Path
):
    go_on = threading.Event()
    real = exports._Watched.advance

    def advance(self: Any) -> None:
        go_on.wait(60)
        real(self)

    monkeypatch.setattr(exports._Watched, "advance", advance)
    with served(monkeypatch, "fix", result, "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#timeline-canvas[data-id='0']")
        open_dialog(tab)
        tab.page.mouse.click(*middle(tab, "#export-go"))
        tab.page.wait_for_selector("#export-stop:visible")
        tab.page.keyboard.press("Escape")
        tab.page.wait_for_selector('#export:text-matches("Export [0-9]+ %")')
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#export-dialog[open]")
        tab.page.mouse.click(*middle(tab, "#export-stop"))
        go_on.set()
        tab.page.wait_for_selector("#export-dialog[data-state=stopped]")
        assert "untouched" in tab.page.inner_text("#export-text")
        assert not (tmp_path / "out-png-matte").exists()
        tab.page.keyboard.press("Escape")
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#over:not([hidden])")
        assert here.finished() == 0
        assert tab.errors == []
