"""Every official layout becomes one `DataSet`: all objects, their prompts, and what is scored."""

from pathlib import Path

import numpy as np
import pytest

import data_set_layouts as layouts
from data_set_layouts import ONE, TWO, write_image, write_list, write_mask
from vos_eval.data_sets.base import DataSet
from vos_eval.data_sets.check import check_data_set
from vos_eval.data_sets.davis import open_davis
from vos_eval.data_sets.lvos import open_lvos
from vos_eval.data_sets.mose import open_mose
from vos_eval.data_sets.own import open_own
from vos_eval.data_sets.sav import open_sav
from vos_eval.data_sets.vost import open_vost
from vos_eval.data_sets.ytvos import open_ytvos
from vos_eval.errors import EvalError
from vos_eval.protocols.lvos import LVOS


def prompts(data_set: DataSet) -> dict[str, dict[int, tuple[int, ...]]]:
    """Object -> prompted frames, by video."""
    return {
        video.name: {one.object_id: one.prompted for one in video.objects}
        for video in data_set.videos
    }


def problems(work) -> str:
    with pytest.raises(EvalError) as caught:
        work()
    return "\n".join(caught.value.problems)


def test_davis_2016_takes_480p_and_says_which_list(tmp_path):
    data_set = open_davis(layouts.davis_2016(tmp_path))
    assert prompts(data_set) == {"bear": {1: (0,)}}
    assert "ImageSets/480p/val.txt" in data_set.notes[0]
    assert data_set.videos[0].image_dir == tmp_path / "JPEGImages/480p/bear"
    check_data_set(data_set)
    assert prompts(open_davis(tmp_path, year=2016)) == {"bear": {1: (0,)}}
    text = problems(lambda: open_davis(tmp_path, year=2017))
    assert "no list ImageSets/2017/val.txt; there are 1080p/val, 480p/val" in text


def test_davis_2017_and_its_2016_split_with_objects_merged(tmp_path):
    data_set = open_davis(layouts.davis_2017(tmp_path))
    assert prompts(data_set) == {"bear": {1: (0,)}, "goat": {1: (0,), 2: (0,)}}
    assert data_set.scoring is not None
    merged = open_davis(tmp_path, year=2016)
    assert prompts(merged) == {"goat": {1: (0,)}}
    whole = merged.videos[0].objects[0].read("00000")
    assert np.array_equal(whole, TWO.labels(0) > 0)
    check_data_set(merged)


def test_davis_test_dev_has_no_truth(tmp_path):
    data_set = open_davis(layouts.davis_2017(tmp_path, split="test-dev"), split="test-dev")
    assert prompts(data_set) == {"bear": {1: (0,)}, "goat": {1: (0,), 2: (0,)}}
    assert data_set.scoring is None
    assert "6812" in data_set.submission.send_to
    assert data_set.submission.folder == ""
    without_split = open_davis(tmp_path)
    assert prompts(without_split) == prompts(data_set)
    assert "test-dev.txt" in without_split.notes[0]
    assert without_split.submission == data_set.submission


def test_davis_says_which_late_objects_its_rule_leaves_out(tmp_path):
    layouts.write_clip(layouts.LATE, tmp_path / "JPEGImages", tmp_path / "Annotations")
    data_set = open_davis(tmp_path)
    assert prompts(data_set) == {"walk": {1: (0,)}}
    assert any("walk: object 2" in note for note in data_set.notes)


def test_lvos_val_and_test(tmp_path):
    def opened(split):
        return open_lvos(tmp_path, version="2", split=split, protocol=LVOS)

    layouts.lvos(tmp_path)
    layouts.lvos(tmp_path, split="test")
    expected = {"0tCWPOrc": {1: (0,)}, "8lxxCA5h": {1: (0,), 2: (3,)}}
    assert prompts(opened("valid")) == prompts(opened("test")) == expected
    check_data_set(opened("valid"))
    assert opened("valid").scoring is not None
    assert opened("test").scoring is None


def test_lvos_without_an_unseen_video_is_known_before_tracking(tmp_path):
    layouts.lvos(tmp_path, clips=(layouts.LVOS_SEEN,))
    data_set = open_lvos(tmp_path, version="1", split="valid", protocol=LVOS)
    assert "no unseen video" in problems(lambda: check_data_set(data_set))


