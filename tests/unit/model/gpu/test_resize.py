"""Images resized on the device have the grey levels of Pillow's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vos.model.gpu.resize import resize_pixels, resizes_rows_first


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize(
    "size_hw", [(90, 160), (160, 90), (64, 64), (200, 40), (33, 500), (256, 256), (400, 300)]
)
def test_almost_every_grey_level_is_pillows(size_hw, side):
    """On noise, and where each fourth pixel lies between two levels, one in 500 may differ."""
    noise = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(noise).resize((side, side))).astype(int)
    rows_first = resizes_rows_first(size_hw, side)
    ours = resize_pixels(torch.from_numpy(noise)[None], side, rows_first=rows_first)
    found = ours[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, np.rint(found))
    assert np.abs(found - wanted).max() <= 2
    assert np.mean(found != wanted) < 2e-3


def test_images_of_a_batch_are_resized_alike():
    noise = torch.randint(0, 256, (3, 50, 70, 3), dtype=torch.uint8)
    together = resize_pixels(noise, 64, rows_first=False)
    alone = [resize_pixels(one[None], 64, rows_first=False) for one in noise]
    assert torch.equal(together, torch.cat(alone))
