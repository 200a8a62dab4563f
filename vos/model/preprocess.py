"""Make a frame the network's input, exactly as SAM 2 reads a folder of JPEGs."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from vos.model.host_memory import to_device

MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)


def normalise(image: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
    """Subtract ImageNet's mean and divide by its deviation; takes values from 0 to 1."""
    _, mean, std = _constants(image.device, image.dtype)
    return (image - mean) / std


def resize_image(image: UInt8[np.ndarray, "h w 3"], size_px: int) -> UInt8[np.ndarray, "s s 3"]:
    """Resize by Pillow's bicubic, antialiased; the aspect ratio is not kept.

    Source: `sam2.utils.misc._load_img_as_tensor`.
    """
    return np.array(Image.fromarray(image).resize((size_px, size_px)))


def to_network(
    pixels: UInt8[Tensor, "b s s 3"] | Float[Tensor, "b 3 s s"],
) -> Float[Tensor, "b 3 s s"]:
    """Normalise images of the network's size on their device, to the bits of a division in float64.

    pixels: in bytes, or in whole grey levels, channels first. Source:
    `sam2.utils.misc.load_video_frames_from_jpg_images`.
    """
    if pixels.dtype == torch.uint8:
        # Channels first in memory too, or convolutions choose other kernels and so other bits.
        pixels = pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32)
    most, _, _ = _constants(pixels.device, torch.float32)
    return normalise(pixels / most)


def to_pixels(image: UInt8[np.ndarray, "h w 3"], device: torch.device) -> UInt8[Tensor, "1 h w 3"]:
    """Copy an image to the device in bytes."""
    return to_device(torch.from_numpy(image), device)[None]


def image_to_input(
    image: UInt8[np.ndarray, "h w 3"], size_px: int, device: torch.device
) -> Float[Tensor, "1 3 s s"]:
    """Make a frame of any size the network's input of this side in pixels."""
    return to_network(to_pixels(resize_image(image, size_px), device))


@lru_cache(maxsize=8)
def _constants(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return 255, the mean and the deviation.

    255 is a tensor, as a GPU multiplies by a number's inverse, which rounds otherwise.
    """
    with torch.inference_mode(False):
        most = torch.tensor(255.0, device=device, dtype=dtype)
        mean = torch.tensor(MEAN_RGB, device=device, dtype=dtype)[:, None, None]
        std = torch.tensor(STD_RGB, device=device, dtype=dtype)[:, None, None]
    return most, mean, std