def test_sav_has_a_folder_per_object_whose_masks_overlap(tmp_path):
    data_set = open_sav(layouts.sav(tmp_path))
    video = data_set.videos[0]
    assert data_set.has_object_folders
    assert len(video.frames) == 17
    assert prompts(data_set) == {"sav_000001": {1: (0,), 2: (4,), 3: (0,)}}
    assert [one.folder_name for one in video.objects] == ["000", "001", "002"]
    whole, part = video.objects[0].read("00000"), video.objects[2].read("00000")
    assert part.any()
    assert (whole & part).sum() == part.sum()
    check_data_set(data_set)
    layouts.sav(tmp_path, split="test")
    assert "choose with --split" in problems(lambda: open_sav(tmp_path))
    assert open_sav(tmp_path, split="test").name == "SA-V test"
    assert open_sav(tmp_path / "sav_test").name == "SA-V test"


def test_ytvos_follows_objects_that_begin_later(tmp_path):
    data_set = open_ytvos(layouts.ytvos(tmp_path), year=2019)
    assert prompts(data_set) == {"bear": {1: (0,)}, "walk": {1: (0,), 2: (5,)}}
    assert data_set.scoring is None
    assert data_set.submission.folder == "Annotations"
    assert "6066" in data_set.submission.send_to
    assert "7685" in open_ytvos(tmp_path / "valid").submission.send_to
    check_data_set(data_set)


def test_mose_train_is_scored_and_valid_is_not(tmp_path):
    layouts.mose(tmp_path)
    layouts.mose(tmp_path, split="train")
    expected = {"bear": {1: (0,)}, "herd": {7: (0,), 14: (0,)}, "walk": {1: (0,), 2: (5,)}}
    valid, train = open_mose(tmp_path, version="2"), open_mose(tmp_path, split="train")
    assert prompts(valid) == prompts(train) == expected
    assert valid.scoring is None
    assert "10062" in valid.submission.send_to
    assert train.scoring is not None
    assert train.scoring.protocol.name == "sav"
    check_data_set(train)
    of_v2 = open_mose(tmp_path, version="2", split="train")
    assert of_v2.scoring is not None
    assert of_v2.scoring.protocol.name == "mosev2"
    check_data_set(of_v2)


def test_vost_takes_its_list_and_255_is_no_object(tmp_path):
    data_set = open_vost(layouts.vost(tmp_path))
    assert prompts(data_set) == {"goat": {1: (0,), 2: (0,)}}
    assert not data_set.videos[0].objects[0].read("frame00012")[:4].any()
    check_data_set(data_set)
    assert prompts(open_vost(tmp_path, split="train")) == {"bear": {1: (0,)}}


def test_own_masks_are_truth_where_there_are_many_and_prompts_where_there_are_few(tmp_path):
    root = layouts.own(tmp_path / "dense")
    data_set = open_own(root / "images", root / "masks")
    firsts = {"herd": {7: (0,), 14: (0,)}, "walk": {1: (0,), 2: (5,)}}
    assert prompts(data_set) == firsts
    assert data_set.scoring is not None
    assert "each object's first mask is its prompt" in data_set.notes[0]
    every = open_own(root / "images", root / "masks", is_every_mask=True)
    assert every.scoring is None
    assert prompts(every)["walk"] == {1: tuple(range(8)), 2: (5, 6, 7)}
    few = layouts.own(tmp_path / "few", masked=[0, 5])
    sparse = open_own(few / "images", few / "masks")
    assert prompts(sparse)["walk"] == {1: (0, 5), 2: (5,)}
    assert sparse.scoring is None
    assert "every mask" in sparse.notes[0]
    write_list(tmp_path / "list.txt", ["walk"])
    listed = open_own(few / "images", few / "masks", names=tmp_path / "list.txt")
    assert list(prompts(listed)) == ["walk"]


def test_void_among_ids_is_not_scored_as_an_object(tmp_path):
    root = layouts.own(tmp_path)
    path = root / "masks/walk/00007.png"
    write_mask(path, np.where(np.arange(64) < 4, 255, layouts.LATE.labels(7)))
    text = problems(lambda: open_own(root / "images", root / "masks"))
    assert "1 of 2 videos have 255 beside other ids (walk)" in text
    every = open_own(root / "images", root / "masks", is_every_mask=True)
    assert set(prompts(every)["walk"]) == {1, 2}
    assert "255 beside other ids is taken for void" in every.notes[0]


