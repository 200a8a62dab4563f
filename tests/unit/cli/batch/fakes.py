"""Work for engines that needs no model: functions that a worker process can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from vos.prompts import Box
from vos.settings import Settings
from vos_cli.batch.engines.events import Event, Finished
from vos_cli.batch.engines.worker import OnProgress, Task
from vos_cli.batch.folder import BatchFolder, ClipResult
from vos_cli.console.errors import Interrupted
from vos_cli.job.job import Job


def tasks(root: Path, *names: str) -> list[Task]:
    folder = BatchFolder(root)
    folder.make()
    box = Box(1, (1.0, 1.0, 9.0, 9.0))
    return [
        Task(
            name,
            Job.checked(
                source=str(root / name),
                output=folder.output(name),
                prompts=(box,),
                start=None,
                end=None,
                direction="forward",
                settings=Settings(model="nano"),
                overwrite=False,
            ),
            folder,
        )
        for name in names
    ]


def results(events: Iterable[Event]) -> dict[str, ClipResult]:
    """What became of each clip."""
    return {event.result.name: event.result for event in events if isinstance(event, Finished)}


def work(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Ends at once; a task called "fatal" takes its worker along, "unlucky" does so once."""
    if task.name == "fatal" or (task.name == "unlucky" and task.attempt == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    on_progress(1, 2)
    result = ClipResult(task.name, "done", frames=2, worker=worker, attempts=task.attempt)
    task.folder.write_result(result)
    return result


def endless(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Works until it is stopped, and then says so in the log."""
    try:
        on_progress(0, None)
        while True:
            time.sleep(0.05)
    except KeyboardInterrupt:
        task.folder.log(task.name).write_text("stopped")
        raise Interrupted("stopped") from None


def threads(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Says how many threads it may use, and on which device."""
    device = task.job.settings.device
    return ClipResult(task.name, "done", reason=f"{os.environ['OMP_NUM_THREADS']} {device}")


def gpu(task: Task, worker: str, on_progress: OnProgress) -> ClipResult:
    """Says which process it is and which GPU it was given."""
    reason = f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']}"
    return ClipResult(task.name, "done", reason=reason)
