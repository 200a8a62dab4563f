"""A live source on real sockets of this machine: every frame, or the newest, across losses."""

from __future__ import annotations

import http.server
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import vos
from live_server import LiveServer, Play, in_pieces, transport_stream
from vos.errors import InputError, UsageError
from vos.io.live.source import LiveSource, open_live

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.ts"
    transport_stream(path, FRAMES)
    return path


@pytest.fixture(scope="module")
def data(clip) -> bytes:
    return clip.read_bytes()


@contextmanager
def opened(*plays: Play, **options: Any) -> Iterator[LiveSource]:
    """Serve the plays and open what is served."""
    with LiveServer(*plays) as server, open_live(server.address, **options) as source:
        yield source


def test_every_frame_comes_as_the_file_has_it(clip, data):
    with LiveServer([data]) as server, open_live(server.address, drop="none", reconnect_s=0) as one:
        with vos.open_source(clip) as file:
            for frame, wanted in zip(one, file.frames(), strict=True):
                assert np.array_equal(frame.image, wanted.image)
                assert (frame.frame_idx, frame.pts, frame.name) == (
                    wanted.frame_idx, wanted.pts, wanted.name,
                )  # fmt: skip
                assert frame.dropped_before == 0
                assert abs(frame.received_s - time.time()) < 30
        assert (one.info.size_hw, one.info.kind, one.address) == ((64, 96), "live", server.address)
        assert (one.dropped, one.losses, one.warnings) == (0, [], [])


def test_a_source_that_is_too_fast_loses_old_frames_and_each_is_counted(data):
    with LiveServer([data]) as server, open_live(server.address, reconnect_s=0) as source:
        time.sleep(0.2)
        frames = list(source)
    assert 1 <= len(frames) <= 2  # the newest two wait
    assert [frame.frame_idx for frame in frames] == list(range(len(frames)))
    assert sum(frame.dropped_before for frame in frames) == source.dropped
    assert source.dropped + len(frames) == FRAMES


def test_it_goes_on_after_a_loss_with_the_next_number_and_later_times(data):
    said: list[str] = []
    with LiveServer([data], [data]) as server:
        opened = open_live(server.address, drop="none", reconnect_s=0.6, on_event=said.append)
        with opened as source:
            frames = list(source)
    assert [frame.frame_idx for frame in frames] == list(range(2 * FRAMES))
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))
    assert times[FRAMES] > times[FRAMES - 1]
    first, last = source.losses
    assert (first.frame_idx, last.frame_idx) == (FRAMES, None)
    assert 0.4 < first.lost_s < 5
    assert [text.split(": ", 1)[1].split(" (")[0].split(" 0.")[0] for text in said] == [
        f"lost after {FRAMES} frames", "back after", f"lost after {2 * FRAMES} frames",
    ]  # fmt: skip
    assert "connection refused" in source.warnings[0]


def test_a_clock_that_leaps_ahead_does_not_take_the_times_along(tmp_path):
    """Else all that `--keep` keeps would be too old at once."""
    data = transport_stream(tmp_path / "leap.ts", 24, leap=(12, 86_400))
    with opened([data], drop="none", reconnect_s=0) as source:
        frames = list(source)
    assert [frame.frame_idx for frame in frames] == list(range(24))
    gaps = [second.pts - first.pts for first, second in itertools.pairwise(frames)]
    assert gaps.pop(11) < 5
    assert set(gaps) == {Fraction(1, 24)}
    (warning,) = source.warnings
    assert re.search(r"its clock leapt ahead by 86\d{3} s at frame 12; ", warning)


def test_a_source_that_falls_silent_counts_as_lost(data):
    with LiveServer([data, 60.0]) as server:
        opened = open_live(server.address, drop="none", reconnect_s=0, lost_after_s=0.3)
        with opened as source:
            begun = time.monotonic()
            assert len(list(source)) in (FRAMES - 1, FRAMES)  # the parser waits for what follows
            assert time.monotonic() - begun < 20
    assert [loss.frame_idx for loss in source.losses] == [None]
    assert "0.3 s" in source.warnings[0]


def test_another_size_after_a_loss_ends_it_and_is_said(data, tmp_path):
    other = transport_stream(tmp_path / "other.ts", 4, size_wh=(128, 96))
    with opened([data], [other], drop="none", reconnect_s=5) as source:
        assert len(list(source)) == FRAMES
    assert "the size changed from 96 x 64 to 128 x 96" in source.warnings[0]


