"""Check the Markdown pages: one sentence per line, short table cells, links and paths that exist.

python .ci/check_docs.py          # prints what is wrong and exits with 1
python .ci/check_docs.py --fix    # puts each sentence on a line of its own
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_CELL = 200

_SENTENCE_END = re.compile(r"((?<!e\.g)(?<!i\.e)(?<!et al)[.!?][\"'`)\]*]*) +(?=[A-Z`\"(\[*])")
_ITEM = re.compile(r"( *)([*+-]|\d+\.) +")
_OTHER = re.compile(r"\s*(#|\||!\[|<|\[\w+\]:|$)")  # headings, tables, images, HTML, blank lines
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|md|toml|yaml|sh|css|js|html|txt|safetensors))`")
_MODULE = re.compile(r"python -m ((?:vos|benchmarks)(?:\.\w+)+)")


def pages() -> list[Path]:
    """List the pages that people write; the results of benchmarks are written by programs."""
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks/results/README.md"]


def one_sentence_per_line(text: str) -> str:
    """Join the lines of every paragraph and list item, and break them after each sentence."""
    done: list[str] = []
    prose: list[str] = []  # the lines of the paragraph or item being read
    indent, is_code = "", False

    def flush() -> None:
        joined = " ".join(line.strip() for line in [prose[0][len(indent) :], *prose[1:]])
        first, *rest = _SENTENCE_END.sub(r"\1\n", joined).split("\n")
        done.extend([prose[0][: len(indent)] + first, *(indent + sentence for sentence in rest)])
        prose.clear()

    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        item = _ITEM.match(line)
        # Four spaces after an empty line are code, but for the second paragraph of an item.
        is_indented = not prose and line.startswith("    ") and not item and len(indent) < 2
        if is_code or is_fence or is_indented or (_OTHER.match(line) and not item):
            if prose:
                flush()
            done.append(line.rstrip())
            is_code ^= is_fence
            continue
        if prose and item:
            flush()
        if not prose:
            own = len(line) - len(line.lstrip())
            indent = " " * len(item.group()) if item else " " * own
        prose.append(line)
    if prose:
        flush()
    return "\n".join(done) + "\n"


def problems(page: Path) -> list[str]:
    """List what is wrong with a page, one line each."""
    text = page.read_text()
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("|") if line.startswith("|") else []
        found += [
            f"{number}: a table cell of {len(c.strip())} characters"
            for c in cells
            if len(c.strip()) > MAX_CELL
        ]
        for link in (a or b for a, b in _LINK.findall(line)):
            target = link.partition("#")[0]
            if target and "://" not in link and not (page.parent / target).exists():
                found.append(f"{number}: no such file: {link}")
        for path in _PATH.findall(line):
            is_ours = (ROOT / path.partition("/")[0]).exists()
            if is_ours and not (ROOT / path).exists():
                found.append(f"{number}: no such file: {path}")
        for module in _MODULE.findall(line):
            file = ROOT / module.replace(".", "/")
            if not file.with_suffix(".py").exists() and not (file / "__main__.py").exists():
                found.append(f"{number}: no such module: {module}")
    if one_sentence_per_line(text) != text:
        found.append("not one sentence per line: `python .ci/check_docs.py --fix`")
    return [f"{page.relative_to(ROOT)}:{problem}" for problem in found]


def main() -> int:
    """Check, or mend, all pages."""
    if "--fix" in sys.argv[1:]:
        for page in pages():
            page.write_text(one_sentence_per_line(page.read_text()))
    found = [problem for page in pages() for problem in problems(page)]
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
