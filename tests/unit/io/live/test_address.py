"""Which words are the address of a live source, and what of them is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.errors import InputError
from vos.io.live.address import find_address

LIVE = {
    "rtsp://camera/1": "rtsp://camera/1",
    "RTSP://Camera:554/1": "RTSP://Camera:554/1",
    "rtsps://user:secret@camera/1?token=secret": "rtsps://***@camera/1?...",
    "rtmp://host/live/key": "rtmp://host/live/key",
    "tcp://127.0.0.1:9000": "tcp://127.0.0.1:9000",
    "tcp://[::1]:9000": "tcp://[::1]:9000",
    "udp://@239.0.0.1:1234": "udp://@239.0.0.1:1234",
    "udp://:1234": "udp://:1234",
    "srt://host:9?passphrase=secret": "srt://host:9?...",
    "http://host/video.mjpg": "http://host/video.mjpg",
    "https://a:secret@host/v?x=secret": "https://***@host/v?...",
    "/dev/video0": "/dev/video0",
    "/dev/video12": "/dev/video12",
    "v4l2:/dev/video3": "v4l2:/dev/video3",
    "avfoundation:0": "avfoundation:0",
    "dshow:video=USB Camera": "dshow:video=USB Camera",
    "-": "the standard input",
}
NOT_LIVE = (
    *("clip.mp4", "0", "", "rtsp", "file:///a.mp4", "file:a", "s3://bucket/a", "gopher://a/"),
    *("concat:a|b", "pipe:0", "data:,x", "/dev/zero", "/dev/video", "/dev/video1x", "x\0y"),
    *("hls://a/b", "subfile,,:a", "v4l2:", "lavfi:testsrc", "crypto:tcp://a:1", "ffrtmphttp://a"),
)


@pytest.mark.parametrize("text", LIVE)
def test_live_addresses_are_known_and_shown_without_passwords(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = find_address(text)
    assert found is not None
    assert found.shown == LIVE[text]
    assert "secret" not in found.shown.lower()
    assert (found.device_format is None) == bool(found.protocols)


@pytest.mark.parametrize("text", NOT_LIVE)
def test_anything_else_is_left_to_those_who_read_files(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_address(text) is None


def test_no_stream_may_open_a_file():
    for text in LIVE:
        found = find_address(text)
        assert found is not None
        assert not {"file", "concat", "data", "subfile"} & set(found.protocols.split(","))


@pytest.mark.parametrize(
    "text", ["tcp://", "rtsp:///path", "udp://h", "tcp://h:x", "tcp://[::1", "tcp://h"]
)
def test_an_address_without_a_host_is_refused(text):
    with pytest.raises(InputError, match=r"without a host.*write it as in tcp://HOST:PORT"):
        find_address(text)


def test_a_password_that_looks_like_a_path_is_not_shown():
    with pytest.raises(InputError, match=r"^rtsp://\*\*\*@host/1: "):
        find_address("rtsp://me:pa/ss?word@host/1")


def test_what_exists_under_a_name_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-", "v4l2:0"):
        Path(name).write_bytes(b"x")
        assert find_address(name) is None
    Path("camera").symlink_to("/dev/video77")
    assert find_address("camera") is None  # leads to nothing


@given(st.text(max_size=40))
def test_no_word_breaks_it(text):
    assert _say_or_show(text).isprintable()


@given(
    st.sampled_from(["rtsp", "http", "tcp"]),
    st.text("abc:@/?#%[]=&.", max_size=15),
    st.text("abc/?=@#", max_size=12),
)
def test_no_password_is_ever_shown(scheme, user, rest):
    """Whatever stands before the last @ is taken for one."""
    assert "SECRET" not in _say_or_show(f"{scheme}://{user}SECRET@host:1/{rest}")


def _say_or_show(text: str) -> str:
    """Return what is shown of a word: as an address, or in an error."""
    try:
        found = find_address(text)
    except InputError as error:
        return str(error)
    return "" if found is None else found.shown
