"""Boxes of detectors as prompts: three formats, what is refused, and what is said."""

from __future__ import annotations

import json

import pytest

from vos.errors import PromptError
from vos.prompts import Box
from vos.prompts.detections.first_boxes import take_first_boxes
from vos.prompts.detections.read import read_detections

SIZE_HW = (100, 200)


@pytest.fixture
def take(tmp_path, monkeypatch):
    """Write a file (or a folder of them) and make prompts of it."""
    monkeypatch.chdir(tmp_path)

    def take(name, content, suffix="", size_hw=SIZE_HW):
        if isinstance(content, dict) and name.endswith("/"):
            for file, text in content.items():
                (tmp_path / name).mkdir(exist_ok=True)
                (tmp_path / name / file).write_text(text)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name).write_text(text)
        return take_first_boxes(read_detections(name.rstrip("/") + suffix), size_hw)

    return take


def _images(count, **more):
    return [{"id": i + 1, "file_name": f"f_{i:04d}.jpg", **more} for i in range(count)]


def _annotation(image_id, track=None, bbox=(10, 20, 30, 40), **more):
    tracked = {} if track is None else {"track_id": track}
    return {"id": 1, "image_id": image_id, "category_id": 2, "bbox": list(bbox), **tracked, **more}


def test_mot_gives_the_first_box_of_each_track_and_counts_from_1(take):
    read = take("det.txt", "1,3,10,20,30,40,0.9,-1,-1,-1\n2,3,11,20,30,40,1\n2,5,50,10,20,20,1\n")
    assert read.prompts == (Box(3, (10, 20, 40, 60), 0), Box(5, (50, 10, 70, 30), 1))
    assert read.notes == (
        "det.txt: read as MOT, frames from 1: the first box of each track is a prompt (2 tracks)",
    )


def test_mot_with_a_frame_0_counts_from_0_also_where_that_line_is_ignored(take):
    read = take("det.csv", "frame,id,x,y,w,h,conf\n0,9,1,1,5,5,0\n1,3,10,20,30,40,0.9\n")
    assert read.prompts == (Box(3, (10, 20, 40, 60), 1),)
    assert "det.csv: 1 line is left out, of confidence 0" in read.notes


def test_without_tracks_the_boxes_of_the_first_frame_are_objects(take):
    read = take("det.txt", "2,-1,10,20,30,40\n2,-1,50,10,20,20\n3,-1,50,10,20,20\n")
    assert read.prompts == (Box(1, (10, 20, 40, 60), 1), Box(2, (50, 10, 70, 30), 1))
    assert "without tracks: each box of its frame 2 is an object (2 boxes)" in read.notes[0]
    assert "1 box is left out, of later frames" in read.notes[1]


def test_tracks_that_cannot_be_ids_are_numbered_anew_and_that_is_said(take):
    read = take("det.txt", "1,700,10,20,30,40\n4,3,50,10,20,20\n")
    assert [(one.object_id, one.frame_idx) for one in read.prompts] == [(1, 0), (2, 3)]
    assert "(id=track): 1=700, 2=3" in read.notes[1]


def test_boxes_are_cut_at_the_frame_and_a_track_begins_where_it_is_inside(take):
    read = take("det.txt", "1,1,-60,20,40,40\n2,1,-20,20,40,40\n3,1,5,20,40,40\n")
    assert read.prompts == (Box(1, (0, 20, 20, 60), 1),)
    assert "1 box is left out, outside the frame" in read.notes[1]


def test_coco_annotations_by_place_with_names_of_classes(take):
    content = {
        "images": _images(3, width=200, height=100),
        "annotations": [_annotation(2, 7), _annotation(3, 7), _annotation(3, 9, iscrowd=1)],
        "categories": [{"id": 2, "name": "dog"}],
    }
    read = take("a.json", content)
    assert read.prompts == (Box(7, (10, 20, 40, 60), 1),)
    assert read.names == {7: "dog"}
    assert "1 crowd is left out (iscrowd)" in read.notes[0]
    assert "COCO, frames in the order of its images" in read.notes[1]


def test_coco_frames_by_frame_idx_or_by_the_numbers_of_names(take):
    images = _images(2)
    images[0]["file_name"], images[1]["file_name"] = "f_1010.jpg", "f_1020.jpg"
    content = {"images": images, "annotations": [_annotation(2, 1)]}
    assert take("a.json", content, "@1001").prompts[0].frame_idx == 19
    with pytest.raises(PromptError, match=r"a\.json@N"):
        take("a.json", content)
    for image, frame_idx in zip(images, (4, 8), strict=True):
        image["frame_id"] = frame_idx
    assert take("a.json", content).prompts[0].frame_idx == 8


def test_coco_results_need_a_first_number_unless_one_is_0(take):
    results = [_annotation(1, score=0.9), _annotation(0, score=0.8)]
    assert take("r.json", results).prompts == (Box(1, (10, 20, 40, 60), 0),)
    with pytest.raises(PromptError, match=r"say which: r\.json@0 or r\.json@1"):
        take("r.json", results[:1])
    assert take("r.json", results[:1], "@1").prompts[0].frame_idx == 0


