"""What MkDocs is told besides mkdocs.yml: generated pages, and links that leave the docs folder.

Pages of the repository outside docs/ that a page links to are part of the site, below project/.
Links to code and to folders become plain text there, since a site has neither.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args, get_origin

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
_PROJECT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/results/README.md")


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and those of the repository that docs link to."""
    pages = {
        "reference/cli.md": cli_reference(),
        "reference/api.md": api_reference(),
        **{f"project/{page}": (ROOT / page).read_text("utf-8") for page in _PROJECT[1:]},
    }
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_more: Any) -> str:
    """Point links that leave the docs folder to where the site has what they name."""
    place = PurePosixPath(page.file.src_uri)
    is_project = place.parts[0] == "project"
    folder = ROOT.joinpath(*place.parts[1:-1]) if is_project else ROOT / "docs" / place.parent

    def point(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        if re.match(r"[a-z]+:", target):
            return link[0]
        path = Path(os.path.normpath(folder / target))
        if not path.exists():
            return link[0]  # MkDocs complains
        wanted = _place(path)
        if wanted is None or files.get_file_from_path(wanted) is None:
            return text
        return f"[{text}]({os.path.relpath(wanted, place.parent)}{anchor})"

    return _LINK.sub(point, markdown)


def _place(path: Path) -> str | None:
    """Return where the site has a file of the repository; None where it has not."""
    if not path.is_relative_to(ROOT):
        return None
    inside = path.relative_to(ROOT).as_posix()
    if inside.startswith("docs/"):
        return inside.removeprefix("docs/")
    if inside == "README.md":
        return "README.md"
    return f"project/{inside}" if inside in _PROJECT else None


def api_reference() -> str:
    """Write the page of what `vos` exports; mkdocstrings fills it from the docstrings."""
    import vos

    names = sorted(name for name in vos.__all__ if not name.startswith("_"))
    blocks = (f"::: vos.{name}" for name in names if name != "Prompt")
    return "\n\n".join(["# Python", "Everything that `import vos` gives.", *blocks, ""])


def cli_reference() -> str:
    """Write every command with its options, as `--help` has them."""
    from vos_cli.main import COMMANDS, load_command

    parts = ["# Commands and options", "What `--help` says, in one page."]
    for name, lazy in COMMANDS.items():
        command = load_command(name)
        parts += _describe(f"vos {name}", command, level=2)
        if lazy.example:
            parts.append(f"```\n{lazy.example}\n```")
    return "\n\n".join(parts) + "\n"


def _describe(name: str, command: Any, level: int) -> list[str]:
    parts = [f"{'#' * level} {name}", html.escape(command.help or "", quote=False)]
    below = getattr(command, "commands", {})
    for one, inner in below.items():
        parts += _describe(f"{name} {one}", inner, level + 1)
    rows = [] if below else [_row(one) for one in command.params if not one.hidden]
    if rows:
        parts.append("\n".join(["| Option | Value | Says |", "|---|---|---|", *rows]))
    return parts


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else []
    is_flag = getattr(parameter, "is_flag", False)
    value = "" if is_flag else parameter.metavar or _kind(parameter.type_descriptor.annotation)
    said = getattr(parameter, "help", None) or ""
    if getattr(parameter, "show_default", False) and parameter.default not in (None, False, ()):
        said += f" Default {parameter.default}."
    cells = (", ".join(f"`{one}`" for one in names), f"`{value}`" if value else "", said)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _kind(annotation: Any) -> str:
    """Name a type for people: the choices there are, or a letter."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    return {int: "N", float: "X"}.get(annotation, "VALUE")


def _cell(text: str) -> str:
    """Escape what a table would take for its own."""
    code = re.split(r"(`[^`]*`)", " ".join(text.split()))
    plain = (part if part.startswith("`") else html.escape(part, quote=False) for part in code)
    return "".join(plain).replace("|", "\\|")
