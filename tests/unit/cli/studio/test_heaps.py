"""The threads of the page's server share their heaps."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

COUNT_HEAPS = """
import ctypes, sys, threading
from vos_cli.studio.heaps import share_heaps

if sys.argv[1] == "shared":
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
meeting = threading.Barrier(8)

def work():
    meeting.wait()
    for _ in range(100):
        libc.malloc(ctypes.c_size_t(1000))
    meeting.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def count_heaps(how: str, **environment: str) -> int:
    kept = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", COUNT_HEAPS, how],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_threads_share_two_heaps_unless_the_user_says_otherwise():
    assert count_heaps("shared") <= 2
    assert count_heaps("apart") > 3
    assert count_heaps("shared", MALLOC_ARENA_MAX="5") > 3
