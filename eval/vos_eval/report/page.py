"""What all report pages share: the style, the frame of the page, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from vos_eval.report.export import write_text

PAGE_NAME = "index.html"
EYEBROW = "Video object segmentation"
"""The line above the heading of every page begins so."""


def page_text(
    title: str, *, heading: str, kind: str | None, lead: str, sections: Sequence[str]
) -> str:
    """Return a page that needs nothing else.

    kind: of page, for the line above the heading. lead: HTML. sections: HTML.
    """
    eyebrow = EYEBROW if kind is None else f"{EYEBROW} · {kind}"
    style = files("vos_eval.report").joinpath("report.css").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{style}</style></head><body><main>
<header><p class="eyebrow">{escape(eyebrow)}</p>
<h1>{escape(heading)}</h1>
<p class="lead">{lead}</p></header>
{"".join(sections)}
</main></body></html>
"""


def write_page(text: str, folder: Path) -> Path:
    """Write FOLDER/index.html and return its path. Raises EvalError where it cannot be."""
    path = folder / PAGE_NAME
    write_text(text, path, errors="replace")
    return path


def tile(value: str, name: str, text: str, *, is_main: bool = False) -> str:
    """Return a large number with its name and a few words."""
    return (
        f'<div class="tile{" main" if is_main else ""}"><b>{escape(value)}</b>'
        f"<span>{escape(name)}</span><small>{escape(text)}</small></div>"
    )


def tiles(made: Sequence[str]) -> str:
    """Return a row of tiles."""
    return f'<section class="tiles">{"".join(made)}</section>'


def notices(texts: Sequence[str]) -> str:
    """Return what a reader has to know, as a list; nothing where there is nothing."""
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<section class="notice"><ul>{items}</ul></section>'


def facts(rows: dict[str, str]) -> str:
    """Return names and values, below each other."""
    items = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items()
    )
    return f"<dl>{items}</dl>"


def percent(value: float) -> str:
    """Return a share in percent, as papers print it."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"
