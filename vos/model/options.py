"""The options of a model, declared once: a new one is a field here, a flag, and where it acts.

The command line, the environment, `vos.toml`, the manifest and Python all read this declaration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_type_hints

from vos.config import as_count, as_device, as_pixels, as_switch
from vos.policies import as_lag, as_policy

Dtype = Literal["auto", "float32", "bfloat16"]

# The manifest has recorded the size under this name from the beginning.
_RECORDED_NAMES = {"size": "size_px"}
# A manifest has the checksum of the weights, and the refiner that was resolved; the device is a
# matter of the machine.
_NOT_RECORDED = ("model", "refiner", "device")


_IF_SET = "recorded only if set"
"""Metadata of an option that manifests of older versions do not have."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What to load, and how it computes.

    model: a registered name, a path to a weight file, or "auto", which is the best SAM 2.1 on this
        machine, else the embedded nano.
    refiner: "auto" (the embedded one where it was trained for this base, else none), "none", a
        name, or a path to a refiner file; the last two never fall back.
    policy: memory policy, one of `vos.policies.POLICIES`; "fifo" is SAM 2's own.
    lag: frames that a result waits for later ones to tell which hypothesis about an object is
        right; only for the policy "long".
    device: "auto", "cpu", "cuda", "cuda:N" or "mps".
    dtype: arithmetic of the model; "auto" is bfloat16 on CUDA and float32 elsewhere.
    exact: SAM 2's own arithmetic to the last bit, one object after the other, at a lower speed;
        otherwise only rounding differs.
    compile: compile the network's parts for this device at first use.
    size: side of the model's input in pixels, a multiple of 32; None is what it was trained at, and
        less is faster and coarser.
    pool_memory: side of the squares of memory tokens attended to as one; 1 is none, and 2 is faster
        for inputs of 1024 pixels.
    """

    model: str = "auto"
    refiner: str = "auto"
    policy: str = field(default="fifo", metadata={"read": as_policy})
    lag: int = field(default=0, metadata={"read": as_lag, _IF_SET: True})
    device: str = field(default="auto", metadata={"read": as_device})
    dtype: Dtype = "auto"
    exact: bool = field(default=False, metadata={"read": as_switch})
    compile: bool = field(default=False, metadata={"read": as_switch})
    size: int | None = field(default=None, metadata={"read": as_pixels})
    pool_memory: int = field(default=1, metadata={"read": as_count})

    @property
    def network(self) -> dict[str, Any]:
        """Return the options of the network itself, by the keywords of `load_model`."""
        return {
            "image_size_px": self.size,
            "exact": self.exact,
            "compiled": self.compile,
            "pool_memory": self.pool_memory,
        }

    def as_parameters(self) -> dict[str, Any]:
        """Return what decides the masks besides weights and refiner, by its name in manifests."""
        return {
            recorded: getattr(self, option.name)
            for option, recorded in _recorded()
            if not option.metadata.get(_IF_SET) or getattr(self, option.name) != option.default
        }

    @classmethod
    def recorded_types(cls) -> dict[str, Any]:
        """Return the types of what `as_parameters` always records, by its name in manifests."""
        hints = get_type_hints(cls)
        return {
            recorded: hints[option.name]
            for option, recorded in _recorded()
            if not option.metadata.get(_IF_SET)
        }

    def with_parameters(self, parameters: Mapping[str, Any]) -> Self:
        """Return these options with those that `as_parameters` recorded instead.

        Raises ConfigError for an option that is recorded only if set, and is none.
        """
        values: dict[str, Any] = {}
        for option, recorded in _recorded():
            if not option.metadata.get(_IF_SET):
                values[option.name] = parameters[recorded]
            elif recorded in parameters:
                values[option.name] = option.metadata["read"](parameters[recorded], recorded)
            else:
                values[option.name] = option.default
        return replace(self, **values)


OPTION_NAMES = tuple(option.name for option in fields(ModelOptions))


def _recorded() -> Iterator[tuple[Field[Any], str]]:
    """Yield all options that are recorded, each with its name in manifests."""
    for option in fields(ModelOptions):
        if option.name not in _NOT_RECORDED:
            yield option, _RECORDED_NAMES.get(option.name, option.name)
