"""Memory policies by name; a new one is a file with its class and a line here.

It imports no policy, so that command lines can name them without torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vos.bounded import brief
from vos.config import nearest
from vos.errors import ConfigError, Parameter, UsageError

MOST_LAG = 64
"""Frames that may wait at once."""


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """Where a policy lives, and what it does.

    home: "module:class" of a `MemoryPolicy` that takes the model's memory slots and pointer span.
    help: what it does in a few words, for help texts.
    options: fields of the class that differ from their defaults.
    can_wait: whether the class has a `lag`.
    """

    home: str
    help: str
    options: Mapping[str, Any] = field(default_factory=dict)
    can_wait: bool = False


POLICIES: Mapping[str, PolicyEntry] = MappingProxyType(
    {
        "fifo": PolicyEntry("vos.track.policy:Fifo", "SAM 2's own"),
        "visible": PolicyEntry(
            "vos.track.policies.visible:Visible", "forget frames on which the object is hidden"
        ),
        "visible-last": PolicyEntry(
            "vos.track.policies.visible:Visible",
            "the same, but for the very last frame, as SAM 3 does",
            {"keep_last": True},
        ),
        "dam": PolicyEntry(
            "vos.track.policies.dam:Dam", "keep frames that tell the object from one like it"
        ),
        "samurai": PolicyEntry(
            "vos.track.policies.samurai:Samurai", "choose and keep masks by the object's motion"
        ),
        "long": PolicyEntry(
            "vos.track.policies.long:Long",
            "follow three hypotheses per object, as SAM2Long does",
            can_wait=True,
        ),
    }
)


def as_policy(value: object, where: str) -> str:
    """Check that this names a policy. Raises ConfigError."""
    if isinstance(value, str) and value in POLICIES:
        return value
    raise ConfigError(
        f"{where}: {value!r} is not one of {', '.join(POLICIES)}{nearest(str(value), POLICIES)}"
    )


def as_lag(value: object, where: str) -> int:
    """Read for how many frames results wait. Raises ConfigError."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        lag = int(value)  # pyright: ignore[reportArgumentType]
        if 0 <= lag <= MOST_LAG:
            return lag
    raise ConfigError(
        f"{where}: {brief(value)} is no number of frames from 0 to {MOST_LAG}; the frames that "
        "wait are held in memory"
    )


def check_lag(policy: str, lag: int) -> None:
    """Refuse a lag for a policy whose masks cannot change later. Raises UsageError."""
    if lag and policy in POLICIES and not POLICIES[policy].can_wait:
        able = " or ".join(name for name, entry in POLICIES.items() if entry.can_wait)
        raise UsageError(
            Parameter("lag", lag),
            f": with policy {policy} waiting changes nothing; add ",
            Parameter("policy", able),
            ", or leave ",
            Parameter("lag"),
            " out",
        )


def describe_policies() -> str:
    """Return one clause per policy, for help texts."""
    return "; ".join(f"{name}: {entry.help}" for name, entry in POLICIES.items())
