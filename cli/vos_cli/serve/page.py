"""The documentation of the API as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any


def describe(openapi: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document: its paths, and the fields of what is sent."""
    rows = "".join(
        f"<tr><td><code>{verb.upper()}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(one.get('summary', ''))}</td></tr>"
        for path, verbs in openapi["paths"].items()
        for verb, one in verbs.items()
    )
    schemas = openapi.get("components", {}).get("schemas", {})
    bodies = "".join(
        f"<h2>{escape(name)}</h2><pre>{escape(schemas[name].get('description', ''))}</pre>"
        for name in ("NewSession", "Prompts")
        if name in schemas
    )
    title = escape(f"{openapi['info']['title']} {openapi['info']['version']}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body><h1>{title}</h1>"
        "<p>Every request needs the header <code>Authorization: Bearer TOKEN</code>, but those for "
        'this page and for <a href="/openapi.json">/openapi.json</a>.</p>'
        f"<table>{rows}</table>{bodies}</body></html>\n"
    )
