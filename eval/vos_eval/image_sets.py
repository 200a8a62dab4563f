"""The fine-detail image sets, found by their folder layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vos_eval.errors import EvalError

_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a published set keeps its images and labels.

    name: name of the set.
    image_dir: folder of images below the data folder.
    label_dir: folder of labels below the data folder.
    size: number of images of the published set; None if it may be any.
    """

    name: str
    image_dir: str
    label_dir: str
    size: int | None = None


LAYOUTS = (
    Layout("DIS-VD", "DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt", 470),
    Layout("COIFT", "thin_object_detection/COIFT/images", "thin_object_detection/COIFT/masks", 280),
    Layout(
        "HRSOD", "thin_object_detection/HRSOD/images", "thin_object_detection/HRSOD/masks_max255",
        287,
    ),
    Layout(
        "ThinObject5K-test",
        "thin_object_detection/ThinObject5K/images_test",
        "thin_object_detection/ThinObject5K/masks_test",
        500,
    ),
)  # fmt: skip
PLAIN = (
    ("im", "gt"),
    ("images", "masks_max255"),
    ("images", "masks"),
    ("images_test", "masks_test"),
)


@dataclass(frozen=True, slots=True)
class ImagePair:
    """One image and its label.

    name: file stem of both.
    image: path of the image.
    label: path of the label.
    """

    name: str
    image: Path
    label: Path


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One set of images with labels.

    name: name of the set.
    pairs: its images and labels, by name.
    expected: number of images of the published set; None if unknown.
    """

    name: str
    pairs: tuple[ImagePair, ...]
    expected: int | None = None


def find_sets(root: Path) -> list[ImageSet]:
    """Find all sets under `root`: HQ-SAM's data folder, one of its sets, or a plain im/ and gt/.

    Raises:
        EvalError: none there, or images without labels, or labels without images; all are named.
    """
    found: list[tuple[str, Path, Path, int | None]] = []
    for layout in LAYOUTS:
        image_parts = Path(layout.image_dir).parts
        # The data folder itself, or any folder on the way down to the set.
        for depth in range(len(image_parts) - 1):
            images = root.joinpath(*image_parts[depth:])
            labels = root.joinpath(*Path(layout.label_dir).parts[depth:])
            is_named = depth == 0 or root.name == image_parts[depth - 1]
            if is_named and images.is_dir() and labels.is_dir():
                found.append((layout.name, images, labels, layout.size))
                break
    if not found:
        for image_dir, label_dir in PLAIN:
            if (root / image_dir).is_dir() and (root / label_dir).is_dir():
                found.append((root.name, root / image_dir, root / label_dir, None))
                break
    if not found:
        raise EvalError(
            f"{root}: no image set; expected im/ and gt/, or DIS5K/ and thin_object_detection/ as "
            "HQ-SAM lays them out"
        )
    problems: list[str] = []
    sets = [
        ImageSet(name, _pairs(name, images, labels, problems), size)
        for name, images, labels, size in found
    ]
    if problems:
        raise EvalError(problems)
    return sets


def _pairs(name: str, images: Path, labels: Path, problems: list[str]) -> tuple[ImagePair, ...]:
    image_of, label_of = _by_stem(images), _by_stem(labels)
    problems += [
        f"{name}: {image_of[stem]} has no label in {labels}"
        for stem in sorted(image_of.keys() - label_of.keys())
    ]
    problems += [
        f"{name}: {label_of[stem]} has no image in {images}"
        for stem in sorted(label_of.keys() - image_of.keys())
    ]
    if not image_of:
        problems.append(f"{name}: no images in {images}")
    return tuple(
        ImagePair(stem, image_of[stem], label_of[stem])
        for stem in sorted(image_of.keys() & label_of.keys())
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    return {
        path.stem: path
        for path in folder.iterdir()
        if path.suffix.lower() in _IMAGE_ENDINGS and not path.name.startswith(".")
    }


def read_label(path: Path) -> np.ndarray:
    """Read a label as grey uint8 H x W; the first channel of a colour file counts, as in HQ-SAM.

    Raises:
        EvalError: not a readable image.
    """
    try:
        with Image.open(path) as image:
            if image.mode == "1":
                image = image.convert("L")
            values = np.array(image)
    except Exception as error:  # Pillow's format readers raise nearly anything on damaged data
        raise EvalError(f"{path}: not a readable label ({error})") from error
    return np.ascontiguousarray(values if values.ndim == 2 else values[:, :, 0], np.uint8)


def read_image(path: Path) -> np.ndarray:
    """Read an image as RGB, uint8 H x W x 3.

    Raises:
        EvalError: not a readable image.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except Exception as error:  # as above
        raise EvalError(f"{path}: not a readable image ({error})") from error
