"""A worker of the Ray engine: a process on some node that keeps its model from clip to clip.

Nothing here needs Ray, which wraps `NodeWorker` into an actor. Only texts, tasks and results come
and go; footage and outputs are read and written under the paths they have where the batch runs.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from vos.errors import InputError, OutputError, UsageError, VosError
from vos.io.paths import display_name
from vos.version import __version__
from vos_cli.batch.engines.events import Progressed
from vos_cli.batch.engines.worker import PROGRESS_PERIOD_S, Task, Work
from vos_cli.batch.folder import ClipResult, hold_shared


class NodeWorker:
    """One worker on a node. Call `hello` first; `track` and `latest` may run at the same time."""

    def __init__(self, name: str, threads: int | None) -> None:
        """Prepare the process.

        name: of this worker; its node's name is added.
        threads: for its arithmetic; None leaves that to the libraries.
        """
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is imported
        self._name = f"{os.uname().nodename}:{name}"
        self._lock: IO[str] | None = None
        self._latest: Progressed | None = None

    def hello(
        self, version: str, token: str, lock: str, footage: Sequence[str]
    ) -> tuple[str, VosError | None]:
        """Return this worker's name, and why this node cannot do the work; None if it can.

        Paths are texts, as another version's objects may not be readable here.

        version: of the vos that calls.
        token: a file it made in OUT.
        lock: the file to hold from now on.
        footage: folders that the node must see.
        """
        try:
            check_node(version, token, footage)
        except VosError as error:
            return self._name, error
        self._lock = hold_shared(Path(lock))
        return self._name, None

    def track(self, pickled: bytes) -> ClipResult:
        """Do one clip.

        pickled: the task and the function that does it.
        """
        task: Task
        work: Work
        task, work = pickle.loads(pickled)

        def on_progress(frames: int, total: int | None, skipped: int = 0) -> None:
            self._latest = Progressed(task.name, self._name, frames, total, skipped)

        return work(task, self._name, on_progress)

    def latest(self) -> Progressed | None:
        """Return how far it is, half a second from now, so that it can be polled at once."""
        time.sleep(PROGRESS_PERIOD_S)
        return self._latest


def check_node(version: str, token: str, footage: Sequence[str]) -> None:
    """Raise VosError unless this machine has that version of vos and sees these paths."""
    node = os.uname().nodename
    if version != __version__:
        raise UsageError(
            f"node {node} has vos {__version__}, the batch runs {version}: install the same version"
        )
    if not Path(token).exists():
        raise OutputError(
            f"{display_name(Path(token).parent)}: node {node} does not see the batch's folder; "
            "OUT must be on storage that every node mounts at the same path"
        )
    for folder in footage:
        if not Path(folder).is_dir():
            raise InputError(
                f"{display_name(folder)}: node {node} does not see this folder of footage, which "
                "must be on storage that every node mounts at the same path"
            )
