"""SegNext-style fusion: every kind of prompt, what tracked frames see, and nothing at the start."""

from __future__ import annotations

import itertools

import pytest
import torch

from small_nano import SIDE, small_nano
from vos.config import from_mapping
from vos.errors import ConfigError
from vos.model.sam2 import Sam2Model
from vos.model.types import ModelPrompt
from vos.refine.base import PromptHistory
from vos.refine.segnext import SegNextConfig, SegNextStyle

GRID = SIDE // 16


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano()


@pytest.fixture
def embedding() -> torch.Tensor:
    return torch.randn(1, 32, GRID, GRID, generator=torch.Generator().manual_seed(1))


def trained(model: Sam2Model, **config) -> SegNextStyle:
    """Weights that do something."""
    torch.manual_seed(2)
    refiner = SegNextStyle(SegNextConfig(**config), model).eval()
    for parameter in refiner.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return refiner


def points(*xy_label: tuple[float, float, int]) -> ModelPrompt:
    said = torch.tensor([xy_label])
    return ModelPrompt(points_xy=said[..., :2], labels=said[..., 2].int())


MASK = torch.zeros(1, 1, SIDE, SIDE)
MASK[..., 10:40, 20:50] = 1
STROKE = ModelPrompt(
    points_xy=torch.tensor([[[30.0, 30.0]]]),
    labels=torch.tensor([[1]]),
    segments=torch.tensor([[[[5.0, 5.0], [60.0, 30.0]]]]),
    segment_labels=torch.tensor([[1]]),
)
OUTLINE = ModelPrompt(
    mask=MASK,
    segments=torch.tensor([[[[20.0, 10], [50, 10]], [[50, 10], [50, 40]], [[50, 40], [20, 10]]]]),
    segment_labels=torch.ones(1, 3, dtype=torch.int32),
)
KINDS = {
    "click": points((30.0, 30.0, 1)),
    "negative click": points((30.0, 30.0, 1), (5.0, 50.0, 0)),
    "box": points((20.0, 10.0, 2), (50.0, 40.0, 3)),
    "scribble": STROKE,
    "mask": ModelPrompt(mask=MASK),
    "polygon": OUTLINE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_it_leaves_the_embedding_bit_for_bit(model, embedding, kind):
    refiner = SegNextStyle(SegNextConfig(blocks=2), model)
    for asked in (PromptHistory(KINDS[kind], KINDS[kind]), PromptHistory(None, KINDS[kind])):
        assert torch.equal(refiner.fuse(embedding, {}, asked), embedding)


def test_every_kind_of_prompt_says_something_of_its_own(model, embedding):
    refiner = trained(model)
    fused = {}
    for kind, prompt in KINDS.items():
        # A mask is the answer on its own frame; it is fused on the frames that follow.
        now = None if prompt.mask is not None else prompt
        fused[kind] = refiner.fuse(embedding, {}, PromptHistory(now, prompt))
        assert fused[kind].shape == embedding.shape
    for one, other in itertools.combinations(fused, 2):
        assert not torch.allclose(fused[one], fused[other]), (one, other)


@pytest.mark.parametrize("kind", ["mask", "polygon"])
def test_a_frame_answered_by_a_mask_keeps_its_embedding(model, embedding, kind):
    prompt = KINDS[kind]
    assert trained(model).fuse(embedding, {}, PromptHistory(prompt, prompt)) is embedding


def test_tracked_frames_see_the_first_prompt_or_nothing(model, embedding):
    first = KINDS["click"]
    again = trained(model).fuse(embedding, {}, PromptHistory(None, first))
    assert torch.equal(again, trained(model).fuse(embedding, {}, PromptHistory(first, first)))
    for reuse in ("none", "self"):
        refiner = trained(model, prompt_reuse=reuse)
        assert refiner.fuse(embedding, {}, PromptHistory(None, first)) is embedding
        assert torch.equal(refiner.fuse(embedding, {}, PromptHistory(first, first)), again)
    assert trained(model).fuse(embedding, {}, PromptHistory(None, None)) is embedding


def test_a_correction_is_fused_instead_of_the_first_prompt(model, embedding):
    first, now = KINDS["click"], KINDS["negative click"]
    refiner = trained(model)
    assert torch.equal(
        refiner.fuse(embedding, {}, PromptHistory(now, first)),
        refiner.fuse(embedding, {}, PromptHistory(now, now)),
    )


def test_the_previous_mask_is_the_prompts_or_that_of_the_answer_before(model, embedding):
    refiner, click = trained(model), KINDS["click"]
    features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
    before = model.decode(features.s16, features, click, first=True)
    named = ModelPrompt(points_xy=click.points_xy, labels=click.labels, previous=before.mask_logits)
    known = refiner.fuse(embedding, {}, PromptHistory(click, click, before))
    assert torch.equal(refiner.fuse(embedding, {}, PromptHistory(named, click)), known)
    assert not torch.equal(refiner.fuse(embedding, {}, PromptHistory(click, click)), known)


def test_objects_of_a_batch_are_fused_as_if_alone(model):
    refiner = trained(model)
    embeddings = torch.randn(2, 32, GRID, GRID)
    both = ModelPrompt(
        points_xy=torch.tensor([[[30.0, 30.0], [0, 0]], [[10.0, 50.0], [40.0, 40.0]]]),
        labels=torch.tensor([[1, -1], [1, 0]]),
    )
    alone = [points((30.0, 30.0, 1)), points((10.0, 50.0, 1), (40.0, 40.0, 0))]
    fused = refiner.fuse(embeddings, {}, PromptHistory(both, both))
    for row, prompt in enumerate(alone):
        expected = refiner.fuse(embeddings[row : row + 1], {}, PromptHistory(prompt, prompt))
        assert torch.allclose(fused[row], expected[0], atol=1e-5)


def test_it_learns_through_the_frozen_decoder(model):
    refiner = SegNextStyle(SegNextConfig(), model).train()
    prompt = KINDS["click"]
    features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
    optimiser = torch.optim.SGD(refiner.parameters(), lr=0.1)
    for _ in range(2):  # the first step only reaches the zeroed projection
        optimiser.zero_grad()
        embedding = refiner.fuse(features.s16, {}, PromptHistory(prompt, prompt))
        model.decode(embedding, features, prompt, first=True).raw_logits.mean().backward()
        optimiser.step()
    # A key's bias cancels in the softmax.
    silent = {n for n, p in refiner.named_parameters() if p.grad is None or not p.grad.any()}
    assert not {n for n in silent if "k_proj.bias" not in n}
    assert all(parameter.grad is None for parameter in model.net.parameters())


def test_it_holds_its_own_weights_only():
    wide = small_nano(d_model=256)
    for blocks in (1, 2):
        refiner = SegNextStyle(SegNextConfig(blocks=blocks), wide)
        assert {name.split(".")[0] for name in refiner.state_dict()} == {
            "patches", "blocks", "norm", "out",
        }  # fmt: skip
        millions = sum(p.numel() for p in refiner.parameters()) / 1e6
        assert millions == pytest.approx(0.26 + 0.79 * blocks, abs=0.02)


def test_unknown_reuse_is_refused():
    with pytest.raises(ConfigError, match="prompt_reuse"):
        from_mapping(SegNextConfig, {"prompt_reuse": "last_frame"})
    with pytest.raises(ValueError, match="last_frame"):
        SegNextConfig(prompt_reuse="last_frame")  # pyright: ignore[reportArgumentType]
