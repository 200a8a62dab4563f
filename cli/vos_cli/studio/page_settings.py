"""What a user sets for the page: light or dark, and other keys. In one small JSON file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vos.bounded import read_json
from vos.io.paths import display_name
from vos.model.registry import home

THEMES = ("dark", "light")
_MOST_KEYS, _LONGEST_KEY = 200, 40


@dataclass(frozen=True, slots=True)
class PageSettings:
    """The content of the file, as far as it can be used.

    path: the file, whether it is there or not.
    theme: "dark" or "light".
    keys: the key to press by the key that is usually pressed.
    notes: what in it is not used, and why; one line each.
    """

    path: Path
    theme: str = "dark"
    keys: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "theme": self.theme, "keys": self.keys}


def find_page_settings() -> Path:
    """Return the file: `vos/page.json` in `XDG_CONFIG_HOME`, else in `~/.config`."""
    named = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(named) if named and Path(named).is_absolute() else home() / ".config"
    return folder / "vos" / "page.json"


def read_page_settings(path: Path | None = None) -> PageSettings:
    """Read the file; what cannot be used is left out, and said."""
    path = find_page_settings() if path is None else path
    name = display_name(path)
    try:
        found = read_json(path)
    except FileNotFoundError:
        return PageSettings(path)
    except (OSError, ValueError) as error:
        return PageSettings(path, notes=(f"{name} is not used: {error}",))
    if not isinstance(found, dict):
        return PageSettings(path, notes=(f'{name} is not used: it is no {{"keys": ...}}',))
    notes = [f"{name}: {key!r} is not known" for key in found if key not in ("theme", "keys")]
    theme, keys = found.get("theme", "dark"), found.get("keys", {})
    if theme not in THEMES:
        notes.append(f"{name}: theme {theme!r} is neither dark nor light")
        theme = "dark"
    if not isinstance(keys, dict) or len(keys) > _MOST_KEYS or not all(map(_is_key, keys.values())):
        notes.append(f'{name}: keys are written as {{"b": "q"}}: the usual key, and yours')
        keys = {}
    return PageSettings(path, theme, keys, tuple(notes))


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_KEY