def test_damaged_bytes_are_flagged_frames_and_no_error(data):
    rng = np.random.default_rng(4)
    bad = bytearray(data)
    for at in rng.integers(len(bad) // 3, len(bad), 60):
        bad[at] ^= 0xFF
    with opened([bytes(bad)], drop="none", reconnect_s=0) as source:
        frames = list(source)
    assert FRAMES // 3 <= len(frames) <= FRAMES
    assert not frames[0].is_corrupt
    assert any(frame.is_corrupt for frame in frames) or len(frames) < FRAMES


def test_a_source_met_between_two_key_frames_begins_with_a_whole_one(clip, data):
    start = next(at for at in range(len(data) // 6 // 188 * 188, len(data), 188))
    with opened([data[start:]], drop="none", reconnect_s=0) as source:
        frames = list(source)
    assert frames
    with vos.open_source(clip) as file:
        wanted = {frame.image.tobytes() for frame in file.frames()}
    assert frames[0].image.tobytes() in wanted


@pytest.mark.parametrize("junk", [b"", b"no video at all\n" * 4000, bytes(50_000)])
def test_what_is_no_video_is_refused(junk):
    with LiveServer([junk]) as server, pytest.raises(InputError, match="no live video that can"):
        open_live(server.address)


def test_a_playlist_is_not_followed(data):
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"
    with LiveServer([playlist]) as server, pytest.raises(InputError, match="no live video"):
        open_live(server.address)


def test_places_that_do_not_answer():
    with LiveServer() as server:
        pass
    with pytest.raises(InputError, match=r"connection refused\); check the port"):
        open_live(server.address)
    with pytest.raises(InputError, match=r"nothing came in 0.2 s; check the address"):
        open_live(f"udp://127.0.0.1:{server.port}", lost_after_s=0.2)
    with pytest.raises(InputError, match="no such device"):
        open_live("/dev/video987")
    with pytest.raises(InputError, match="no dshow here; it is for cameras of Windows"):
        open_live("dshow:video=x")


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (PermissionError(13, "denied"), "usermod -aG video"),
        (OSError(16, "busy"), "another program"),
    ],
)
def test_a_device_that_may_not_be_opened(monkeypatch, error, wanted):
    def refuse(*_words: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match=wanted):
        open_live("/dev/video0")


def test_passwords_are_in_no_message(monkeypatch):
    with LiveServer() as server:
        pass
    with pytest.raises(InputError) as caught:
        open_live(f"rtsp://me:SECRET@127.0.0.1:{server.port}/a?key=SECRET")
    assert "SECRET" not in str(caught.value)
    assert f"rtsp://***@127.0.0.1:{server.port}/a?..." in str(caught.value)


def test_stopping_ends_a_source_that_is_silent(tmp_path):
    data = transport_stream(tmp_path / "long.ts", 60)
    with LiveServer([data, 60.0]) as server, open_live(server.address, drop="none") as source:
        frames = iter(source)
        next(frames)
        threading.Timer(0.1, source.stop).start()
        begun = time.monotonic()
        for _ in frames:
            time.sleep(0.02)
        assert time.monotonic() - begun < 2
    assert source.losses == source.warnings == []


def test_a_live_source_is_read_once(data):
    with LiveServer([data]) as server, open_live(server.address, reconnect_s=0) as source:
        list(source)
        with pytest.raises(UsageError, match="a live source is read once"):
            iter(source)
        source.close()


def test_values_that_nothing_can_have():
    with pytest.raises(UsageError, match="drop 'new': not one of old, none"):
        open_live("-", drop="new")  # pyright: ignore[reportArgumentType]
    for reconnect_s, lost_after_s in ((-1, 1), (1, 0), (float("nan"), 1), (1, float("inf"))):
        with pytest.raises(UsageError, match="both are seconds"):
            open_live("-", reconnect_s=reconnect_s, lost_after_s=lost_after_s)
    for name in ("clip.mp4", "https:/x", "0"):
        with pytest.raises(InputError, match=r"not the address of a live source; give a URL"):
            open_live(name)


@contextmanager
def _web_server(body: bytes, *, states_length: bool) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            if states_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a.ts?token=SECRET"
        server.shutdown()
        thread.join(5)


def test_over_http_a_stream_is_live_and_a_file_is_not(data):
    endless = _web_server(data, states_length=False)
    with endless as address, open_live(address, drop="none", reconnect_s=0) as source:
        assert len(list(source)) == FRAMES
    a_file = _web_server(data, states_length=True)
    with a_file as address, pytest.raises(InputError, match="a file with an end and no live"):
        open_live(address)


def test_pictures_without_times_get_the_time_at_which_they_come(tmp_path):
    path = tmp_path / "clip.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for level in range(100):
            image = np.full((64, 96, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    with opened([data], drop="none", reconnect_s=0) as source:
        frames = list(source)
    assert len(frames) == 100
    gaps = [b.pts - a.pts for a, b in itertools.pairwise(frames)]
    assert min(gaps) >= Fraction(1, 1000)
    seconds = frames[-1].received_s - frames[0].received_s
    assert abs(float(frames[-1].pts) - seconds) < 0.2  # and not 99/25, which FFmpeg makes of it


def test_frames_that_come_in_pieces_are_taken_or_counted(data):
    with opened(in_pieces(data, 12, 0.02), reconnect_s=0) as source:
        frames = list(source)
    assert len(frames) + source.dropped == FRAMES
