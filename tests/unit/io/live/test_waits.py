"""When a lost source is tried again, by a clock that the test sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vos.io.live.waits import Waits


def _tries(limit_s: float, work_s: float) -> list[tuple[float, float]]:
    """Return when each try begins and what was waited before it; a try takes `work_s`."""
    now = 0.0
    found = []
    waits = Waits(limit_s, lambda: now)
    while (wait := waits.next_s()) is not None:
        now += wait
        found.append((now, wait))
        now += work_s
    assert waits.tries == len(found)
    return found


def test_waits_double_and_the_last_try_begins_when_the_time_is_over():
    assert [wait for _, wait in _tries(20, 0)] == [0.5, 1, 2, 4, 8, 4.5]
    assert [wait for _, wait in _tries(60, 0)][-3:] == [15, 15, 14.5]


def test_no_time_is_no_try():
    assert _tries(0, 0) == []


@given(st.floats(0.01, 5000), st.floats(0, 40))
def test_no_try_begins_after_the_limit_and_waits_only_grow_to_the_last(limit_s, work_s):
    tries = _tries(limit_s, work_s)
    assert 1 <= len(tries) < 400
    waits = [wait for _, wait in tries]
    assert waits[:-1] == sorted(waits[:-1])
    assert max(waits) <= 15
    on_time = [at for at, _ in tries if at <= limit_s + 1e-6]
    assert len(on_time) >= len(tries) - 1  # the last one may follow a try that took too long
