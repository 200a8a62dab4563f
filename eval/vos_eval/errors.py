"""The error of the evaluator: a list of problems, each named, and never a partial score."""

from __future__ import annotations

from collections.abc import Sequence


class EvalError(Exception):
    """The masks cannot be scored, for one or more named problems.

    problems: one line each, naming the video, the frame or the file, and the rule it breaks.
    exit_code: the process exit code of the command line.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))


class EvalUsageError(EvalError):
    """An option is wrong, or options contradict each other."""

    exit_code = 2
