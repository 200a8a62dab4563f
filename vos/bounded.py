"""Text and JSON from anywhere, read with limits on size, depth, count and numbers.

Every reader of a text file goes through here, so that the file of a stranger costs time and memory
in proportion to its length and ends in values we know, or in one ValueError. Which of our errors
that becomes, and what it says of the file, is up to the reader.
"""

from __future__ import annotations

import codecs
import json
import math
import reprlib
from pathlib import Path
from typing import Any

MAX_TEXT_BYTES = 64 * 2**20
"""More than any file of ours has: prompts with hundreds of masks are a few MB."""

MAX_DEPTH = 32
_MAX_CONTAINERS = 2_000_000
_MAX_COMMAS = 8_000_000
_MAX_BITS = 1024  # what a float has room for, so that every number can become one
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


_PIECE_BYTES = 2**18


class UnfitError(ValueError):
    """The content is not what may be read; the text says why, without the file's name."""


def read_bytes(path: Path, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Read a file that may be a pipe or a device without end. Raises OSError, UnfitError."""
    data = bytearray()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):  # at once, it would take the limit's memory
            data += piece
            if len(data) > limit:
                raise UnfitError(f"over {limit} bytes long")
    return bytes(data)


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Decode a text by the mark at its beginning, or by its zero bytes, else as UTF-8.

    Line ends become "\\n". errors: what is done with bytes that are no UTF-8.

    Raises UnfitError.
    """
    encoding, start = _guess(data), 0
    for mark, name in _BOMS:
        if data.startswith(mark):
            encoding, start = name, len(mark)
            break
    try:
        # Only UTF-8 has bytes that can be carried along without being understood.
        text = data[start:].decode(encoding, errors if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        at = start + error.start
        raise UnfitError(f"not text in {encoding}: byte {data[at]:#04x} at {at}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _guess(data: bytes) -> str:
    """Name the encoding of a text without mark: only UTF-16 has zero bytes, most on one side."""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if even == odd or len(data) % 2:
        return "utf-8"
    return "utf-16-be" if even > odd else "utf-16-le"


def read_text(path: Path, limit: int = MAX_TEXT_BYTES, errors: str = "strict") -> str:
    """Read a text file. Raises OSError, UnfitError."""
    return decode_text(read_bytes(path, limit), errors)


def read_json(path: Path, limit: int = MAX_TEXT_BYTES) -> Any:
    """Read a JSON file. Raises OSError, and ValueError as `parse_json`."""
    return parse_json(read_text(path, limit), limit)


def parse_json(text: str | bytes, limit: int = MAX_TEXT_BYTES) -> Any:
    """Parse JSON into values of a bounded depth and count.

    Numbers are finite and fit into a float, no key is there twice, and texts can be written
    again (bytes of file names that are no UTF-8 are kept, as `os.fsdecode` gives them).
    limit: the most characters; a higher one than the default lets more values be there too.

    Raises json.JSONDecodeError with the place for what is no JSON, UnfitError for the rest; both
    are ValueErrors.
    """
    if isinstance(text, bytes):
        text = decode_text(text)
    if len(text) > limit:
        raise UnfitError(f"over {limit} characters long")
    scale = max(1, limit // MAX_TEXT_BYTES)
    containers, commas = text.count("[") + text.count("{"), text.count(",")
    if containers > _MAX_CONTAINERS * scale or commas > _MAX_COMMAS * scale:
        raise UnfitError("too many values")
    try:
        root = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (json.JSONDecodeError, UnfitError):
        raise
    except RecursionError:
        raise UnfitError("nested too deeply") from None
    except ValueError:  # Python's own limit on the digits of a whole number
        raise UnfitError("a number is too long") from None
    _check(root)
    return root


def brief(value: object) -> str:
    """Show a value in a message, in 60 characters at most, however large or deep it is."""
    text = _Brief().repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Brief(reprlib.Repr):
    """Shows the beginning of values, as they are up to a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 8
        self.maxstring = self.maxother = self.maxlong = 60

    def repr_int(self, x: int, level: int) -> str:
        digits = x.bit_length() * 0.30103
        return f"a number of {digits:.0f} digits" if digits > 300 else super().repr_int(x, level)


def _check(root: Any) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    _check_text(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, str):
                _check_text(value)
            elif isinstance(value, float):
                if not math.isfinite(value):
                    raise UnfitError("a number is not finite")
            elif isinstance(value, int) and value.bit_length() > _MAX_BITS:
                raise UnfitError("a whole number is too long")
        if not below:
            return
        level = below
    raise UnfitError(f"nested too deeply, in over {MAX_DEPTH} levels")


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnfitError("a text holds half a character (a lone surrogate)") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise UnfitError(f"key {brief(key)} appears twice in one object")
            seen.add(key)
    return values


def _no_constant(name: str) -> float:
    raise UnfitError(f"{name} is not a number of JSON")
