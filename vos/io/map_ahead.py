"""Work on items that are still to come, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(work: Callable[[T], R], items: Iterable[T], most: int) -> Generator[R, None, None]:
    """`work` of every item, in order, done for up to `most` items at once: the one that is asked
    for and those after it. Close it to end its threads.

    An error of `items` is raised after the results that come before it.
    """
    waiting: deque[Future[R]] = deque()
    source = iter(items)
    error: Exception | None = None
    has_ended = False
    with ThreadPoolExecutor(most, thread_name_prefix="vos-ahead") as pool:
        while waiting or not has_ended:
            while not has_ended and len(waiting) < most:
                try:
                    waiting.append(pool.submit(work, next(source)))
                except StopIteration:
                    has_ended = True
                except Exception as raised:
                    error, has_ended = raised, True
            if waiting:
                yield waiting.popleft().result()
    if error is not None:
        raise error
