"""Damaged data sets: DAVIS, LVOS, SA-V and folders of single images, scored and tracked."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.fuzz.case import Command
from benchmarks.fuzz.damage import Damage, spoil_bytes, spoil_header, spoil_png, spoil_text
from benchmarks.fuzz.good_files import NANO, GoodFiles, draw

_FRAMES = 4
_LVOS_NUMBERS = range(1, 22, 5)
_VIDEOS = ("0tCWPOrc", "8lxxCA5h")  # of LVOS; the second is on the official list of unseen videos


def _image(index: int, kind: str = "jpeg") -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw(index)).save(file, kind)
    return file.getvalue()


def _binary() -> bytes:
    """Return the mask of the square as 0 and 255."""
    file = io.BytesIO()
    Image.fromarray((draw(0)[..., 0] > 100).astype("uint8") * 255).save(file, "png")
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _damage_one(folder: Path, damage: Damage, texts: list[str]) -> None:
    """Damage one of the texts, which name files and numbers, or any file."""
    chance = damage.chance
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    path = chance.choice(files)
    if texts and chance.random() < 0.5:
        path = folder / chance.choice(texts)
    spoil = spoil_text
    if path.suffix in (".png", ".jpg"):
        spoil = chance.choice([spoil_bytes, spoil_header])
    if path.suffix == ".png" and chance.random() < 0.5:
        spoil = spoil_png
    path.write_bytes(damage.to(path.read_bytes(), spoil))


def _score(protocol: str, *more: str) -> Command:
    paths = ["--gt", "gt", "--pred", "pred"]
    return Command(["eval", "score", "--protocol", protocol, *paths, "--jobs", "1", *more])


def make_davis(good: GoodFiles, folder: Path, videos: Sequence[str]) -> None:
    """Write a data set like DAVIS 2017 to `gt`, and predictions for it to `pred`."""
    for video in videos:
        for index in range(_FRAMES):
            _write(folder / f"gt/Annotations/480p/{video}/{index:05}.png", good.mask)
            _write(folder / f"pred/{video}/{index:05}.png", good.mask)
            _write(folder / f"gt/JPEGImages/480p/{video}/{index:05}.jpg", _image(index))
    _write(folder / "gt/ImageSets/2017/val.txt", "".join(f"{x}\n" for x in videos).encode())


def make_lvos(good: GoodFiles, folder: Path) -> None:
    """Write the valid split of a data set like LVOS to `gt`, and predictions for it to `pred`."""
    for video in _VIDEOS:
        for index, number in enumerate(_LVOS_NUMBERS):
            _write(folder / f"gt/Annotations/{video}/{number:08}.png", good.mask)
            _write(folder / f"gt/JPEGImages/{video}/{number:08}.jpg", _image(index))
            _write(folder / f"pred/{video}/{number:08}.png", good.mask)
    first, last = _LVOS_NUMBERS[0], _LVOS_NUMBERS[-1]
    count = len(_LVOS_NUMBERS) - 1
    span = {"frame_range": {"start": first, "end": last, "frame_nums": count}}
    meta = {"videos": {video: {"objects": {"1": span}} for video in _VIDEOS}}
    _write(folder / "gt/valid_meta.json", json.dumps(meta).encode())
    _write(folder / "unseen.txt", f"{_VIDEOS[1]}\n".encode())


def davis(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Score predictions on DAVIS, or track it; something of either is damaged."""
    make_davis(good, folder, ("a",))
    _damage_one(folder, damage, ["gt/ImageSets/2017/val.txt"])
    if damage.chance.random() < 0.1:
        return Command(["eval", "davis", "gt", "-o", "out", *NANO, "--jobs", "1"], "out")
    return _score("davis")


def lvos(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Score predictions on LVOS, or track it; something of either is damaged."""
    make_lvos(good, folder)
    _damage_one(folder, damage, ["gt/valid_meta.json", "gt/valid_meta.json", "unseen.txt"])
    what = damage.chance.random()
    if what < 0.1:
        more = ["--version", "2", "-o", "out", *NANO, "--jobs", "1"]
        return Command(["eval", "lvos", "gt", *more], "out")
    era = what < 0.4
    return _score("lvos-v1-era" if era else "lvos", "--unseen", "unseen.txt")


def sav(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Score predictions on SA-V: one video as label maps, one with a folder per object."""
    binary = _binary()
    for side in ("gt", "pred"):
        for index in range(_FRAMES):
            _write(folder / side / f"a/{index:05}.png", good.mask)
            _write(folder / side / f"b/000/{index:05}.png", binary)
    _damage_one(folder, damage, [])
    return _score("sav")


def images(_good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Score single images: an image or a label is damaged."""
    chance = damage.chance
    kind = chance.choice(["jpeg", "png", "bmp"])
    suffix = {"jpeg": "jpg"}.get(kind, kind)
    label = _binary()
    for index in range(2):
        _write(folder / f"set/im/{index}.{suffix}", _image(index, kind))
        _write(folder / f"set/gt/{index}.png", label)
    _damage_one(folder, damage, [])
    return Command(["eval", "images", "set", *NANO, "--progress", "none"])
