"""SAM2Refiner's parts: crops, cadence, prompt reuse, cache, widths."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from small_nano import SIDE, small_nano
from vos.config import from_mapping
from vos.errors import ConfigError
from vos.frame import Frame
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.published import build_sam2
from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt
from vos.prompts import Box, Points
from vos.refine.base import PromptHistory
from vos.refine.prompt_reuse import deepest_point
from vos.refine.registry import build_refiner, load_refiner_config
from vos.refine.sam2refiner.localization_augment import (
    LocalizationAugment,
    LocalizationAugmentConfig,
    image2patches,
    patches2image,
)
from vos.refine.sam2refiner.mask_refinement import MaskRefinement, MaskRefinementConfig
from vos.refine.sam2refiner.prompt_retargeting import PromptRetargeting, PromptRetargetingConfig
from vos.refine.sam2refiner.refiner import SAM2RefinerConfig, SAM2RefinerVideo
from vos.track.session import Session


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano()


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """Batch size of every run of an image encoder."""
    batches: list[int] = []
    original = Sam2Model.encode_image

    def encode(self: Sam2Model, image: torch.Tensor):
        batches.append(image.shape[0])
        return original(self, image)

    monkeypatch.setattr(Sam2Model, "encode_image", encode)
    return batches


def frames(count: int, size_hw: tuple[int, int] = (48, 64)) -> list[Frame]:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (count, *size_hw, 3), dtype=np.uint8)
    return [Frame(image, Fraction(i, 30), i, f"{i:05d}") for i, image in enumerate(images)]


def clicks(*points_xy: tuple[float, float]) -> ModelPrompt:
    labels = torch.ones(1, len(points_xy), dtype=torch.int32)
    return ModelPrompt(points_xy=torch.tensor([points_xy]), labels=labels)


def test_quarters_come_row_by_row_and_image_by_image():
    image = torch.arange(2 * 3 * 4 * 6, dtype=torch.float32).reshape(2, 3, 4, 6)
    patches = image2patches(image)
    for row, (y, x) in enumerate([(0, 0), (0, 3), (2, 0), (2, 3)]):
        for b in range(2):
            assert torch.equal(patches[4 * b + row], image[b, :, y : y + 2, x : x + 3])
    assert torch.equal(patches2image(patches), image)


@pytest.mark.parametrize("source", ["input", "native"])
def test_crops_come_from_where_the_config_says(model, source):
    augment = LocalizationAugment(LocalizationAugmentConfig(source), model)
    features = model.encode_image(torch.zeros(1, 3, SIDE, SIDE))
    double = torch.arange(4.0).reshape(1, 1, 2, 2).repeat_interleave(SIDE, 2)
    double = double.repeat_interleave(SIDE, 3).expand(1, 3, -1, -1)
    crops = augment.crops(replace(features, image_2x=double))
    assert crops.shape == (4, 3, SIDE, SIDE)
    expected = range(4) if source == "native" else [0.0] * 4
    assert [crop.mean() for crop in crops] == list(expected)


def test_native_crops_need_the_doubled_image(model):
    augment = LocalizationAugment(LocalizationAugmentConfig("native"), model)
    with pytest.raises(ValueError, match="image_2x"):
        augment.crops(model.encode_image(torch.zeros(1, 3, SIDE, SIDE)))


def test_a_session_brings_the_doubled_image(model):
    config = SAM2RefinerConfig(la=LocalizationAugmentConfig("native"))
    refiner = build_refiner(config, model)
    assert refiner.wants_image_2x
    session = Session(model, [Box(1, (10, 10, 40, 40))], refiner=refiner)
    assert session.decode(frames(1)[0])[1].logits.shape[-1] == SIDE
    assert not build_refiner(SAM2RefinerConfig(), model).wants_image_2x


def test_augment_runs_once_a_frame_for_all_objects(model, encoded):
    prompts = [Box(i, (10, 10, 40, 40)) for i in (1, 2)] + [Points(3, ((30, 30),), (1,))]
    session = Session(model, prompts, refiner=build_refiner(SAM2RefinerConfig(), model))
    for frame in frames(3):
        assert len(session.decode(frame)) == 3
        assert encoded == [1, 4]
        encoded.clear()


@pytest.mark.parametrize(
    ("la", "crops_on"), [("every", [0, 1, 2, 3, 4]), ("keyframe:3", [0, 3]), ("off", [])]
)
def test_cadence(model, encoded, la, crops_on):
    refiner = build_refiner(SAM2RefinerConfig(video=SAM2RefinerVideo(la=la)), model)
    session = Session(model, [Box(1, (10, 10, 40, 40))], refiner=refiner)
    ran = []
    for frame in frames(5):
        session.decode(frame)
        ran += [frame.frame_idx] if 4 in encoded else []
        encoded.clear()
    assert ran == crops_on


@pytest.mark.parametrize("la", ["keyframe:0", "keyframe:", "keyframe:-2", "sometimes", ""])
def test_wrong_cadence(la):
    with pytest.raises(ConfigError, match="keyframe:K"):
        from_mapping(SAM2RefinerConfig, {"video": {"la": la}}, "file.yaml")


def test_all_off_is_refused():
    with pytest.raises(ConfigError, match="all null"):
        from_mapping(SAM2RefinerConfig, {"la": None, "pr": None, "mr": None}, "file.yaml")


@pytest.mark.parametrize("name", ["sam2refiner", "pr_mr", "la_mr", "la_pr", "mr"])
@pytest.mark.parametrize("out_stride", [1, 2])
def test_output_has_the_full_size(model, name, out_stride):
    config = load_refiner_config(name)
    if config.mr is not None:
        config = replace(config, mr=MaskRefinementConfig(out_stride=out_stride))
    session = Session(model, [Box(1, (10, 10, 40, 40))], refiner=build_refiner(config, model))
    for frame in frames(2):
        assert session.decode(frame)[1].logits.shape == (1, 1, SIDE, SIDE)


def test_mask_refinement_on_sams_own_skips(model):
    config = SAM2RefinerConfig(la=None, mr=MaskRefinementConfig(features="sam"))
    session = Session(model, [Box(1, (10, 10, 40, 40))], refiner=build_refiner(config, model))
    assert session.decode(frames(1)[0])[1].logits.shape == (1, 1, SIDE, SIDE)


def test_image_maps_are_made_once_and_serve_all_rows(model):
    refiner = build_refiner(SAM2RefinerConfig(la=None), model)
    assert refiner.mr is not None
    features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
    cache = refiner.augment(model, features, 0)
    assert {value.shape[0] for value in cache.values()} == {1}
    embedding = torch.randn(3, 32, 4, 4)
    torch.nn.init.normal_(refiner.mr.head[-1].weight)
    together, _ = refiner.mr(embedding, cache, torch.zeros(3, 1, SIDE, SIDE))
    for row in range(3):
        alone, _ = refiner.mr(embedding[row : row + 1], cache, torch.zeros(1, 1, SIDE, SIDE))
        # LayerNorm over this model's two channels magnifies rounding.
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-2, rtol=1e-2)
    assert not torch.allclose(together[0], together[1], atol=0.1)


def test_aux_masks_only_while_training(model):
    refiner = build_refiner(SAM2RefinerConfig(la=None), model)
    features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
    prompt = clicks((30.0, 30.0))
    decoded = model.decode(model.condition(features, ()), features, prompt, first=True)
    cache, asked = refiner.augment(model, features, 0), PromptHistory(prompt, prompt)
    assert refiner.refine(decoded, features, cache, asked).aux_logits == ()
    aux = refiner.train().refine(decoded, features, cache, asked).aux_logits
    assert [a.shape[-1] for a in aux] == [SIDE // 16, SIDE // 8, SIDE // 4]


@torch.no_grad()
def _retargeted(model: Sam2Model, prompts: PromptHistory, reuse) -> torch.Tensor:
    torch.manual_seed(0)
    retarget = PromptRetargeting(PromptRetargetingConfig(), model).eval()
    features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
    decoded = model.decode(features.s16, features, prompts.now, first=False)
    assert decoded.state is not None
    mask = torch.full((1, 1, 16, 16), -4.0)
    mask[..., 3:10, 5:12] = 4.0
    return retarget(decoded.state, mask, prompts, reuse, SIDE)


def test_a_tracked_frame_reuses_the_first_prompt(model):
    here, there = clicks((20.0, 20.0)), clicks((50.0, 10.0))
    tracked = {
        reuse: [_retargeted(model, PromptHistory(None, first), reuse) for first in (here, there)]
        for reuse in ("first_frame", "none", "self")
    }
    first_a, first_b = tracked["first_frame"]
    assert not torch.allclose(first_a, first_b)
    assert torch.equal(*tracked["none"])
    assert torch.equal(*tracked["self"])
    assert not torch.allclose(first_a, tracked["none"][0])
    assert not torch.allclose(tracked["self"][0], tracked["none"][0])


def test_a_prompt_on_the_frame_wins_over_the_first(model):
    here, there = clicks((20.0, 20.0)), clicks((50.0, 10.0))
    answers = [
        _retargeted(model, PromptHistory(here, first), "first_frame") for first in (here, there)
    ]
    assert torch.equal(*answers)


def test_retargeting_starts_as_the_decoders_second_layer(model):
    retarget = PromptRetargeting(PromptRetargetingConfig(), model)
    x = torch.randn(1, 32, 4, 4)
    assert torch.equal(retarget.field(x), x)
    theirs = model.net.sam_mask_decoder.transformer.layers[1].state_dict()
    mine = retarget.attention.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert all(p.requires_grad for p in retarget.parameters())


def test_dropout_clears_channels_in_training_only(model):
    config = PromptRetargetingConfig(click_dropout=1.0, mask_dropout=0.0)
    retarget = PromptRetargeting(config, model)
    drawn = torch.ones(5, 3, 16, 16)
    dropped = retarget._drop_channels(drawn)
    assert not dropped[:, :2].any()
    assert dropped[:, 2].all()


def test_deepest_point():
    mask = torch.full((3, 1, 16, 16), -1.0)
    mask[0, :, 2:9, 4:11] = 1.0
    mask[0, :, 12:15, 12:15] = 1.0  # a smaller part
    mask[1, :, :, :6] = 1.0  # against three borders
    prompt = deepest_point(mask, 64)
    assert prompt.labels.flatten().tolist() == [1, 1, -1]
    assert prompt.points_xy[0, 0].tolist() == [30.0, 22.0]  # cell (7, 5), 4 px each
    assert 8 <= prompt.points_xy[1, 0, 0] <= 16


@pytest.mark.parametrize(
    ("base", "expected"),
    [("nano", (132_736, 343_032, 466_476)), ("tiny", (790_272, 1_889_264, 1_862_868))],
)
def test_parameter_counts(base, expected):
    if base == "nano":
        net = build_nano(NanoConfig())
    else:
        net = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml")
    refiner = build_refiner(load_refiner_config("sam2refiner"), Sam2Model(net))
    parts = (refiner.la, refiner.pr, refiner.mr)
    assert tuple(sum(p.numel() for p in part.parameters()) for part in parts) == expected


@pytest.mark.parametrize("name", ["sam2refiner", "la_pr"])
def test_mixed_precision_agrees(model, name):
    config = load_refiner_config(name)
    exact, mixed = (
        Session(model, [Box(1, (10, 10, 40, 40))], refiner=build_refiner(config, model), dtype=d)
        for d in (torch.float32, torch.bfloat16)
    )
    for frame in frames(3):
        a, b = (s.decode(frame)[1].logits for s in (exact, mixed))
        assert a.dtype == b.dtype == torch.float32
        assert ((a > 0) == (b > 0)).float().mean() > 0.85


def test_a_limit_keeps_what_the_coarse_mask_is_sure_of(model):
    torch.manual_seed(3)
    free = MaskRefinement(MaskRefinementConfig(), model).eval()
    torch.nn.init.normal_(free.head[-1].weight, std=3.0)
    limited = MaskRefinement(MaskRefinementConfig(largest_change=2.0), model).eval()
    limited.load_state_dict(free.state_dict())
    image = torch.randn(1, 3, SIDE, SIDE)
    features = model.encode_image(image)
    embedding = model.condition(features, ())
    coarse = 6 * torch.randn(1, 1, SIDE, SIDE)
    with torch.inference_mode():
        moved = [
            part(embedding, part.look(features), coarse)[0] - coarse for part in (free, limited)
        ]
    assert float(moved[0].abs().max()) > 2
    assert torch.allclose(moved[1], moved[0].clamp(-2, 2), atol=1e-5)
