"""HQSeg-44K, HQ-SAM's training set: 44,320 image and mask pairs from seven folders.

Source: HQ-SAM (arXiv 2306.01567), `train/train.py` for folders and extensions and
`train/utils/dataloader.py` for flip and large-scale jitter. Resampling is antialiased here, so that
thin parts survive the small scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from vos.errors import InputError

SOURCE = "the HQ-SAM repository, train/README.md, section Data Preparation, names where to get it"
_PAD = 128
_SCALES = (0.1, 2.0)
_MIN_VISIBLE_PX = 16
_CROPS = 10


@dataclass(frozen=True, slots=True)
class Folder:
    """One of the seven sets.

    name: as HQ-SAM has it.
    images: folder of JPEG images, below the root.
    masks: folder of PNG masks of the same names, below the root.
    count: how many pairs it has.
    """

    name: str
    images: str
    masks: str
    count: int


FOLDERS = (
    Folder("DIS5K-TR", "DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt", 3000),
    Folder(
        "ThinObject5K-TR",
        "thin_object_detection/ThinObject5K/images_train",
        "thin_object_detection/ThinObject5K/masks_train",
        4748,
    ),
    Folder("FSS", "cascade_psp/fss_all", "cascade_psp/fss_all", 10_000),
    Folder("DUTS-TR", "cascade_psp/DUTS-TR", "cascade_psp/DUTS-TR", 10_553),
    Folder("DUTS-TE", "cascade_psp/DUTS-TE", "cascade_psp/DUTS-TE", 5019),
    Folder("ECSSD", "cascade_psp/ecssd", "cascade_psp/ecssd", 1000),
    Folder("MSRA-10K", "cascade_psp/MSRA_10K", "cascade_psp/MSRA_10K", 10_000),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask.

    image: a JPEG.
    mask: a PNG from 0 to 255.
    """

    image: Path
    mask: Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One pair as a batch takes it.

    image: RGB in [0, 1].
    target: in [0, 1], antialiased.
    name: of the image's file.
    empty: masks without an object that were passed over to get here.
    """

    image: Float[Tensor, "3 s s"]
    target: Float[Tensor, "1 s s"]
    name: str
    empty: tuple[str, ...] = ()


def find_hqseg(
    root: Path, *, allow_partial: bool = False, folders: tuple[Folder, ...] = FOLDERS
) -> list[Pair]:
    """Find all pairs under HQ-SAM's `data` folder, in the order of the sets and then by name.

    allow_partial: take what is there; otherwise every set must be complete.

    Raises: InputError for a missing set, a wrong count, an image without its mask, or nothing.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; {SOURCE}")
    pairs: list[Pair] = []
    problems: list[str] = []
    for folder in folders:
        images = sorted((root / folder.images).glob("*.jpg"))
        found = [Pair(p, root / folder.masks / f"{p.stem}.png") for p in images]
        bare = [pair.image for pair in found if not pair.mask.is_file()]
        if bare and not allow_partial:
            raise InputError(
                f"{bare[0]}: no mask {folder.masks}/{bare[0].stem}.png "
                f"({len(bare)} such in {folder.name}); copy the set again"
            )
        pairs += [pair for pair in found if pair.mask.is_file()]
        if len(images) != folder.count:
            problems.append(
                f"{folder.name} has {len(images)} of {folder.count} images in {folder.images}"
            )
    if problems and not allow_partial:
        raise InputError(
            f"{root}: HQSeg-44K is incomplete: {'; '.join(problems)}; {SOURCE}, "
            "or set allow_partial: true in the training config"
        )
    if not pairs:
        raise InputError(f"{root}: no image of HQSeg-44K is there; {SOURCE}")
    return pairs


def read_pair(pair: Pair) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"]]:
    """Read image and mask in [0, 1] at their own size. Of a colour mask the first channel counts.

    Raises: InputError for an unreadable file, or two sizes.
    """
    image, mask = _read(pair.image), _read(pair.mask)
    if image.shape[1:] != mask.shape[1:]:
        (h, w), (mh, mw) = image.shape[1:], mask.shape[1:]
        raise InputError(
            f"{pair.image} is {w} x {h} but its mask {pair.mask} is {mw} x {mh}; "
            "correct or remove the pair"
        )
    return image, mask[:1]


def jitter(
    image: Float[Tensor, "3 h w"], mask: Float[Tensor, "1 h w"], size: int, rng: Random
) -> tuple[Float[Tensor, "3 s s"], Float[Tensor, "1 s s"]]:
    """Mirror half of the time, scale, crop and pad a pair at random.

    It is scaled to 0.1 to 2.0 of `size` keeping the aspect ratio, and padded at the right and
    bottom (image 128 of 255, mask 0). A crop that misses the object is drawn again; after ten, the
    whole image is taken.
    """
    if rng.random() < 0.5:
        image, mask = image.flip(-1), mask.flip(-1)
    both = torch.cat([image, mask])
    crop = _crop(both, size, rng.uniform(*_SCALES), rng)
    for attempt in range(_CROPS):
        if int((crop[3] > 0.5).sum()) >= _MIN_VISIBLE_PX:
            break
        crop = _crop(both, size, rng.uniform(*_SCALES) if attempt < _CROPS - 1 else 1.0, rng)
    pad = (0, size - crop.shape[2], 0, size - crop.shape[1])
    return F.pad(crop[:3], pad, value=_PAD / 255), F.pad(crop[3:], pad)


class HqSegSamples:
    """The samples by (epoch, position); order and jitter depend on the seed, not the process."""

    def __init__(self, pairs: list[Pair], size_px: int, seed: int):
        self.pairs, self.size_px, self.seed = pairs, size_px, seed

    def __len__(self) -> int:
        return len(self.pairs)

    def order(self, epoch: int) -> list[int]:
        """Return the order of the pairs in one epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.pairs), generator=generator).tolist()

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Read one sample; a pair with an empty mask gives way to the next one.

        key: epoch and index of the pair.

        Raises: InputError as `read_pair`, or if all masks are empty.
        """
        epoch, index = key
        empty: list[str] = []
        rng = Random(f"{self.seed}:{epoch}:{index}")
        for step in range(len(self.pairs)):
            pair = self.pairs[(index + step) % len(self.pairs)]
            image, mask = read_pair(pair)
            if int((mask > 0.5).sum()) < _MIN_VISIBLE_PX:
                empty.append(str(pair.mask))
                continue
            image, mask = jitter(image, mask, self.size_px, rng)
            return Sample(image, mask, str(pair.image), tuple(empty))
        raise InputError(
            f"{self.pairs[0].mask}: this and all {len(self.pairs)} masks are empty; "
            "check that they are 0 and 255"
        )


def _crop(both: Tensor, size: int, scale: float, rng: Random) -> Tensor:
    h, w = both.shape[1:]
    factor = scale * size / max(h, w)
    scaled = (max(1, round(h * factor)), max(1, round(w * factor)))
    small = F.interpolate(
        both[None], size=scaled, mode="bilinear", align_corners=False, antialias=True
    )[0]
    top, left = (rng.randint(0, max(side - size, 0)) for side in scaled)
    return small[:, top : top + size, left : left + size]


def _read(path: Path) -> Float[Tensor, "3 h w"]:
    try:
        with Image.open(path) as opened:
            pixels = np.array(opened.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        reason = getattr(error, "strerror", None) or "not a readable image"
        raise InputError(f"{path}: {reason}; get the file again") from error
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
