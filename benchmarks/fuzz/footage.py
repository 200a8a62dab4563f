"""Damaged footage: containers of videos, and stills in every format that is read."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from benchmarks.fuzz.case import Command
from benchmarks.fuzz.damage import Damage, spoil_bytes, spoil_header, spoil_png
from benchmarks.fuzz.good_files import BOX, GoodFiles, draw

TRACK = ["track", "--model", "null", "--save", "masks,stats", "-q", "-o", "out"]


def containers(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Damage a video; track it or print what is seen in it. Some are read by decord."""
    chance = damage.chance
    source = chance.choice(good.videos)
    spoil = chance.choice([spoil_bytes, spoil_header])
    (folder / source.name).write_bytes(damage.to(source.read_bytes(), spoil))
    is_read_by_decord = source.suffix in (".mp4", ".mkv", ".webm") and chance.random() < 0.2
    decoder = ["--decoder", "decord"] if is_read_by_decord else []
    looks = [["info", source.name], ["info", source.name, "--json"]]
    tracks = [*TRACK, source.name, "--box", BOX, *decoder]
    if chance.random() < 0.7:
        return Command(tracks, "out")
    return Command(chance.choice(looks))


def stills(_good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Damage one of three stills of a sequence, or the one file that holds all its pages."""
    chance = damage.chance
    kind = chance.choice(
        ["png", "png16", "jpg", "tiff", "bmp", "webp", "ppm", "tga", "jp2", "gif", "pages", "moves"]
    )
    images = [Image.fromarray(draw(index)) for index in range(3)]
    if kind in ("gif", "pages", "moves"):
        path = folder / {"gif": "a.gif", "pages": "a.tiff", "moves": "a.webp"}[kind]
        images[0].save(path, save_all=True, append_images=images[1:])
        source = path.name
    else:
        for index, image in enumerate(images):
            if kind == "png16":
                image = Image.fromarray(draw(index)[..., 0].astype("uint16") * 257)
            image.save(folder / f"{index}.{kind.removesuffix('16')}")
        path = folder / f"{chance.randrange(3)}.{kind.removesuffix('16')}"
        source = "."
    spoils = [spoil_bytes, spoil_header, *([spoil_png] if kind.startswith("png") else [])]
    path.write_bytes(damage.to(path.read_bytes(), chance.choice(spoils)))
    if source == ".":  # the output must not lie among the stills
        shutil.copytree(folder, folder / "stills")
        for one in folder.iterdir():
            if one.is_file():
                one.unlink()
        source = "stills"
    if chance.random() < 0.7:
        return Command([*TRACK, source, "--box", BOX], "out")
    return Command(["info", source])
