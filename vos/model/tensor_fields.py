"""Dataclasses of tensors that have one row per image or object, and containers of tensors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

SHARED = {"shared": True}
"""Metadata of a field that all rows have in common, such as a position encoding of batch 1."""

T = TypeVar("T")


class TensorFields:
    """A frozen dataclass whose tensors can be changed all at once, nested dataclasses included."""

    __slots__ = ()

    def map(self, change: Callable[[Tensor], Tensor], *, with_shared: bool = True) -> Self:
        """Return a copy with `change` applied to every tensor.

        with_shared: also to fields marked `SHARED`, which otherwise stay as they are.
        """
        changed = {
            each.name: map_tensors(getattr(self, each.name), change, with_shared=with_shared)
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
            yield from find_tensors(getattr(self, each.name))


def map_tensors(value: T, change: Callable[[Tensor], Tensor], *, with_shared: bool = True) -> T:
    """Return the same tuples, lists, mappings and dataclasses with `change` applied to each tensor.

    with_shared: as `TensorFields.map` has it.
    """
    made: Any = value
    if isinstance(value, Tensor):
        made = change(value)
    elif isinstance(value, TensorFields):
        made = value.map(change, with_shared=with_shared)
    elif isinstance(value, (tuple, list)):
        made = type(value)(map_tensors(each, change, with_shared=with_shared) for each in value)
    elif isinstance(value, Mapping):
        made = {
            name: map_tensors(each, change, with_shared=with_shared) for name, each in value.items()
        }
    return made


def find_tensors(value: Any) -> Iterator[Tensor]:
    """Yield every tensor that `map_tensors` would change, in its order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, TensorFields):
        yield from value.tensors()
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from find_tensors(each)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from find_tensors(each)


def describe_tensors(value: Any) -> Hashable:
    """Return what is equal for values that differ in the numbers of their tensors alone."""
    if isinstance(value, Tensor):
        shape = tuple(value.shape)
        # How far apart the rows of a single row are says nothing.
        strides = tuple(
            step if size > 1 else 0 for size, step in zip(shape, value.stride(), strict=True)
        )
        return shape, strides, value.dtype, value.device.type
    if isinstance(value, TensorFields):
        items = tuple(
            (each.name, describe_tensors(getattr(value, each.name)))
            for each in fields(value)  # pyright: ignore[reportArgumentType]
        )
        return type(value), items
    if isinstance(value, (tuple, list)):
        return tuple(map(describe_tensors, value))
    if isinstance(value, Mapping):
        return tuple((name, describe_tensors(each)) for name, each in value.items())
    return value
