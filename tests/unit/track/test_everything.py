"""Everything on an image, against SAM 2's own generator with equal weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

from vos.errors import UsageError
from vos.model.networks.published import build_sam2
from vos.model.preprocess import image_to_input
from vos.model.sam2 import Sam2Model
from vos.track.everything import Crop, Everything, find_everything, make_crops

SIDE = 64
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


class _Spots(torch.nn.Module):
    """Lets three channels of the decoder see a part of the image each, and one pull down."""

    def forward(self, x):
        side = x.shape[-1]
        out = torch.zeros_like(x)
        for channel, (left, top) in enumerate(((0.1, 0.1), (0.3, 0.5), (0.6, 0.2))):
            rows = slice(int(top * side), int((top + 0.3) * side))
            columns = slice(int(left * side), int((left + 0.3) * side))
            out[:, channel, rows, columns] = 1 + x[:, channel, rows, columns].abs()
        out[:, 3] = -20
        return out


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    """A SAM 2.1 of random weights that finds combinations of three spots, some of them good."""
    torch.manual_seed(3)
    net = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", image_size=SIDE).requires_grad_(False)
    decoder = net.sam_mask_decoder
    decoder.output_upscaling[4] = _Spots()
    for mlp in decoder.output_hypernetworks_mlps:
        mlp.layers[-1].weight.mul_(3000)
        mlp.layers[-1].weight[3] = 0
        mlp.layers[-1].bias.zero_()
        mlp.layers[-1].bias[3] = 1
    decoder.iou_prediction_head.layers[-1].weight.mul_(60)
    return Sam2Model(net.eval(), exact=True)


class _OurInput:
    """sam2's transforms with our resizing, so that crops of any size are the same numbers."""

    def __init__(self, transforms):
        self._transforms = transforms

    def __call__(self, image):
        return image_to_input(np.ascontiguousarray(image), SIDE, torch.device("cpu"))[0]

    def __getattr__(self, name):
        return getattr(self._transforms, name)


def _theirs(model: Sam2Model, image: np.ndarray, wanted: Everything, *, ours_in=True):
    generator = SAM2AutomaticMaskGenerator(
        model.net,
        points_per_side=wanted.points,
        pred_iou_thresh=wanted.min_iou,
        stability_score_thresh=wanted.min_stability,
        box_nms_thresh=wanted.max_overlap,
        crop_nms_thresh=wanted.max_overlap,
        crop_n_layers=wanted.crops,
    )
    generator.predictor._bb_feat_sizes = [(SIDE // n, SIDE // n) for n in (4, 8, 16)]  # for 1024
    if ours_in:
        generator.predictor._transforms = _OurInput(generator.predictor._transforms)
    return generator.generate(image)


def _image(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((16, 16, 1), dtype=np.uint8))


def _check(model, image, wanted, **more) -> int:
    theirs = _theirs(model, image, wanted, **more)
    ours = find_everything(model, image, wanted)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        x1, y1, x2, y2 = one.box_xyxy_px
        assert [x1, y1, x2 - x1, y2 - y1] == other["bbox"]
        assert np.array_equal(one.mask(image.shape[:2]), other["segmentation"])
        assert one.iou_pred == pytest.approx(other["predicted_iou"], abs=1e-5)
        assert one.stability == other["stability_score"]
        assert list(one.point_xy_px) == other["point_coords"][0]
        x, y, width, height = other["crop_box"]
        assert one.crop == Crop(x, y, x + width, y + height)
    return len(ours)


@pytest.mark.parametrize(
    ("size_hw", "wanted"),
    [
        ((96, 160), Everything(points=3, min_iou=0.3, min_stability=0.9)),
        pytest.param(
            (160, 112),
            Everything(points=2, min_iou=0.3, min_stability=0.8, crops=1),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_it_finds_the_masks_that_sam_2_finds_in_its_order(model, size_hw, wanted):
    assert _check(model, _image(*size_hw), wanted) > 1


def test_an_image_of_the_models_size_needs_no_resizing_to_be_equal(model):
    wanted = Everything(points=3, min_iou=0.3, min_stability=0.8)
    assert _check(model, _image(SIDE, SIDE), wanted, ours_in=False) > 0


def test_every_filter_leaves_something_out(model):
    image = _image(96, 160)
    loose = Everything(points=3, min_iou=0.0, min_stability=0.0, max_overlap=1.0)
    whole = find_everything(model, image, loose)
    for name, value in (("min_iou", 0.7), ("min_stability", 0.99), ("max_overlap", 0.5)):
        fewer = find_everything(model, image, replace(loose, **{name: value}))
        assert 0 < len(fewer) < len(whole), name
    assert find_everything(model, image, replace(loose, min_iou=1.0)) == []


def test_crops_divide_the_image_and_overlap():
    crops = make_crops((100, 200), 2)
    assert crops[0] == Crop(0, 0, 200, 100)
    assert len(crops) == 1 + 4 + 16
    seen = np.zeros((100, 200), dtype=int)
    for crop in crops[1:5]:
        seen[crop.top : crop.bottom, crop.left : crop.right] += 1
    assert seen.min() == 1
    assert seen.max() == 4


@pytest.mark.parametrize(
    "wrong", [{"points": 0}, {"points": 1.5}, {"crops": 9}, {"min_iou": 1.2}, {"max_overlap": -1}]
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Everything(**wrong)
