"""What a run uses: flag, then `VOS_*` environment, then `vos.toml`, then default.

`vos.toml` is read from the current folder; `VOS_CONFIG` names another file. Its keys are the field
names of `Settings`, at top level:

    model = "sam2.1-large"
    save = ["masks", "stats"]
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args, get_type_hints

from vos.config import convert, nearest
from vos.errors import ConfigError
from vos.io.read.scene_cuts import SceneCuts

Policy = Literal["fifo", "visible"]
Dtype = Literal["auto", "float32", "bfloat16"]
Decoder = Literal["pyav", "decord"]
Progress = Literal["auto", "rich", "plain", "json", "none"]

TOML_NAME = "vos.toml"

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices that a flag, the environment or a file may make.

    model: a registered name, a path to a weight file, or "auto".
    refiner: "auto", "none", a name, or a path to a refiner file.
    policy: memory policy; "fifo" is SAM 2's own, "visible" forgets frames without the object.
    device: "auto", "cpu", "cuda", "cuda:N" or "mps".
    dtype: arithmetic of the model; "auto" is bfloat16 on CUDA and float32 elsewhere.
    exact: SAM 2's own arithmetic to the last bit (in float32), at a lower speed.
    compile: compile the network's parts for this device first.
    size: side of the model's input in pixels, a multiple of 32; None is what it was trained at.
    pool_memory: side of the squares of memory tokens attended to as one; 1 is none.
    decoder: video reader.
    scene_cuts: "off", or what to do where the scene changes: "mark", "stop" or "reset".
    save: outputs to write.
    progress: form of the progress report on stderr.
    checkpoint_s: seconds between two checkpoints of a run; 0 saves after every frame.
    """

    model: str = "auto"
    refiner: str = "auto"
    policy: Policy = "fifo"
    device: str = "auto"
    dtype: Dtype = "auto"
    exact: bool = False
    compile: bool = False
    size: int | None = None
    pool_memory: int = 1
    decoder: Decoder = "pyav"
    scene_cuts: SceneCuts = "mark"
    save: tuple[str, ...] = ("masks", "overlay", "stats")
    progress: Progress = "auto"
    checkpoint_s: float = 10.0


SETTING_NAMES = tuple(field.name for field in fields(Settings))


def resolve(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Join the four sources into one Settings.

    flags: setting name -> value given on the command line; None means "not given".
    environ: environment to read, default `os.environ`.
    folder: where `vos.toml` is looked for, default the current folder.

    Raises:
        ConfigError: unknown key, a value of the wrong type, or an unreadable file.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, tuple[object, str]] = {}
    path = _toml_path(environ, Path.cwd() if folder is None else folder)
    if path is not None:
        for key, value in _read_toml(path).items():
            if key not in SETTING_NAMES:
                raise ConfigError(
                    f"{path}: unknown key {key!r}{nearest(key, SETTING_NAMES)}; "
                    f"valid keys: {', '.join(SETTING_NAMES)}"
                )
            values[key] = (value, f"{path}: {key}")
    for name in SETTING_NAMES:
        variable = f"VOS_{name.upper()}"
        if environ.get(variable):
            values[name] = (environ[variable], variable)
    for name, value in flags.items():
        if name not in SETTING_NAMES:
            raise TypeError(f"{name!r} is not a setting")
        if value is not None:
            values[name] = (value, f"--{name.replace('_', '-')}")
    hints = get_type_hints(Settings)
    checked: dict[str, object] = {}
    for name, (value, origin) in values.items():
        if name == "save":
            value = _as_list(value)
        if name == "checkpoint_s":
            value = _as_seconds(value, origin)
        if name in ("exact", "compile"):
            value = _as_switch(value)
        if name == "size":
            value = _as_pixels(value, origin)
        if name == "pool_memory":
            value = _as_count(value, origin)
        checked[name] = convert(hints[name], value, origin)
        if name == "device" and not _DEVICE.fullmatch(str(value)):
            raise ConfigError(f"{origin}: {value!r} is not one of auto, cpu, cuda, cuda:N, mps")
    return Settings(**checked)  # pyright: ignore[reportArgumentType]


def choices(literal: object) -> list[str]:
    """The values of one of the Literal types above, for help texts and completion."""
    return [str(value) for value in get_args(literal)]


def _as_list(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _as_seconds(value: object, origin: str) -> float:
    with contextlib.suppress(TypeError, ValueError):
        seconds = float(value)  # pyright: ignore[reportArgumentType]
        if 0 <= seconds < math.inf:
            return seconds
    raise ConfigError(f"{origin}: {value!r} is no number of seconds; give 0 or more, such as 10")


def _as_switch(value: object) -> object:
    """An environment variable's text as a switch; anything else is left to the type check."""
    texts = {"1": True, "true": True, "0": False, "false": False}
    return texts.get(value.lower(), value) if isinstance(value, str) else value


def _as_pixels(value: object, origin: str) -> int:
    with contextlib.suppress(TypeError, ValueError):
        pixels = int(value)  # pyright: ignore[reportArgumentType]
        if pixels > 0 and pixels % 32 == 0:
            return pixels
    raise ConfigError(
        f"{origin}: {value!r} is no side of a model's input; give a multiple of 32, such as 512"
    )


def _as_count(value: object, origin: str) -> int:
    with contextlib.suppress(TypeError, ValueError):
        count = int(value)  # pyright: ignore[reportArgumentType]
        if count > 0:
            return count
    raise ConfigError(f"{origin}: {value!r} is no whole number above zero")


def _toml_path(environ: Mapping[str, str], folder: Path) -> Path | None:
    named = environ.get("VOS_CONFIG")
    if named:
        return Path(named)
    path = folder / TOML_NAME
    return path if path.is_file() else None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{path}: cannot be read ({reason}); correct VOS_CONFIG or remove it"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct the file") from error
