"""Threads of an export: all jobs are done, few wait, and errors come out."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from vos.io.write.deliver.workers import Workers


def test_every_job_is_done_before_waiting_ends():
    done = []
    with Workers(3) as workers:
        for number in range(50):
            workers.submit(partial(done.append, number))
        workers.wait()
        assert sorted(done) == list(range(50))
        workers.submit(partial(done.append, 50))
    assert len(done) == 51


def fail():
    raise OSError("full")


@pytest.mark.parametrize("jobs", [1, 10])
@pytest.mark.parametrize("waits", [False, True])
def test_what_a_job_raises_comes_out(jobs, waits):
    def work():
        with Workers(1) as workers:
            for _ in range(jobs):
                workers.submit(fail)
            if waits:
                workers.wait()

    with pytest.raises(OSError, match="full"):
        work()


def test_on_an_error_what_has_not_begun_is_dropped():
    done = []

    def work():
        with Workers(1) as workers:

            def wait_for_the_end():
                while not workers._waiting or not workers._waiting[-1].cancelled():
                    time.sleep(0.001)

            workers.submit(wait_for_the_end)
            workers.submit(partial(done.append, 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_the_producer_waits_for_room():
    gate, begun = threading.Event(), []
    with Workers(1) as workers:
        workers.submit(gate.wait)
        workers.submit(partial(begun.append, 1))
        threading.Timer(0.05, gate.set).start()
        workers.submit(partial(begun.append, 2))
        assert gate.is_set()
