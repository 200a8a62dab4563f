"""Text and JSON of data sets, read with limits: whatever is in a file ends in one EvalError."""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any

from vos_eval.errors import EvalError

MAX_TEXT_BYTES = 64 * 2**20
"""The metadata of SA-V, the largest of all, has 20 MB."""

MAX_DEPTH = 32
_MAX_CONTAINERS = 2_000_000
_MAX_COMMAS = 8_000_000
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, what: str) -> str:
    """Read UTF-8, or what the mark at the beginning says: UTF-16 or UTF-32.

    what: the file in messages, such as "list of sequences".

    Raises:
        EvalError: it cannot be read, is too long, or no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise ValueError(f"over {MAX_TEXT_BYTES} bytes long")
        encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8-sig")
        return data.decode(encoding)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise EvalError(f"{path}: cannot read the {what} ({reason}); check the path") from error
    except ValueError as error:
        raise EvalError(f"{path}: cannot read the {what} ({error}); save it as UTF-8") from error


def read_names(path: Path, what: str) -> list[str]:
    """Read the lines of a list that hold something, stripped.

    Raises:
        EvalError: as `read_text`, or the list is empty.
    """
    names = [line.strip() for line in read_text(path, what).splitlines() if line.strip()]
    if not names:
        raise EvalError(f"{path}: the {what} is empty; it needs one name a line")
    return names


def read_json(path: Path, what: str) -> Any:
    """Read JSON of a bounded depth and count, with finite numbers.

    Raises:
        EvalError: as `read_text`, or it is no such JSON.
    """
    text = read_text(path, what)
    try:
        if text.count("[") + text.count("{") > _MAX_CONTAINERS or text.count(",") > _MAX_COMMAS:
            raise ValueError("too many values")
        root = json.loads(text, parse_constant=_no_constant)
        _check(root)
    except RecursionError:
        raise EvalError(f"{path}: not readable as JSON (nested too deeply)") from None
    except ValueError as error:
        raise EvalError(f"{path}: not readable as JSON ({error})") from error
    return root


def _check(root: Any) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("a number is too large")
            elif isinstance(value, int) and value.bit_length() > 63:
                raise ValueError("a whole number is beyond 64 bits")
            elif isinstance(value, str):
                value.encode()  # half a character would be an error wherever it is printed
        if not below:
            return
        level = below
    raise ValueError(f"nested in over {MAX_DEPTH} levels")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")
