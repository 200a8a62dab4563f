"""SAM-REF: blending, the crop, the selector, the cache, and nothing at the start."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from small_nano import SIDE, small_nano
from vos.config import from_mapping
from vos.errors import ConfigError
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, MemoryInput, ModelPrompt
from vos.refine.base import PromptHistory
from vos.refine.memory_gate import at_side, coarse_base
from vos.refine.samref.refiner import SamRef, SamRefConfig


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    return small_nano()


def trained(model: Sam2Model, **config) -> SamRef:
    """Weights that do something; gradients on."""
    refiner = SamRef(SamRefConfig(**config), model).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in refiner.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return refiner


def clicks(*xy_label: tuple[float, float, int]) -> ModelPrompt:
    said = torch.tensor([xy_label])
    return ModelPrompt(points_xy=said[..., :2], labels=said[..., 2].int())


FIRST = clicks((20.0, 24.0, 1))
SECOND = clicks((20.0, 24.0, 1), (48.0, 40.0, 0))


class Still:
    """One encoded image with a coarse mask that has both signs."""

    def __init__(self, model: Sam2Model, refiner: SamRef, seed: int = 5):
        torch.manual_seed(seed)
        self.model, self.refiner = model, refiner
        self.features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
        self.cache = refiner.augment(model, self.features, 0)

    def coarse(self, prompt: ModelPrompt | None, *, shift: float = 0.0) -> Decoded:
        decoded = self.model.decode(self.features.s16, self.features, prompt, first=True)
        raw = 40 * (decoded.raw_logits - decoded.raw_logits.median()) + shift
        return replace(decoded, raw_logits=raw, mask_logits=raw)

    def answer(self, prompt: ModelPrompt | None, before: Decoded | None = None) -> Decoded:
        decoded = self.coarse(prompt)
        return self.refiner.refine(
            decoded, self.features, self.cache, PromptHistory(prompt, prompt, before)
        )


@pytest.mark.parametrize("above_theta", ["previous", "global"])
def test_untrained_it_gives_the_base_mask_at_every_click(model, above_theta):
    still = Still(model, SamRef(SamRefConfig(above_theta=above_theta), model).eval())
    before = None
    for prompt in (FIRST, SECOND, None):
        coarse = still.coarse(prompt)
        answer = still.answer(prompt, before)
        assert torch.equal(answer.output_logits, coarse_base(coarse, SIDE))
        assert torch.equal(answer.output_logits > 0, at_side(coarse.raw_logits, SIDE) > 0)
        remembered = [
            model.encode_memory(still.features, MemoryInput.of(d), 0).spatial
            for d in (coarse, answer)
        ]
        assert torch.equal(*remembered)
        before = answer


def test_trained_it_changes_the_mask(model):
    still = Still(model, trained(model))
    answer = still.answer(FIRST)
    assert answer.output_logits.shape == (1, 1, SIDE, SIDE)
    assert not torch.equal(answer.output_logits > 0, at_side(answer.raw_logits, SIDE) > 0)


def test_a_second_click_runs_no_encoder(model, monkeypatch):
    runs = []
    original = Sam2Model.encode_image
    monkeypatch.setattr(
        Sam2Model, "encode_image", lambda self, image: runs.append(1) or original(self, image)
    )
    still = Still(model, trained(model))
    cached = dict(still.cache)
    first = still.answer(FIRST)
    second = still.answer(SECOND, first)
    assert len(runs) == 1
    assert not torch.equal(first.output_logits, second.output_logits)
    assert all(still.cache[name] is value for name, value in cached.items())


def test_error_map_blends_new_and_given_mask(model):
    still = Still(model, trained(model).train())
    said = []
    handle = still.refiner.whole.register_forward_hook(lambda _m, _i, out: said.append(out))
    answer = still.answer(FIRST)
    handle.remove()
    residual, error = said[0]
    assert answer.error_logits is error
    given = coarse_base(answer, SIDE // 4)
    new, weight = given + residual, error.sigmoid()
    blended = weight * new + (1 - weight) * given
    assert torch.allclose(answer.aux_logits[0], blended, atol=1e-5)


def test_aux_masks_are_for_training_only(model):
    assert Still(model, trained(model)).answer(FIRST).aux_logits == ()
    assert Still(model, trained(model, local=False).train()).answer(FIRST).aux_logits == ()


def local_and_global(still: Still, before: Decoded) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer to SECOND, and what the global refiner alone makes of it."""
    answer = still.answer(SECOND, before)
    local, still.refiner.local = still.refiner.local, None
    alone = still.answer(SECOND, before)
    still.refiner.local = local
    return answer.output_logits, alone.output_logits


