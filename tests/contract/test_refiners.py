"""One suite over every refiner: untrained it changes nothing, trained it keeps to its place.

A new kind joins by being registered in `vos.refine.registry.KINDS`, a new configuration by being a
preset.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vos.config import preset_names
from vos.frame import Frame
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.published import build_sam2
from vos.model.sam2 import Sam2Model
from vos.model.types import Decoded, FrameFeatures, MemoryEntry, MemoryInput, ModelPrompt
from vos.prompts import Box, MaskPrompt, Points, Prompt
from vos.refine.base import NoRefiner, PromptHistory
from vos.refine.memory_gate import at_side
from vos.refine.registry import KINDS, TrainableRefiner, build_refiner, load_refiner_config
from vos.refine.sam2refiner.refiner import SAM2RefinerConfig, SAM2RefinerVideo
from vos.track.engine import Engine, encode_frame
from vos.track.image import ImageSegmenter
from vos.track.policy import Fifo, StreamPosition
from vos.track.session import Session
from vos.track.step import foresee, track_frame

TINY = "configs/sam2.1/sam2.1_hiera_t.yaml"
NO_OBJECT = -1024.0
PRESETS = {name: load_refiner_config(name) for name in preset_names("refiner")}
DEFAULTS = {f"{kind} defaults": config() for kind, (config, _) in KINDS.items()}
CONFIGS = PRESETS | {name: c for name, c in DEFAULTS.items() if c not in PRESETS.values()}


def _present(net) -> Sam2Model:
    """Random scores would call objects absent at random."""
    head = net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    nn.init.constant_(head, 4.0)
    return Sam2Model(net.requires_grad_(False))


@pytest.fixture(scope="module")
def nano() -> Sam2Model:
    torch.manual_seed(0)
    return _present(build_nano(NanoConfig(image_size=128)))


@pytest.fixture(scope="module")
def tiny() -> Sam2Model:
    torch.manual_seed(0)
    return _present(build_sam2(TINY, image_size=128))


@pytest.fixture(params=CONFIGS)
def fresh(request, nano) -> TrainableRefiner:
    """As it is before training."""
    torch.manual_seed(1)
    return build_refiner(CONFIGS[request.param], nano)


@pytest.fixture
def trained(fresh) -> TrainableRefiner:
    return _disturbed(fresh)


def _disturbed(refiner: TrainableRefiner) -> TrainableRefiner:
    """As after training: what started at zero does something."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in refiner.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.2)
    return refiner


def _encode(model: Sam2Model, refiner: TrainableRefiner, batch: int = 1) -> FrameFeatures:
    generator = torch.Generator().manual_seed(3)
    side = model.image_size
    image, double = (torch.randn(batch, 3, s, s, generator=generator) for s in (side, 2 * side))
    wanted = double if refiner.wants_image_2x else None
    with torch.no_grad():
        return replace(model.encode_image(image), image_2x=wanted)


def _clicks(model: Sam2Model, batch: int = 1) -> ModelPrompt:
    """Two clicks per row, elsewhere in each row."""
    side = model.image_size
    points = torch.tensor([[[0.4, 0.4], [0.8, 0.2]]]).repeat(batch, 1, 1)
    points += 0.1 * torch.arange(batch)[:, None, None]
    labels = torch.tensor([[1, 0]], dtype=torch.int32).repeat(batch, 1)
    return ModelPrompt(points_xy=side * points, labels=labels)


def _answer(
    model: Sam2Model,
    refiner: TrainableRefiner | NoRefiner,
    features: FrameFeatures,
    prompt: ModelPrompt,
    before: Decoded | None = None,
) -> Decoded:
    asked = PromptHistory(now=prompt, first=prompt, before=before)
    cache = refiner.augment(model, features, 0)
    embedding = refiner.fuse(model.condition(features, ()), cache, asked)
    decoded = model.decode(embedding, features, prompt, first=True)
    return refiner.refine(decoded, features, cache, asked)


def _mask(decoded: Decoded, side: int) -> Tensor:
    return at_side(decoded.output_logits, side) > 0


def _assert_same_entry(mine: MemoryEntry, base: MemoryEntry) -> None:
    for name in ("spatial", "obj_ptr", "iou_pred", "object_score"):
        a, b = getattr(mine, name), getattr(base, name)
        assert (a is None and b is None) or torch.equal(a, b), f"frame {mine.frame_idx}: {name}"


def _assert_same_memory(mine: Session, plain: Session) -> None:
    for i, bank in plain.banks.items():
        other = mine.banks[i]
        for a, b in zip(other.prompted + other.recent, bank.prompted + bank.recent, strict=True):
            _assert_same_entry(a, b)


