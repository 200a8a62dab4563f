"""Cameras that speak RTSP and streams that are sent by UDP, as far as one machine can have them."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from live_server import transport_stream
from rtsp_server import RtspCamera
from vos.io.live.source import open_live

FRAMES = 48


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> bytes:
    return transport_stream(tmp_path_factory.mktemp("clip") / "clip.ts", FRAMES)


def test_a_camera_with_rtsp_is_read_over_tcp_and_again_after_a_loss(data):
    with RtspCamera(data) as camera:
        address = f"rtsp://me:secret@127.0.0.1:{camera.port}/hall"
        with open_live(address, drop="none", reconnect_s=30) as source:
            frames = []
            for frame in source:
                frames.append(frame)
                if len(frames) > FRAMES:
                    source.stop()
    assert source.info.size_hw == (64, 96)
    assert [loss.frame_idx for loss in source.losses] == [source.losses[0].frame_idx]
    assert len(frames) > FRAMES
    assert sum(request.startswith("PLAY") for request in camera.requests) == 2
    assert "secret" not in f"{source.address}{source.losses}"
    assert not any("secret" in request for request in camera.requests)  # only where it is asked for


def test_what_is_sent_by_udp_is_received_until_it_stops(data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    is_over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            until = time.monotonic() + 20
            while not is_over.is_set() and time.monotonic() < until:
                for at in range(0, len(data), 188 * 7):
                    sender.sendto(data[at : at + 188 * 7], ("127.0.0.1", port))
                    time.sleep(0.004)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    address = f"udp://127.0.0.1:{port}"
    with open_live(address, drop="none", reconnect_s=0, lost_after_s=1) as source:
        count = 0
        for _ in source:
            count += 1
            if count == 10:
                is_over.set()
    thread.join(5)
    assert count >= 10
    assert [loss.frame_idx for loss in source.losses] == [None]
    assert "for 1 s" in source.losses[0].why
