from __future__ import annotations

import pytest

from vos.io.closing import Closing


class Resource(Closing):
    def __init__(self, fail: bool = False) -> None:
        self.events: list[str] = []
        self.fail = fail

    def _finish(self) -> None:
        self.events.append("finish")
        if self.fail:
            raise OSError("the disk is full")

    def _abandon(self) -> None:
        self.events.append("abandon")


class OneEnd(Closing):
    """Finishing and abandoning are the same."""

    ended = 0

    def _finish(self) -> None:
        self.ended += 1


def leave_on_an_error(resource: Closing) -> None:
    with resource:
        raise RuntimeError("the first error")


def test_left_normally_it_is_finished_once():
    with Resource() as resource:
        assert resource.events == []
    resource.close()
    resource.abandon()
    assert resource.events == ["finish"]


def test_left_on_an_error_it_is_abandoned_once():
    resource = Resource()
    with pytest.raises(RuntimeError, match="the first error"):
        leave_on_an_error(resource)
    resource.close()
    assert resource.events == ["abandon"]


def test_closed_inside_it_is_not_ended_again():
    with Resource() as resource:
        resource.close()
    assert resource.events == ["finish"]


def test_finishing_that_fails_is_not_tried_again():
    resource = Resource(fail=True)
    with pytest.raises(OSError, match="disk is full"):
        resource.close()
    resource.close()
    assert resource.events == ["finish"]


def test_abandoning_is_finishing_where_there_is_no_difference():
    resource = OneEnd()
    with pytest.raises(RuntimeError):
        leave_on_an_error(resource)
    assert resource.ended == 1
