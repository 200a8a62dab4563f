"""Damaged text files: prompts, lists of clips, settings, and the YAML of a training."""

from __future__ import annotations

import shutil
from pathlib import Path

import vos_cli.commands.batch
from benchmarks.fuzz.case import Case, Command
from benchmarks.fuzz.damage import Damage, spoil_text
from benchmarks.fuzz.footage import TRACK
from benchmarks.fuzz.good_files import BOX, TRAIN, GoodFiles

_ROWS = b'source,box,name\nclip.mp4,"20,16,52,48",a\nb.mp4,"20,16,52,48",b\n'
_LINES = (
    b'{"source": "clip.mp4", "box": ["20,16,52,48"], "name": "a"}\n'
    b'{"source": "b.mp4", "prompts": "p.json", "end": "5f"}\n'
)
_SETTINGS = b'model = "null"\nsize = 512\nsave = ["masks", "stats"]\ncheckpoint_s = 1.5\n'


def prompts(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Track with a damaged prompt file."""
    shutil.copy(good.clip, folder / "clip.mp4")
    (folder / "p.json").write_bytes(damage.to(good.prompts, spoil_text))
    return Command([*TRACK, "clip.mp4", "--prompts", "p.json"], "out")


def list_of_clips(name: str, content: bytes) -> Case:
    """Plan a batch of a damaged list of clips, without an estimate of how long it takes."""

    def write(good: GoodFiles, folder: Path, damage: Damage) -> Command:
        vos_cli.commands.batch.estimate = lambda *_, **__: None  # it would start workers
        for clip in ("clip.mp4", "b.mp4"):
            shutil.copy(good.clip, folder / clip)
            (folder / clip).with_suffix(".prompts.json").write_bytes(good.prompts)
        (folder / "p.json").write_bytes(good.prompts)
        (folder / name).write_bytes(damage.to(content, spoil_text))
        options = ["--model", "null", "-o", "out", "--dry-run", "--progress", "none"]
        return Command(["batch", name, *options])

    return write


rows = list_of_clips("rows.csv", _ROWS)
lines = list_of_clips("rows.jsonl", _LINES)
names = list_of_clips("rows.txt", b"clip.mp4\nb.mp4\n")


def settings(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Track with a damaged vos.toml in the current folder."""
    shutil.copy(good.clip, folder / "clip.mp4")
    (folder / "vos.toml").write_bytes(damage.to(_SETTINGS, spoil_text))
    return Command([*TRACK, "clip.mp4", "--box", BOX], "out")


def training(good: GoodFiles, folder: Path, damage: Damage) -> Command:
    """Go on with a finished training after a YAML file of it, or a file of its, was damaged."""
    shutil.copytree(good.training, folder, dirs_exist_ok=True)
    chance = damage.chance
    files = [folder / "r.yaml", folder / "t.yaml"]
    if chance.random() < 0.3:
        files = [path for path in sorted((folder / "out").rglob("*")) if path.is_file()]
    path = chance.choice(files)
    path.write_bytes(damage.to(path.read_bytes(), spoil_text))
    return Command([*TRAIN, "--minutes", "0.01"], "out")
