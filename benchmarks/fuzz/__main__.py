"""Malformed files of every kind against the commands that read them.

    python -m benchmarks.fuzz --page                        # over 5,000 in all
    python -m benchmarks.fuzz --kinds prompts,csv --part 1/4
    python -m benchmarks.fuzz --kinds csv --only 17 --keep runs/fuzz

Each input is one command line in a forked process with 30 seconds of processor time, 120 on the
clock, and a folder of its own. Wrong are exit code 1 (our bug), the end by a signal, more time than
that, over 1.5 GB, any change beside the output, and a whole input that is not accepted: the first
ones of each kind are left as they are.
Input i of a kind is the same on every machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz import data_sets, footage, results, texts, weights
from benchmarks.fuzz.case import Case
from benchmarks.fuzz.good_files import GoodFiles
from benchmarks.fuzz.process import LIMIT_S, Seen, import_as_it_did, run_case

COUNT, SLOW_COUNT = 400, 100
PAGE = "fuzz.md"
WHOLE = 10
"""Whole inputs of each kind, beside the damaged ones."""

KINDS: dict[str, Case] = {  # those that need no torch first: their processes start faster
    "containers": footage.containers,
    "stills": footage.stills,
    "prompts": texts.prompts,
    "csv": texts.rows,
    "lines": texts.lines,
    "list": texts.names,
    "settings": texts.settings,
    "masks": results.masks,
    "sav": data_sets.sav,
    "results": results.results,
    "resume": results.interrupted,
    "davis": data_sets.davis,
    "lvos": data_sets.lvos,
    "batches": results.batches,
    "images": data_sets.images,
    "weights": weights.weights,
    "refiners": weights.refiners,
    "training": texts.training,
}
_SLOW = {"batches", "images", "weights", "refiners", "training"}
"""Each input starts a worker or loads a model: a second instead of a tenth of one."""

_HEADER = "| kind | inputs | exit codes | wrong | slowest | most memory | commit |"


@dataclass
class Row:
    """What a kind came to.

    codes: how many inputs ended with each exit code.
    problems: how many went wrong, by what went wrong.
    slowest_s, most_mb: the most that one input took.
    """

    codes: Counter[int] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    most_mb: float = 0.0

    def add(self, seen: Seen) -> None:
        self.codes[seen.code] += 1
        self.slowest_s = max(self.slowest_s, seen.seconds)
        self.most_mb = max(self.most_mb, seen.peak_mb)
        if seen.problem is not None:
            self.problems[seen.problem] += 1

    def as_line(self, name: str, commit: str) -> str:
        codes = ", ".join(f"{code}: {self.codes[code]}" for code in sorted(self.codes))
        wrong = ", ".join(f"{what}: {n}" for what, n in sorted(self.problems.items())) or "none"
        return (
            f"| {name} | {self.codes.total()} | {codes} | {wrong} | {self.slowest_s:.1f} s | "
            f"{self.most_mb:.0f} MB | {commit} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kinds", help="comma-separated; default all")
    parser.add_argument("--count", type=int, help="damaged inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="one input alone; what it says is printed")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th input from the i-th on")
    parser.add_argument(
        "--limit", type=float, default=LIMIT_S, help="seconds of processor time for one input"
    )
    parser.add_argument("--keep", type=Path, help="folder for the inputs that went wrong")
    parser.add_argument(
        "--page", action="store_true", help=f"put the rows into results/{PAGE}; others stay"
    )
    arguments = parser.parse_args()
    which, _, parts = arguments.part.partition("/")
    names = arguments.kinds.split(",") if arguments.kinds else list(KINDS)
    wholes = range(WHOLE if arguments.only is None else 0)
    commit = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(commit, capture_output=True, text=True, check=True).stdout.strip()
    lines = {}
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="vos-fuzz-") as temporary:
        good = GoodFiles(Path(temporary))
        print(_HEADER, "|---" * 7 + "|", sep="\n", flush=True)
        for name in names:
            row = Row()
            last = arguments.count or (SLOW_COUNT if name in _SLOW else COUNT)
            numbers = range(arguments.first + int(which) - 1, arguments.first + last, int(parts))
            if arguments.only is not None:
                numbers = range(arguments.only, arguments.only + 1)
            for number in [*wholes, *numbers]:
                is_whole = number in wholes and row.codes.total() < len(wholes)
                seen = run_case(
                    KINDS[name], good, name, number, is_whole=is_whole, limit_s=arguments.limit
                )
                row.add(seen)
                if is_whole:
                    import_as_it_did(good.root / "case")
                _tell(name, number, seen, good.root / "case", arguments)
            lines[name] = row.as_line(name, commit)
            print(lines[name], flush=True)
            if arguments.page:
                _write_page(lines)
            wrong += row.problems.total()
    sys.exit(1 if wrong else 0)


def _tell(name: str, number: int, seen: Seen, place: Path, arguments: argparse.Namespace) -> None:
    """Print what an input that went wrong said, and keep its files."""
    if arguments.only is not None:
        print(seen.code, seen.said, file=sys.stderr)
    if seen.problem is None:
        return
    kept = f"{name}-{'whole-' if seen.is_whole else ''}{number}"
    last = (seen.said.strip().splitlines() or [""])[-1]
    print(f"{kept}: {seen.problem}: {last[:300]} {list(seen.outside)[:5]}", file=sys.stderr)
    if arguments.keep is not None:
        shutil.copytree(place, arguments.keep / kept, symlinks=True, dirs_exist_ok=True)


def _write_page(lines: dict[str, str]) -> None:
    """Put the rows into the page, in place of those of the same kinds; what follows it stays.

    In a process of its own: what it imports would make every later fork dearer.
    """
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    from benchmarks.common import RESULTS, machine, write_result

    path = RESULTS / PAGE
    old = path.read_text() if path.exists() else ""
    _, joint, rest = old.partition("\n## ")
    known = {line.split(" ")[1]: line for line in old.splitlines() if line.startswith("| ")}
    table = [(known | lines)[name] for name in KINDS if name in known | lines]
    total = sum(int(line.split("|")[2]) for line in table)
    text = "\n".join(
        [
            "# Malformed files against the commands that read them",
            "",
            f"{machine()}.",
            "Command: `python -m benchmarks.fuzz --page`, at nice 15.",
            f"{total} inputs, of which the first {WHOLE} of each kind are whole and must end with "
            "0. Exit codes 2 to 8 are refusals with their reason.",
            "",
            _HEADER,
            "|---" * 7 + "|",
            *table,
        ]
    )
    with contextlib.redirect_stdout(None):
        write_result(PAGE, text + (joint + rest if joint else "\n"))
    os._exit(0)


if __name__ == "__main__":
    main()
