"""What was scored: the record of the tracker's run, and a fingerprint of the masks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from vos_eval.errors import EvalError
from vos_eval.texts import read_json

RUN_NAME = "run.json"


def read_run(pred_dir: Path) -> dict[str, str]:
    """Read what made the predictions, if the tracker recorded it beside them."""
    for path in (pred_dir / RUN_NAME, pred_dir.parent / RUN_NAME):
        try:
            content = read_json(path, "record of the run")
        except EvalError:
            continue
        if isinstance(content, dict):
            return {str(k): str(v) for k, v in content.items() if k != "schema"}
    return {}


def fingerprint(paths: Iterable[Path]) -> str:
    """Return the SHA-256 over the scored files' contents, in order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
