"""Writing AV1 for a test without taking the machine from everybody else.

Where root runs it, libsvtav1 gives the thread that opens it real-time precedence, and leaves it
there. Programs that this thread starts later inherit that: two of them that wait for others in a
loop, as browsers do, then hold two cores for good.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_its_own_thread(write: Callable[[], T]) -> T:
    """Call a function that encodes AV1 in a thread that ends with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(write).result()
