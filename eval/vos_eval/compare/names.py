"""Short names for several folders of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vos_eval.errors import EvalUsageError

_MEANINGLESS = ("predictions", "masks", "clips", "pred", "Annotations")
_MAX_NAME = 80


def name_predictions(texts: Sequence[str]) -> dict[str, Path]:
    """Read NAME=DIR or DIR; a folder without a name is called as it is, or as what it lies in.

    Raises:
        EvalUsageError: two have one name, or a name cannot be one of a file.
    """
    found: dict[str, Path] = {}
    for text in texts:
        given, separator, place = text.partition("=")
        if separator and given and place and not Path(text).exists():
            name, path = given.strip(), Path(place)
        else:
            path = Path(text)
            name = _name_of(path)
        if not name or len(name) > _MAX_NAME or not name.isprintable() or set(name) & {"/", "\\"}:
            raise EvalUsageError(f"--pred {text[:200]!r}: {name[:80]!r} is no name; write NAME=DIR")
        if name in found:
            raise EvalUsageError(
                f"--pred {found[name]} and --pred {path} are both called {name!r}; write NAME=DIR"
            )
        found[name] = path
    return found


def _name_of(path: Path) -> str:
    parts = [part for part in path.absolute().parts if part not in ("/", "..")]
    while len(parts) > 1 and parts[-1] in _MEANINGLESS:
        parts.pop()
    return parts[-1] if parts else str(path)
