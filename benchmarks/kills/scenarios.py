"""What is killed: every command that writes, on clips and data sets of a second or two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.fuzz.data_sets import make_davis, make_lvos
from benchmarks.fuzz.good_files import BOX, NANO, TRAIN, GoodFiles

Target = Literal["step", "moment", "parent", "worker"]
"""How a kill is aimed.

step: the process ends itself before its k-th change of a file system.
moment: it and all it started, after a time. parent: it alone. worker: one that it started.
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One command and how often it is killed.

    prepare: writes what it reads, and an older output if there is one, into an empty folder.
    output: what it writes there.
    units: patterns of folders in it that count as finished once they have `mark` in them.
    mark: the file, or "." for the folder itself.
    targets: how kills are aimed, in turn.
    changes: for a correction: the entries that the history has once it holds.
    ignored: patterns of files that hold times of day, process ids and the like.
    """

    name: str
    kills: int
    prepare: Callable[[GoodFiles, Path], None]
    arguments: list[str]
    output: str = "out"
    units: tuple[str, ...] = (".",)
    mark: str = "manifest.json"
    targets: tuple[Target, ...] = ("step", "moment")
    changes: int | None = None
    ignored: tuple[str, ...] = ()


def _clip(good: GoodFiles, folder: Path) -> None:
    shutil.copy(good.clip, folder / "clip.mp4")


def _older_result(good: GoodFiles, folder: Path) -> None:
    shutil.copytree(good.older, folder, dirs_exist_ok=True)


def _corrected(good: GoodFiles, folder: Path) -> None:
    shutil.copytree(good.done, folder, dirs_exist_ok=True)


def _batch(good: GoodFiles, folder: Path) -> None:
    rows = ["source,box,name"]
    for name in ("a", "b", "c"):
        shutil.copy(good.clip, folder / f"{name}.mp4")
        rows.append(f'{name}.mp4,"{BOX}",{name}')
    (folder / "rows.csv").write_text("\n".join(rows) + "\n")


def _davis(good: GoodFiles, folder: Path) -> None:
    make_davis(good, folder, ("a", "b"))


def _short_demo(_good: GoodFiles, _folder: Path) -> None:
    """Have the demo draw 8 frames instead of 60."""
    from vos_cli.commands import demo

    demo._FRAMES = 8


def _training(good: GoodFiles, folder: Path) -> None:
    for name in ("r.yaml", "t.yaml"):
        shutil.copy(good.training / name, folder / name)


_NULL = ["track", "clip.mp4", "--box", BOX, "--model", "null", "-q", "-o", "out"]
_MIDDLE = ["--box", f"{BOX}@5", "--direction", "both", "-q", "-o", "out"]
_SAVE = ["--save", "masks,stats,overlay"]
_BATCH = ["batch", "rows.csv", "--model", "null", "-o", "out", "--jobs", "2", "--progress", "none"]
_SCORED = ["eval", "score", "--protocol", "davis", "--gt", "gt", "--pred", "pred", "--jobs", "1"]
_RUN = ("predictions/*",)

SCENARIOS = [
    Scenario("track", 42, _clip, [*_NULL, *_SAVE]),
    Scenario(
        "track, both directions", 26, _clip, ["track", "clip.mp4", "--model", "null", *_MIDDLE]
    ),
    Scenario("track --overwrite", 42, _older_result, [*_NULL, *_SAVE, "--overwrite"]),
    Scenario(
        "track, nano", 8, _clip, ["track", "clip.mp4", "--box", BOX, *NANO, "-q", "-o", "out"]
    ),
    Scenario(
        "track, nano, both directions", 8, _clip, ["track", "clip.mp4", *NANO, *_MIDDLE, *_SAVE]
    ),
    Scenario(
        "batch", 16, _batch, _BATCH, units=("clips/*",),
        targets=("step", "moment", "parent", "worker"),
        ignored=("logs/*", "report.*", "status/*"),
    ),
    Scenario(
        "fix", 14, _corrected,
        ["fix", "done", "--box", "1:28,16,60,48@7", "--device", "cpu", "-q"],
        output="done", units=(), changes=3,
    ),
    Scenario(
        "fix --undo", 20, _corrected, ["fix", "done", "--undo", "-q"],
        output="done", units=(), changes=3,
    ),
    Scenario(
        "eval davis", 8, _davis,
        ["eval", "davis", "gt", "-o", "out", *NANO, "--jobs", "1", "--html", "out/report"],
        units=_RUN, mark=".",
    ),
    Scenario(
        "eval lvos", 8, make_lvos,
        ["eval", "lvos", "gt", "--version", "2", "-o", "out", *NANO, "--jobs", "1"],
        units=_RUN, mark=".",
    ),
    Scenario(
        "eval score", 10, _davis, [*_SCORED, "--csv", "out/a.csv", "--html", "out/report"], units=()
    ),
    Scenario("demo (of 8 frames)", 4, _short_demo, ["demo", "-o", "out", "-q"], units=("track",)),
    Scenario(
        "train refiner", 4, _training, TRAIN, units=(),
        ignored=("logs/*", "events*", "*/events*", "*.log", "*.jsonl"),
    ),
]  # fmt: skip


def count_changes(listing: str) -> int:
    """Return how many entries the history has, from what `vos fix --list --json` printed."""
    line = next(line for line in listing.splitlines() if line.startswith("{"))
    return len(json.loads(line)["history"])
