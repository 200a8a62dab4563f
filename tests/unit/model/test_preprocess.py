"""The network's input has SAM 2's own bits, wherever it is normalised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vos.model.host_memory import to_device
from vos.model.preprocess import MEAN_RGB, STD_RGB, image_to_input, to_network, to_pixels

CUDA = pytest.param("cuda", marks=pytest.mark.needs_cuda)


def official(resized: np.ndarray) -> torch.Tensor:
    """`sam2.utils.misc._load_img_as_tensor` and what `load_video_frames_from_jpg_images` adds."""
    mean = torch.tensor(MEAN_RGB, dtype=torch.float32)[:, None, None]
    std = torch.tensor(STD_RGB, dtype=torch.float32)[:, None, None]
    images = torch.zeros(1, 3, *resized.shape[:2], dtype=torch.float32)
    images[0] = torch.from_numpy(resized / 255.0).permute(2, 0, 1)
    images -= mean
    images /= std
    return images


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_every_byte_becomes_the_same_number(device):
    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    ours = to_network(to_pixels(values, torch.device(device)))
    assert ours.device.type == device
    assert torch.equal(ours.cpu(), official(values))


def test_a_picture_of_any_size():
    picture = np.random.default_rng(0).integers(0, 255, (45, 80, 3), dtype=np.uint8)
    resized = np.asarray(Image.fromarray(picture).resize((64, 64)))
    ours = image_to_input(picture, 64, torch.device("cpu"))
    assert torch.equal(ours, official(resized))


@pytest.mark.needs_cuda
def test_what_is_sent_is_what_was_there_when_it_was_sent():
    for value in range(50):
        source = torch.full((1 << 20,), value, dtype=torch.uint8)
        there = to_device(source, torch.device("cuda"))
        source.fill_(255)
        assert bool((there == value).all())


def test_images_are_channels_first_in_memory_too():
    """Convolutions choose their kernels, and with them the last bits, by strides."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    assert to_network(to_pixels(pixels, torch.device("cpu"))).stride() == (3 * 32**2, 32**2, 32, 1)
