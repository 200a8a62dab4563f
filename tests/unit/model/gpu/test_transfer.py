"""Copies to and from a device; on the CPU they are what they copy."""

from __future__ import annotations

import numpy as np
import torch

from vos.model.gpu.transfer import Uploader, fetch_later


def test_an_uploaded_image_may_be_changed_afterwards():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    before = image.copy()
    uploaded = Uploader(torch.device("cpu"))(image)
    image[:] = 0
    assert np.array_equal(uploaded.get()[0].numpy(), before)


def test_what_is_fetched_comes_in_order():
    tensors = [torch.arange(6, dtype=torch.uint8).view(2, 3), torch.tensor([0.5, -1.0])]
    first, second = fetch_later(tensors)()
    assert first.dtype == np.uint8
    assert np.array_equal(first, tensors[0].numpy())
    assert second.tolist() == [0.5, -1.0]
