"""The HQSeg-44K loader on a miniature of HQ-SAM's folders."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from vos.errors import InputError, UsageError
from vos.train.hqseg import FOLDERS, HqSegSamples, find_hqseg, jitter, read_pair
from vos.train.refiner import data as refiner_data
from vos.train.refiner.config import LossConfig, RefinerTrainConfig
from vos.train.refiner.data import Share, batches, find_data
from vos.train.refiner.trainer import RefinerTrainer

SMALL = tuple(replace(folder, count=2) for folder in FOLDERS)
CPU = torch.device("cpu")


def write(root: Path, size=(40, 30), mask_size=None, value=255, mode="L") -> None:
    """Two pairs per set; the object is red."""
    for folder in FOLDERS:
        for kind in (folder.images, folder.masks):
            (root / kind).mkdir(parents=True, exist_ok=True)
        for name in ("a", "b c.d"):
            pixels = np.zeros((size[1], size[0]), np.uint8)
            pixels[8:22, 10:30] = value
            image = np.stack([pixels, pixels * 0 + 90, 255 - pixels], -1)
            Image.fromarray(image).save(root / folder.images / f"{name}.jpg", quality=95)
            mask = Image.fromarray(pixels).resize(mask_size or size).convert(mode)
            mask.save(root / folder.masks / f"{name}.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    def find(root, *, allow_partial=False):
        return find_hqseg(root, allow_partial=allow_partial, folders=SMALL)

    monkeypatch.setattr(refiner_data, "find_hqseg", find)


def test_the_seven_sets_are_44320_images():
    assert sum(folder.count for folder in FOLDERS) == 44_320
    assert [f.name for f in FOLDERS if f.images != f.masks] == ["DIS5K-TR", "ThinObject5K-TR"]


def test_all_pairs_are_found_in_order(root):
    pairs = find_hqseg(root, folders=SMALL)
    assert len(pairs) == 14
    assert pairs[0].image == root / "DIS5K/DIS-TR/im/a.jpg"
    assert pairs[1].mask == root / "DIS5K/DIS-TR/gt/b c.d.png"
    assert pairs[-1].mask == root / "cascade_psp/MSRA_10K/b c.d.png"


def test_a_missing_set_and_a_short_one_are_named(root):
    for file in (root / "cascade_psp/ecssd").iterdir():
        file.unlink()
    (root / "cascade_psp/DUTS-TE/a.jpg").unlink()
    with pytest.raises(InputError) as caught:
        find_hqseg(root, folders=SMALL)
    text = str(caught.value)
    assert "ECSSD has 0 of 2 images in cascade_psp/ecssd" in text
    assert "DUTS-TE has 1 of 2" in text
    assert "HQ-SAM repository" in text
    assert "allow_partial" in text
    assert len(find_hqseg(root, allow_partial=True, folders=SMALL)) == 11


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        find_hqseg(tmp_path / "nowhere", allow_partial=True)


def test_the_real_counts_are_demanded(root):
    with pytest.raises(InputError, match="DIS5K-TR has 2 of 3000"):
        find_hqseg(root)


def test_an_empty_folder_is_an_error_even_when_partial_is_allowed(tmp_path):
    with pytest.raises(InputError, match="no image of HQSeg-44K"):
        find_hqseg(tmp_path, allow_partial=True)


def test_an_image_without_a_mask_is_named(root):
    (root / "DIS5K/DIS-TR/gt/a.png").unlink()
    with pytest.raises(InputError, match=r"im/a\.jpg: no mask .*gt/a\.png"):
        find_hqseg(root, folders=SMALL)
    assert len(find_hqseg(root, allow_partial=True, folders=SMALL)) == 13


def test_two_sizes_name_both_files(tmp_path):
    write(tmp_path, size=(40, 30), mask_size=(39, 30))
    pair = find_hqseg(tmp_path, folders=SMALL)[0]
    with pytest.raises(InputError, match=r"im/a\.jpg is 40 x 30 .*gt/a\.png is 39 x 30"):
        read_pair(pair)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "1"])
def test_masks_of_any_png_kind_are_read(tmp_path, mode):
    write(tmp_path, mode=mode)
    image, mask = read_pair(find_hqseg(tmp_path, folders=SMALL)[0])
    assert image.shape == (3, 30, 40)
    assert mask.shape == (1, 30, 40)
    assert mask.sum() == 14 * 20


def test_a_damaged_file_is_named(root):
    path = root / "DIS5K/DIS-TR/im/a.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"im/a\.jpg: .*get the file again"):
        read_pair(find_hqseg(root, folders=SMALL)[0])


def test_jitter_keeps_image_and_mask_together_and_pads_as_hqsam(root):
    image, mask = read_pair(find_hqseg(root, folders=SMALL)[0])
    paddings, mirrored, areas = 0, 0, []
    for seed in range(40):
        seen, target = jitter(image, mask, 64, Random(seed))
        assert seen.shape == (3, 64, 64)
        assert target.shape == (1, 64, 64)
        inside = target[0] > 0.95
        assert target.max() > 0.5, "the object is in every crop"
        assert seen[0][inside].mean() > 0.7, "red is where the mask is"
        if (seen[:, -1, -1] - 128 / 255).abs().max() < 1e-6:
            paddings += 1
            assert target[0, -1, -1] == 0
        areas.append(float(target.mean()))
        columns = (target[0] > 0.5).any(0).nonzero()[:, 0]
        mirrored += bool(columns.float().mean() > 40)
    assert 5 < paddings < 40
    assert max(areas) > 20 * min(areas), "scales from 0.1 to 2"


def test_samples_depend_on_seed_epoch_and_pair_only(root):
    pairs = find_hqseg(root, folders=SMALL)
    first, again = HqSegSamples(pairs, 32, 1), HqSegSamples(pairs, 32, 1)
    assert torch.equal(first[0, 3].image, again[0, 3].image)
    assert not torch.equal(first[0, 3].image, first[1, 3].image)
    assert first.order(0) == again.order(0) != first.order(1)
    assert sorted(first.order(5)) == list(range(14))


def test_an_empty_mask_is_passed_over_and_reported(root):
    pairs = find_hqseg(root, folders=SMALL)
    Image.new("L", (40, 30)).save(pairs[0].mask)
    sample = HqSegSamples(pairs, 32, 1)[0, 0]
    assert sample.name == str(pairs[1].image)
    assert sample.empty == (str(pairs[0].mask),)


def test_only_empty_masks_are_an_error(tmp_path):
    write(tmp_path, value=0)
    with pytest.raises(InputError, match="all 14 masks are empty"):
        HqSegSamples(find_hqseg(tmp_path, folders=SMALL), 32, 1)[0, 0]


def config(**values) -> RefinerTrainConfig:
    return RefinerTrainConfig(refiner="pr_mr", data="hqseg", batch=4, **values)


def test_batches_go_on_where_a_run_stopped(root):
    whole = list(islice(batches(config(), find_hqseg(root, folders=SMALL), 32, CPU, 0, Share()), 5))
    later = list(islice(batches(config(), find_hqseg(root, folders=SMALL), 32, CPU, 2, Share()), 3))
    for a, b in zip(whole[2:], later, strict=True):
        assert a.names == b.names
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.target, b.target)
    epoch = [name for batch in whole[:3] for name in batch.names]
    assert len(set(epoch)) == 12, "no image twice in one epoch"


def test_processes_share_a_batch(root):
    (one,) = islice(batches(config(), find_hqseg(root, folders=SMALL), 32, CPU, 0, Share()), 1)
    halves = [
        next(batches(config(), find_hqseg(root, folders=SMALL), 32, CPU, 0, Share(rank, 2)))
        for rank in (0, 1)
    ]
    assert sorted(one.names) == sorted(halves[0].names + halves[1].names)
    assert len(halves[0].names) == 2


def test_worker_processes_give_the_same_batches(root):
    alone = next(batches(config(), find_hqseg(root, folders=SMALL), 32, CPU, 0, Share()))
    helped = batches(config(workers=1), find_hqseg(root, folders=SMALL), 32, CPU, 0, Share())
    assert torch.equal(next(helped).images, alone.images)


@pytest.mark.usefixtures("small")
def test_too_few_images_for_a_batch(root):
    with pytest.raises(UsageError, match="14 pairs do not fill a batch of 20"):
        find_data(replace(config(), batch=20), root)


def test_folder_and_data_kind_must_fit(tmp_path):
    with pytest.raises(UsageError, match=r"^data: missing"):
        find_data(config(), None)
    drawn = RefinerTrainConfig(refiner="pr_mr")
    with pytest.raises(UsageError, match="leave data out"):
        find_data(drawn, tmp_path)
    assert find_data(drawn, None) is None


def test_a_refiner_trains_on_the_pairs_and_counts_empty_masks(root, tmp_path):
    for pair in find_hqseg(root, folders=SMALL)[::2]:
        Image.new("L", (40, 30)).save(pair.mask)
    quick = config(
        model="nano",
        image_size_px=64,
        allow_partial=True,
        steps=2,
        eval_images=1,
        loss=LossConfig(final_points=200, points=100),
    )
    trainer = RefinerTrainer(quick, tmp_path / "run", data=root, device="cpu")
    assert all(np.isfinite(trainer.train_step()) for _ in range(2))
    rows = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert 1 <= json.loads(rows[-1])["empty_masks"] <= 7
    trainer.save()
    outcome = RefinerTrainer(quick, tmp_path / "run", data=root, device="cpu").run()
    assert len(outcome.empty) == json.loads(rows[-1])["empty_masks"], "a resumed run still knows"
