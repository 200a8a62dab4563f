"""What the options of a track become."""

from __future__ import annotations

import pytest

from vos_cli.options.track import TrackFlags


@pytest.fixture(autouse=True)
def no_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("VOS_SAVE", "VOS_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("flags", "saved"),
    [
        ({}, {"masks", "overlay", "stats"}),
        ({"soft": True}, {"masks", "overlay", "stats", "mattes"}),
        ({"soft": True, "save": "masks"}, {"masks", "mattes"}),
        ({"soft": True, "save": "masks,mattes"}, {"masks", "mattes"}),
        ({"save": "mattes,stats"}, {"mattes", "stats"}),
    ],
)
def test_soft_adds_mattes_to_what_is_saved(flags, saved):
    found = TrackFlags(**flags).settings()
    assert set(found.save) == saved
    assert len(found.save) == len(saved)


def test_soft_adds_to_what_a_file_says(tmp_path):
    (tmp_path / "vos.toml").write_text('save = ["masks", "stats"]')
    assert TrackFlags(soft=True).settings().save == ("masks", "stats", "mattes")
