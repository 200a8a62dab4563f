"""Damaged results: finished, interrupted and corrected ones, those of a batch, and masks."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.fuzz.case import Command
from benchmarks.fuzz.damage import Damage, spoil_bytes, spoil_checkpoint, spoil_png, spoil_text
from benchmarks.fuzz.footage import TRACK
from benchmarks.fuzz.good_files import BATCH, BOX, NANO, GoodFiles, half_track

_TEXTS = (".json", ".jsonl", ".list", ".html", ".log", ".csv")


def _damage_one(folder: Path, damage: Damage) -> None:
    """Damage one file of a folder, mostly one of those with text or a checkpoint in it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    saved = [path for path in files if path.name.startswith("checkpoint-")]
    known = [path for path in files if path.suffix in _TEXTS] + saved
    chance = damage.chance
    path = chance.choice(known if chance.random() < 0.8 else files)
    if path in saved:
        data = damage.to(path.read_bytes(), spoil_checkpoint)
        for one in saved:  # else an older one, which is whole, is taken
            one.write_bytes(data)
    else:
        spoil = spoil_text if path in known else spoil_bytes
        path.write_bytes(damage.to(path.read_bytes(), spoil))


def results(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Look at a damaged result, undo a correction of it, or track into it again."""
    shutil.copytree(good.done, folder, symlinks=True, dirs_exist_ok=True)
    _damage_one(folder / "done", damage)
    what = damage.chance.random()
    if what < 0.4:
        return Command(["fix", "done", "--list", *(["--json"] if what < 0.2 else [])])
    if what < 0.75:
        return Command(["fix", "done", "--undo"], "done")
    if what < 0.85 and not damage.is_off:  # corrections are never replaced, so this is refused
        return Command([*TRACK[:-1], "done", "clip.mp4", "--box", BOX, "--overwrite"], "done")
    return Command(["track", "clip.mp4", "--box", BOX, *NANO, "-q", "-o", "done"], "done")


def interrupted(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Go on from the damaged state of an interrupted run, of nano every tenth time, or look."""
    what = damage.chance.random()
    model = "nano" if what < 0.1 else "null"
    shutil.copytree(good.interrupted(model), folder, symlinks=True, dirs_exist_ok=True)
    _damage_one(folder / ".half.part", damage)
    if model == "nano" and what < 0.03:
        return Command(["fix", "half", "--list"])
    return Command(half_track(model), "half")


def batches(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Run a finished batch again after a file of its was damaged."""
    shutil.copytree(good.batch, folder, symlinks=True, dirs_exist_ok=True)
    _damage_one(folder / "out", damage)
    dry = ["--dry-run"] if damage.chance.random() < 0.5 else []
    return Command([*BATCH, *dry], None if dry else "out")


def masks(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Track from a damaged mask."""
    shutil.copy(good.clip, folder / "clip.mp4")
    (folder / "m.png").write_bytes(damage.to(good.mask, spoil_png))
    return Command([*TRACK, "clip.mp4", "--mask", "1:m.png"], "out")
