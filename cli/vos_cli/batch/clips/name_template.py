"""Names of clips made by a template of the user's."""

from __future__ import annotations

import string
from pathlib import Path

from vos.config import nearest
from vos.errors import UsageError

FIELDS = ("name", "stem", "suffix", "parent")


def check_template(text: str) -> str:
    """Return a template that makes names. Raises UsageError for one that does not."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise UsageError(f"--name-template {text!r}: {error}; correct the braces") from None
    named = [name for _, name, _, _ in parts if name is not None]
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if name not in FIELDS or form or conversion:
            known = ", ".join(f"{{{one}}}" for one in FIELDS)
            raise UsageError(
                f"--name-template {text!r}: {{{name}}} is not one of {known}, as they are"
                f"{nearest(name, FIELDS)}; correct it"
            )
    if not named:
        raise UsageError(
            f"--name-template {text!r}: every clip would have the same name; put {{stem}} into it"
        )
    if any(c in text for c in "/\\") or not text.isprintable():
        raise UsageError(
            f"--name-template {text!r}: a name is one folder inside the output, without slashes; "
            "put _ or - in their place"
        )
    return text


def fill_template(template: str, source: str) -> str:
    """Return the name that a checked template gives a clip; it may still hold any character."""
    path = Path(source)
    return template.format(
        name=path.name, stem=path.stem, suffix=path.suffix[1:], parent=path.parent.name
    )
