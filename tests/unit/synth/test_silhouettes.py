"""Outlines that objects are cut from: filled in, and each of one thing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from vos.synth.pasted_sources import silhouettes
from vos.synth.pasted_sources.silhouettes import fetch_silhouettes, fill_in, is_one_thing


def drawn(*squares: tuple[int, int, int, int], hole: tuple[int, int, int, int] | None = None):
    alpha = np.zeros((64, 64), np.uint8)
    for top, left, bottom, right in squares:
        alpha[top:bottom, left:right] = 255
    if hole is not None:
        alpha[hole[0] : hole[2], hole[1] : hole[3]] = 0
    return Image.fromarray(alpha)


def test_holes_are_filled_and_bays_are_not():
    ring = np.asarray(fill_in(drawn((10, 10, 50, 50), hole=(20, 20, 30, 30))))
    assert (ring[10:50, 10:50] == 255).all()
    assert ring[0, 0] == 0
    bay = np.asarray(fill_in(drawn((10, 10, 50, 50), hole=(20, 20, 30, 50))))
    assert bay[25, 30] == 0


def test_several_things_hairs_and_plates_are_left_out():
    assert is_one_thing(drawn((10, 10, 40, 40)))
    assert not is_one_thing(drawn((10, 10, 30, 30), (35, 35, 60, 60)))
    assert not is_one_thing(drawn((10, 10, 12, 60)))
    assert not is_one_thing(drawn((0, 0, 64, 64)))


def test_they_are_drawn_from_the_package(tmp_path, monkeypatch):
    """With a stand-in for the package that draws."""

    def unpack(_package: str, room: str) -> Path:
        icons = {"hat": {"body": "<path d='1'/>"}, "pair": {"body": "<path d='2'/>"}}
        text = json.dumps({"width": 512, "height": 512, "icons": icons})
        (Path(room) / "icons.json").write_text(text)
        return Path(room)

    def draw(svg_string: str, width: int, height: int) -> bytes:
        is_pair = "d='2'" in svg_string
        squares = ((5, 5, 25, 25), (35, 35, 60, 60)) if is_pair else ((10, 10, 40, 40),)
        alpha = drawn(*squares).resize((width, height))
        file = tmp_path / "drawn.png"
        Image.merge("RGBA", (alpha, alpha, alpha, alpha)).save(file)
        return file.read_bytes()

    monkeypatch.setattr(silhouettes, "unpack_npm", unpack)
    monkeypatch.setitem(sys.modules, "resvg_py", SimpleNamespace(svg_to_bytes=draw))
    assert "1 silhouettes" in fetch_silhouettes(tmp_path / "silhouettes")
    (file,) = (tmp_path / "silhouettes").iterdir()
    assert file.name == "hat.png"
    with Image.open(file) as image:
        assert image.mode == "RGBA"
        assert image.size == (256, 256)


def test_without_what_draws_them_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert "pip install resvg-py" in fetch_silhouettes(tmp_path / "silhouettes")
