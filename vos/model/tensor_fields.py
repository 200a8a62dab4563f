"""Dataclasses of tensors that have one row per image or object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, Self

import torch
from torch import Tensor

SHARED = {"shared": True}
"""Metadata of a field that all rows have in common, such as a position encoding of batch 1."""


class TensorFields:
    """A frozen dataclass whose tensors can be changed all at once, nested dataclasses included."""

    __slots__ = ()

    def map(self, change: Callable[[Tensor], Tensor], *, with_shared: bool = True) -> Self:
        """Return a copy with `change` applied to every tensor.

        with_shared: also to fields marked `SHARED`, which otherwise stay as they are.
        """
        changed = {
            each.name: _change(getattr(self, each.name), change, with_shared)
            for each in fields(self)  # pyright: ignore[reportArgumentType]
            if with_shared or not each.metadata.get("shared")
        }
        return replace(self, **changed)  # pyright: ignore[reportArgumentType]

    def row(self, index: int) -> Self:
        """Return one row of the batch, sharing its memory."""
        at = slice(index, index + 1)
        return self.map(lambda tensor: tensor[at], with_shared=False)

    def to(self, device: torch.device) -> Self:
        """Return a copy with every tensor on this device."""
        return self.map(lambda tensor: tensor.to(device))

    def tensors(self) -> Iterator[Tensor]:
        """Yield every tensor, in the order of the fields."""
        for each in fields(self):  # pyright: ignore[reportArgumentType]
            yield from _tensors(getattr(self, each.name))


def _change(value: Any, change: Callable[[Tensor], Tensor], with_shared: bool) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, TensorFields):
        return value.map(change, with_shared=with_shared)
    if isinstance(value, tuple):
        return tuple(_change(item, change, with_shared) for item in value)
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, TensorFields):
        yield from value.tensors()
    elif isinstance(value, tuple):
        for item in value:
            yield from _tensors(item)
