"""Kinds of refiners, their presets, and construction from a typed configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from vos.config import from_mapping, load_yaml, nearest, preset_or_file
from vos.errors import ConfigError
from vos.model.sam2 import Sam2Model
from vos.refine.sam2refiner.refiner import SAM2Refiner, SAM2RefinerConfig
from vos.refine.samref.refiner import SamRef, SamRefConfig
from vos.refine.segnext import SegNextConfig, SegNextStyle

RefinerConfig = SAM2RefinerConfig | SegNextConfig | SamRefConfig
TrainableRefiner = SAM2Refiner | SegNextStyle | SamRef

KINDS: Mapping[str, tuple[type[RefinerConfig], Callable[..., TrainableRefiner]]] = MappingProxyType(
    {
        SAM2Refiner.name: (SAM2RefinerConfig, SAM2Refiner),
        SegNextStyle.name: (SegNextConfig, SegNextStyle),
        SamRef.name: (SamRefConfig, SamRef),
    }
)


@dataclass(frozen=True, slots=True)
class RefinerSpec:
    """A refiner as YAML and JSON hold it.

    kind: as registered.
    options: the fields of the kind's config.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)


def build_refiner(config: RefinerConfig, model: Sam2Model) -> TrainableRefiner:
    """Build an untrained refiner for this base, in eval mode. It changes no mask yet."""
    _, make = KINDS[find_kind(config)]
    return make(config, model).to(model.device).eval()


def find_kind(config: RefinerConfig) -> str:
    """Find the name under which this config's class is registered."""
    return next(kind for kind, (declared, _) in KINDS.items() if declared is type(config))


def config_from(spec: RefinerSpec, where: str) -> RefinerConfig:
    """Make the typed config.

    where: how errors name the place.

    Raises: ConfigError for an unknown kind, or options that do not fit it.
    """
    if spec.kind not in KINDS:
        raise ConfigError(
            f"{where}: {spec.kind!r} is no kind of refiner{nearest(spec.kind, KINDS)}; "
            f"there are: {', '.join(KINDS)}"
        )
    return from_mapping(KINDS[spec.kind][0], spec.options, f"{where}: options")


def config_as_data(config: RefinerConfig) -> dict[str, Any]:
    """Return what `RefinerSpec` reads back, as JSON values."""
    return {"kind": find_kind(config), "options": asdict(config)}


def load_refiner_config(name_or_path: str) -> RefinerConfig:
    """Load the config of a shipped preset, or of a YAML file where the text ends in .yaml.

    Raises: ConfigError for an unknown preset, or a file that does not fit.
    """
    path = preset_or_file("refiner", name_or_path)
    return config_from(load_yaml(RefinerSpec, path), str(path))
