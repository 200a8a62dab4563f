"""A file that grows, and its cutting back to what a checkpoint saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from vos.errors import ResumeError
from vos.io.results.append_file import AppendFile


@pytest.mark.parametrize("path", [None, "file"])
def test_what_is_added_is_read_back_from_anywhere(tmp_path: Path, path: str | None):
    with AppendFile(path and tmp_path / path) as file:
        assert [file.append(data) for data in (b"one", b"", b"twelve")] == [0, 3, 3]
        assert file.read(3, 6) == b"twelve"
        assert file.read(0, 99) == b"onetwelve"
        file.append(b"!")
        assert (file.read(9, 1), file.length) == (b"!", 10)


def test_it_is_cut_back_and_grows_on(tmp_path: Path):
    path = tmp_path / "file"
    with AppendFile(path) as file:
        file.append(b"kept")
        mark = file.sync()
        assert path.read_bytes() == b"kept"
        file.append(b"lost")
    with AppendFile(path, mark) as file:
        assert file.mark() == mark
        file.append(b", more")
        later = file.mark()
    assert path.read_bytes() == b"kept, more"
    with AppendFile(path, later) as file:
        assert file.read(0, 10) == b"kept, more"
    with AppendFile(path, mark):
        pass
    assert path.read_bytes() == b"kept"
    with AppendFile(path):
        pass
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"kep", "too short"), (b"", "too short"), (b"kepT and more", "damaged"), (None, "not there")],
)
def test_other_content_is_refused_and_left_alone(tmp_path: Path, content: bytes | None, words: str):
    path = tmp_path / "file"
    with AppendFile(path) as file:
        file.append(b"kept")
        mark = file.mark()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResumeError, match=words):
        AppendFile(path, mark)
    assert content is None or path.read_bytes() == content
