"""Typed configuration: frozen dataclasses filled from YAML, strictly.

A configuration is a dataclass that its own module declares; this file only knows how to fill one.
Unknown keys, missing keys and values of the wrong type are errors that name the place and, for a
misspelt key, the nearest valid one. There are no class paths and no interpolation.
"""

from __future__ import annotations

import contextlib
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from vos.bounded import brief, read_text
from vos.errors import ConfigError

T = TypeVar("T")

_MAX_BYTES = 2**20
_PACKAGE = Path(__file__).resolve().parent
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)
_EXPONENT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")


@cache
def presets_dir() -> Path:
    """The folder of shipped presets.

    A wheel carries them as `vos/presets`; a working copy has them in `configs` beside `vos`.

    Raises:
        ConfigError: neither folder exists, so the installation is damaged.
    """
    for folder in (_PACKAGE / "presets", _PACKAGE.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{_PACKAGE}: no presets were installed with this package; reinstall vos")


def preset_names(kind: str) -> list[str]:
    """Names of the presets of one kind ("model", "refiner", "train"), sorted."""
    return sorted(path.stem for path in (presets_dir() / kind).glob("*.yaml"))


def preset_path(kind: str, name: str) -> Path:
    """The YAML file of a shipped preset.

    Raises:
        ConfigError: there is no preset of that name.
    """
    path = presets_dir() / kind / f"{name}.yaml"
    if name not in preset_names(kind):
        raise ConfigError(
            f"{name!r}: no such {kind} preset{nearest(name, preset_names(kind))}; "
            f"there are: {', '.join(preset_names(kind)) or 'none'}"
        )
    return path


def preset_or_file(kind: str, name_or_path: str) -> Path:
    """The YAML file that a name means: a path where the text ends in .yaml or .yml, else a preset.

    Raises:
        ConfigError: there is no preset of that name.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    return preset_path(kind, name_or_path)


def load_preset(cls: type[T], kind: str, name: str) -> T:
    """A shipped preset as an instance of `cls`. Raises ConfigError."""
    return load_yaml(cls, preset_path(kind, name))


def load_yaml(cls: type[T], path: Path) -> T:
    """Read one YAML file into the dataclass `cls`.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not fit `cls`.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML 1.1, which PyYAML reads, takes 1e-3 for text; YAML 1.2 and people for a number.

        Aliases, with which a few lines stand for gigabytes, are refused; no setting needs them.
        """

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not taken: write the value out")
            return super().compose_node(parent, index)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("+-.0123456789"))
    try:
        data = yaml.load(read_text(path, _MAX_BYTES), Loader)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{path}: cannot be read ({reason}); check the path") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; correct the file") from error
    # Numbers and dates that Python has none for are ValueErrors, and of other kinds.
    except (yaml.YAMLError, ValueError, ArithmeticError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML ({reason}); correct the file") from error
    return from_mapping(cls, {} if data is None else data, where=str(path))


def from_mapping(cls: type[T], data: object, where: str = "config") -> T:
    """Fill the dataclass `cls` from plain data, checking every key and every type.

    Understood field types: bool, int, float (an int is taken as float), str, None, Path, Literal,
    unions of these, list and tuple (fixed or `...`), dict with string keys, nested dataclasses.

    data: what a YAML or JSON parser returned.
    where: how errors name this place, for example the file's path.

    Raises:
        ConfigError: unknown or missing key, or a value of the wrong type.
    """
    if not (is_dataclass(cls) and isinstance(cls, type)):
        raise TypeError(f"{cls!r} is not a dataclass")
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: {brief(data)} is not a mapping of keys to values")
    known: dict[str, Field[Any]] = {field.name: field for field in fields(cls) if field.init}
    for key in data:
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {brief(key)}{nearest(_word(key), known)}; "
                f"valid keys: {', '.join(known)}"
            )
    missing = [
        name
        for name, field in known.items()
        if name not in data and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing key {missing[0]!r}; add it")
    hints = typing.get_type_hints(cls)
    values = {key: convert(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:  # a __post_init__ that refuses a combination
        raise ConfigError(f"{where}: {error}") from error


def nearest(name: str, valid: typing.Iterable[str]) -> str:
    """' (did you mean ...?)' for a likely misspelling, else an empty string."""
    found = get_close_matches(name[:60], list(valid), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


def convert(hint: Any, value: object, where: str) -> Any:
    """One value as the type `hint`, as in from_mapping; `where` starts the error's text."""
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint) and isinstance(hint, type):
        return from_mapping(hint, value, where)
    if origin is Literal:
        if value in args and any(type(value) is type(choice) for choice in args):
            return value
        raise ConfigError(
            f"{where}: {brief(value)} is not one of {', '.join(map(str, args))}"
            f"{nearest(_word(value), map(str, args))}"
        )
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, where)
    if origin in (list, tuple):
        return _convert_sequence(origin, args, value, where)
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(f"{where}: {brief(value)} is not a mapping with text keys")
        return {key: convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    return _convert_scalar(hint, value, where)


def as_list(value: object, _where: str) -> object:
    """Read a list from a text with commas; anything else is left to the type check."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def as_switch(value: object, _where: str) -> object:
    """Read a switch from an environment variable's text; the rest is left to the type check."""
    texts = {"1": True, "true": True, "0": False, "false": False}
    return texts.get(value.lower(), value) if isinstance(value, str) else value


def as_device(value: object, where: str) -> object:
    """Check that this names a device, present or not. Raises ConfigError."""
    if isinstance(value, str) and not _DEVICE.fullmatch(value):
        raise ConfigError(f"{where}: {brief(value)} is not one of auto, cpu, cuda, cuda:N, mps")
    return value


def as_pixels(value: object, where: str) -> int:
    """Read the side of a model's input from a number or its text. Raises ConfigError."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        pixels = int(value)  # pyright: ignore[reportArgumentType]
        if pixels > 0 and pixels % 32 == 0:
            return pixels
    raise ConfigError(
        f"{where}: {brief(value)} is no side of a model's input; give a multiple of 32, such as 512"
    )


def as_count(value: object, where: str) -> int:
    """Read a whole number above zero from a number or its text. Raises ConfigError."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        count = int(value)  # pyright: ignore[reportArgumentType]
        if count > 0:
            return count
    raise ConfigError(f"{where}: {brief(value)} is no whole number above zero")


def as_seconds(value: object, where: str) -> float:
    """Read a finite number of seconds, 0 or more, from a number or its text. Raises ConfigError."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        seconds = float(value)  # pyright: ignore[reportArgumentType]
        if 0 <= seconds < math.inf:
            return seconds
    raise ConfigError(
        f"{where}: {brief(value)} is no number of seconds; give 0 or more, such as 10"
    )


def _convert_scalar(hint: Any, value: object, where: str) -> Any:
    if hint in (None, type(None)):
        if value is None:
            return None
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):
                return float(value)
    elif hint is Path:
        if isinstance(value, str):
            return Path(value)
    elif type(value) is hint:
        return value
    raise ConfigError(f"{where}: {brief(value)} is not {_name(hint)}")


def _convert_union(args: tuple[Any, ...], value: object, where: str) -> Any:
    errors: list[ConfigError] = []
    for option in args:
        try:
            return convert(option, value, where)
        except ConfigError as error:
            errors.append(error)
    for option, error in zip(args, errors, strict=True):
        if is_dataclass(option) and isinstance(value, Mapping):
            raise error  # the place inside the nested mapping says more than the union does
    names = " or ".join(_name(option) for option in args)
    raise ConfigError(f"{where}: {brief(value)} is not {names}")


def _convert_sequence(origin: type, args: tuple[Any, ...], value: object, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: {brief(value)} is not a list")
    if origin is list or (len(args) == 2 and args[1] is Ellipsis):
        kinds: list[Any] = [args[0]] * len(value)
    else:
        kinds = list(args)
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: {brief(value)} has {len(value)} items, not {len(kinds)}")
    items = [
        convert(kind, item, f"{where}[{index}]")
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    ]
    return origin(items)


def _name(hint: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        Path: "a path",
        type(None): "null",
    }
    if hint in names:
        return names[hint]
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) in (list, tuple):
        return "a list"
    return "a mapping"


def _word(value: object) -> str:
    return value if isinstance(value, str) else brief(value)
