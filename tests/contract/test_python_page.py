"""The Python examples of the documentation do what the pages say, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from e2e import clips

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/use/python.md", "docs/use/from-sam2.md")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore::vos.VosWarning")  # boxes that reach out of a small clip
@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    clips.video(tmp_path / "video.mp4", 3)
    Image.fromarray(clips.picture(0)).resize((480, 320)).save(tmp_path / "photo.jpg")
    known = {"__name__": "example"}
    blocks = _BLOCK.findall((ROOT / page).read_text())
    assert blocks
    for block in blocks:
        exec(compile(block, f"{page}: {block.splitlines()[0]}", "exec"), known)
