"""The life of a resource: open, then finished or abandoned, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """A context manager that is finished when left normally and abandoned when left on an error.

    Whichever comes first is the only one: closing or abandoning again does nothing.
    """

    _is_open = True

    def close(self) -> None:
        """Finish; calling it again does nothing. Raises what finishing raises."""
        if self._is_open:
            self._is_open = False
            self._finish()

    def abandon(self) -> None:
        """Free everything without finishing, so that the first error is the one that is seen."""
        if self._is_open:
            self._is_open = False
            self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    @abstractmethod
    def _finish(self) -> None:
        """Complete what was begun and free everything."""

    def _abandon(self) -> None:
        """Free everything; by default as finishing does."""
        self._finish()
