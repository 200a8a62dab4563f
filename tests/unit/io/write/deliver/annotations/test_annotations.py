"""Formats of annotation tools: goldens, round trips, and what is unusual in masks and names."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.draw import line

from finished_result import (
    FRAMES,
    SIZE_HW,
    export_result,
    label_map,
    verify_again,
    write_clip,
    write_result,
)
from vos.errors import UsageError, VerificationError
from vos.io.write.deliver.annotations.polygons import fill_polygons
from vos.io.write.deliver.format import Shot, ShotFrame, Target
from vos.io.write.deliver.registry import FORMATS

pycocotools = pytest.importorskip("pycocotools", reason="the extra `deliver` is not installed")
from pycocotools.coco import COCO  # noqa: E402

NEW = ("coco", "ytvis", "cvat", "yolo-seg", "mots")
CUP = 'a "cup" <&> é'
# A ring with a part that touches its corner and one that does not, and an object that goes.
FIRST = np.array(
    [
        [1, 1, 1, 0, 0, 1],
        [1, 0, 1, 0, 0, 0],
        [1, 1, 1, 0, 2, 2],
        [0, 0, 0, 1, 2, 2],
    ],
    np.uint8,
)
MAPS = (FIRST, np.where(FIRST == 2, 0, FIRST))


def make_shot(form, maps, names, *, start_number=0, stem="clip") -> Shot:
    """Make a shot of all objects in one target."""
    number = ".%04d" if FORMATS[form].is_numbered else ""
    target = Target(tuple(names), f"{stem}{number}")
    return Shot((target,), names, range(len(maps)), start_number, maps[0].shape, Fraction(25))


def write(form, folder, maps, names, **shot) -> Shot:
    """Write label maps as `form` into a folder."""
    made = make_shot(form, maps, names, **shot)
    with FORMATS[form].open(folder, made) as delivery:
        for index, labels in enumerate(maps):
            image = np.full((*labels.shape, 3), 90, np.uint8)
            delivery.write(ShotFrame(index, labels, image, Fraction(index, 25), {}))
    return made


def read(form, folder, shot) -> list[np.ndarray]:
    """Read every frame back as vos does."""
    return [one.matte for one in FORMATS[form].read_back(folder, shot, lambda _position: True)]


def golden(form, folder) -> Shot:
    return write(form, folder, MAPS, {1: CUP, 2: "dog"})


def test_coco_golden(tmp_path):
    golden("coco", tmp_path)
    assert json.loads((tmp_path / "clip_instances.json").read_text()) == {
        "info": {"description": "clip", "version": "1.0"},
        "licenses": [],
        "images": [
            {"id": 1, "file_name": "clip.0000.jpg", "width": 6, "height": 4},
            {"id": 2, "file_name": "clip.0001.jpg", "width": 6, "height": 4},
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": one,
                "segmentation": {"size": [4, 6], "counts": counts},
                "area": area,
                "bbox": box,
                "iscrowd": 0,
                "track_id": one,
            }
            for number, image, one, counts, area, box in (
                (1, 1, 1, "031N00023N00O", 10, [0, 0, 6, 4]),
                (2, 1, 2, "b0220", 4, [4, 2, 2, 2]),
                (3, 2, 1, "031N00023N00O", 10, [0, 0, 6, 4]),
            )
        ],
        "categories": [
            {"id": 1, "name": CUP, "supercategory": "object"},
            {"id": 2, "name": "dog", "supercategory": "object"},
        ],
    }
    assert sorted(one.name for one in (tmp_path / "images").iterdir()) == [
        "clip.0000.jpg",
        "clip.0001.jpg",
    ]


def test_ytvis_golden(tmp_path):
    golden("ytvis", tmp_path)
    content = json.loads((tmp_path / "clip_instances.json").read_text())
    names = ["clip/00000.jpg", "clip/00001.jpg"]
    assert content["videos"] == [
        {"id": 1, "width": 6, "height": 4, "length": 2, "file_names": names}
    ]
    same = {"video_id": 1, "iscrowd": 0, "height": 4, "width": 6, "length": 2}
    cup = {"size": [4, 6], "counts": "031N00023N00O"}
    dog = {"size": [4, 6], "counts": "b0220"}
    assert content["annotations"] == [
        {
            **{"id": 1, "category_id": 1, "segmentations": [cup, cup], "areas": [10, 10]},
            **{"bboxes": [[0, 0, 6, 4]] * 2, "track_id": 1, **same},
        },
        {
            **{"id": 2, "category_id": 2, "segmentations": [dog, None], "areas": [4, None]},
            **{"bboxes": [[4, 2, 2, 2], None], "track_id": 2, **same},
        },
    ]
    assert [one["name"] for one in content["categories"]] == [CUP, "dog"]
    assert all((tmp_path / "JPEGImages" / one).is_file() for one in names)


def test_cvat_golden(tmp_path):
    golden("cvat", tmp_path)
    closed = (
        'keyframe="1" outside="1" occluded="0" rle="1" left="0" top="0" width="1" height="1" '
        'z_order="0"></mask>\n'
    )
    ring = (
        'keyframe="1" outside="0" occluded="0" rle="0,3,2,2,1,1,3,3,6,1,2" left="0" top="0" '
        'width="6" height="4" z_order="0"></mask>\n'
    )
    cup = "'a \"cup\" &lt;&amp;&gt; é'"
    assert (tmp_path / "clip.xml").read_text(encoding="utf-8") == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        "<annotations>\n"
        "  <version>1.1</version>\n"
        "  <meta>\n"
        "    <task>\n"
        "      <name>clip</name>\n"
        "      <size>2</size>\n"
        "      <mode>interpolation</mode>\n"
        "      <start_frame>0</start_frame>\n"
        "      <stop_frame>1</stop_frame>\n"
        "      <labels>\n"
        '        <label><name>a "cup" &lt;&amp;&gt; é</name><type>mask</type><attributes>'
        "</attributes></label>\n"
        "        <label><name>dog</name><type>mask</type><attributes></attributes></label>\n"
        "      </labels>\n"
        "      <original_size>\n"
        "        <width>6</width>\n"
        "        <height>4</height>\n"
        "      </original_size>\n"
        "    </task>\n"
        "  </meta>\n"
        f'  <track id="0" label={cup} source="file" group_id="1">\n'
        f'    <mask frame="0" {ring}    <mask frame="1" {closed}  </track>\n'
        '  <track id="1" label="dog" source="file" group_id="2">\n'
        '    <mask frame="0" keyframe="1" outside="0" occluded="0" rle="0,4" left="4" top="2" '
        'width="2" height="2" z_order="0"></mask>\n'
        f'    <mask frame="1" {closed}  </track>\n'
        f'  <track id="2" label={cup} source="file" group_id="1">\n'
        f'    <mask frame="1" {ring}    <mask frame="2" {closed}  </track>\n'
        "</annotations>\n"
    )


def test_yolo_golden(tmp_path):
    golden("yolo-seg", tmp_path)
    assert yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8")) == {
        "train": "images",
        "val": "images",
        "names": {0: CUP, 1: "dog"},
    }
    lines = (tmp_path / "labels" / "clip.0000.txt").read_text().splitlines()
    assert [one.split(" ", 1)[0] for one in lines] == ["0", "1"]
    assert lines[1] == "1 0.683333 0.525000 0.900000 0.525000 0.900000 0.850000 0.683333 0.850000"
    assert len((tmp_path / "labels" / "clip.0001.txt").read_text().splitlines()) == 1
    assert (tmp_path / "images" / "clip.0001.jpg").is_file()


def test_mots_golden(tmp_path):
    golden("mots", tmp_path)
    assert (tmp_path / "clip.txt").read_text() == (
        "0 1001 1 4 6 031N00023N00O\n0 2001 2 4 6 b0220\n1 1001 1 4 6 031N00023N00O\n"
    )
    with (tmp_path / "clip_classes.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["class_id", "name"], ["1", CUP], ["2", "dog"]]


@pytest.mark.parametrize("form", NEW)
def test_a_result_is_exported_and_read_back(make_result, form):
    result = make_result()
    place, _, done = export_result(result, form)
    assert done.compared == 3
    assert verify_again(place, result) == 3
    assert verify_again(place, None) == 0


def test_coco_is_what_pycocotools_reads(make_result):
    place, _, _ = export_result(make_result(), "coco", start_number=1001)
    coco = COCO(str(place / "shot_instances.json"))
    for index, identity in enumerate(sorted(coco.getImgIds())):
        with Image.open(place / "images" / coco.imgs[identity]["file_name"]) as image:
            assert image.size == SIZE_HW[::-1]
        labels = np.zeros(SIZE_HW, np.uint8)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=[identity], iscrowd=False)):
            mask = coco.annToMask(one)
            labels[mask == 1] = one["track_id"]
            assert one["area"] == mask.sum()
        np.testing.assert_array_equal(labels, label_map(index, SIZE_HW))
    assert (place / "images" / "shot.1001.jpg").is_file()


def test_an_object_that_is_never_seen_keeps_its_class(tmp_path):
    names = {1: "cup", 2: "dog"}
    empty = [np.zeros((5, 7), np.uint8)] * 3
    for form in NEW:
        folder = tmp_path / form
        folder.mkdir()
        shot = write(form, folder, empty, names)
        assert not any(one.any() for one in read(form, folder, shot))
    for form in ("coco", "ytvis"):
        content = json.loads((tmp_path / form / "clip_instances.json").read_text())
        assert (content["annotations"], len(content["categories"])) == ([], 2)
    assert not list(ElementTree.parse(tmp_path / "cvat" / "clip.xml").iter("track"))
    assert len(list(ElementTree.parse(tmp_path / "cvat" / "clip.xml").iter("label"))) == 2
    assert (tmp_path / "mots" / "clip.txt").read_text() == ""
    assert (tmp_path / "yolo-seg" / "labels" / "clip.0002.txt").read_text() == ""


def test_objects_of_one_name_are_instances_of_a_class(tmp_path):
    labels = np.array([[1, 0, 2, 0, 3]], np.uint8)
    names = {1: "dog", 2: "cat", 3: "dog"}
    write("mots", tmp_path, [labels], names)
    ids = [one.split()[1] for one in (tmp_path / "clip.txt").read_text().splitlines()]
    assert ids == ["1001", "2001", "1002"]
    (tmp_path / "coco").mkdir()
    write("coco", tmp_path / "coco", [labels], names)
    content = json.loads((tmp_path / "coco" / "clip_instances.json").read_text())
    assert [one["name"] for one in content["categories"]] == ["dog", "cat"]
    assert [one["category_id"] for one in content["annotations"]] == [1, 2, 1]


def test_mots_leaves_out_the_class_that_means_ignore(tmp_path):
    names = {one: f"n{one}" for one in range(1, 13)}
    shot = write("mots", tmp_path, [np.arange(13, dtype=np.uint8)[None]], names)
    ids = [int(one.split()[1]) for one in (tmp_path / "clip.txt").read_text().splitlines()]
    assert ids == [1000 * one + 1 for one in (*range(1, 10), 11, 12, 13)]
    np.testing.assert_array_equal(read("mots", tmp_path, shot)[0][0], np.arange(13))


NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "\0", "a\nb", "y: no", "\ud83d", "]]>", "'\"", "# x", "😀", "null"]),
)


@st.composite
def clips(draw):
    """Draw label maps of any size, and names."""
    size = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    seed, density = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0, 0.1, 0.6, 0.97, 1]))
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(draw(st.integers(1, 3))):
        ids = rng.choice(np.array([1, 2, 9], np.uint8), size)
        if draw(st.booleans()):
            ids[:] = 2
        maps.append(np.where(rng.random(size) < density, ids, 0).astype(np.uint8))
    return maps, {one: draw(NAMES) for one in (1, 2, 9)}


@pytest.mark.parametrize("form", NEW)
@given(clip=clips(), start_number=st.sampled_from([0, 1001]))
def test_any_masks_and_names_come_back(form, clip, start_number):
    maps, names = clip
    with tempfile.TemporaryDirectory() as folder:
        shot = write(form, Path(folder), maps, names, start_number=start_number)
        found = read(form, Path(folder), shot)
        expect = FORMATS[form].expect
        for labels, one in zip(maps, found, strict=True):
            np.testing.assert_array_equal(one, expect(labels, shot.targets[0], shot))


@pytest.mark.parametrize("to_pixels", [np.floor, np.round])  # Ultralytics, supervision
@given(clip=clips())
def test_yolo_as_opencv_fills_it(to_pixels, clip):
    """Corners made whole pixels, filled with the outline: exact but for bridges of parts."""
    maps, names = clip
    with tempfile.TemporaryDirectory() as folder:
        write("yolo-seg", Path(folder), maps[:1], names)
        lines = (Path(folder) / "labels" / "clip.0000.txt").read_text().splitlines()
    height, width = maps[0].shape
    present = [one for one in (1, 2, 9) if (maps[0] == one).any()]
    assert len(lines) == len(present)
    for object_id, text in zip(present, lines, strict=True):
        values = np.array(text.split()[1:], float).reshape(-1, 2)
        points = to_pixels(values * [width, height]).astype(int)
        outline = np.zeros((height, width), bool)
        mask = maps[0] == object_id
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            rows, columns = line(y0, x0, y1, x1)
            assert mask[[y0, y1], [x0, x1]].all()
            if len(rows) < 3 or mask[rows, columns].all():  # else a bridge between parts
                outline[rows, columns] = True
        filled = fill_polygons([points + 0.25], (height, width))
        np.testing.assert_array_equal(filled | outline, mask)


def _edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _swap(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("form", "edit"),
    [
        (
            "coco",
            lambda p: _edit_json(p / "shot_instances.json", lambda c: c["annotations"].pop(0)),
        ),
        ("coco", lambda p: _edit_json(p / "shot_instances.json", lambda c: c["images"].pop())),
        ("coco", lambda p: _edit_json(p / "shot_instances.json", lambda c: c["categories"].pop())),
        ("coco", lambda p: _edit_json(p / "shot_instances.json", lambda c: c.pop("images"))),
        (
            "coco",
            lambda p: _edit_json(
                p / "shot_instances.json", lambda c: c["annotations"][0].update(area=1)
            ),
        ),
        (
            "coco",
            lambda p: _edit_json(
                p / "shot_instances.json",
                lambda c: c["annotations"][0]["segmentation"].update(counts="~~"),
            ),
        ),
        ("coco", lambda p: (p / "images" / "shot.0005.jpg").unlink()),
        ("coco", lambda p: Image.new("RGB", (9, 9)).save(p / "images" / "shot.0005.jpg")),
        (
            "ytvis",
            lambda p: _edit_json(p / "shot_instances.json", lambda c: c["annotations"].pop()),
        ),
        (
            "ytvis",
            lambda p: _edit_json(
                p / "shot_instances.json", lambda c: c["annotations"][0]["segmentations"].pop()
            ),
        ),
        ("ytvis", lambda p: (p / "JPEGImages" / "shot" / "00011.jpg").unlink()),
        ("cvat", lambda p: _swap(p / "shot.xml", 'left="', 'left="1')),
        ("cvat", lambda p: _swap(p / "shot.xml", "<size>12", "<size>13")),
        ("cvat", lambda p: _swap(p / "shot.xml", 'outside="1"', 'outside="0"')),
        ("cvat", lambda p: _swap(p / "shot.xml", "</annotations>", "")),
        ("cvat", lambda p: _swap(p / "shot.xml", 'group_id="1"', 'group_id="2"')),
        ("yolo-seg", lambda p: (p / "labels" / "shot.0003.txt").unlink()),
        ("yolo-seg", lambda p: (p / "labels" / "shot.0000.txt").write_text("0 0.5 0.5 1\n")),
        ("yolo-seg", lambda p: (p / "labels" / "shot.0000.txt").write_text("")),
        ("yolo-seg", lambda p: _swap(p / "data.yaml", "Hand", "Foot")),
        ("mots", lambda p: _swap(p / "shot.txt", "0 1001 1", "0 2001 2")),
        ("mots", lambda p: _swap(p / "shot.txt", "0 1001 1", "99 1001 1")),
        ("mots", lambda p: (p / "shot_classes.csv").unlink()),
        ("mots", lambda p: (p / "shot.txt").write_text("")),
    ],
)
def test_verify_finds_what_was_edited(make_result, form, edit):
    result = make_result()
    place, _, _ = export_result(result, form)
    edit(place)
    with pytest.raises(VerificationError):
        verify_again(place, result)


@pytest.mark.parametrize("form", ["coco", "ytvis", "mots"])
def test_without_pycocotools_one_line_says_what_to_install(make_result, monkeypatch, form):
    result = make_result()
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(UsageError, match=r"pip install 'vos\[deliver\]'"):
        export_result(result, form)


def test_a_span_keeps_the_frames_of_the_clip(make_result):
    result = make_result()
    place, _, _ = export_result(result, "cvat", span=(5, 8))
    tracks = ElementTree.parse(place / "shot.xml").iter("track")
    assert sorted({int(one[0].attrib["frame"]) for one in tracks}) == [5, 6, 7, 8]
    place, _, _ = export_result(result, "mots", span=(5, 8), start_number=1)
    frames = {int(one.split()[0]) for one in (place / "shot.txt").read_text().splitlines()}
    assert frames == {1, 2, 3, 4}


@pytest.mark.parametrize("form", NEW)
def test_a_file_per_object_on_demand(make_result, form):
    number = ".%04d" if FORMATS[form].is_numbered else ""
    place, _, done = export_result(make_result(), form, name="{clip}_{object}" + number)
    assert done.compared == 6
    assert sum(1 for one in place.rglob("shot_Hand*")) >= 1
    assert sum(1 for one in place.rglob("shot_coffee_cup*")) >= 1
    if form == "coco":  # a class is called as the object is, not as its file
        content = json.loads((place / "shot_coffee_cup_instances.json").read_text())
        assert [one["name"] for one in content["categories"]] == ["coffee cup", "Hand"]


def test_a_clip_without_its_images_gives_what_needs_none(make_result):
    result = make_result()
    (result.parent / "shot.mov").unlink()
    for form in ("cvat", "mots"):
        place, _, done = export_result(result, form)
        assert done.frames == FRAMES
        assert place.is_dir()


@pytest.mark.parametrize("form", ["coco", "ytvis"])
def test_a_clip_called_manifest(tmp_path, form):
    write_clip(tmp_path / "manifest.mov", SIZE_HW)
    result = write_result(tmp_path / "manifest.mov", tmp_path / "result", SIZE_HW)
    place, _, _ = export_result(result, form)
    assert verify_again(place, result) == 3


def test_yolo_is_what_supervision_reads(make_result):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    place, _, _ = export_result(make_result(), "yolo-seg")
    folders = [str(place / one) for one in ("images", "labels", "data.yaml")]
    data = supervision.DetectionDataset.from_yolo(*folders, force_masks=True)
    assert data.classes == ["coffee cup", "Hand"]
    assert len(data) == FRAMES
    for path, _, found in data:
        labels = label_map(int(Path(path).stem.rsplit(".", 1)[1]), SIZE_HW)
        for one, mask in zip(found.class_id, found.mask, strict=True):
            np.testing.assert_array_equal(mask, labels == one + 1)


def test_cvat_keeps_every_mask(make_result):
    """Read as CVAT's importer does: of each track its first shape, its box inclusive."""
    result = make_result()
    place, _, _ = export_result(result, "cvat")
    labels = np.zeros((FRAMES, *SIZE_HW), np.uint8)
    for track in ElementTree.parse(place / "shot.xml").iter("track"):
        shape = track[0].attrib
        *runs, left, top, right, bottom = (
            *map(int, shape["rle"].split(",")),
            *(int(shape[one]) for one in ("left", "top")),
            int(shape["left"]) + int(shape["width"]) - 1,
            int(shape["top"]) + int(shape["height"]) - 1,
        )
        pixels = [(y, x) for y in range(top, bottom + 1) for x in range(left, right + 1)]
        is_object = False
        for run in runs:
            here, pixels = pixels[:run], pixels[run:]
            for y, x in here if is_object else ():
                labels[int(shape["frame"]), y, x] = {"coffee cup": 1, "Hand": 2}[track.get("label")]
            is_object = not is_object
        assert not pixels
    for index, one in enumerate(labels):
        np.testing.assert_array_equal(one, label_map(index, SIZE_HW))
