"""What waits between two threads: bounded, in order, and every item taken or counted."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos.io.live.buffer import FrameBuffer


@given(st.lists(st.sampled_from(["put", "take"]), max_size=60), st.integers(1, 4))
def test_a_dropping_buffer_gives_the_newest_in_order_and_counts_the_others(steps, most):
    buffer = FrameBuffer[int](most, drops=True)
    put = 0
    taken: list[int] = []
    dropped = 0
    for step in steps:
        if step == "put":
            assert buffer.put(put)
            put += 1
        else:
            waiting = put - len(taken) - dropped
            found = buffer.take(0)
            if found is None:
                assert waiting == 0
                continue
            assert isinstance(found, tuple)
            item, lost = found
            assert item == put - min(waiting, most)
            dropped += lost
            taken.append(item)
            assert item == len(taken) + dropped - 1  # none is passed over without being counted
    assert taken == sorted(set(taken))


def test_a_patient_buffer_keeps_every_item_and_lets_the_thread_wait():
    buffer = FrameBuffer[int](2, drops=False)
    reached: list[int] = []

    def fill() -> None:
        for item in range(20):
            buffer.put(item)
            reached.append(item)
        buffer.end("over")

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    time.sleep(0.05)
    assert reached == [0, 1]
    assert [buffer.take(1) for _ in range(20)] == [(item, 0) for item in range(20)]
    assert buffer.take(1) == "over"
    thread.join(1)


def test_what_waits_is_given_before_the_end_and_the_first_reason_stays():
    buffer = FrameBuffer[int](3, drops=True)
    buffer.put(7)
    buffer.end("lost")
    buffer.end("later")
    assert buffer.take(0) == (7, 0)
    assert buffer.take(0) == buffer.take(0) == "lost"


def test_a_closed_buffer_lets_a_waiting_thread_go():
    buffer = FrameBuffer[int](1, drops=False)
    buffer.put(0)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(buffer.put(1)), daemon=True)
    thread.start()
    time.sleep(0.02)
    buffer.close()
    thread.join(1)
    assert results == [False]
    assert not buffer.put(2)


def test_nothing_in_time_is_none_and_a_buffer_holds_something():
    assert FrameBuffer[int](1, drops=True).take(0.01) is None
    with pytest.raises(ValueError, match="at least one"):
        FrameBuffer[int](0, drops=True)
