"""The names of `vos` and their signatures, as `public_api.txt` has them.

After a change that is meant, `python tests/contract/test_public_api.py` writes the file anew, and
the changelog says what users have to change.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("public_api.txt")


def describe(name: str, value: Any) -> list[str]:
    """Return the lines of one public name: how it is called, and its public attributes."""
    if isinstance(value, str):
        return [name]
    if not isinstance(value, type):
        return [f"{name}{_signature(value)}" if inspect.isfunction(value) else name]
    lines = [f"{name}{_signature(value)}"]
    for base in reversed(value.__mro__):
        if not base.__module__.startswith("vos"):
            continue
        for attribute, member in sorted(vars(base).items()):
            if attribute.startswith("_") or isinstance(member, types.MemberDescriptorType):
                continue
            if isinstance(member, property):
                lines.append(f"    .{attribute}")
            elif isinstance(member, types.FunctionType):
                lines.append(f"    .{attribute}{_signature(member)}")
    return [lines[0], *sorted(set(lines[1:]))]


def _signature(value: Any) -> str:
    """Write the parameters and their defaults; what begins with an underscore is nobody's."""
    try:
        parameters = inspect.signature(inspect.unwrap(value)).parameters.values()
    except ValueError:  # of a built-in class
        return ""
    shown = [
        p.replace(annotation=p.empty, default=_plain(p.default))
        for p in parameters
        if not p.name.startswith("_") and p.name != "self"
    ]
    text = str(inspect.Signature(shown, __validate_parameters__=False))
    return text.replace("'...'", "...")


def _plain(default: Any) -> Any:
    """Return a default that prints alike everywhere."""
    is_plain = default is inspect.Parameter.empty or isinstance(default, str | int | float | None)
    return default if is_plain else "..."


def public_api() -> str:
    import vos

    return "\n".join(x for name in vos.__all__ for x in describe(name, getattr(vos, name))) + "\n"


def test_names_and_signatures_are_those_that_were_promised():
    assert public_api() == FILE.read_text()


def test_importing_vos_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'av', 'sam2', 'PIL'}"
    program = f"import sys, vos; vos.__all__, dir(vos); print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


if __name__ == "__main__":
    FILE.write_text(public_api())
