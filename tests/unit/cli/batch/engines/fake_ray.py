"""As much of Ray as the engine uses, in this process: each call is answered when it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class Actor:
    """Answers as the object it was made for; errors are those of a process that died."""

    def __init__(self, made: Any):
        self._made = made

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *values: Call(name, getattr(self._made, name), values))


class Call:
    """is_late: never answered while others are."""

    def __init__(self, name: str, do: Callable[..., Any], values: Sequence[Any]):
        self.is_late = name == "latest"
        self.error: Exception | None = None
        if self.is_late:
            return
        try:
            self.answer = do(*values)
        except Exception as error:
            self.error = RayError(f"many lines\n{type(error).__name__}: {error}")


class FakeRay:
    """workers: made one after the other in place of the engine's own."""

    exceptions = SimpleNamespace(RayError=RayError)

    def __init__(self, *workers: Any):
        self.workers = list(workers)
        self.killed: list[Actor] = []

    def remote(self, **_resources: float) -> Callable[[type], Any]:
        return lambda _cls: SimpleNamespace(remote=lambda *_: Actor(self.workers.pop(0)))

    def wait(self, calls: Sequence[Call], timeout: float | None) -> tuple[list[Call], list[Call]]:
        ready = [call for call in calls if not call.is_late]
        assert ready or timeout is not None, "this would wait for ever"
        return ready[:1], []

    def get(self, call: Call) -> Any:
        if call.error is not None:
            raise call.error
        return call.answer

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)
