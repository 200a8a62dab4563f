"""Soft tracks: the same masks with mattes beside them, which corrections keep in step."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from e2e import clips
from e2e.results import BOX, FRAMES, OTHER, contents, make, manifest_of, without
from vos.io.write.mask_png import read_label_png
from vos.io.write.mattes import read_matte
from vos.prompts import Box, MaskPrompt, Points
from vos_cli.fix.edit import fix, undo
from vos_cli.fix.overlap import hand_on
from vos_cli.fix.overlay import redraw_overlay
from vos_cli.fix.result import open_result

SIZE_HW = (clips.HEIGHT, clips.WIDTH)
SAVE = ("masks", "overlay", "stats", "mattes")
CLICK = Points(1, ((70.0, 30.0),), (1,), frame_idx=12)
NEW = Box(2, (40.0, 20.0, 70.0, 45.0), frame_idx=10)


@pytest.fixture(scope="module")
def made_soft(tmp_path_factory, tracker) -> Path:
    folder = tmp_path_factory.mktemp("soft")
    make(tracker, clips.video(folder / "clip.mp4", FRAMES), folder / "out", save=SAVE)
    return folder


@pytest.fixture
def soft(tmp_path: Path, made_soft: Path) -> Path:
    shutil.copy(made_soft / "clip.mp4", tmp_path)
    shutil.copytree(made_soft / "out", tmp_path / "out")
    return tmp_path / "out"


def check_mattes_fit_masks(result: Path) -> None:
    """An object has a pixel only where its own matte is 128 or more; one has it if any is."""
    for path in (result / "masks").iterdir():
        labels = read_label_png(path)
        claimed = np.zeros(SIZE_HW, bool)
        for folder in (result / "mattes").iterdir():
            if (folder / path.name).exists():
                own = read_matte(folder / path.name, SIZE_HW) >= 128
                claimed |= own
                assert not ((labels == int(folder.name)) & ~own).any()
            else:
                assert not (labels == int(folder.name)).any()
        assert np.array_equal(claimed, labels > 0)


def test_all_but_mattes_and_manifest_is_as_without(made, made_soft):
    plain, soft = contents(made / "out"), contents(made_soft / "out")
    mattes = {name for name in soft if name.startswith("mattes/")}
    assert len(mattes) == 2 * FRAMES
    assert without(soft, "manifest.json", *mattes) == without(plain, "manifest.json")
    assert manifest_of(made_soft / "out")["files"]["mattes"] == 2 * FRAMES
    check_mattes_fit_masks(made_soft / "out")


def test_a_correction_changes_the_mattes_of_its_object_and_undo_brings_them_back(soft, tracker):
    before = contents(soft)
    edit = fix(open_result(soft), [CLICK], tracker)
    (span,) = edit.spans
    after = contents(soft)
    changed = {name for name in before if before[name] != after[name]}
    mattes = {name for name in changed if name.startswith("mattes/")}
    assert mattes
    assert {Path(name).parent.name for name in mattes} == {"1"}
    assert {int(Path(name).stem) for name in mattes} <= set(range(span.first, span.last + 1))
    check_mattes_fit_masks(soft)
    undo(open_result(soft))
    redraw_overlay(open_result(soft))
    assert without(contents(soft), "manifest.json") == without(before, "manifest.json")


def test_a_new_object_brings_mattes_and_undo_takes_them_away(soft, tracker):
    before = contents(soft)
    folders = sorted(path for path in soft.rglob("*") if path.is_dir())
    fix(open_result(soft), [NEW], tracker)
    assert sorted(int(path.stem) for path in (soft / "mattes/2").iterdir()) == list(
        range(10, FRAMES)
    )
    check_mattes_fit_masks(soft)
    fix(open_result(soft), [CLICK, Points(2, ((55.0, 30.0),), (1,), 4)], tracker)
    assert (soft / "mattes/2/00004.png").is_file()
    check_mattes_fit_masks(soft)
    for _ in range(2):
        undo(open_result(soft))
    redraw_overlay(open_result(soft))
    assert without(contents(soft), "manifest.json") == without(before, "manifest.json")
    assert sorted(path for path in soft.rglob("*") if path.is_dir()) == folders


def test_alone_a_new_object_gets_the_mattes_that_tracking_gives_it(tmp_path, tracker):
    clip = clips.video(tmp_path / "clip.mp4", FRAMES)
    absent = Box(1, (1.0, 1.0, 3.0, 3.0), frame_idx=FRAMES - 1)
    save = ("masks", "stats", "mattes")
    make(tracker, clip, tmp_path / "out", prompts=(absent,), save=save)
    make(tracker, clip, tmp_path / "both", prompts=(absent, NEW), save=save)
    fix(open_result(tmp_path / "out"), [NEW], tracker)
    tracked, fixed = contents(tmp_path / "both"), contents(tmp_path / "out")
    for frame_idx in range(10, FRAMES):
        name = f"mattes/2/{frame_idx:05d}.png"
        assert fixed[name] == tracked[name]


def test_what_a_corrected_object_gives_up_goes_to_another_that_claims_it(soft, tracker):
    """Both claim the left half; the higher logit has it; then the corrected one leaves it."""
    frame_idx = 12
    mask = np.zeros(SIZE_HW, bool)
    mask[:, : clips.WIDTH // 2] = True
    fix(open_result(soft), [MaskPrompt(1, mask, frame_idx)], tracker)
    fix(open_result(soft), [MaskPrompt(3, mask, frame_idx)], tracker)
    name = f"masks/{frame_idx:05d}.png"
    assert (read_label_png(soft / name)[mask] == 3).mean() > 0.8
    fix(open_result(soft), [MaskPrompt(3, ~mask, frame_idx)], tracker)
    labels = read_label_png(soft / name)
    assert (labels[mask] == 1).mean() > 0.8
    check_mattes_fit_masks(soft)


def test_hand_on_prefers_the_highest_matte_and_then_the_lowest_id():
    old = np.array([[3, 3, 3, 3, 1, 0]], np.uint8)
    new = np.array([[0, 0, 0, 3, 1, 0]], np.uint8)
    mattes = {
        1: np.array([[200, 127, 130, 255, 255, 255]], np.uint8),
        2: np.array([[200, 100, 131, 255, 255, 255]], np.uint8),
    }
    assert hand_on(old, new, {2, 1}, mattes.__getitem__).tolist() == [[1, 0, 2, 3, 1, 0]]
    assert hand_on(new, new, {2, 1}, mattes.__getitem__) is new


def test_a_result_without_mattes_is_corrected_as_ever(made, soft, tracker, tmp_path):
    shutil.copytree(made / "out", tmp_path / "plain")
    fix(open_result(tmp_path / "plain"), [CLICK], tracker)
    assert not (tmp_path / "plain" / "mattes").exists()


def test_an_object_has_mattes_from_its_first_prompt_on(tmp_path, tracker):
    clip = clips.video(tmp_path / "clip.mp4", 6)
    late = Box(3, OTHER.box_xyxy_px, frame_idx=3)
    make(tracker, clip, tmp_path / "out", prompts=(BOX, late), save=("masks", "mattes"))
    assert len(list((tmp_path / "out/mattes/1").iterdir())) == 6
    assert sorted(path.stem for path in (tmp_path / "out/mattes/3").iterdir()) == [
        "00003",
        "00004",
        "00005",
    ]
    check_mattes_fit_masks(tmp_path / "out")
