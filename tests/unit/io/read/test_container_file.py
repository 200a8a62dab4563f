"""Files that are lists of other files or hosts, codecs nobody knows, and Ctrl-C while waiting."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clips import encode, read_number
from vos.errors import InputError
from vos.frame import FrameResult
from vos.io.read import container_file
from vos.io.read.container_file import open_container
from vos.io.read.open import open_source
from vos.io.read.scan import scan_video
from vos.io.write.overlay.sink import OverlaySink

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{0}\n"
MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.42e00a"\n{0}\n'
DASH = (
    '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-live:2011"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="0" bandwidth="1"><BaseURL>{0}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)
SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {1} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
LISTS = {
    "live": HLS,
    "ended": HLS + "#EXT-X-ENDLIST\n",
    "master": MASTER,
    "dash": DASH,
    "concat": "ffconcat version 1.0\nfile {0}\n",
    "sdp": SDP,
    "svg": '<?xml version="1.0"?>\n<svg width="9" height="9"><image href="{0}"/></svg>',
}
NAMES = ["a.m3u8", "a.mpd", "a.mp4", "a.ts", "a", os.fsdecode(b"caf\xe9.m3u8")]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def written(folder: Path, name: str, text: str, server: socket.socket, *, local: bool) -> Path:
    port = server.getsockname()[1]
    segment = encode(folder / "segment.ts", 10)
    address = segment.name if local else f"http://127.0.0.1:{port}/segment.ts"
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name)))
    path.write_text(text.format(address, port))
    return path


def was_asked(server: socket.socket) -> bool:
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("local", [True, False])
def test_lists_are_refused_by_what_they_are(
    kind: str, local: bool, listener: socket.socket, tmp_path: Path
) -> None:
    for name in NAMES:
        path = written(tmp_path, name, LISTS[kind], listener, local=local)
        for read in (open_source, scan_video):
            with pytest.raises(InputError, match="names other files or hosts"):
                read(path)
    assert not was_asked(listener)


@pytest.mark.parametrize("kind", LISTS)
def test_decord_is_not_shown_lists(kind: str, listener: socket.socket, tmp_path: Path) -> None:
    pytest.importorskip("decord")
    path = written(tmp_path, "a.mp4", LISTS[kind], listener, local=True)
    with pytest.raises(InputError, match="names other files or hosts"):
        open_source(path, decoder="decord")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("kind", [kind for kind in LISTS if kind != "svg"])
def test_ffmpeg_is_not_let_open_them_either(
    kind: str, listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second wall, behind the one that looks at the content."""
    monkeypatch.setattr(container_file, "refuse_lists", lambda _path: None)
    begin = time.monotonic()
    for name in ("a.m3u8", NAMES[-1]):
        for local in (True, False):
            path = written(tmp_path, name, LISTS[kind], listener, local=local)
            with ExitStack() as stack, pytest.raises(FFmpegError):
                open_container(path, stack)
    assert not was_asked(listener)
    assert time.monotonic() - begin < 5


def test_a_pattern_is_no_sequence_of_files(tmp_path: Path) -> None:
    for number in range(3):
        with av.open(str(tmp_path / f"s{number}.dpx"), "w", format="image2") as out:
            stream = out.add_stream("dpx", rate=25)
            stream.width, stream.height, stream.pix_fmt = 16, 8, "rgb24"
            image = np.full((8, 16, 3), 40 * number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode())
    pattern = tmp_path / "s%d.dpx"
    (tmp_path / "s1.dpx").rename(pattern)
    with ExitStack() as stack, pytest.raises(FFmpegError):
        open_container(pattern, stack)


def with_codec(clip: Path, old: bytes, new: bytes) -> Path:
    """Write a copy of a file whose stream has another codec of as many letters."""
    data = bytearray(clip.read_bytes())
    at = data.rindex(old)
    data[at : at + len(old)] = new
    path = clip.with_name(f"{new.decode()}{clip.suffix}")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("codec", [b"zzzz", b"tmcd", b"text", b"mp4v", b"av01", b"CFHD", b"icod"])
def test_a_codec_that_is_unknown_or_another(codec: bytes, tmp_path: Path) -> None:
    path = with_codec(encode(tmp_path / "a.mp4", 3), b"avc1", codec)
    with pytest.raises(InputError, match=r"codec|no video stream"):
        list(open_source(path).frames())


def test_sound_of_an_unknown_codec_is_left_out(tmp_path: Path) -> None:
    plain = tmp_path / "talk.mkv"
    with av.open(str(plain), "w") as out:
        video, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=8000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            frame: Any = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        quiet.sample_rate = 8000
        out.mux(sound.encode(quiet))
        for stream in (video, sound):
            out.mux(stream.encode())
    path = with_codec(plain, b"A_AAC", b"A_ZZZ")
    with open_source(path) as source:
        with OverlaySink.for_source(tmp_path / "o.mp4", source.info) as sink:
            for frame in source.frames():
                nothing = np.zeros(frame.size_hw, np.uint8)
                sink.write(frame, FrameResult(frame.frame_idx, frame.pts, frame.name, nothing, {}))
        assert any("sound cannot be copied" in line for line in sink.warnings)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert len(list(container.decode(video=0))) == 3


def test_ctrl_c_ends_the_wait_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(av, "open", lambda *_args, **_options: released.wait(20))
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"a disk that does not answer")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    begin = time.monotonic()
    try:
        timer.start()
        with ExitStack() as stack, pytest.raises(KeyboardInterrupt):
            open_container(clip, stack)
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()
    assert time.monotonic() - begin < 5


def test_files_are_opened_where_no_thread_may_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    clip = encode(tmp_path / "a.mp4", 3)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with ExitStack() as stack:
        assert open_container(clip, stack).streams.video[0].frames == 3


def test_words_like_those_of_a_list_in_a_film(tmp_path: Path) -> None:
    """Only the beginning decides: footage may be called what it likes."""
    plain = encode(tmp_path / "a.mp4", 3)
    path = tmp_path / "b.mp4"
    path.write_bytes(plain.read_bytes() + b"\n#EXTM3U\nc=IN IP4 127.0.0.1\n<MPD>")
    assert [read_number(frame.image) for frame in open_source(path).frames()] == [0, 1, 2]


FILE_NAMES = st.text("abÄ %#[](){}*?0dé-_~.", min_size=1, max_size=20).filter(
    lambda name: name.strip(".") != ""
)


@given(st.sampled_from(sorted(LISTS)), FILE_NAMES, st.sampled_from(["", ".m3u8", ".mp4", ".sdp"]))
@settings(max_examples=40, deadline=None)
def test_under_any_name_a_list_is_refused_and_nobody_is_asked(kind, stem, suffix) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, TemporaryDirectory() as folder:
        server.settimeout(0)
        port = server.getsockname()[1]
        path = Path(folder) / (stem + suffix)
        path.write_text(LISTS[kind].format(f"http://127.0.0.1:{port}/segment.ts", port))
        with pytest.raises(InputError, match="names other files or hosts"):
            open_source(path)
        assert not was_asked(server)
