"""Ctrl-C that ends the program even where native code does not let it through.

Python runs its handler between two steps of the main thread. Inside one native call, a read from a
network share that hangs, there is no next step: the second Ctrl-C then ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from vos_cli.console.errors import EXIT_INTERRUPTED


def end_on_second_interrupt() -> None:
    """Watch for a Ctrl-C that comes before the one before it was noticed; exit with 130 then.

    Call it once, in the main thread. Whoever puts a handler of their own in place decides alone.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # started in the background, say, where Ctrl-C is ignored
    if not hasattr(os, "set_blocking"):
        return  # Windows before Python 3.12
    handled = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        handled += 1
        signal.default_int_handler(number, frame)

    def watch() -> None:
        waiting = seen = 0
        while True:
            waiting += os.read(reading, 64).count(signal.SIGINT)
            time.sleep(_PATIENCE_S)
            if handled > seen or signal.getsignal(signal.SIGINT) is not handle:
                waiting, seen = 0, handled  # noticed, by us or by another handler
            elif waiting > 1:
                os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _LAST_WORDS)
                os._exit(EXIT_INTERRUPTED)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=watch, name="vos-interrupts", daemon=True).start()
    signal.signal(signal.SIGINT, handle)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


_PATIENCE_S = 0.2
"""How long the main thread may take to notice; a server that had its own handler raises it anew."""

_LAST_WORDS = b"vos: interrupted: ended at once while waiting for a file\n"
