"""Kill every command that writes, give it again, and compare with a run that nobody disturbed.

    python -m benchmarks.kills                     # 200 kills; writes the page
    python -m benchmarks.kills --only fix --seed 3 --kills 40

Half of the kills hit the command before a change of a file system, a third of those among the last
tenth of them, where results are moved into place; the others come at any moment of its time. After
each, what looks finished must be finished: the older output or the new one, to the byte. Then the
same command must end with 0, leave the files of an undisturbed run and nothing else. Some runs are
killed up to three times before they may end.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.fuzz.case import Command
from benchmarks.fuzz.good_files import GoodFiles
from benchmarks.fuzz.process import import_as_it_did, make_place, snapshot
from benchmarks.kills.outcome import Contents, Wanted, read_tree, show
from benchmarks.kills.process import (
    Running,
    StuckError,
    count_steps,
    die_at,
    start,
)
from benchmarks.kills.scenarios import SCENARIOS, Scenario, Target, count_changes

_MOST_KILLS_IN_A_ROW = 3
_HEADER = "| command | kills | before a change | at a moment | runs | seconds of one | wrong |"


@dataclass
class Tally:
    """What a scenario came to.

    aims: how many kills hit, by how they were aimed.
    runs: how often the command was given until it ended, after at least one kill.
    wrong: what went wrong, a line each.
    """

    aims: Counter[Target] = field(default_factory=Counter)
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


class Trials:
    """The runs of one scenario.

    good: the files to start from. seed: of all that is left to chance.
    """

    def __init__(self, scenario: Scenario, good: GoodFiles, seed: int) -> None:
        self.scenario = scenario
        self.tally = Tally()
        self._good = good
        self._chance = random.Random(f"{scenario.name}-{seed}")
        self._place = good.root / "killed"
        self._command = Command(scenario.arguments, scenario.output)
        self._measure()

    def _measure(self) -> None:
        """Let the command end twice, undisturbed; raise RuntimeError if it does not."""
        found = []
        for _ in range(2):
            work = self._prepare()
            self._old = read_tree(work / self.scenario.output, self.scenario.ignored)
            code, self._steps, self.seconds = count_steps(
                self.scenario.arguments, self._place, work
            )
            if code:
                said = (self._place / "said").read_text(errors="replace")
                raise RuntimeError(f"{self.scenario.name} ended with {code}: {said[-500:]}")
            import_as_it_did(self._place)
            found.append(self._read(work))
            self._beside = {path.name for path in work.iterdir()}
        self.wanted = Wanted(*found)

    def _prepare(self) -> Path:
        work = make_place(self._place)
        self.scenario.prepare(self._good, work)
        return work

    def _read(self, work: Path) -> Contents:
        return read_tree(work / self.scenario.output, self.scenario.ignored)

    def run(self) -> None:
        """Kill the command as often as the scenario says, and let it end in between."""
        tries = 0
        while self.tally.aims.total() < self.scenario.kills and tries < 4 * self.scenario.kills:
            tries += 1
            before = self.tally.aims.total()
            with contextlib.suppress(StuckError):
                self._one_trial(tries)
            self.tally.runs += self.tally.aims.total() > before

    def _one_trial(self, number: int) -> None:
        work = self._prepare()
        whole = snapshot(self._place, work, self._command)
        runs = []
        left = self.scenario.kills - self.tally.aims.total()
        for _ in range(min(left, self._chance.randint(1, _MOST_KILLS_IN_A_ROW))):
            if self._holds(work, number):
                break
            running = self._kill(work, number)
            runs.append(running)
            if running is None:
                break
            self._check_what_looks_finished(work, number)
        try:
            self._end(work, number)
        except StuckError:
            self._note(number, "stuck")
            raise
        self._check_end(work, number)
        changed = {path for path, _ in snapshot(self._place, work, self._command) ^ whole}
        if changed:
            self._note(number, f"changed outside: {sorted(changed)[:5]}")
        if any(one.has_left() for one in runs if one is not None):
            self._note(number, "a worker goes on")

    def _kill(self, work: Path, number: int) -> Running | None:
        """Start the command and kill it; None where it ended before."""
        targets = self.scenario.targets
        target = targets[self.tally.aims.total() % len(targets)]
        chance, arguments = self._chance, self.scenario.arguments
        if target == "step":
            low = 0.9 if chance.random() < 1 / 3 else 0.0
            step = 1 + int(self._steps * chance.uniform(low, 1.0))
            running = start(arguments, self._place, work, on_step=die_at(step))
            code = running.wait()
            is_killed = code < 0
        else:
            running = start(arguments, self._place, work)
            end = time.monotonic() + self.seconds * chance.uniform(0.0, 1.0)
            while time.monotonic() < end and not running.has_ended():
                time.sleep(0.002)
                if target != "moment":
                    running.look()
            is_killed = not running.has_ended()
            if target == "worker":
                is_killed = is_killed and running.kill_worker(chance)
            elif is_killed and target == "parent":
                running.kill_parent()
            else:
                running.kill()
            code = running.wait()
        if is_killed:
            self.tally.aims[target] += 1
        if code > 0:
            self._note(number, f"exit {code} at a kill ({target}): {self._said()}")
        return running if code < 0 else None

    def _holds(self, work: Path, number: int) -> bool:
        """Tell whether a correction holds already; given again, it would be another one."""
        if self.scenario.changes is None:
            return False
        listing = ["fix", self.scenario.output, "--list", "--json"]
        if start(listing, self._place, work).wait():
            self._note(number, f"cannot be looked at: {self._said()}")
        told = (self._place / "said").read_text(errors="replace")
        return count_changes(told) >= self.scenario.changes

    def _end(self, work: Path, number: int) -> None:
        """Give the command again, or finish a correction that holds as the next command would."""
        if self._holds(work, number):
            running = start(
                ["fix", self.scenario.output, "--undo", "-q"], self._place, work, instead=_finish
            )
        else:
            running = start(self.scenario.arguments, self._place, work)
        code = running.wait()
        if code:
            self._note(number, f"exit {code}: {self._said()}")

    def _check_what_looks_finished(self, work: Path, number: int) -> None:
        output = work / self.scenario.output
        found = self._read(work)
        for pattern in self.scenario.units:
            for unit in [output] if pattern == "." else sorted(output.glob(pattern)):
                if unit.name.startswith(".") or not (unit / self.scenario.mark).exists():
                    continue
                below = str(unit.relative_to(output))
                if show(found, below) == show(self._old, below):
                    continue
                if wrong := self.wanted.compare(found, below):
                    self._note(number, f"{below} looks finished, and is not: {wrong[:5]}")

    def _check_end(self, work: Path, number: int) -> None:
        if wrong := self.wanted.compare(self._read(work)):
            self._note(number, f"other files than undisturbed: {wrong[:5]}")
        beside = {path.name for path in work.iterdir()}
        if beside != self._beside:
            self._note(number, f"beside the output: {sorted(beside ^ self._beside)}")

    def _said(self) -> str:
        text = (self._place / "said").read_text(errors="replace").strip()
        return (text.splitlines() or [""])[-1][:300]

    def _note(self, number: int, text: str) -> None:
        line = f"{self.scenario.name}, trial {number}: {text}"
        self.tally.wrong.append(line)
        print(line, file=sys.stderr, flush=True)


def _finish(arguments: list[str]) -> int:
    """Do what every next command on a corrected result does first, and draw its overlay."""
    from vos_cli.fix.overlay import redraw_overlay
    from vos_cli.fix.result import open_result

    redraw_overlay(open_result(Path(arguments[1])))
    return 0


def _page(lines: list[str], differing: list[str], wrong: list[str], total: int) -> str:
    listed = [f"* {one}" for one in differing] or ["None."]
    from benchmarks.common import machine

    return "\n".join(
        [
            "# Commands killed at random moments",
            "",
            f"{machine()}.",
            "Command: `python -m benchmarks.kills`, seed 1. Each run is a forked process with the "
            "libraries loaded; it and its helpers get SIGKILL.",
            f"{total} kills, up to three in a row; then the same command ends, and its files are "
            "those of an undisturbed run, to the byte.",
            "",
            _HEADER,
            "|---" * 7 + "|",
            *lines,
            "",
            "## Values that differ between two undisturbed runs too",
            "",
            *listed,
            *(["", "## What went wrong", "", *(f"* {one}" for one in wrong)] if wrong else []),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="the scenario of this name; writes no page")
    parser.add_argument("--kills", type=int, help="kills of each scenario, instead of its own")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    lines, differing, wrong, total = [], [], [], 0
    print(_HEADER, "|---" * 7 + "|", sep="\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="vos-kills-") as temporary:
        good = GoodFiles(Path(temporary))
        for scenario in SCENARIOS:
            if arguments.only not in (None, scenario.name):
                continue
            if arguments.kills is not None:
                scenario = replace(scenario, kills=arguments.kills)
            trials = Trials(scenario, good, arguments.seed)
            trials.run()
            tally = trials.tally
            by_time = tally.aims.total() - tally.aims["step"]
            lines.append(
                f"| {scenario.name} | {tally.aims.total()} | {tally.aims['step']} | {by_time} | "
                f"{tally.runs} | {trials.seconds:.1f} | {len(tally.wrong) or 'none'} |"
            )
            print(lines[-1], flush=True)
            differing += [f"{scenario.name}: {one}" for one in trials.wanted.differing]
            wrong += tally.wrong
            total += tally.aims.total()
    print(*differing, sep="\n")
    if arguments.only is None:
        from benchmarks.common import write_result

        write_result("kills.md", _page(lines, differing, wrong, total))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
