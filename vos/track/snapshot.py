"""Turn what a session holds between two frames into bytes and back, to the last bit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from vos.model.files.torch_file import load_torch_file
from vos.model.types import MemoryEntry, ModelPrompt
from vos.track.lookout import Seen
from vos.track.memory_bank import MemoryBank, PolicyState

_KIND = "kind"


@dataclass(frozen=True, slots=True)
class SessionState:
    """All that the next frame's masks depend on, besides model, settings and prompts.

    banks: per object id.
    waiting: (frame index, object id) of the prompts whose frame has not come yet; None before the
        first frame.
    seen: what was found without a prompt.
    """

    banks: Mapping[int, MemoryBank]
    waiting: tuple[tuple[int, int], ...] | None = None
    seen: Seen = field(default_factory=Seen)


def to_bytes(state: SessionState) -> bytes:
    """Return the state as a file of plain values and tensors, in their memory layout."""
    buffer = io.BytesIO()
    packed: dict[int, Tensor] = {}
    torch.save(
        {
            "banks": {object_id: _pack(bank, packed) for object_id, bank in state.banks.items()},
            "waiting": None if state.waiting is None else [list(pair) for pair in state.waiting],
            "seen": state.seen.as_plain(),
        },
        buffer,
    )
    return buffer.getvalue()


def from_bytes(data: bytes, device: torch.device) -> SessionState:
    """Read what `to_bytes` wrote, with the tensors on `device`. Executes nothing of `data`.

    Raises ValueError, TypeError or LookupError for what is none.
    """
    content = load_torch_file(data, device)
    waiting, seen = content["waiting"], content.get("seen")  # older ones have none
    return SessionState(
        banks={object_id: _unpack(bank) for object_id, bank in content["banks"].items()},
        waiting=None if waiting is None else tuple((idx, who) for idx, who in waiting),
        seen=Seen() if seen is None else Seen.from_plain(seen),
    )


def _pack(value: Any, packed: dict[int, Tensor]) -> Any:
    """packed: what was made of a tensor, by its id, so that objects that share one still do."""
    if isinstance(value, Tensor):
        if id(value) not in packed:
            # A view would bring all of its storage along.
            packed[id(value)] = value.detach().clone()
        return packed[id(value)]
    if isinstance(value, tuple):
        return [_pack(item, packed) for item in value]
    if type(value).__name__ in _kinds():
        items = {one.name: _pack(getattr(value, one.name), packed) for one in fields(value)}
        return {_KIND: type(value).__name__, **items}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__}: a memory bank holds tensors and plain values only")


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(item) for item in value)
    if isinstance(value, dict):
        items = {name: _unpack(item) for name, item in value.items() if name != _KIND}
        return _kinds()[value[_KIND]](**items)
    return value


def _kinds() -> dict[str, type[Any]]:
    """Return the dataclasses that a bank may hold, by name; a policy's notes join by deriving."""
    kinds = (MemoryBank, MemoryEntry, ModelPrompt, *PolicyState.__subclasses__())
    return {kind.__name__: kind for kind in kinds}
