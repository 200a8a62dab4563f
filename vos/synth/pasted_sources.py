"""Fetch images for pasted clips by name: photographs and cut-out objects, all of them free.

    python -m vos.synth.pasted_sources data/nano

fills `photographs/` (JPEG, 768 px on the shorter side), `cutouts/` (rendered objects with alpha)
and `stamps/` (photographs of objects with alpha, square) from Debian packages (`apt-get download`,
`dpkg -x`: nothing is installed) and one npm package (`npm pack`).
What cannot be fetched is said and left out; training goes on with what is there. Licences:
docs/models/pasted-clips.md.
"""

from __future__ import annotations

import argparse
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS: Mapping[str, tuple[str, ...]] = {
    "lomiri-wallpapers-16.04": (
        "Bridge_by_*", "Dragonfly_by_*", "Picture_0B_by_*", "Picture_1A_by_*", "Wine_by_*",
        "aitzgorri_by_*", "free_by_*", "friends_by_*", "life_by_*", "picosdeeuropa_by_*",
        "seeding_by_*", "sunset_by_*",
    ),
    "lomiri-wallpapers-20.04": ("Kleiber_by_*",),
    "mate-backgrounds": tuple(
        f"nature/{name}.jpg"
        for name in (
            "Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow", "LadyBird",
            "RainDrops", "Storm", "TwoWings", "Wood", "YellowFlower",
        )
    ),
    "plasma-workspace-wallpapers": tuple(
        f"{name}/contents/images/*"
        for name in (
            "BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf",
            "Grey", "Kite", "OneStandsOut", "Path", "summer_1am",
        )
    ),
}  # fmt: skip
"""Debian package -> which of its files are photographs."""

CUTOUTS = "@lobehub/fluent-emoji-3d"
STAMPS = "tuxpaint-stamps-default"
_STAMPED = ("animals", "food", "hobbies", "household", "plants", "sports", "vehicles")
"""Folders of stamps that hold photographs; `cartoon` inside them holds drawings."""
_STAMP_PX = 256
_STAMP_AREA = (0.04, 0.97)
"""Share of its rectangle that a stamp's object fills; others are hairs and whole pictures."""
_SHORTER_PX = 768
_THINGS = (
    (0x1F300, 0x1F4FF), (0x1F5A5, 0x1F5FF), (0x1F600, 0x1F6A9), (0x1F6B2, 0x1F6B6),
    (0x1F6CC, 0x1F6FF), (0x1F90C, 0x1F9FF), (0x1FA70, 0x1FAFF),
)  # fmt: skip
"""Code points that show something to hold, ride, eat or meet; the rest are flags and signs."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def is_thing(name: str) -> bool:
    """Tell whether a cut-out of this file name (code points in hexadecimal) shows an object.

    There is one of each, without its variants of skin tone.
    """
    points = [int(part, 16) for part in name.split("-")]
    known = any(low <= points[0] <= high for low, high in _THINGS)
    return known and not any(point in _SKIN_TONES for point in points)


def fetch_photographs(target: Path) -> Iterator[str]:
    """Yield what came of each package, in words."""
    target.mkdir(parents=True, exist_ok=True)
    for package, patterns in PHOTOGRAPHS.items():
        with tempfile.TemporaryDirectory() as room:
            try:
                _unpack(package, room)
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                yield f"{package}: not fetched ({error})"
                continue
            count = 0
            for pattern in patterns:
                found = [path for path in Path(room).rglob(pattern) if path.is_file()]
                if found:
                    largest = max(found, key=lambda path: path.stat().st_size)
                    name = pattern.removesuffix("/contents/images/*").removesuffix("_by_*")
                    name = f"{package}-{Path(name).name.removesuffix('.jpg')}.jpg"
                    _shrink(largest).save(target / name, quality=92)
                    count += 1
            yield f"{package}: {count} photographs"


def fetch_cutouts(target: Path) -> str:
    """Return what came, in words."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as room:
        try:
            _run("npm", "pack", CUTOUTS, cwd=room)
            (archive,) = Path(room).glob("*.tgz")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            return f"{CUTOUTS}: not fetched ({error})"
        count = 0
        with tarfile.open(archive) as package:
            for member in package.getmembers():
                path = Path(member.name)
                if path.suffix == ".webp" and is_thing(path.stem):
                    content = package.extractfile(member)
                    if content is not None:
                        (target / path.name).write_bytes(content.read())
                        count += 1
    return f"{CUTOUTS}: {count} cut-outs"


def fetch_stamps(target: Path) -> str:
    """Return what came, in words."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as room:
        try:
            _unpack(STAMPS, room)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            return f"{STAMPS}: not fetched ({error})"
        count = 0
        for path in sorted(Path(room).rglob("*.png")):
            parts = path.parts[path.parts.index("stamps") + 1 :]
            if parts[0] not in _STAMPED or "cartoon" in parts:
                continue
            stamp = _fit_square(Image.open(path).convert("RGBA"))
            if stamp is not None:
                stamp.save(target / ("-".join(parts[:-1]) + f"-{path.stem}.webp"), quality=90)
                count += 1
    return f"{STAMPS}: {count} photographs of objects"


def _fit_square(stamp: Image.Image) -> Image.Image | None:
    """Return an object in the middle of a square, or None where its outline says nothing."""
    alpha = np.asarray(stamp.getchannel("A"))
    if not _STAMP_AREA[0] < float((alpha > 127).mean()) < _STAMP_AREA[1]:
        return None
    stamp = stamp.crop(stamp.getchannel("A").getbbox())
    scale = _STAMP_PX / max(stamp.size)
    stamp = stamp.resize((max(1, round(scale * stamp.width)), max(1, round(scale * stamp.height))))
    square = Image.new("RGBA", (_STAMP_PX, _STAMP_PX))
    square.paste(stamp, ((_STAMP_PX - stamp.width) // 2, (_STAMP_PX - stamp.height) // 2))
    return square


def _unpack(package: str, room: str) -> None:
    _run("apt-get", "download", package, cwd=room)
    (archive,) = Path(room).glob("*.deb")
    _run("dpkg", "-x", archive.name, ".", cwd=room)


def _shrink(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    scale = _SHORTER_PX / min(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)))


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for line in fetch_photographs(folder / "photographs"):
        print(line, flush=True)
    print(fetch_cutouts(folder / "cutouts"), flush=True)
    print(fetch_stamps(folder / "stamps"))


if __name__ == "__main__":
    main()
