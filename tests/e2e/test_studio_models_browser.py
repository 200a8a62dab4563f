"""What model is in use, what else is here, and how to begin with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from e2e.studio_here import served
from e2e.studio_page import Tab, middle, video
from vos.model.registry import TRYING_OUT

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")


def test_models_on_this_machine(monkeypatch, window: Any, tmp_path: Path):
    clip = video(tmp_path / "my clip.mp4", frames=4)
    monkeypatch.setenv("VOS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with served(monkeypatch, "pick", clip, "--model", "nano", "--device", "cpu") as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#model.ready")
        assert tab.page.text_content("#model") == TRYING_OUT
        tops = [middle(tab, f"#model-{part}")[1] for part in ("name", "more")]
        assert tops[0] == tops[1]  # all of it is seen; in a narrow window the first words are
        tab.page.mouse.click(*middle(tab, "#model"))
        tab.page.wait_for_selector("#models[open]")
        assert tab.page.inner_text("#models-note") == TRYING_OUT
        options = tab.page.locator("#models-model option").all_inner_texts()
        assert len(options) == 1
        assert options[0].startswith("nano (")
        assert options[0].endswith("in use")
        assert tab.page.inner_text("#models-command") == "vos models pull sam2.1-large"
        assert tab.page.input_value("#models-refiner") == "nano-refiner"
        tab.page.select_option("#models-refiner", "none")
        tab.page.wait_for_selector('#models-command:has-text("vos pick")')
        words = shlex.split(tab.page.inner_text("#models-command"))
        assert words[:3] == ["vos", "pick", str(clip)]
        assert words[-4:] == ["--model", "nano", "--refiner", "none"]
        assert "offered again" in tab.page.inner_text("#models-how")
        for width in (1440, 1280, 900):
            tab.page.set_viewport_size({"width": width, "height": 800})
            tab.shot(f"models-{width}")
        assert tab.errors == []
