"""From a picture to the network's input, exactly as SAM 2 reads a folder of JPEGs."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)


def normalise(image: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
    """Subtract ImageNet's mean and divide by its deviation; values in 0-1 in."""
    mean = torch.tensor(MEAN_RGB, device=image.device, dtype=image.dtype)[:, None, None]
    std = torch.tensor(STD_RGB, device=image.device, dtype=image.dtype)[:, None, None]
    return (image - mean) / std


def image_to_input(
    image: UInt8[np.ndarray, "h w 3"], size_px: int, device: torch.device
) -> Float[Tensor, "1 3 s s"]:
    """Resize to size_px x size_px (Pillow bicubic, antialiased, aspect ratio not kept), normalise.

    Source: `sam2.utils.misc._load_img_as_tensor` and `load_video_frames_from_jpg_images`.
    """
    resized = np.asarray(Image.fromarray(image).resize((size_px, size_px)))
    scaled = torch.from_numpy(resized / 255.0).permute(2, 0, 1).to(torch.float32)
    return normalise(scaled)[None].to(device)