@torch.no_grad()
def _assert_identity(model: Sam2Model, refiner: TrainableRefiner) -> None:
    features, prompt = _encode(model, refiner), _clicks(model)
    base = _answer(model, NoRefiner(), features, prompt)
    mine = _answer(model, refiner, features, prompt)
    expected = _mask(base, model.image_size)
    assert expected.any(), "a mask to compare"
    assert not expected.all(), "a mask to compare"
    assert torch.equal(_mask(mine, model.image_size), expected)
    assert torch.equal(mine.raw_logits, base.raw_logits)
    if mine.refined_logits is not None:
        assert mine.refined_logits.shape == (1, 1, model.image_size, model.image_size)
    _assert_same_entry(
        model.encode_memory(features, MemoryInput.of(mine), 0),
        model.encode_memory(features, MemoryInput.of(base), 0),
    )
    again = _answer(model, refiner, features, _clicks(model), before=mine)
    assert torch.equal(_mask(again, model.image_size), expected), "on the second click too"


def test_untrained_it_keeps_the_mask_of_an_image(nano, fresh):
    _assert_identity(nano, fresh)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_untrained_it_keeps_the_mask_of_sam2(tiny, config):
    _assert_identity(tiny, build_refiner(config, tiny))


def _clip(count: int = 6) -> list[Frame]:
    rng = np.random.default_rng(4)
    still = rng.integers(0, 255, (80, 96, 3), dtype=np.uint8)
    return [
        Frame(np.roll(still, 3 * index, axis=1), Fraction(index, 30), index, f"{index:05d}")
        for index in range(count)
    ]


def test_untrained_it_keeps_masks_and_memory_of_a_stream(nano, fresh):
    drawn = np.zeros((80, 96), dtype=bool)
    drawn[20:60, 30:70] = True
    prompts = [
        Box(1, (10, 10, 60, 60)),
        Points(2, ((50, 40),), (1,)),
        MaskPrompt(3, drawn, frame_idx=1),
        Points(1, ((20, 20),), (0,), frame_idx=3),
    ]
    plain = Session(nano, prompts)
    mine = Session(nano, prompts, refiner=fresh)
    for frame in _clip():
        expected, got = plain.decode(frame), mine.decode(frame)
        assert sorted(got) == sorted(expected)
        for i in expected:
            a, b = (at_side(each[i].logits, 128) > 0 for each in (got, expected))
            assert torch.equal(a, b), f"object {i} on frame {frame.frame_idx}"
    _assert_same_memory(mine, plain)


KEPT_OUT = SAM2RefinerVideo(memory_mask="coarse")
COARSE = {
    "la": SAM2RefinerConfig(pr=None, mr=None, video=KEPT_OUT),
    "all": SAM2RefinerConfig(video=KEPT_OUT),
    "pr_mr": PRESETS["pr_mr_coarse"],
    "segnext": PRESETS["segnext"],
}


@pytest.mark.parametrize("config", COARSE.values(), ids=COARSE)
def test_trained_but_kept_out_of_the_memory_it_leaves_the_memory_alone(nano, config):
    """Objects one by one and in a batch, prompted, corrected and tracked."""
    torch.manual_seed(1)
    refiner = _disturbed(build_refiner(config, nano)).eval()
    prompts = [
        Box(1, (10, 10, 60, 60)),
        Points(2, ((50, 40),), (1,)),
        Points(1, ((20, 20),), (0,), frame_idx=3),
    ]
    for model in (nano, Sam2Model(nano.net, exact=False)):
        plain, mine = Session(model, prompts), Session(model, prompts, refiner=refiner)
        differs = False
        for frame in _clip():
            expected, got = plain.decode(frame), mine.decode(frame)
            for i in expected:
                a, b = (at_side(each[i].logits, 128) for each in (got, expected))
                differs |= not torch.equal(a, b)
        assert differs, "it is trained"
        _assert_same_memory(mine, plain)


def test_only_its_own_parameters_learn(nano, trained):
    base = {id(p) for p in (*nano.net.parameters(), *nano.net.buffers())}
    owned = dict(trained.named_parameters()) | dict(trained.named_buffers())
    assert not base & {id(tensor) for tensor in owned.values()}
    assert sum(p.numel() for p in trained.parameters()) < 0.5 * sum(
        p.numel() for p in nano.net.parameters()
    ), "the base is inside"
    trained.train()
    try:
        answer = _answer(nano, trained, _encode(nano, trained, 2), _clicks(nano, 2))
        outputs = [answer.output_logits, *answer.aux_logits]
        outputs += [] if answer.error_logits is None else [answer.error_logits]
        torch.stack([o.float().square().mean() for o in outputs]).sum().backward()
        grads = {name: p.grad for name, p in trained.named_parameters()}
        assert any(grad is not None and grad.any() for grad in grads.values())
        assert all(p.grad is None for p in nano.net.parameters())
    finally:
        trained.zero_grad(set_to_none=True)
        trained.eval()


def test_its_first_step_moves_the_mask(nano, fresh):
    """Starting at zero must not mean staying there."""
    fresh.train()
    try:
        answer = _answer(nano, fresh, _encode(nano, fresh), _clicks(nano))
        answer.output_logits.square().mean().backward()
        assert any(p.grad is not None and p.grad.any() for p in fresh.parameters())
    finally:
        fresh.zero_grad(set_to_none=True)


