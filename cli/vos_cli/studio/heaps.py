"""Fewer heaps for a server with many threads: each keeps what was freed in it."""

from __future__ import annotations

import ctypes
import os
import sys

_M_ARENA_MAX = -8  # of glibc's malloc.h
_HEAPS = 2


def share_heaps() -> None:
    """Have this process's threads share two heaps, where glibc would make eight per core.

    A loaded model has glibc return nothing to the system (`keep_freed_memory`), so the frames and
    pictures of every thread that ever answered a request would stay with its heap.

    Nothing is changed where the user has set MALLOC_ARENA_MAX, or without glibc.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)
