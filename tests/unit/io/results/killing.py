"""Work in a process that is killed in the middle."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence


def killed(step: int, work: Callable[[], None], operations: Sequence[str]) -> bool:
    """Do the work in a process that ends, as by a kill, before its file operation number `step`;
    whether it did.

    operations: functions of `os` that count.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def counted(operation: Callable[..., object]) -> Callable[..., object]:
            def run(*values: object, **named: object) -> object:
                nonlocal count
                count += 1
                if count == step:
                    os._exit(9)
                return operation(*values, **named)

            return run

        try:
            for name in operations:
                setattr(os, name, counted(getattr(os, name)))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9
