"""The user's file for the page: what is used of it, and what is said where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos_cli.studio.page_settings import find_page_settings, read_page_settings


def test_without_a_file_all_is_usual(tmp_path: Path):
    read = read_page_settings(tmp_path / "page.json")
    assert (read.theme, read.keys, read.notes) == ("dark", {}, ())


def test_theme_and_keys(tmp_path: Path):
    path = tmp_path / "page.json"
    path.write_text('{"theme": "light", "keys": {"b": "q", "Ctrl+z": "u"}}')
    read = read_page_settings(path)
    assert (read.theme, read.keys, read.notes) == ("light", {"b": "q", "Ctrl+z": "u"}, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not used"),
        ("[]", "is not used"),
        ('{"theme": "blue"}', "neither dark nor light"),
        ('{"keys": {"b": 3}}', "the usual key, and yours"),
        ('{"keys": []}', "the usual key, and yours"),
        ('{"colour": 1}', "'colour' is not known"),
        ("[" * 10_000, "is not used"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, said: str):
    path = tmp_path / "page.json"
    path.write_text(text)
    read = read_page_settings(path)
    assert (read.theme, read.keys) == ("dark", {})
    assert len(read.notes) == 1
    assert said in read.notes[0]


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_page_settings() == tmp_path / "vos" / "page.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_page_settings() == tmp_path / "home" / ".config" / "vos" / "page.json"
