"""Turn exceptions into one line of text and an exit code. The only place that does it.

Exit codes: 0 done, 1 our bug, 2 usage, 3 input unreadable, 4 some items failed, 6 model missing or
wrong, 7 out of memory, 8 verification failed, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import typer

from vos.errors import OutOfMemoryError, OutputError, Parameter, UsageError, VosError

EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # what a shell reports for a program that SIGPIPE ended

_SHORT_FLAGS = {"output": "-o"}
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = {
    errno.ENAMETOOLONG: "the name is too long for this file system; give a shorter one",
    errno.EACCES: "permission denied; check the permissions of it and of the folders above it",
    errno.EPERM: "the system does not allow this; check the permissions",
    errno.EROFS: "this file system is read-only; choose another place",
    errno.ELOOP: "links that lead in a circle; correct them",
}
"""Why the system refuses any use of a name, which then comes from the user and is no bug."""


class Interrupted(VosError):
    """The user stopped the run; the message says what is left behind."""

    exit_code = EXIT_INTERRUPTED


class Carried(Exception):
    """A wrapper that takes an exception past Typer, which handles some kinds itself."""

    def __init__(self, error: BaseException):
        super().__init__(str(error))
        self.error = error


@contextmanager
def carry_errors() -> Iterator[None]:
    """Wrap whatever a command raises, except what Typer itself raises."""
    try:
        yield
    except (typer.Exit, typer.Abort, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if _usage_text(error) is not None:
            raise
        raise Carried(error) from error


def report(error: BaseException, *, verbose: bool, stream: TextIO | None = None) -> int:
    """Print one line about the error and return the exit code.

    verbose: print the traceback first.
    """
    stream = sys.stderr if stream is None else stream
    if isinstance(error, Carried):
        error = error.error
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    if verbose:
        traceback.print_exception(error, file=stream)
    text, code = _describe(error, verbose=verbose)
    if text:
        print(f"vos: {one_line(text)}", file=stream)
    return code


def one_line(text: str) -> str:
    """Escape what is not printable: line breaks and control characters of hostile file names."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message(error: BaseException) -> str:
    """Return an error's text with parameters as the command line spells them."""
    return error.spell(_flag) if isinstance(error, VosError) else str(error)


def _flag(parameter: Parameter) -> str:
    long = f"--{parameter.name.replace('_', '-')}"
    flag = _SHORT_FLAGS.get(parameter.name, long)
    return flag if parameter.value is None else f"{flag} {parameter.value}"


def _describe(error: BaseException, *, verbose: bool) -> tuple[str, int]:
    if isinstance(error, VosError):
        word = "interrupted" if isinstance(error, Interrupted) else "error"
        return f"{word}: {message(error)}", error.exit_code
    usage = _usage_text(error)
    if usage is not None:
        return usage, EXIT_USAGE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted", EXIT_INTERRUPTED
    if _is_out_of_memory(error):
        return (
            "error: out of memory; close other programs, use a smaller --model, or --device cpu",
            OutOfMemoryError.exit_code,
        )
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        place = f"{error.filename}: " if error.filename else ""
        return (
            f"error: {place}no space left on the device; free some, or choose another place",
            OutputError.exit_code,
        )
    if isinstance(error, OSError) and error.errno in _REFUSED and error.filename is not None:
        place = os.fsdecode(error.filename) if not isinstance(error.filename, int) else "a file"
        place = place if len(place) <= 200 else f"{place[:200]}..."
        return f"error: {place}: {_REFUSED[error.errno]}", UsageError.exit_code
    if isinstance(error, ImportError) or _is_unmapped(error):
        return (
            f"error: this installation is broken ({type(error).__name__}: {error}); "
            "`vos doctor` looks at it, and `pip install --force-reinstall vos` mends it",
            UsageError.exit_code,
        )
    hint = "" if verbose else "; run it again with -v and"
    report_it = f"{hint} report the traceback" if hint else "; report the traceback above"
    return (
        f"internal error: {type(error).__name__}: {error} ({_origin(error)}){report_it}",
        EXIT_BUG,
    )


def _usage_text(error: BaseException) -> str | None:
    """Return what Typer says of a wrong command line, or None for any other error.

    Typer's own usage errors have `format_message` and `ctx`; their class is not public.
    """
    format_message = getattr(error, "format_message", None)
    if format_message is None:
        return None
    if type(error).__name__ == "NoArgsIsHelpError":  # the help text has been printed already
        return ""
    context = getattr(error, "ctx", None)
    command = "vos" if context is None else context.command_path
    message = " ".join(str(format_message()).split()).rstrip(".")
    joint = "" if message.endswith("?") else ";"
    return f"error: {message}{joint} see `{command} --help`"


_UNMAPPED = ("failed to map segment", "cannot map", "cannot load any more object")
_NO_MEMORY = ("cannot allocate memory", "cannot apply additional memory protection")


def _is_unmapped(error: BaseException) -> bool:
    """Tell whether a library of ours could not be loaded by the system."""
    text = str(error).lower()
    return isinstance(error, OSError) and error.errno is None and ".so" in text


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    # FFmpeg's word for a thread or memory that it does not get.
    if type(error).__module__.startswith("av.") and getattr(error, "errno", 0) == errno.EAGAIN:
        return True
    text = str(error).lower()
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return True
    if isinstance(error, ImportError | OSError) and any(
        words in text for words in (*_UNMAPPED, *_NO_MEMORY)
    ):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _origin(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no traceback"
