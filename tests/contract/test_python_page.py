"""The Python examples of the documentation do what the pages say, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from e2e import clips
from e2e.results import small_tracker
from live_server import LiveServer, transport_stream
from vos import loading
from vos.model.load import ModelInfo

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/use/python.md", "docs/use/from-sam2.md")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore::vos.VosWarning")  # boxes that reach out of a small clip
@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, tmp_path: Path, tiny_model, monkeypatch, capsys):
    """With a small model in nano's place, as the pages have many frames."""
    side = tiny_model.image_size
    info = ModelInfo("nano", "nano", Path("nano.safetensors"), "0" * 64, side, False)
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: (tiny_model, info))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    image = np.asarray(Image.fromarray(clips.picture(0)).resize((480, 320)))
    Image.fromarray(image).save(tmp_path / "photo.jpg")
    with av.open("video.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 480, 320, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    known = {"__name__": "example"}
    blocks = _BLOCK.findall((ROOT / page).read_text())
    assert blocks
    for block in blocks:
        exec(compile(block, f"{page}: {block.splitlines()[0]}", "exec"), known)


def test_the_example_on_live_sources_runs(tmp_path: Path, tiny_model, monkeypatch, capsys):
    """With the address of a server here in a camera's place."""
    (block,) = _BLOCK.findall((ROOT / "docs/use/live.md").read_text())
    assert '"rtsp://camera/1", reconnect_s=600' in block
    monkeypatch.setattr(loading, "load", lambda _name: small_tracker(tiny_model))
    with LiveServer([transport_stream(tmp_path / "clip.ts", 8)]) as server:
        exec(block.replace("rtsp://camera/1", server.address).replace("600", "0"), {})
    assert capsys.readouterr().out.startswith("0 0.")
