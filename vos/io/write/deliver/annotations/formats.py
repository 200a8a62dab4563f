"""The formats of annotation tools, each with a file of its own here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vos.io.write.deliver.format import Delivery, Format, Seen, Shot, Target

_JPEG_SIDE_PX = 65_500  # the most that libjpeg writes


# Each imports its writer only when it is opened: pycocotools and Pillow load slowly.
def _open_coco(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.coco import CocoFile

    return CocoFile(folder, shot)


def _read_coco(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.coco import read_coco

    return read_coco(folder, shot, wanted)


def _open_ytvis(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.ytvis import YtvisFile

    return YtvisFile(folder, shot)


def _read_ytvis(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.ytvis import read_ytvis

    return read_ytvis(folder, shot, wanted)


def _open_cvat(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.cvat import CvatFile

    return CvatFile(folder, shot)


def _read_cvat(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.cvat import read_cvat

    return read_cvat(folder, shot, wanted)


def _open_yolo(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.yolo import YoloFiles

    return YoloFiles(folder, shot)


def _read_yolo(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.yolo import read_yolo

    return read_yolo(folder, shot, wanted)


def _open_mots(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.mots import MotsText

    return MotsText(folder, shot)


def _read_mots(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.mots import read_mots

    return read_mots(folder, shot, wanted)


def _open_labelme(folder: Path, shot: Shot) -> Delivery:
    from vos.io.write.deliver.annotations.labelme import LabelmeFiles

    return LabelmeFiles(folder, shot)


def _read_labelme(folder: Path, shot: Shot, wanted: Callable[[int], bool]) -> Iterator[Seen]:
    from vos.io.write.deliver.annotations.labelme import read_labelme

    return read_labelme(folder, shot, wanted)


def _require_pycocotools() -> None:
    from vos.io.write.deliver.annotations.rle import load_pycocotools

    load_pycocotools()


def _expect_ids(label_map: np.ndarray, target: Target, _shot: Shot) -> np.ndarray:
    from vos.io.write.deliver.annotations.labelme import keep_ids

    return keep_ids(label_map, target)


def _expect_classes(label_map: np.ndarray, target: Target, shot: Shot) -> np.ndarray:
    from vos.io.write.deliver.annotations.yolo import keep_classes

    return keep_classes(label_map, target, shot)


ANNOTATIONS = (
    Format(
        "coco",
        "COCO instances with their images",
        _open_coco,
        _read_coco,
        needs_image=True,
        template="{clip}",
        longest_side_px=_JPEG_SIDE_PX,
        expect=_expect_ids,
        require=_require_pycocotools,
    ),
    Format(
        "ytvis",
        "YouTube-VIS, masks over time with their images",
        _open_ytvis,
        _read_ytvis,
        needs_image=True,
        template="{clip}",
        longest_side_px=_JPEG_SIDE_PX,
        expect=_expect_ids,
        require=_require_pycocotools,
    ),
    Format(
        "cvat",
        "CVAT for video 1.1, to upload to a task",
        _open_cvat,
        _read_cvat,
        template="{clip}",
        expect=_expect_ids,
    ),
    Format(
        "yolo-seg",
        "YOLO polygons with their images",
        _open_yolo,
        _read_yolo,
        is_numbered=True,
        needs_image=True,
        template="{clip}.%04d",
        longest_side_px=_JPEG_SIDE_PX,
        expect=_expect_classes,
    ),
    Format(
        "mots",
        "MOTS text, a line per frame and object",
        _open_mots,
        _read_mots,
        template="{clip}",
        expect=_expect_ids,
        require=_require_pycocotools,
    ),
    Format(
        "labelme",
        "a PNG per frame with its masks as labelme's JSON",
        _open_labelme,
        _read_labelme,
        is_numbered=True,
        suffixes=(".png", ".json"),
        needs_image=True,
        template="{clip}.%04d",
        expect=_expect_ids,
    ),
)