def changed_in_a_corner(still: Still) -> Decoded:
    """An earlier answer that differs from the global mask of SECOND in the top left 16 x 16 px."""
    before = still.answer(FIRST)
    _, alone = local_and_global(still, before)
    earlier = alone.clone()
    earlier[..., :16, :16] *= -1
    return replace(before, refined_logits=earlier)


def outside(shape: torch.Size) -> torch.Tensor:
    kept = torch.ones(shape, dtype=torch.bool)
    kept[..., :24, :24] = False
    return kept


def test_the_crop_covers_the_change_and_no_more(model):
    still = Still(model, trained(model, theta=1e9))
    before = changed_in_a_corner(still)
    refined, alone = local_and_global(still, before)
    kept = outside(refined.shape)
    assert torch.equal(refined[kept], alone[kept])
    assert not torch.equal(refined[..., :12, :12], alone[..., :12, :12])


@pytest.mark.parametrize("above_theta", ["previous", "global"])
@pytest.mark.parametrize("grew", [True, False])
def test_the_selector_chooses_the_canvas(model, above_theta, grew):
    still = Still(model, trained(model, above_theta=above_theta))
    before = changed_in_a_corner(still)
    wrong = still.answer(SECOND, before).error_logits
    assert wrong is not None
    ones = torch.ones_like(wrong)
    before = replace(before, error_logits=-ones if grew else ones)
    # Something to tell the canvases apart, with the same sign everywhere.
    before = replace(before, refined_logits=2 * before.output_logits)
    refined, alone = local_and_global(still, before)
    kept = outside(refined.shape)
    expected = before.output_logits if grew == (above_theta == "previous") else alone
    assert (wrong > 0).any()
    assert torch.equal(refined[kept], expected[kept])


def errors(count: int) -> torch.Tensor:
    wrong = -torch.ones(1, 1, 16, 16)
    wrong.view(-1)[:count] = 1
    return wrong


@pytest.mark.parametrize(
    ("now", "then", "keeps"),
    [(111, 100, True), (110, 100, False), (1, 0, True), (0, 0, False), (0, 5, False)],
)
def test_the_selectors_threshold(model, now, then, keeps):
    before = replace(Still(model, trained(model)).answer(FIRST), error_logits=errors(then))
    for above_theta in ("previous", "global"):
        refiner = SamRef(SamRefConfig(above_theta=above_theta), model)
        opinion = now + then > 0
        expected = opinion and keeps == (above_theta == "previous")
        assert refiner.keeps_previous(errors(now), before).tolist() == [expected]
    absent = replace(before, object_score=-torch.ones(1, 1))
    assert not SamRef(SamRefConfig(), model).keeps_previous(errors(now), absent).any()


def test_tracked_frames_reuse_the_first_prompt_as_configured(model):
    def tracked(reuse: str, first: ModelPrompt) -> torch.Tensor:
        still = Still(model, trained(model, prompt_reuse=reuse))
        answer = still.refiner.refine(
            still.coarse(None), still.features, still.cache, PromptHistory(None, first)
        )
        return answer.output_logits

    elsewhere = clicks((50.0, 50.0, 1))
    assert not torch.equal(tracked("first_frame", FIRST), tracked("first_frame", elsewhere))
    assert torch.equal(tracked("none", FIRST), tracked("none", elsewhere))
    assert torch.equal(tracked("self", FIRST), tracked("self", elsewhere))
    assert not torch.equal(tracked("self", FIRST), tracked("none", FIRST))


