"""Photographs from Debian's packages of wallpapers: JPEG, 768 px on the shorter side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from vos.synth.pasted_sources.packages import fetch, unpack_debian

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

_SHORTER_PX = 768


def fetch_photographs(target: Path) -> Iterator[str]:
    """Yield what came of each package, in words."""
    target.mkdir(parents=True, exist_ok=True)
    for package, patterns in PHOTOGRAPHS.items():
        keep = partial(_keep, package, patterns, target)
        yield fetch(package, "photographs", unpack_debian, keep)


def _keep(package: str, patterns: Sequence[str], target: Path, unpacked: Path) -> int:
    """Store the largest file of each pattern; return how many there are."""
    count = 0
    for pattern in patterns:
        found = [path for path in unpacked.rglob(pattern) if path.is_file()]
        if found:
            largest = max(found, key=lambda path: path.stat().st_size)
            name = pattern.removesuffix("/contents/images/*").removesuffix("_by_*")
            name = f"{package}-{Path(name).name.removesuffix('.jpg')}.jpg"
            _shrink(largest).save(target / name, quality=92)
            count += 1
    return count


def _shrink(path: Path) -> Image.Image:
    image = Image.open(path).convert("RGB")
    scale = _SHORTER_PX / min(image.size)
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)))
