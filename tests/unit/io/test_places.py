"""Names that are no files: what they are, and how they become one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.errors import InputError
from vos.io.places import refuse_place
from vos.io.read.open import open_source
from vos_cli.batch.clips.rows import read_rows

PLACES = {
    "https://example.org/a%20b.mp4?x=1": "a URL or stream; .* `ffmpeg -i 'https://example",
    "HTTP://example.org/a.mp4": "a URL or stream",
    "rtsp://camera/1": "a URL or stream",
    "rtmp://host/live": "a URL or stream",
    "srt://host:9": "a URL or stream",
    "s3://bucket/a.mp4": "a URL or stream",
    "udp://@239.0.0.1:1": "a URL or stream",
    "pipe:0": "a URL or stream",
    "concat:a.ts|b.ts": "a URL or stream",
    "file:///tmp/a%20b.mp4": "give '/tmp/a b.mp4'",
    "file:a.mp4": "give 'a.mp4'",
    "0": "if it is a camera's number.*/dev/video0",
    "12": "/dev/video12",
    "-": "the standard input",
}


@pytest.mark.parametrize("text", PLACES)
def test_places_are_named_and_the_way_to_a_file_is_given(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=PLACES[text]) as caught:
        open_source(text)
    assert "check the spelling" not in str(caught.value)
    (tmp_path / "list.jsonl").write_text(f'{{"source": "{text}"}}\n{{"source": "b.mp4"}}')
    bad, good = read_rows(str(tmp_path / "list.jsonl"))
    assert bad.problem is not None
    assert bad.problem == str(caught.value)
    assert good.problem is None


def test_pipes_and_devices(tmp_path):
    os.mkfifo(tmp_path / "clip.ts")
    for place in (tmp_path / "clip.ts", "/dev/zero"):
        with pytest.raises(InputError, match="a pipe or device; vos reads files"):
            open_source(place)


def test_a_file_of_that_name_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("0", "-", "pipe:0", "file:a"):
        Path(name).write_bytes(b"no video")
        with pytest.raises(InputError, match=r"not a video|no video|cannot"):
            open_source(name)


@given(st.text(min_size=1))
def test_any_other_name_passes_or_is_an_input_error(text):
    with contextlib.suppress(InputError):
        refuse_place(text)
    if ":" not in text and not text.isdecimal() and text != "-":
        refuse_place(text)


def test_brackets_that_match_nothing_are_explained(tmp_path):
    with pytest.raises(InputError, match="brackets stand for one character of a set"):
        open_source(str(tmp_path / "gone [1080p]" / "*.jpg"))