def test_yolo_is_scaled_and_frames_are_numbered_by_names(take):
    files = {"clip_0.txt": "", "clip_2.txt": "0 0.5 0.5 0.25 0.5 0.83 4\n", "classes.txt": "dog\n"}
    read = take("labels/", files)
    assert read.prompts == (Box(4, (75, 25, 125, 75), 2),)
    assert "YOLO, fractions of the frame, with tracks" in read.notes[1]
    assert "1 other file is left out" in read.notes[0]


@pytest.mark.parametrize(
    ("columns", "ids"), [("0.5", [1, 2]), ("4", [4, 9]), ("0.31 4", [4, 9]), ("", [1, 2])]
)
def test_yolo_columns_behind_the_box(take, columns, ids):
    second = columns.replace("4", "9")
    text = f"0 .5 .5 .2 .2 {columns}\n0 .2 .2 .1 .1 {second}\n"
    assert [one.object_id for one in take("frame.txt", text).prompts] == ids


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("d.txt", "1,1,5,5,10,10\n1,1,6,5\n", r"d\.txt:2: 4 numbers"),
        ("d.txt", "1,1,5,5,10,10\n\n1,2,x,5,1,1\n", r"d\.txt:3: 'x' is not a number"),
        ("d.txt", "1,1,5,5,10,10\n1.5,2,5,5,1,1\n", r"d\.txt:2: frame '1.5' is not a whole"),
        ("d.txt", "1,1,5,5,10,nan\n", r"d\.txt:1: 'nan' is not a number"),
        ("d.txt", "1,1,5,5,10,0\n", r"d\.txt:1: the box is 10 wide and 0 high"),
        ("d.txt", "1,1,5,5,9,9\n1,1,6,6,9,9\n", r"d\.txt:2: track 1 is on frame 1 twice.*d\.txt:1"),
        ("d.csv", "frame,id,x1,y1,x2,y2\n1,1,5,5,10,10\n", r"d\.csv:1: columns id,x1,y1,x2,y2"),
        ("d.txt", "-1,1,5,5,10,10\n", r"d\.txt:1: frame -1 is negative"),
        ("d.txt", "hello world\n", r"d\.txt:1: neither COCO"),
        ("d.txt", "", r"d\.txt:1: neither COCO"),
        ("d.txt", "1,1,500,500,10,10\n", "no box lies in the 200x100 frame"),
        ("d.txt", "".join(f"1,{i},5,5,9,9\n" for i in range(1, 300)), "299 objects; .* 255"),
        ("y.txt", "0 .5 .5 .2 .2\n0 50 50 20 20\n", r"y\.txt:2: 50 50 20 20 are not fractions"),
        ("y.txt", "0 .5 .5 .2 .2 1\n", r"y\.txt:1: the sixth number is 0 or 1"),
        ("y.txt", "0 .5 .5 .2 .2 .7 1\n0 .5 .5 .2 .2 .7\n", r"y\.txt:2: 6 numbers, y\.txt:1: 7"),
        ("y.txt", "0 .1 .1 .2 .2 .3 .3 .4 .4\n", r"y\.txt:1: 9 numbers.*outline"),
        ("c.json", '{"images": [],\n "annotations": [}', r"c\.json:2: not JSON at column"),
        ("c.json", '{"schema": 1, "prompts": []}', "a prompt file goes to --prompts"),
        ("c.json", "[]", "no box"),
        ("c.json", [{"image_id": 0, "bbox": [1, 2, "3", 4]}], "result 1: bbox"),
        ("c.json", [{"image_id": True, "bbox": [1, 2, 3, 4]}], "image_id True is not a whole"),
        ("c.json", [[1]], "result 1: .* is not an object"),
        ("c.json", {"images": _images(1), "annotations": [_annotation(5)]}, "no image of the file"),
        ("c.json", {"images": [{}], "annotations": []}, 'image 1: has no "id"'),
        (
            "c.json",
            {"images": _images(1, width=20, height=10), "annotations": [_annotation(1)]},
            "drawn on a 20x10 frame, the video has 200x100",
        ),
        (
            "c.json",
            {"images": [{"id": 1, "video_id": 1}, {"id": 2, "video_id": 2}], "annotations": []},
            "of 2 videos",
        ),
    ],
)
def test_what_is_broken_or_could_mean_two_things_is_refused_with_its_place(
    take, name, content, says
):
    with pytest.raises(PromptError, match=says):
        take(name, content)


def test_folders_of_two_videos_or_two_texts_of_a_frame_are_refused(take):
    line = "0 .5 .5 .2 .2\n"
    with pytest.raises(PromptError, match="two videos"):
        take("one/", {"a_0.txt": line, "b_1.txt": line})
    with pytest.raises(PromptError, match="both of frame 1"):
        take("two/", {"a_1.txt": line, "a_01.txt": line})
    with pytest.raises(PromptError, match=r"three: .*say which: three@0 or three@1"):
        take("three/", {"a_1.txt": line})


def test_a_missing_file_and_a_frame_before_the_first_are_named(take):
    with pytest.raises(PromptError, match=r"boxes is empty"):
        read_detections("")
    with pytest.raises(PromptError, match=r"gone\.txt: no such file"):
        read_detections("gone.txt")
    with pytest.raises(PromptError, match=r"det\.txt:1: frame 1 is before 5"):
        take("det.txt", "1,1,5,5,10,10\n", "@5")


def test_a_file_whose_name_ends_like_a_first_number_is_that_file(take):
    assert take("det@5", "1,1,5,5,10,10\n").prompts[0].frame_idx == 0
