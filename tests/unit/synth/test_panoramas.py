"""Cameras that turn in panoramas, and how those are fetched and read."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from vos.synth.panoramas import look_around
from vos.synth.pasted_sources import panoramas
from vos.synth.pasted_sources.panoramas import fetch_panoramas, read_exr, tone_map


def compass() -> torch.Tensor:
    """A panorama whose red rises from left to right and whose green falls from top to bottom."""
    x = (torch.arange(256) + 0.5) / 256
    y = (torch.arange(128) + 0.5) / 128
    return torch.stack([x.expand(128, -1), (1 - y)[:, None].expand(-1, 256), torch.zeros(128, 256)])


def look(heading: float = 0.0, tilt: float = 0.0, roll: float = 0.0, size: int = 65):
    angles = (torch.tensor([one]) for one in (heading, tilt, roll))
    return look_around(compass(), *angles, math.radians(90), size)[0]


def test_the_middle_of_the_picture_is_where_the_camera_looks():
    for heading in (-2.0, 0.0, 1.5):
        for tilt in (-0.5, 0.0, 0.7):
            red, green, _ = look(heading, tilt)[:, 32, 32].tolist()
            assert red == pytest.approx(0.5 + heading / math.tau, abs=0.01)
            assert green == pytest.approx(0.5 + tilt / math.pi, abs=0.01)


def test_right_is_right_and_up_is_up():
    red, green, _ = look()
    assert (red[32].diff() > 0).all()
    assert (green[:, 32].diff() < 0).all()
    assert red[32, -1] - red[32, 0] == pytest.approx(0.25, abs=0.01)  # 90 of 360 degrees


def test_a_full_turn_changes_nothing_and_there_is_no_seam():
    assert torch.allclose(look(0.3), look(0.3 + math.tau), atol=1e-4)
    wave = torch.cos(math.tau * (torch.arange(256) + 0.5) / 256).expand(3, 128, -1)
    seen = look_around(wave, *torch.tensor([[math.pi], [0.0], [0.0]]), math.radians(90), 64)
    assert seen[0, 0, 32].diff().abs().max() < 0.03


def test_a_rolled_camera_sees_the_horizon_slant():
    green = look(roll=math.pi / 2)[1]
    assert green[32].max() - green[32].min() > 0.4
    assert green[:, 32].max() - green[:, 32].min() < 0.02


def test_light_becomes_a_picture_and_suns_are_white():
    light = np.full((4, 6, 3), 0.02, np.float32)
    light[0, 0], light[0, 1] = np.inf, -1.0
    picture = tone_map(light)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[0, 1].tolist() == [0, 0, 0]
    assert 100 < picture[2, 2, 0] < 135


def exr(light: np.ndarray, path: Path) -> bytes:
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("exr", rate=1, options={"format": "half"})
        stream.height, stream.width = light.shape[:2]
        stream.pix_fmt = "gbrpf32le"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(light, format="gbrpf32le")))
        container.mux(stream.encode())
    return path.read_bytes()


def test_panoramas_come_out_of_the_package(tmp_path, monkeypatch):
    light = np.zeros((8, 16, 3), np.float32)
    light[:] = (4.0, 0.5, 0.25)
    content = exr(light, tmp_path / "one.exr")
    assert np.allclose(read_exr(content)[3, 3], (4.0, 0.5, 0.25), atol=0.01)

    def unpack(_package: str, room: str) -> Path:
        (Path(room) / "hdri").mkdir()
        text = base64.b64encode(content).decode()
        file = Path(room) / "hdri" / "hall.exr.js"
        file.write_text(f"export default 'data:application/exr;base64,{text}'")
        return Path(room)

    monkeypatch.setattr(panoramas, "unpack_npm", unpack)
    assert "1 panoramas" in fetch_panoramas(tmp_path / "panoramas")
    with Image.open(tmp_path / "panoramas" / "hall.png") as image:
        assert image.size == (16, 8)
        red, green, blue = image.getpixel((3, 3))
    assert red > green > blue


def test_without_network_it_is_said(tmp_path, monkeypatch):
    def fail(*_arguments) -> Path:
        raise OSError("no network")

    monkeypatch.setattr(panoramas, "unpack_npm", fail)
    assert "not fetched (no network)" in fetch_panoramas(tmp_path / "panoramas")