@torch.no_grad()
def test_absent_objects_stay_absent(nano, trained):
    features, prompt = _encode(nano, trained, 2), _clicks(nano, 2)
    asked = PromptHistory(now=None, first=prompt)
    cache = trained.augment(nano, features, 0)
    embedding = trained.fuse(nano.condition(features, ()), cache, asked)
    decoded = nano.decode(embedding, features, None, first=True)
    decoded = replace(
        decoded,
        object_score=torch.tensor([[-1.0], [1.0]]),
        mask_logits=torch.cat([torch.full_like(decoded.raw_logits[:1], NO_OBJECT)] * 2),
        memory_logits=None,
    )
    decoded.mask_logits[1] = decoded.raw_logits[1]
    refined = trained.refine(decoded, features, cache, asked)
    assert (refined.output_logits[0] == NO_OBJECT).all()
    assert (refined.output_logits[1] > NO_OBJECT).all()
    if refined.memory_logits is not None:
        assert (refined.memory_logits[0] == NO_OBJECT).all()


@torch.no_grad()
def test_a_mask_prompt_is_the_answer(nano, trained):
    features = _encode(nano, trained)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 20:90, 40:100] = 1
    prompt = ModelPrompt(mask=mask)
    runs = []
    for refiner in (NoRefiner(), trained):
        engine = Engine(nano, refiner, Fifo())
        frame = encode_frame(engine, features.image, StreamPosition(0), features.image_2x)
        runs.append(track_frame(engine, frame, {}, {1: prompt}))
    (base, base_banks), (mine, banks) = runs
    assert torch.equal(mine[1].output_logits, base[1].output_logits)
    _assert_same_entry(banks[1].prompted[0], base_banks[1].prompted[0])


@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_other(nano, trained):
    features, prompt = _encode(nano, trained, 3), _clicks(nano, 3)
    together = _answer(nano, trained, features, prompt)
    for row in range(3):
        alone = ModelPrompt(
            points_xy=prompt.points_xy[row : row + 1], labels=prompt.labels[row : row + 1]
        )
        one = _answer(nano, trained, features.rows(torch.tensor([row])), alone)
        torch.testing.assert_close(
            together.output_logits[row : row + 1], one.output_logits, atol=1e-3, rtol=1e-3
        )


@torch.no_grad()
def test_eval_mode_is_deterministic(nano, trained):
    features, prompt = _encode(nano, trained), _clicks(nano)
    first, second = (_answer(nano, trained, features, prompt) for _ in range(2))
    assert torch.equal(first.output_logits, second.output_logits)
    assert first.aux_logits == ()


@torch.no_grad()
def test_trained_it_changes_something(nano, trained):
    """Else the tests above compare nothing."""
    features, prompt = _encode(nano, trained), _clicks(nano)
    base = _answer(nano, NoRefiner(), features, prompt)
    mine = _answer(nano, trained, features, prompt)
    assert not torch.allclose(
        at_side(mine.output_logits, 128).clamp(-4, 4), at_side(base.raw_logits, 128).clamp(-4, 4)
    )


def test_a_foreseen_frame_answers_prompts_as_any_other(nano, trained, monkeypatch):
    """Clicks, boxes and masks on an object that is tracked already, and no prompt at all."""
    began, later = _clip(2)
    session = Session(nano, [Box(1, (10, 10, 60, 60))], refiner=trained)
    session.decode(began)
    drawn = np.zeros((80, 96), dtype=bool)
    drawn[20:60, 30:70] = True
    click, box = Points(1, ((50, 40),), (1,), frame_idx=1), Box(1, (15, 15, 60, 60), frame_idx=1)
    encoded = ImageSegmenter(nano, later.image, refiner=trained).as_frame(1).encoded
    with torch.inference_mode():
        ready = replace(later, encoded=foresee(session.engine, encoded, session.banks))

    def answer(frame: Frame, prompts: list[Prompt]) -> tuple[Tensor, Session]:
        asked = Session(nano, prompts, refiner=trained, banks=session.banks)
        return asked.decode(frame)[1].logits, asked

    asks: list[list[Prompt]] = [[click], [box, click], [MaskPrompt(1, drawn, frame_idx=1)], []]
    expected = [answer(later, prompts) for prompts in asks]
    monkeypatch.setattr(Sam2Model, "condition", _refuse)
    monkeypatch.setattr(Sam2Model, "encode_pixels", _refuse)
    for prompts, (logits, plain) in zip(asks, expected, strict=True):
        got, mine = answer(ready, prompts)
        assert torch.equal(got, logits), prompts
        _assert_same_memory(mine, plain)
    # The same memory, but not what the frame knows of: another run may have made it.
    other = Session(nano, [click], refiner=trained, banks={1: replace(session.banks[1])})
    with pytest.raises(AssertionError, match="worked out again"):
        other.decode(ready)


def _refuse(*_args: object, **_kwargs: object) -> Tensor:
    raise AssertionError("worked out again")