def test_the_folder_of_one_video_is_told_from_that_of_all(tmp_path):
    root = layouts.own(tmp_path)
    text = problems(lambda: open_own(root / "images/walk", root / "masks/walk"))
    assert "give the folder above" in text


def test_own_videos_of_both_kinds_are_refused(tmp_path):
    layouts.write_clip(ONE, tmp_path / "images", tmp_path / "masks")
    layouts.write_clip(TWO, tmp_path / "images", tmp_path / "masks", masked=[0])
    text = problems(lambda: open_own(tmp_path / "images", tmp_path / "masks"))
    assert "1 of 2 videos have too few masks" in text
    assert "goat" in text
    assert "--every-mask" in text


def test_frames_without_zeros_in_front_are_in_the_order_of_their_numbers(tmp_path):
    clip = layouts.Clip("long", {1: 0}, frames=12)
    layouts.write_clip(clip, tmp_path / "i", tmp_path / "m", stem=str, masked=[0])
    assert open_own(tmp_path / "i", tmp_path / "m").videos[0].frames[1:3] == ("1", "2")


def wrong_size(folder: Path) -> str:
    path = folder / "Annotations/bear/00003.png"
    write_mask(path, np.ones((24, 32)))
    return "is 32x24; the images are 64x48"


def wrong_mode(folder: Path) -> str:
    write_image(folder / "Annotations/bear/00003.png", np.zeros((48, 64, 3), np.uint8))
    return "is a RGB image"


def lost_image(folder: Path) -> str:
    (folder / "JPEGImages/bear/00003.jpg").unlink()
    return "no image for the mask"


def lost_folder(folder: Path) -> str:
    (folder / "JPEGImages/bear").rename(folder / "gone")
    return "bear: no image in"


def cut_mask(folder: Path) -> str:
    path = folder / "Annotations/bear/00003.png"
    path.write_bytes(path.read_bytes()[:-20])
    return "truncated PNG"


def empty_masks(folder: Path) -> str:
    for path in (folder / "Annotations/bear").iterdir():
        write_mask(path, np.zeros((48, 64)))
    return "bear: no mask in"


@pytest.mark.parametrize(
    "spoil", [wrong_size, wrong_mode, lost_image, lost_folder, cut_mask, empty_masks]
)
def test_one_thing_wrong_is_named_before_tracking(tmp_path, spoil):
    text = spoil(layouts.mose(tmp_path, split="train") / "train")
    assert text in problems(lambda: check_data_set(open_mose(tmp_path, split="train")))


def test_what_is_missing_is_named(tmp_path):
    layouts.sav(tmp_path)
    (tmp_path / "sav_val/sav_val.txt").unlink()
    assert "no list sav_*.txt" in problems(lambda: open_sav(tmp_path))
    layouts.vost(tmp_path / "vost")
    (tmp_path / "vost/ImageSets/val.txt").unlink()
    assert "no list" in problems(lambda: open_vost(tmp_path / "vost"))
    layouts.ytvos(tmp_path)
    (tmp_path / "valid/Annotations/walk/00025.png").unlink()
    assert "no mask shows object 2" in problems(lambda: open_ytvos(tmp_path))
    (tmp_path / "valid/meta.json").unlink()
    assert "no meta.json" in problems(lambda: open_ytvos(tmp_path))
    assert "does not exist" in problems(lambda: open_mose(tmp_path / "nowhere"))


def test_lists_that_name_places_outside_are_refused(tmp_path):
    layouts.vost(tmp_path)
    write_list(tmp_path / "ImageSets/val.txt", ["../../etc"])
    assert "is not the name of a folder" in problems(lambda: open_vost(tmp_path))


def test_several_lists_that_nobody_knows_are_refused(tmp_path):
    layouts.davis_2017(tmp_path)
    for year in ("2016", "2017"):
        (tmp_path / f"ImageSets/{year}").rename(tmp_path / f"ImageSets/{int(year) + 4}")
    assert "choose with --split FOLDER/NAME" in problems(lambda: open_davis(tmp_path))
    assert len(open_davis(tmp_path, split="2021/val").videos) == 2


def test_the_first_videos_alone(tmp_path):
    data_set = open_mose(layouts.mose(tmp_path, split="train"), split="train").first(1)
    assert list(prompts(data_set)) == ["bear"]
    assert data_set.scoring is not None
    assert data_set.scoring.options.only_videos == {"bear"}
