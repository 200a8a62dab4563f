"""Runs one `vos` command line to its end, then again with SIGKILL at random moments. A program:

    python -m e2e.killing KILLS SEED WHOLE OUT ARGUMENTS...

WHOLE and OUT: output folders of the uninterrupted and the killed run. Prints how often it killed.
It loads the libraries once and forks, as every kill needs a process of its own.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import vos.stream
import vos_cli.job.run
from vos_cli.main import run

assert vos.stream
assert vos_cli.job.run

_MOST_NEW_STEPS = 6
_MOST_WAIT_S = 0.05
_SPOOLED_BYTES = 8232  # of one object and frame, with nano


def start(arguments: list[str]) -> int:
    child = os.fork()
    if child == 0:
        os._exit(run(arguments))
    return child


def is_over(child: int) -> bool:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended and status:
        raise SystemExit(f"the command failed: {os.waitstatus_to_exitcode(status)}")
    return bool(ended)


def wait(child: int) -> None:
    while not is_over(child):
        time.sleep(0.005)


def steps(part: Path) -> int:
    """About how many frames are done, in both passes."""
    spool = part / ".resume" / "spool"
    spooled = spool.stat().st_size // _SPOOLED_BYTES if spool.exists() else 0
    return spooled + sum(1 for _ in (part / "masks").glob("*.png"))


def killed(child: int, part: Path, dice: random.Random) -> bool:
    """Whether the child was killed before it came to its end."""
    goal = steps(part) + dice.randint(1, _MOST_NEW_STEPS)
    while steps(part) < goal:
        if is_over(child):
            return False
        time.sleep(0.002)
    time.sleep(dice.uniform(0, _MOST_WAIT_S))
    if is_over(child):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> None:
    kills, seed, whole, out, *arguments = sys.argv[1:]
    dice = random.Random(int(seed))
    wait(start([*arguments, "-o", whole]))
    part = Path(out).with_name(f".{Path(out).name}.part")
    count = 0
    for _ in range(int(kills)):
        if not killed(start([*arguments, "-o", out]), part, dice):
            break
        count += 1
    wait(start([*arguments, "-o", out]))
    print(count)


if __name__ == "__main__":
    main()
