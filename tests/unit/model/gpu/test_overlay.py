"""An overlay drawn by torch is the one that NumPy draws, and its YUV is swscale's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from vos.io.write.overlay.draw import draw_overlay, overlay_colours
from vos.io.write.overlay.encode import to_yuv as swscale_yuv
from vos.model.gpu.overlay import OverlayPainter

CUDA = pytest.param("cuda", marks=pytest.mark.needs_cuda)
SIZES = [(1, 1), (2, 2), (3, 5), (1, 40), (41, 1), (37, 53), (96, 128), (720, 64), (719, 33)]


@pytest.fixture(params=["cpu", CUDA])
def device(request) -> torch.device:
    return torch.device(request.param)


def painter_on(device: torch.device) -> OverlayPainter:
    return OverlayPainter(*overlay_colours(), device)


def drawn_by_torch(image: np.ndarray, labels: np.ndarray, device: torch.device) -> np.ndarray:
    pixels, ids = torch.from_numpy(image).to(device), torch.from_numpy(labels).to(device)
    return painter_on(device).draw(pixels, ids).cpu().numpy()


def planes_by_torch(image: np.ndarray, labels: np.ndarray, device: torch.device) -> np.ndarray:
    pixels, ids = torch.from_numpy(image).to(device), torch.from_numpy(labels).to(device)
    return painter_on(device).draw_yuv(pixels, ids).cpu().numpy()


def noise(size_hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


def label_maps(size_hw: tuple[int, int]) -> dict[str, np.ndarray]:
    """Maps that differ in what could be drawn wrongly."""
    rng = np.random.default_rng(1)
    height, width = size_hw
    empty = np.zeros(size_hw, np.uint8)
    corner, halves, blobs = empty.copy(), empty.copy(), empty.copy()
    corner[0, 0], corner[-1, -1] = 7, 9
    halves[:, : width // 2], halves[:, width // 2 :] = 3, 2
    for object_id in range(1, 40):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        blobs[top : top + 9, left : left + 7] = object_id
    return {
        "nothing": empty,
        "everywhere one": np.full(size_hw, 255, np.uint8),
        "two that touch": halves,
        "at the corners": corner,
        "many blobs": blobs,
        "each pixel another": rng.integers(0, 256, size_hw, dtype=np.uint8),
        "single pixels": np.where(rng.random(size_hw) < 0.02, 200, 0).astype(np.uint8),
    }


@pytest.mark.parametrize("size_hw", SIZES)
def test_the_same_pixels_as_numpy_draws(device, size_hw):
    image = noise(size_hw)
    for name, labels in label_maps(size_hw).items():
        expected = draw_overlay(image, labels)
        assert np.array_equal(drawn_by_torch(image, labels, device), expected), name


@pytest.mark.parametrize("lines", [540, 809, 811, 1080, 1350, 2160])
def test_the_line_is_as_thick(device, lines):
    size_hw = (lines, lines + 8)
    labels = np.zeros(size_hw, np.uint8)
    labels[50:90, 60:100], labels[85:120, 99:140], labels[-3:, -3:] = 4, 2, 255
    image = noise(size_hw)
    expected = draw_overlay(image, labels)
    assert np.array_equal(drawn_by_torch(image, labels, device), expected)


def test_random_maps(device):
    rng = np.random.default_rng(3)
    for seed in range(60):
        size_hw = (int(rng.integers(1, 70)), int(rng.integers(1, 70)))
        coarse = rng.integers(0, 256, (size_hw[0] // 6 + 1, size_hw[1] // 6 + 1), dtype=np.uint8)
        coarse[rng.random(coarse.shape) < 0.6] = 0
        labels = np.kron(coarse, np.ones((6, 6), np.uint8))[: size_hw[0], : size_hw[1]].copy()
        image = noise(size_hw, seed)
        expected = draw_overlay(image, labels)
        assert np.array_equal(drawn_by_torch(image, labels, device), expected), seed


@pytest.mark.parametrize("size_hw", [s for s in SIZES if s[0] >= 8] + [(8, 8), (9, 2), (1080, 96)])
@pytest.mark.parametrize("kind", ["noise", "smooth", "extremes"])
def test_yuv_as_swscale_makes_it(device, size_hw, kind):
    height, width = size_hw
    if kind == "noise":
        image = noise(size_hw)
    elif kind == "extremes":
        image = np.where(noise(size_hw) < 128, np.uint8(0), np.uint8(255))
    else:
        rows, columns = np.linspace(0, 255, height), np.linspace(255, 0, width)
        image = np.stack(
            np.broadcast_arrays(rows[:, None], columns[None], (rows[:, None] + columns) / 2), -1
        ).astype(np.uint8)
    labels = label_maps(size_hw)["many blobs"]
    planes = planes_by_torch(image, labels, device)
    expected = swscale_yuv(draw_overlay(image, labels)).to_ndarray()
    even_height, even_width = height + height % 2, width + width % 2
    assert planes.shape == expected.shape == (even_height * 3 // 2, even_width)
    apart = np.abs(planes.astype(int) - expected)
    assert apart[:even_height].max() <= 1
    assert apart[even_height:].max() <= 2
    assert apart.mean() < 0.1


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 2), (3, 5), (1, 40), (7, 7)])
def test_tiny_frames_have_planes_too(device, size_hw):
    colour = np.array((200, 60, 90), np.uint8)
    image = np.broadcast_to(colour, (*size_hw, 3)).copy()
    planes = planes_by_torch(image, np.zeros(size_hw, np.uint8), device)
    expected = swscale_yuv(image).to_ndarray()
    assert np.abs(planes.astype(int) - expected).max() <= 1


def test_nothing_depends_on_what_the_pixels_are():
    """Fake tensors have shapes and no values: whatever needs a value or waits for one raises."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        painter = painter_on(torch.device("cpu"))
        planes = painter.draw_yuv(
            torch.empty(45, 64, 3, dtype=torch.uint8), torch.empty(45, 64, dtype=torch.uint8)
        )
    assert planes.shape == (69, 64)
    assert planes.dtype == torch.uint8


def test_the_inputs_stay_as_they_were(device):
    image, labels = noise((30, 40)), label_maps((30, 40))["many blobs"]
    pixels, ids = torch.from_numpy(image.copy()), torch.from_numpy(labels.copy())
    painter_on(torch.device("cpu")).draw_yuv(pixels, ids)
    assert np.array_equal(pixels.numpy(), image)
    assert np.array_equal(ids.numpy(), labels)


def test_a_fill_of_the_background_is_our_bug():
    fills, lines = overlay_colours()
    with pytest.raises(ValueError, match="background"):
        OverlayPainter(np.maximum(fills, 1), lines, torch.device("cpu"))


@pytest.mark.needs_cuda
def test_it_can_be_recorded_as_a_graph():
    device, size_hw = torch.device("cuda"), (271, 480)
    painter = painter_on(device)
    pixels = torch.zeros(*size_hw, 3, dtype=torch.uint8, device=device)
    ids = torch.zeros(size_hw, dtype=torch.uint8, device=device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            painter.draw_yuv(pixels, ids)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        planes = painter.draw_yuv(pixels, ids)
    for seed, labels in enumerate(label_maps(size_hw).values()):
        image = noise(size_hw, seed)
        pixels.copy_(torch.from_numpy(image))
        ids.copy_(torch.from_numpy(labels))
        graph.replay()
        expected = planes_by_torch(image, labels, torch.device("cpu"))
        assert np.array_equal(planes.cpu().numpy(), expected)