def test_a_mask_taken_as_the_answer_is_not_refined(model):
    still = Still(model, trained(model))
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 10:40, 20:50] = 1
    prompt = ModelPrompt(mask=mask)
    given = model.decode(still.features.s16, still.features, prompt, first=True)
    assert (
        still.refiner.refine(given, still.features, still.cache, PromptHistory(prompt, prompt))
        is given
    )


@pytest.mark.parametrize("clicked_before", [False, True])
def test_gradient_reaches_the_refiner_and_nothing_else(model, clicked_before):
    still = Still(model, trained(model).train())
    before = still.answer(FIRST) if clicked_before else None
    answer = still.answer(SECOND, before)
    assert answer.error_logits is not None
    loss = sum(x.square().mean() for x in (answer.output_logits, answer.error_logits))
    loss.backward()
    silent = [n for n, p in still.refiner.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert all(parameter.grad is None for parameter in model.net.parameters())


def test_rows_of_a_batch_are_refined_as_if_alone(model):
    refiner = trained(model)
    stills = [Still(model, refiner, seed) for seed in (5, 6)]
    prompts = [FIRST, clicks((40.0, 10.0, 1))]
    coarse = [still.coarse(prompt) for still, prompt in zip(stills, prompts, strict=True)]
    state = coarse[0].state
    assert state is not None
    together = replace(
        coarse[0],
        raw_logits=torch.cat([c.raw_logits for c in coarse]),
        mask_logits=torch.cat([c.mask_logits for c in coarse]),
        object_score=torch.cat([c.object_score for c in coarse]),
    )
    features = model.encode_image(torch.cat([still.features.image for still in stills]))
    both = ModelPrompt(
        points_xy=torch.cat([p.points_xy for p in prompts]),
        labels=torch.cat([p.labels for p in prompts]),
    )
    cache = refiner.augment(model, features, 0)
    answer = refiner.refine(together, features, cache, PromptHistory(both, both))
    for row, (still, prompt) in enumerate(zip(stills, prompts, strict=True)):
        alone = still.answer(prompt)
        assert torch.allclose(answer.output_logits[row], alone.output_logits[0], atol=1e-3)


def test_objects_of_one_image_share_its_cache(model):
    still = Still(model, trained(model))
    one = still.coarse(FIRST)
    two = replace(
        one,
        raw_logits=one.raw_logits.expand(2, -1, -1, -1),
        mask_logits=one.mask_logits.expand(2, -1, -1, -1),
        object_score=one.object_score.expand(2, -1),
    )
    both = ModelPrompt(
        points_xy=FIRST.points_xy.expand(2, -1, -1), labels=FIRST.labels.expand(2, -1)
    )
    answer = still.refiner.refine(two, still.features, still.cache, PromptHistory(both, both))
    alone = still.answer(FIRST)
    for row in answer.output_logits:
        assert torch.allclose(row, alone.output_logits[0], atol=1e-4)


def test_it_is_small_and_holds_its_own_weights_only():
    refiner = SamRef(SamRefConfig(), small_nano(d_model=256))
    count = sum(parameter.numel() for parameter in refiner.parameters())
    assert 150_000 < count < 300_000
    assert {name.split(".")[0] for name in refiner.state_dict()} == {"whole", "local"}
    sizes = [
        sum(p.numel() for p in SamRef(SamRefConfig(blocks=n), small_nano()).parameters())
        for n in (1, 3, 5)
    ]
    assert all(small < large for small, large in pairwise(sizes))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="blocks 0"):
        from_mapping(SamRefConfig, {"blocks": 0})
    with pytest.raises(ConfigError, match="prompt_reuse"):
        from_mapping(SamRefConfig, {"prompt_reuse": "second_frame"})
    with pytest.raises(ValueError, match="second_frame"):
        SamRefConfig(prompt_reuse="second_frame")  # pyright: ignore[reportArgumentType]
