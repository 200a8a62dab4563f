"""Scoring the frames of a plan, here and in helper processes.

Frames are independent, so the digits do not depend on the number of processes. This process scores
too, helpers start only once there is work for them, and in the end it scores what no helper has
finished yet: more processes are never slower than one, and nothing waits for a helper that hangs. A
helper that dies ends the run with an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock, Thread

from vos_eval.errors import EvalError
from vos_eval.frame_task import FrameOutcome, Task, keep_freed_memory, score_task, size_problem
from vos_eval.helper_process import Helper
from vos_eval.metrics.boundary import Boundary
from vos_eval.png import MaskError, check_header
from vos_eval.protocols.plan import Plan, SequencePlan

_FRAMES_PER_TASK = 32
_WORTH_A_HELPER_S = 2.0  # of work left: about ten times what starting one costs


def run_plan(
    plan: Plan, *, jobs: int = 1, boundary: Boundary = Boundary.STANDARD
) -> list[list[FrameOutcome]]:
    """Score all frames of a plan; the outcomes are in its order, per sequence and frame.

    jobs: processes at most, this one included.

    Raises:
        EvalError: the plan has problems, a mask cannot be scored, or a helper process died.
    """
    refuse_problems(plan)
    problems: list[str] = []
    board = _Board(list(_tasks(plan, boundary)))
    _score_all(board, jobs)
    outcomes: list[list[FrameOutcome]] = [[] for _ in plan.sequences]
    for task, scored in zip(board.tasks, board.outcomes, strict=True):
        assert scored is not None
        outcomes[task.sequence_index].extend(scored)
        problems += [outcome.problem for outcome in scored if outcome.problem is not None]
    if problems:
        raise EvalError(problems)
    return outcomes


def refuse_problems(plan: Plan) -> None:
    """Raise where the plan has problems, with all that the files' headers show besides.

    Raises:
        EvalError: it has, or there is nothing to score.
    """
    problems = list(plan.problems)
    if problems:
        for sequence in plan.sequences:
            problems += _header_problems(sequence)
        raise EvalError(problems)
    if not plan.sequences:
        raise EvalError("no video to score")


def _tasks(plan: Plan, boundary: Boundary) -> Iterator[Task]:
    for index, sequence in enumerate(plan.sequences):
        for start in range(0, len(sequence.frames), _FRAMES_PER_TASK):
            yield Task(
                index,
                sequence.title,
                sequence.frames[start : start + _FRAMES_PER_TASK],
                sequence.labels,
                sequence.max_label,
                boundary,
                sequence.measure,
                sequence.leaves_void_out,
            )


@dataclass(slots=True)
class _Board:
    """All tasks and their outcomes, shared by the threads.

    tasks: in the plan's order.
    outcomes: of each task; None until it is scored.
    frames_left: number of frames of the tasks nobody has taken.
    failure: why a helper gave up; None while none has.
    """

    tasks: list[Task]
    outcomes: list[list[FrameOutcome] | None] = field(init=False)
    frames_left: int = field(init=False)
    failure: BaseException | None = None
    _next: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.tasks)
        self.frames_left = sum(len(task.frames) for task in self.tasks)

    def take(self) -> int | None:
        """Take a task that nobody has, by index; None where all are taken."""
        with self._lock:
            index = self._next
            if index == len(self.tasks):
                return None
            self._next += 1
            self.frames_left -= len(self.tasks[index].frames)
            return index

    def last_unfinished(self) -> int | None:
        """Return the last task without outcomes, by index; None where all are done."""
        for index in range(len(self.tasks) - 1, -1, -1):
            if self.outcomes[index] is None:
                return index
        return None


def _score_all(board: _Board, jobs: int) -> None:
    keep_freed_memory()
    helpers: list[tuple[Helper, Thread]] = []
    frames_done = 0
    start = time.perf_counter()
    try:
        while board.failure is None:
            index = board.take()
            if index is None:
                index = board.last_unfinished()
            if index is None:
                return
            board.outcomes[index] = score_task(board.tasks[index])
            frames_done += len(board.tasks[index].frames)
            left_s = (time.perf_counter() - start) / frames_done * board.frames_left
            worth = min(jobs - 1, int(left_s / _WORTH_A_HELPER_S))
            while len(helpers) < worth:
                helpers.append(_start_helper(board))
        raise board.failure
    finally:
        for helper, _ in helpers:
            helper.kill()
        for _, thread in helpers:
            thread.join()


def _start_helper(board: _Board) -> tuple[Helper, Thread]:
    helper = Helper()
    thread = Thread(target=_feed, args=(helper, board), daemon=True)
    thread.start()
    return helper, thread


def _feed(helper: Helper, board: _Board) -> None:
    """Give the helper tasks as long as there are any."""
    try:
        with helper:
            helper.wait_until_ready()
            index = board.take()
            if index is not None:
                helper.send(board.tasks[index])
            while index is not None:
                following = board.take()
                if following is None:
                    helper.finish()
                else:
                    helper.send(board.tasks[following])
                board.outcomes[index] = helper.receive()
                index = following
    except BaseException as error:
        board.failure = error


def _header_problems(sequence: SequencePlan) -> Iterator[str]:
    """Name what the files' headers show, so that one run lists all that is wrong."""
    for frame in sequence.frames:
        sizes = []
        for what, path in (("ground truth", frame.gt), ("prediction", frame.pred)):
            if path is None:
                continue
            try:
                sizes.append(check_header(path))
            except MaskError as error:
                yield f"{sequence.title}: {what} {path}: {error}"
        if len(sizes) == 2 and sizes[0] != sizes[1]:
            yield f"{sequence.title}: {size_problem(frame, sizes[1], sizes[0])}"
