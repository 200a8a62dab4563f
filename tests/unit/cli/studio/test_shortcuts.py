"""Every key of the page does one thing, and every picture that it names is there."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import vos_cli.studio

STATIC = Path(vos_cli.studio.__file__).parent / "static"
SHORTCUT = re.compile(r'\[(\["[^\]]*?"\]), ')
SYMBOL = re.compile(r"tools\.svg#([a-z-]+)")


def test_no_key_is_taken_twice():
    text = (STATIC / "shortcuts.js").read_text()
    # "[" and "]" are keys themselves.
    text = text.replace('["["]', '["left bracket"]').replace('["]"]', '["right bracket"]')
    keys = Counter(key for found in SHORTCUT.findall(text) for key in json.loads(found))
    assert len(keys) > 30
    assert [key for key, count in keys.items() if count > 1] == []


def test_every_symbol_that_is_named_is_drawn():
    drawn = set(re.findall(r'<symbol id="([a-z-]+)"', (STATIC / "tools.svg").read_text()))
    files = [*STATIC.glob("*.js"), STATIC / "index.html"]
    named = {name for file in files for name in SYMBOL.findall(file.read_text())}
    assert len(named) > 15
    assert named <= drawn
