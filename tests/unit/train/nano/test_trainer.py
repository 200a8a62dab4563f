"""Losses, simulated prompts, the clip feed and the loop: what they promise, on small tensors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import vos.train.nano.trainer as nano
from vos.model.files.weights import infer_architecture, load_state_dict
from vos.model.load import load_model
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.efficientnet import EfficientNetLite0
from vos.model.prepare import set_image_size
from vos.train.losses import LossWeights, dice_loss, mask_iou, prediction_loss
from vos.train.nano import objective
from vos.train.nano.__main__ import main
from vos.train.nano.clip_feed import ClipFeed, ClipShape, augment, pick_objects
from vos.train.prompts import (
    add_another,
    boxes_from_masks,
    cut_off_part,
    find_middle,
    sample_correction,
    sample_prompt,
)


def disk(side: int = 32, centre: tuple[int, int] = (16, 12), radius: int = 6) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2)[None]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_perfect_and_empty_masks():
    truth = disk().float()
    logits = truth * 40 - 20
    assert dice_loss(logits, truth).item() < 0.01
    assert dice_loss(-logits, truth).item() > 0.9
    assert mask_iou(logits, truth).item() == 1
    empty = torch.zeros_like(truth)
    assert mask_iou(empty - 1, empty).item() == 1
    assert mask_iou(logits, empty).item() == 0


def test_absent_frames_train_only_the_score():
    logits = torch.randn(2, 4, 8, 8, requires_grad=True)
    iou = torch.rand(2, 4, requires_grad=True)
    score = torch.zeros(2, 1, requires_grad=True)
    target = torch.zeros(2, 32, 32, dtype=torch.bool)
    prediction_loss(logits, iou, score, target, alternatives=True, weights=LossWeights()).backward()
    assert not logits.grad.any()
    assert (score.grad > 0).all()


def test_a_frame_without_the_object_weighs_more_in_the_score():
    score = torch.zeros(2, 1, requires_grad=True)
    target = torch.stack([disk()[0], torch.zeros_like(disk()[0])])
    logits, iou = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1)
    weights = LossWeights(absent=4.0)
    prediction_loss(logits, iou, score, target, alternatives=False, weights=weights).backward()
    present, absent = score.grad[:, 0].tolist()
    assert present < 0 < absent
    assert absent == pytest.approx(-4 * present)


def test_alternatives_train_only_the_best_of_three():
    logits = torch.randn(1, 4, 8, 8)
    logits[0, 2] = torch.nn.functional.avg_pool2d(disk().float()[None], 4)[0, 0] * 20 - 10
    logits.requires_grad_()
    prediction_loss(
        logits,
        torch.rand(1, 4),
        torch.zeros(1, 1),
        disk(),
        alternatives=True,
        weights=LossWeights(iou=0),
    ).backward()
    trained = logits.grad.flatten(2).abs().sum(-1)[0] > 0
    assert trained.tolist() == [True, False, True, False]


@given(seed=st.integers(0, 1000), kind=st.sampled_from(["box", "clicks:1", "clicks:3", "mask"]))
@settings(max_examples=30)
def test_prompts_lie_where_they_should(seed, kind):
    masks = torch.cat([disk(), disk(centre=(5, 26), radius=4)])
    prompt = sample_prompt(masks, kind, seeded(seed))
    if kind == "mask":
        assert torch.equal(prompt.mask[:, 0] > 0, masks)
        return
    if kind == "box":
        corners = prompt.points_xy.flatten(1)
        tight = boxes_from_masks(masks)
        allowed = 0.1 * (tight[:, 2:] - tight[:, :2] + 1).repeat(1, 2)
        assert ((corners - tight).abs() <= allowed + 1e-4).all()
        assert corners.min() >= 0
        assert corners.max() <= 31
        return
    for row, points in enumerate(prompt.points_xy.long()):
        assert all(masks[row, y, x] for x, y in points)


def test_boxes_are_tight_and_inclusive():
    masks = torch.zeros(1, 20, 30, dtype=torch.bool)
    masks[0, 3:8, 10:12] = True
    assert boxes_from_masks(masks).tolist() == [[10, 3, 11, 7]]


def test_corrections_click_on_the_larger_error():
    truth = disk(radius=8)
    missed = truth.float()[:, None] * 0 - 5
    prompt = sample_correction(truth, missed, seeded())
    x, y = prompt.points_xy[0, 0].long()
    assert prompt.labels.tolist() == [[1]]
    assert truth[0, y, x]
    everywhere = torch.full((1, 1, 32, 32), 5.0)
    prompt = sample_correction(truth, everywhere, seeded(), prompt)
    x, y = prompt.points_xy[0, 1].long()
    assert prompt.labels.tolist() == [[1, 0]]
    assert not truth[0, y, x]


def test_corrections_click_in_the_middle_half_of_the_time():
    truth = disk(64, (30, 20), 12).repeat(200, 1, 1)
    prompt = sample_correction(truth, torch.full((200, 1, 64, 64), -5.0), seeded())
    in_the_middle = (prompt.points_xy[:, 0] == torch.tensor([20.0, 30.0])).all(1)
    assert 70 < in_the_middle.sum() < 130


def test_the_middle_is_farthest_from_what_is_outside():
    region = disk(64, (40, 44), 8)
    region[0, 5, 5:60] = True
    x, y = find_middle(region)[0, 0].tolist()
    assert abs(x - 44) <= 1
    assert abs(y - 40) <= 1


@given(seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_what_is_cut_off_lies_on_one_side_of_a_line(seed):
    masks = torch.cat([disk(radius=8), torch.zeros(1, 32, 32, dtype=torch.bool)])
    left, empty = cut_off_part(masks, seeded(seed))
    assert left.any()
    assert not (left & ~masks[0]).any()
    assert not empty.any()
    missing = masks[0] & ~left
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    angles = torch.arange(0, 360, 2.0).deg2rad()[:, None, None]
    along = x * angles.cos() + y * angles.sin()
    nearest = torch.where(left, along, torch.inf).flatten(1).amin(1)
    farthest = torch.where(missing, along, -torch.inf).flatten(1).amax(1)
    assert (nearest > farthest - 0.5).any()


def test_another_object_that_is_added_is_of_the_same_image():
    first = torch.cat([disk(centre=(8, 8), radius=3), disk(centre=(24, 8), radius=3)])
    second = torch.cat([disk(centre=(8, 24), radius=3), disk(centre=(24, 24), radius=3)])
    wrong = add_another(torch.cat([first, second]), images=2)
    assert (wrong[:2] == first.any(0)).all()
    assert (wrong[2:] == second.any(0)).all()
    assert (add_another(first, images=2) == first).all(), "one object of each image"


def test_where_nothing_is_wrong_a_correction_confirms():
    truth = torch.cat([disk(), torch.zeros(1, 32, 32, dtype=torch.bool)])
    right = truth.float()[:, None] * 10 - 5
    prompt = sample_correction(truth, right, seeded())
    assert prompt.labels.tolist() == [[1], [0]], "on the object; nowhere, as it is absent"
    x, y = prompt.points_xy[0, 0].long()
    assert truth[0, y, x]


def test_a_corrected_clip_is_clicked_where_the_tracked_answer_is_wrong(monkeypatch):
    model = load_model("nano", device=torch.device("cpu"))[0]
    set_image_size(model.net, 64)
    truth = disk(64, (32, 32), 14).repeat(2, 1, 1)
    images = torch.rand(2, 3, 64, 64, generator=seeded())
    seen = []

    def spied(masks, logits, generator, before=None):
        seen.append((masks, logits, before))
        return sample_correction(masks, logits, generator, before)

    monkeypatch.setattr(objective, "sample_correction", spied)
    rows = torch.arange(2)
    clip, masks = images[:, None].repeat(1, 3, 1, 1, 1), truth[:, None].repeat(1, 3, 1, 1)
    for seed in range(8):
        seen.clear()
        loss = objective.clip_loss(model, clip, rows, masks, seeded(seed))
        loss.backward()
        counts = [0 if before is None else before.labels.shape[1] for *_, before in seen]
        assert counts == list(range(len(seen))), "each click on top of those before"
        if len(seen) > 1:
            break
    assert len(seen) > 1
    assert not torch.equal(seen[0][1], seen[1][1]), "the second sees what the first one changed"
    assert model.net.sam_mask_decoder.mask_tokens.weight.grad is not None


def test_a_clip_that_begins_wrong_counts_from_its_correction_on(monkeypatch):
    model = load_model("nano", device=torch.device("cpu"))[0]
    set_image_size(model.net, 64)
    given: list[torch.Tensor] = []
    counted: list[bool] = []

    def spied(masks, kind, generator):
        given.append(masks)
        return sample_prompt(masks, kind, generator)

    def spied_loss(logits, *args, **kwargs):
        counted.append(logits.requires_grad)
        return prediction_loss(logits, *args, **kwargs)

    monkeypatch.setattr(objective, "sample_prompt", spied)
    monkeypatch.setattr(objective, "prediction_loss", spied_loss)
    monkeypatch.setattr(objective, "_pick_kind", lambda _generator, kinds: next(iter(kinds)))
    clip = torch.rand(1, 4, 3, 64, 64, generator=seeded())
    masks = disk(64, (32, 32), 14)[:, None].repeat(1, 4, 1, 1)
    draws: set[int] = set()
    smaller = 0
    for seed in range(6):
        given.clear()
        counted.clear()
        objective.clip_loss(model, clip, torch.zeros(1, dtype=torch.long), masks, seeded(seed))
        smaller += int(given[0].sum() < masks[:, 0].sum())
        assert all(counted)
        draws.add(len(counted))
    assert draws <= {1, 2, 3}, "the frames from the corrected one on, which is never the first"
    assert len(draws) > 1
    assert smaller >= 4, "a line at the very edge takes nothing away"


def test_augmented_labels_still_match_their_pixels():
    labels = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    labels[:, :, 2:12, 3:13] = 1
    labels[0, 2, :, :8] = 2
    frames = labels[:, :, None].repeat(1, 1, 3, 1, 1) * 100
    for seed in range(20):
        seen, moved = augment(frames, labels, seeded(seed))
        assert torch.equal(seen[:, :, 0], moved * 100)


def test_picked_objects_are_visible_at_the_start_and_begin_with_the_target():
    labels = torch.zeros(3, 2, 32, 32, dtype=torch.uint8)
    labels[:, :, :10, :10] = 1
    labels[1:, :, 20:, :10] = 2
    labels[2, :, 20:, 20:] = 5
    rows, masks = pick_objects(labels, 3, seeded())
    assert rows.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert masks[:, 0].flatten(1).any(1).all()
    assert torch.equal(masks[0], labels[0] == 1)
    assert torch.equal(masks[2], labels[0] == 1), "a lone target is asked for again"
    assert torch.equal(masks[6], labels[2] == 1)
    assert {tuple(m[0].nonzero()[0].tolist()) for m in masks[7:]} == {(20, 0), (20, 20)}


def test_feed_serves_the_asked_shape_and_stops(tmp_path):
    feed = ClipFeed(torch.device("cpu"), tmp_path / "clips", parts=2, workers=2, pool=4)
    try:
        for shape in (ClipShape(2, 1, 32), ClipShape(1, 2, 48)):
            for seed in range(3):
                frames, labels = feed.next(shape, seed, seeded(seed))
                side = shape.size_px
                assert frames.shape == (2 * shape.batch, shape.frames, 3, side, side)
                assert labels.shape == (2 * shape.batch, shape.frames, side, side)
                assert not torch.equal(*frames.chunk(2)), "each part is made on its own"
    finally:
        feed.close()
    assert not (tmp_path / "clips").exists()


class RepeatableFeed:
    """Clips that depend on the seed alone."""

    def __init__(self, device, folder, *, parts, workers, pool):
        pass

    def next(self, shape, seed, generator):
        g = seeded(seed)
        size = (shape.batch, shape.frames, 3, shape.size_px, shape.size_px)
        labels = disk(shape.size_px).to(torch.uint8).expand(*size[:2], -1, -1)
        return torch.randint(0, 255, size, generator=g, dtype=torch.uint8), labels

    def close(self):
        pass


STRUCTURES = {
    "nano": NanoConfig(),
    "nano2": NanoConfig(trunk="efficientnet-lite0", key_dim=64),
}


@pytest.fixture(params=STRUCTURES)
def quick(monkeypatch, request):
    monkeypatch.setattr(nano, "ClipFeed", RepeatableFeed)
    stills, clips = nano.Work(32, 2, 1, 1), nano.Work(32, 1, 2, 1)
    stages = (nano.Stage(0.5, (stills, clips)), nano.Stage(1.0, (clips,)))
    return nano.TrainConfig(stages=stages, model=STRUCTURES[request.param])


def test_a_resumed_run_continues_exactly(tmp_path, quick):
    whole = nano.Trainer(tmp_path, quick, 1.0, torch.device("cpu"))
    losses = [whole.train_step() for _ in range(2)]
    whole.save()
    losses += [whole.train_step() for _ in range(2)]
    again = nano.Trainer(tmp_path, quick, 1.0, torch.device("cpu"))
    again.load(tmp_path / "checkpoint.pt")
    assert [again.train_step() for _ in range(2)] == losses[2:]


def test_exported_weights_load_as_a_model(tmp_path, quick):
    trainer = nano.Trainer(tmp_path, quick, 1.0, torch.device("cpu"))
    trainer.spent_s = 45.0
    trainer.train_step()
    trainer.save()
    target = tmp_path / "small.safetensors"
    nano.export(tmp_path / "checkpoint.pt", target)
    assert target.stat().st_size < 15e6
    assert infer_architecture(load_state_dict(target)) == "nano"
    model, info = load_model(str(target), device=torch.device("cpu"))
    assert (info.architecture, info.image_size_px, model.image_size) == ("nano", 256, 256)
    again = nano.Trainer(tmp_path, quick, 1.0, torch.device("cpu"))
    again.start_from(target)
    for name, value in model.net.state_dict().items():
        assert torch.equal(again.model.net.state_dict()[name], value)


def test_only_the_last_blocks_of_a_trunk_with_imagenet_weights_learn(tmp_path, monkeypatch):
    monkeypatch.setattr(nano, "ClipFeed", RepeatableFeed)
    config = nano.TrainConfig(
        stages=(nano.Stage(1.0, (nano.Work(32, 2, 1, 1),), trunk_from=8),),
        model=STRUCTURES["nano2"],
    )
    trunk = EfficientNetLite0()
    weights = {name: value.contiguous() for name, value in trunk.state_dict().items()}
    save_file(weights, tmp_path / "trunk.safetensors")
    trainer = nano.Trainer(tmp_path, config, 1.0, torch.device("cpu"))
    trainer.start_trunk_from(tmp_path / "trunk.safetensors")
    trainer.train_step()
    changed = {
        index
        for index, block in enumerate(trainer.trunk.blocks)
        if not torch.equal(block.project.weight, trunk.blocks[index].project.weight)
    }
    assert changed == set(range(8, 16))
    assert torch.equal(trainer.trunk.stem.weight, trunk.stem.weight)


def test_rolled_frames_have_no_loss(monkeypatch):
    model = load_model("nano", device=torch.device("cpu"))[0]
    set_image_size(model.net, 64)
    scored = []

    def count(*args, **kwargs):
        scored.append(torch.is_grad_enabled())
        return prediction_loss(*args, **kwargs)

    monkeypatch.setattr(objective, "prediction_loss", count)
    clip = torch.rand(1, 4, 3, 64, 64, generator=seeded())
    masks = disk(64, (32, 32), 14)[:, None].repeat(1, 4, 1, 1)
    objective.clip_loss(model, clip, torch.arange(1), masks, seeded(), rolled=2).backward()
    assert scored == [True, True]
    weight = model.net.get_parameter("memory_attention.layers.0.linear1.weight")
    assert weight.grad is not None


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_mean_of_a_run_and_what_it_began_with(tmp_path, quick, share):
    trainer = nano.Trainer(tmp_path, quick, 1.0, torch.device("cpu"))
    trainer.save()
    nano.export(tmp_path / "checkpoint.pt", tmp_path / "begin.safetensors")
    for value in trainer.average.values():
        value += 0.5
    trainer.save()
    checkpoint, target = tmp_path / "checkpoint.pt", tmp_path / "mean.safetensors"
    nano.export(checkpoint, target, tmp_path / "begin.safetensors", share)
    begin, mean = (load_state_dict(tmp_path / f"{name}.safetensors") for name in ("begin", "mean"))
    for name, value in begin.items():
        assert torch.allclose(mean[name].float(), value.float() + share / 2, atol=4e-3, rtol=2e-3)


@pytest.mark.slow
def test_the_generating_process_ends_with_a_killed_trainer(tmp_path):
    script = tmp_path / "feed.py"
    script.write_text(
        "import pathlib, torch, time\n"
        "from vos.train.nano.clip_feed import ClipFeed, ClipShape\n"
        "if __name__ == '__main__':\n"
        f"    folder = pathlib.Path({str(tmp_path / 'clips')!r})\n"
        "    feed = ClipFeed(torch.device('cpu'), folder, pool=1)\n"
        "    feed.next(ClipShape(1, 1, 64), 0, torch.Generator())\n"
        "    feed.next(ClipShape(1, 1, 64), 0, torch.Generator())\n"
        "    print(feed._workers._processes[0].pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    trainer = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    worker = int(trainer.stdout.readline())
    time.sleep(3)  # the queue is full by now, and the worker waits to put more
    trainer.kill()
    trainer.communicate()
    deadline = time.monotonic() + 30
    while psutil.pid_exists(worker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not psutil.pid_exists(worker)


def test_the_command_trains_without_options_and_exports(tmp_path):
    run = [sys.executable, "-m", "vos.train.nano", "--out", str(tmp_path), "--device", "cpu"]
    subprocess.run([*run, "--minutes", "0"], check=True, capture_output=True)
    (began,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert f"{os.cpu_count()} cores" in began["machine"]
    assert (began["seed"], began["step"], began["minutes"]) == (1, 0, 0)
    subprocess.run([*run, "--export", str(tmp_path / "nano.safetensors")], check=True)
    model, _ = load_model(str(tmp_path / "nano.safetensors"), device=torch.device("cpu"))
    assert model.image_size == 320


@pytest.mark.parametrize("option", ["--workers", "--parts"])
def test_without_anybody_who_makes_clips_it_does_not_wait_for_them(option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vos.train.nano", option, "0"])
    with pytest.raises(SystemExit):
        main()
    assert "at least 1" in capsys.readouterr().err
