"""Bit parity with the official predictor, as a table: run the parity tests and report each.

python -m benchmarks.parity                  # adds the 1024 px case, a few minutes
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.common import machine, write_result

ROOT = Path(__file__).parent.parent


def main() -> None:
    tests = "tests/unit/track/test_parity.py"
    pytest = [sys.executable, "-m", "pytest", "-vv", "--no-header"]
    command = [*pytest, tests, "-m", "slow or not slow"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows = [
        f"| `{line.split('::')[1].split(' ')[0]}` | {line.split()[1].lower()} |"
        for line in done.stdout.splitlines()
        if "::" in line and line.split()[1:2] in (["PASSED"], ["FAILED"], ["SKIPPED"])
    ]
    table = "\n".join(dict.fromkeys(rows))
    write_result(
        "parity.md",
        f"""# Parity with `SAM2VideoPredictor` (sam2 1.1.0)

Random weights, fp32. "Equal" means `torch.equal` on the logits at the video's size, on every frame;
at 1024 px, identical masks. {machine()}
Command: `python -m benchmarks.parity`

| case | result |
|---|---|
{table}
""",
    )
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
