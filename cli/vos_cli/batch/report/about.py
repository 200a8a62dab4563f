"""What a report says of the command, its settings and the machine."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vos.io.results.manifest import versions
from vos.settings import Settings
from vos_cli.batch.engines.plan import core_count
from vos_cli.batch.report.report import About


def describe_run(arguments: Sequence[str], settings: Settings) -> About:
    """Describe a run of this machine.

    arguments: of the command, the program left out.
    settings: of clips that do not say otherwise.
    """
    options = json.loads(json.dumps(asdict(settings), default=str))
    return About(shlex.join(["vos", *arguments]), options, _machine())


def _machine() -> dict[str, Any]:
    torch = sys.modules.get("torch")  # not there where only a CPU was asked for
    count = 0 if torch is None else torch.cuda.device_count()
    gpus = [torch.cuda.get_device_name(number) for number in range(count)] if torch else []
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": core_count(),
        "gpus": gpus,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        **versions(),
    }
