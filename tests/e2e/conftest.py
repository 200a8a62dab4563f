"""The command line as a user meets it: a subprocess with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.running import Ran

Vos = Callable[..., Ran]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine without settings, models, a cache or a network."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOS_", "HF_", "PYTHON"))}
    return kept | {
        "HOME": str(tmp_path / "home"),
        "VOS_MODELS": str(tmp_path / "models"),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }


@pytest.fixture
def vos(environ: dict[str, str], tmp_path: Path) -> Vos:
    """Run `vos ARGUMENTS` in a folder of its own."""

    def run(*arguments: object, timeout_s: float = 120, **changes: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "vos_cli", *map(str, arguments)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environ | changes,
            timeout=timeout_s,
        )
        return Ran(
            done.returncode,
            done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"),
        )

    return run
