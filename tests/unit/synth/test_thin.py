"""Stills of thin structures: reproducible, really thin, with labels that fit the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vos.errors import UsageError
from vos.synth.thin import __main__ as command
from vos.synth.thin import stills as fine_structure
from vos.synth.thin.shapes import SHAPES
from vos.synth.thin.stills import FineConfig, Stills, contact_sheet, generate_fine
from vos.synth.thin.strokes import Stroke, cut_up, paint_pieces

THIN = FineConfig(ordinary=0, front=0, twin=0)


@pytest.fixture(scope="module")
def stills() -> Stills:
    return generate_fine(6, 64, seed=5)


def painted(*strokes: Stroke, side: int = 32) -> torch.Tensor:
    placed = [(0, stroke, stroke.points, 1.0) for stroke in strokes]
    return paint_pieces(cut_up(placed, 1.0, torch.device("cpu")), 1, side).cover[0]


def line(*points: tuple[float, float], width: float = 1.0) -> Stroke:
    return Stroke(np.array(points, float), np.full(len(points), width), np.zeros(len(points)))


def test_shapes_and_types(stills):
    assert stills.images.shape == (6, 3, 64, 64)
    assert stills.images.dtype == torch.uint8
    assert stills.labels.shape == (6, 128, 128), "labels have twice the side"
    assert stills.labels.dtype == torch.bool


def test_the_same_seed_gives_the_same_stills_and_another_others():
    first = generate_fine(6, 32, seed=5)
    fine_structure._pool.cache_clear()
    again = generate_fine(6, 32, seed=5)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, generate_fine(6, 32, seed=6).labels)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_visible_and_within_the_area_limits(name):
    stills = generate_fine(2, 64, seed=3, config=THIN, shapes=(name,))
    area = stills.labels.float().mean((1, 2))
    assert area.min() >= THIN.min_area
    assert area.max() <= THIN.max_area


def test_most_targets_have_detail_that_the_image_size_cannot_hold():
    labels = generate_fine(24, 64, seed=1, config=THIN).labels.float()[:, None]
    eroded = -F.max_pool2d(-labels, 5, 1, 2)
    kept = F.max_pool2d(eroded, 5, 1, 2)
    lost = 1 - (kept * labels).sum((1, 2, 3)) / labels.sum((1, 2, 3))
    assert lost.median() > 0.4, "an opening by 2 label pixels must remove much of a thin target"


def test_a_share_of_the_ordinary_stills_is_rich():
    plain = generate_fine(4, 64, seed=5, config=FineConfig(ordinary=1))
    rich = generate_fine(4, 64, seed=5, config=FineConfig(ordinary=1, rich=1))
    mixed = generate_fine(4, 64, seed=5, config=FineConfig(ordinary=1, rich=0.5))
    assert not torch.equal(plain.images, rich.images)
    assert not torch.equal(mixed.images[:2], plain.images[:2])
    assert not torch.equal(mixed.images[2:], rich.images[2:])
    assert rich.labels.flatten(1).any(1).all()


def test_ordinary_targets_are_not_thin():
    labels = generate_fine(6, 64, seed=1, config=FineConfig(ordinary=1)).labels.float()[:, None]
    eroded = -F.max_pool2d(-labels, 3, 1, 1)
    assert eroded.sum() > 0.5 * labels.sum()


def test_a_stroke_covers_its_own_area_with_soft_borders():
    cover = painted(line((4, 10.3), (28, 10.3), width=2.0))
    ends = torch.pi * 2.0**2
    assert cover.sum().item() == pytest.approx(24 * 4 + ends, rel=0.02)
    assert ((cover > 0) & (cover < 1)).any()
    assert cover[:7].sum() == 0
    assert cover[14:].sum() == 0


def test_a_path_in_many_pieces_has_no_seams():
    straight = painted(line((3, 3), (29, 25)))
    broken = painted(line(*((3 + 26 * t, 3 + 22 * t) for t in np.linspace(0, 1, 30))))
    torch.testing.assert_close(straight, broken, atol=2e-3, rtol=0)


def test_the_label_is_where_the_pixels_differ_from_the_backdrop(monkeypatch):
    def ink(painted, *_):
        return torch.zeros(len(painted.cover), 3, *painted.cover.shape[1:])

    monkeypatch.setattr(fine_structure, "_colour", ink)
    monkeypatch.setattr(fine_structure, "camera_effects", lambda rgb, *_: rgb)
    for oversample in (2, 4):
        config = FineConfig(oversample=oversample, ordinary=0, front=0, twin=0)
        stills = generate_fine(4, 64, seed=11, config=config)
        share = F.avg_pool2d(stills.labels.float()[:, None], 2)[:, 0]
        dark = stills.images.float().amax(1) / 255
        assert dark[share == 1].max() < 0.3
        # Between, the picture is as dark as its pixel is covered: the border is antialiased.
        half = (share > 0) & (share < 1)
        assert half.any()
        assert dark[half].mean() < dark[share == 0].mean()


def test_an_occluder_takes_pixels_from_the_label():
    free = generate_fine(12, 64, seed=2, config=THIN).labels.sum()
    hidden = generate_fine(12, 64, seed=2, config=FineConfig(ordinary=0, twin=0, front=1)).labels
    assert free > 0
    assert hidden.sum() > 0
    assert hidden.sum() != free


@pytest.mark.parametrize(("batch", "size"), [(0, 64), (1, 16)])
def test_bad_sizes_are_refused(batch, size):
    with pytest.raises(UsageError, match="at least"):
        generate_fine(batch, size, 0)


def test_an_impossible_area_is_refused():
    with pytest.raises(UsageError, match="min_area"):
        generate_fine(1, 32, 0, config=FineConfig(ordinary=0, min_area=0.99, max_area=1.0))


def test_the_contact_sheet_shows_image_and_label(stills):
    sheet = contact_sheet(stills, columns=2)
    assert sheet.shape == (3 * 64, 2 * 2 * 64, 3)
    assert torch.equal(sheet[:64, :64].permute(2, 0, 1), stills.images[0])


def test_the_command_writes_a_picture(tmp_path: Path, monkeypatch):
    out = tmp_path / "sheet.png"
    arguments = ["--stills", "2", "--columns", "1", "--size", "32", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["fine_structure", *arguments])
    command.main()
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.needs_cuda
def test_stills_on_a_gpu_have_the_same_shapes_as_on_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_gpu = generate_fine(4, 64, seed=1, device="cuda", config=THIN)
    assert torch.equal(on_gpu.labels, generate_fine(4, 64, 1, "cuda", THIN).labels)
