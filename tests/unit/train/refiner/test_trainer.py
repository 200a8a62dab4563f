"""The refiner's training loop: what moves, what stays, and that a run goes on exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from vos.config import load_preset, preset_names
from vos.errors import CheckpointError, ConfigError, TrainingError, UsageError
from vos.model.load import load_model
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import save_nano
from vos.model.prepare import set_image_size
from vos.model.sam2 import Sam2Model
from vos.refine.base import NoRefiner, PromptHistory
from vos.refine.registry import load_refiner_config
from vos.refine.weights import load_refiner
from vos.synth.thin.stills import FineConfig
from vos.track.engine import EncodedFrame, Engine
from vos.track.policy import Fifo, StreamPosition
from vos.train.refiner.config import LossConfig, RefinerTrainConfig
from vos.train.refiner.data import Batch
from vos.train.refiner.earlier_frame import EarlierFrame, earlier_view
from vos.train.refiner.evaluate import (
    MaskScores,
    RefinerScores,
    boundary_iou,
    evaluate_refiner,
    iou,
)
from vos.train.refiner.forward import decode_prompt, decode_tracked
from vos.train.refiner.objective import RefinerObjective
from vos.train.refiner.prompts import (
    KINDS,
    at_model_size,
    correcting_click,
    mixed_points,
    positive_points,
    tight_box,
    training_prompt,
)
from vos.train.refiner.trainer import RefinerTrainer
from vos_eval.metrics.boundary_iou import boundary_iou as reference_boundary_iou

SIZE = 64


def config(**values) -> RefinerTrainConfig:
    quick = RefinerTrainConfig(
        refiner="pr_mr",
        model="nano",
        image_size_px=SIZE,
        steps=6,
        batch=3,
        reuse=2,
        warmup_steps=2,
        loss=LossConfig(final_points=300, points=100),
        eval_every=3,
        eval_images=2,
        checkpoint_every=3,
    )
    return replace(quick, **values)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disk(side: int = 128, radius: float = 30) -> torch.Tensor:
    axis = torch.arange(side) - side / 2 + 0.5
    return (axis[None] ** 2 + axis[:, None] ** 2 < radius**2)[None]


def copied(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


REFINERS = {
    "pr_mr": "pr_mr",
    "la": "la",
    "sam2refiner": "sam2refiner",
    "segnext": "kind: segnext\n",
    "samref": "kind: samref\n",
    "samref_global": "kind: samref\noptions: {local: false}\n",
}


@pytest.mark.parametrize("name", REFINERS)
def test_only_the_refiner_moves(tmp_path, name):
    refiner = REFINERS[name]
    if "kind" in refiner:
        (tmp_path / "refiner.yaml").write_text(refiner)
        refiner = str(tmp_path / "refiner.yaml")
    trainer = RefinerTrainer(config(refiner=refiner), tmp_path)
    base, before = copied(trainer.model.net), copied(trainer.refiner)
    for _ in range(3):
        trainer.train_step()
    for name, value in trainer.model.net.state_dict().items():
        assert torch.equal(value, base[name]), name
    assert not any(p.requires_grad for p in trainer.model.net.parameters())
    assert not trainer.model.net.training
    after = trainer.refiner.state_dict()
    assert set(after) == set(before)
    moved = [name for name in after if not torch.equal(after[name], before[name])]
    trained = [name for name, _ in trainer.refiner.named_parameters()]
    assert len(moved) > 0.8 * len(trained)


def losses_of(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(row) for row in (folder / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.parametrize("tracked", [0.0, 0.5])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, tracked):
    whole = RefinerTrainer(config(tracked=tracked), tmp_path / "whole")
    whole.run()
    killed = RefinerTrainer(config(tracked=tracked), tmp_path / "killed")
    for _ in range(3):
        killed.train_step()
    killed.save()
    killed.train_step()  # work after the checkpoint that the kill destroys
    del killed
    torch.manual_seed(99)
    again = RefinerTrainer(config(tracked=tracked), tmp_path / "killed")
    assert again.step == 3
    again.run()
    expected, found = losses_of(tmp_path / "whole"), losses_of(tmp_path / "killed")
    assert len(expected) == len(found) == 6
    assert found == expected
    for name, value in whole.refiner.state_dict().items():
        assert torch.equal(again.refiner.state_dict()[name], value), name


def test_the_loss_falls_on_a_batch_seen_again_and_again(tmp_path, monkeypatch):
    trainer = RefinerTrainer(config(warmup_steps=1, steps=100, lr=2e-3), tmp_path)
    batch = next(trainer._batches)
    monkeypatch.setattr(trainer, "_batches", iter([batch] * 40))
    losses = [trainer.train_step() for _ in range(40)]
    assert np.mean(losses[-6:]) < 0.85 * np.mean(losses[:6])


def test_the_export_loads_for_its_base_with_the_trained_weights(tmp_path):
    trainer = RefinerTrainer(config(steps=2, eval_every=2), tmp_path)
    outcome = trainer.run()
    assert outcome.path == tmp_path / "refiner.safetensors"
    refiner, info = load_refiner(str(outcome.path), trainer.model, trainer.info)
    assert info is not None
    assert info.base_sha256 == trainer.info.sha256
    for name, value in trainer.refiner.state_dict().items():
        torch.testing.assert_close(refiner.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    assert any((tmp_path / "tensorboard").iterdir())


def test_a_run_can_begin_with_a_refiner_of_another_base(tmp_path):
    torch.manual_seed(3)
    other = tmp_path / "other.safetensors"
    save_nano(other, build_nano(NanoConfig()).state_dict(), NanoConfig(), {})
    first = RefinerTrainer(config(steps=1), tmp_path / "first").run()
    trainer = RefinerTrainer(config(model=str(other)), tmp_path / "second", start_from=first.path)
    base, info = load_model("nano", device=torch.device("cpu"), image_size_px=SIZE)
    begun, _ = load_refiner(str(first.path), base, info)
    for name, value in begun.state_dict().items():
        assert torch.equal(trainer.refiner.state_dict()[name], value)
    assert trainer.info.sha256 != info.sha256
    with pytest.raises(UsageError, match="no part of samref"):
        RefinerTrainer(config(refiner="samref"), tmp_path / "third", start_from=first.path)


def test_a_refiner_can_grow_from_a_smaller_one(tmp_path):
    small = RefinerTrainer(config(steps=2), tmp_path / "small")
    path = small.run().path
    grown = RefinerTrainer(config(refiner="sam2refiner"), tmp_path / "grown", start_from=path)
    before, after = small.refiner.state_dict(), grown.refiner.state_dict()
    assert all(torch.equal(after[name], value.half().to(value)) for name, value in before.items())
    assert {name.partition(".")[0] for name in after if name not in before} == {"la"}


def test_the_best_scores_are_kept_not_the_last(tmp_path, monkeypatch):
    trainer = RefinerTrainer(config(), tmp_path)
    good, bad = (evaluate_like(value) for value in (0.9, 0.1))
    answers = iter([good, bad])
    monkeypatch.setattr(trainer, "_scores", lambda _: next(answers))
    trainer.evaluate()
    first = (tmp_path / "refiner.safetensors").read_bytes()
    for parameter in trainer.refiner.parameters():
        parameter.data.add_(1)
    trainer.evaluate()
    assert trainer.best == good
    assert (tmp_path / "refiner.safetensors").read_bytes() == first


def evaluate_like(value: float) -> RefinerScores:
    return RefinerScores(*[MaskScores(value, value)] * 3)


def test_a_loss_that_is_no_number_names_the_images_and_changes_nothing(tmp_path, monkeypatch):
    trainer = RefinerTrainer(config(), tmp_path)
    images = torch.full((3, 3, SIZE, SIZE), float("nan"))
    broken = Batch(images, disk()[None].float().expand(3, -1, -1, -1), ("x.jpg", "y.jpg", "z"))
    monkeypatch.setattr(trainer, "_batches", iter([broken]))
    before = copied(trainer.refiner)
    with pytest.raises(TrainingError, match=r"step 0: the loss is nan on x\.jpg, y\.jpg, z"):
        trainer.train_step()
    assert all(torch.equal(v, before[n]) for n, v in trainer.refiner.state_dict().items())


def test_another_run_in_the_folder_is_refused(tmp_path):
    trainer = RefinerTrainer(config(), tmp_path)
    trainer.save()
    with pytest.raises(UsageError, match="another config or base"):
        RefinerTrainer(config(lr=0.5), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        RefinerTrainer(config(), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_config_without_a_gpu(tmp_path):
    with pytest.raises(UsageError, match="needs a CUDA GPU"):
        RefinerTrainer(config(needs_gpu=True), tmp_path)
    with pytest.raises(UsageError, match="gpus 4: there are 0"):
        RefinerTrainer(config(gpus=4, batch=4), tmp_path)
    assert RefinerTrainer(config(needs_gpu=True), tmp_path, device="cpu").step == 0


def test_native_crops_cannot_be_trained(tmp_path):
    path = tmp_path / "native.yaml"
    path.write_text("kind: sam2refiner\noptions: {la: {source: native}, pr: null, mr: null}\n")
    with pytest.raises(ConfigError, match="train with source: input"):
        RefinerTrainer(config(refiner=str(path)), tmp_path / "run")


@pytest.mark.parametrize("name", preset_names("train"))
def test_shipped_configs_are_valid(name):
    chosen = load_preset(RefinerTrainConfig, "train", name)
    load_refiner_config(chosen.refiner)
    assert chosen.rate_at(0, 0.0) < chosen.lr
    assert chosen.rate_at(chosen.warmup_steps, 0.4) == pytest.approx(chosen.lr)
    assert chosen.rate_at(chosen.steps, 0.99) < 0.1 * chosen.lr


def test_the_recipe_of_the_paper():
    chosen = load_preset(RefinerTrainConfig, "train", "sam2.1-hqseg")
    assert (chosen.batch, chosen.steps) == (32, 20 * (44_320 // 32))
    assert (chosen.loss.final, chosen.loss.aux) == (1.0, 0.3)
    assert [round(share * 20) for share in chosen.decay_at] == [12, 17]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 8, "gpus": 3}, {"fine": {"oversample": 3}}]
)
def test_impossible_configs(wrong):
    from vos.config import from_mapping

    with pytest.raises(ConfigError):
        from_mapping(RefinerTrainConfig, {"refiner": "mr", **wrong})


@pytest.fixture(scope="module")
def untrained() -> Sam2Model:
    torch.manual_seed(0)
    model = Sam2Model(build_nano(NanoConfig()))
    set_image_size(model.net, SIZE)
    return model


class Fixed:
    """A refiner that says what it is told; everything else is the identity."""

    name, is_identity, is_static, wants_image_2x, plain_memory = "fixed", False, False, False, False

    def __init__(self, **answer):
        self.answer, self.asked = answer, ()

    def augment(self, model, features, frame_idx):
        return {}

    def fuse(self, embedding, cache, prompts):
        return embedding

    def refine(self, decoded, features, cache, prompts):
        self.seen, self.asked = decoded, (*self.asked, prompts)
        return replace(decoded, **self.answer)


def predict(model, refiner, features, prompt):
    frame = EncodedFrame(features, {}, StreamPosition(0))
    return decode_prompt(Engine(model, refiner, Fifo()), frame, prompt)


def test_an_absent_object_does_not_hide_the_mask(untrained):
    bias = untrained.net.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    old = bias.data.clone()
    bias.data.fill_(-50.0)
    try:
        features = untrained.encode_image(torch.randn(1, 3, SIZE, SIZE, generator=seeded()))
        refiner = Fixed()
        prompt = at_model_size(tight_box(disk()), 128, SIZE)
        predict(untrained, refiner, features, prompt)
        assert (refiner.seen.object_score > 0).all()
        assert refiner.seen.mask_logits.min() > -1000
    finally:
        bias.data.copy_(old)


def test_losses_follow_what_the_refiner_gives(untrained):
    truth = disk()[None].float()
    right = truth * 20 - 10
    loss = LossConfig(final_points=500, points=500)
    objective = RefinerObjective(untrained, Fixed(), loss)
    features = untrained.encode_image(torch.randn(1, 3, SIZE, SIZE, generator=seeded()))
    prompt = at_model_size(tight_box(disk()), 128, SIZE)
    plain = predict(untrained, Fixed(), features, prompt)
    assert set(objective.parts(plain, truth, seeded())) == {"final"}, "the decoder's own mask"

    good = replace(plain, refined_logits=right, aux_logits=(right, -right))
    parts = objective.parts(good, truth, seeded())
    assert set(parts) == {"final", "aux0", "aux1"}
    assert parts["final"] < 0.1
    assert parts["aux0"] < 0.03 < 1 < parts["aux1"]

    mask = torch.nn.functional.interpolate(
        plain.raw_logits, size=(128, 128), mode="bilinear", align_corners=False
    )
    wrong = ((mask > 0) != (truth > 0.5)).float() * 20 - 10
    known = replace(good, error_logits=wrong)
    missed = replace(good, error_logits=-wrong)
    assert objective.parts(known, truth, seeded())["error"] < 0.3
    assert objective.parts(missed, truth, seeded())["error"] > 1


def asked_in_training(model: Sam2Model, **shares: float) -> list[PromptHistory]:
    refiner = Fixed(refined_logits=torch.full((1, 1, SIZE, SIZE), -9.0))
    objective = RefinerObjective(model, refiner, LossConfig(mode="dense"), **shares)
    images = torch.rand(3, 3, SIZE, SIZE, generator=seeded())
    objective(images, disk()[None].float().expand(3, -1, -1, -1), seeded())
    return list(refiner.asked)


def test_every_prompt_but_masks_can_be_corrected(untrained):
    assert [a.before is None for a in asked_in_training(untrained)] == [True] * len(KINDS)

    asked = asked_in_training(untrained, corrections=1.0)
    pairs = [(a, b) for a, b in pairwise(asked) if b.before is not None]
    assert len(pairs) == len(KINDS) - 1
    for first, second in pairs:
        assert second.now.labels.shape[1] == first.now.labels.shape[1] + 1
        assert torch.equal(second.now.points_xy[:, :-1], first.now.points_xy)
        assert torch.equal(second.now.previous, second.before.raw_logits)


def test_a_tracked_still_has_no_prompt_of_its_own_but_a_first_one(untrained):
    asked = asked_in_training(untrained, tracked=1.0, corrections=1.0)
    assert [a.now for a in asked] == [None] * len(KINDS)
    assert [a.first.mask is not None for a in asked] == [kind == "mask" for kind in KINDS]
    assert all(a.before is None for a in asked)


def test_a_tracked_still_is_found_through_memory(untrained):
    """The bank matters: an empty earlier view gives another answer than one with the object."""
    images = torch.rand(1, 3, SIZE, SIZE, generator=seeded())
    features = untrained.encode_image(images)
    answers = []
    for target in (disk()[None].float(), torch.zeros(1, 1, 128, 128)):
        earlier = EarlierFrame.of(untrained, images, target, seeded())
        bank = earlier.remember(untrained, torch.arange(1), "mask", seeded())
        frame = EncodedFrame(features, {}, StreamPosition(0))
        engine = Engine(untrained, NoRefiner(), Fifo())
        answers.append(decode_tracked(engine, frame, bank).raw_logits)
    assert not torch.allclose(*answers)


def test_an_earlier_view_moves_image_and_object_alike():
    target = disk(side=64, radius=15)[None].float().expand(8, -1, -1, -1)
    before, truth = earlier_view(target.expand(-1, 3, -1, -1), target, seeded())
    assert not torch.equal(truth, target)
    assert before.shape == (8, 3, 64, 64)
    assert before[truth.expand_as(before) > 0.99].min() > 0.8
    assert before[truth.expand_as(before) < 0.01].max() < 0.02
    again, _ = earlier_view(target.expand(-1, 3, -1, -1), target, seeded())
    assert torch.equal(before, again)


def test_an_object_that_would_leave_the_earlier_view_stays():
    target = torch.zeros(64, 1, 64, 64)
    target[..., 0, 0] = 1
    _, truth = earlier_view(target.expand(-1, 3, -1, -1), target, seeded())
    assert (truth > 0.5).flatten(1).any(1).all()


def test_the_correcting_click_lies_where_the_answer_is_wrong(untrained):
    truth = disk()[None].float()
    features = untrained.encode_image(torch.randn(1, 3, SIZE, SIZE, generator=seeded()))
    prompt = at_model_size(tight_box(disk()), 128, SIZE)
    for missed in (True, False):
        left = torch.arange(SIZE) < SIZE / 2
        said = (truth[..., ::2, ::2] > 0.5) & ~left if missed else torch.ones(1, 1, SIZE, SIZE)
        refiner = Fixed(refined_logits=said.float() * 20 - 10)
        answer = predict(untrained, refiner, features, prompt)
        click = correcting_click(answer, truth, prompt, SIZE, seeded())
        x, y = click.points_xy[0, -1].round().int().tolist()
        assert int(click.labels[0, -1]) == int(missed)
        assert bool(disk(SIZE, 15)[0, y, x]) == missed
        assert not missed or x < SIZE / 2


@pytest.mark.parametrize("kind", KINDS)
def test_training_prompts_decode_to_a_single_mask_unless_one_point(untrained, kind):
    truth = disk()[None].float().expand(2, -1, -1, -1)
    features = untrained.encode_image(torch.randn(2, 3, SIZE, SIZE, generator=seeded()))
    embedding = untrained.condition(features, ())
    for seed in range(6):
        prompt = training_prompt(kind, truth, SIZE, seeded(seed), 0.1)
        assert prompt.labels is not None
        assert prompt.mask is None
        chosen = []
        untrained.decode(
            embedding,
            features,
            prompt,
            first=True,
            choose=lambda c, chosen=chosen: chosen.append(1) or c.iou_pred.argmax(-1),
        )
        is_one_point = kind == "points" and prompt.labels.shape[1] == 1
        assert bool(chosen) == is_one_point


def test_mixed_points_are_where_their_labels_say():
    mask = disk(128, 30).expand(3, -1, -1)
    labels, near = [], 0
    for seed in range(30):
        prompt = mixed_points(mask, 8, seeded(seed))
        for row in range(3):
            for (x, y), label in zip(prompt.points_xy[row].long(), prompt.labels[row], strict=True):
                assert bool(mask[row, y, x]) == bool(label)
                labels.append(int(label))
                distance = ((x - 63.5) ** 2 + (y - 63.5) ** 2) ** 0.5 - 30
                near += int(label == 0 and distance < 8)
        assert (prompt.labels[:, 0] == 1).all()
    share = (np.mean(labels) - 1 / 8) / (7 / 8)
    assert share == pytest.approx(0.7, abs=0.05)
    assert near / labels.count(0) > 0.4


def test_points_move_to_model_pixels_by_their_centres():
    mask = torch.zeros(1, 128, 128, dtype=torch.bool)
    mask[0, 20:40, 60:100] = True
    box = at_model_size(tight_box(mask), 128, 64)
    assert box.points_xy.tolist() == [[[29.75, 9.75], [49.25, 19.25]]]
    points = positive_points(mask, 5, seeded())
    assert all(mask[0, int(y), int(x)] for x, y in points.points_xy[0])


def test_scores_agree_with_the_evaluator():
    generator = seeded(3)
    for side in (64, 101):
        noise = torch.nn.functional.avg_pool2d(
            torch.randn(2, 1, side + 8, side + 8, generator=generator), 9, 1
        )
        mask, truth = noise[:1, 0] > 0, noise[1:, 0] > 0
        expected = reference_boundary_iou(truth[0].numpy(), mask[0].numpy())
        assert boundary_iou(mask, truth).item() == pytest.approx(expected, abs=1e-6)
    empty = torch.zeros(1, 32, 32, dtype=torch.bool)
    assert iou(empty, empty).item() == boundary_iou(empty, empty).item() == 1


def test_evaluation_is_repeatable_and_depends_on_the_refiner(untrained):
    fine = FineConfig(ordinary=0)
    first = evaluate_refiner(untrained, NoRefiner(), images=3, config=fine)
    assert first == evaluate_refiner(untrained, NoRefiner(), images=3, config=fine)
    everything = Fixed(refined_logits=torch.ones(3, 1, SIZE, SIZE))
    full = evaluate_refiner(untrained, everything, images=3, config=fine)
    assert full != first
    assert 0 < full.box.miou < 0.7
    assert full.box == full.points


@pytest.mark.needs_cuda
@pytest.mark.parametrize("name", REFINERS)
def test_a_gpu_trains_in_bfloat16_and_leaves_the_base_alone(tmp_path, name):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    refiner = REFINERS[name]
    if "kind" in refiner:
        (tmp_path / "refiner.yaml").write_text(refiner)
        refiner = str(tmp_path / "refiner.yaml")
    trainer = RefinerTrainer(config(refiner=refiner, needs_gpu=True), tmp_path)
    assert trainer.fabric.device.type == "cuda"
    base = copied(trainer.model.net)
    outcome = trainer.run()
    assert outcome.path.is_file()
    for key, value in trainer.model.net.state_dict().items():
        assert torch.equal(value, base[key]), key
