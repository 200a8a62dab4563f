"""What a run uses: flag, then `VOS_*` environment, then `vos.toml`, then default.

`vos.toml` is read from the current folder; `VOS_CONFIG` names another file. Its keys are the field
names of `Settings`, at top level:

    model = "sam2.1-large"
    save = ["masks", "stats"]
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from vos.bounded import read_text
from vos.config import as_list, as_seconds, convert, nearest
from vos.errors import ConfigError, Parameter, UsageError
from vos.io.read.scene_cuts import SceneCuts
from vos.io.timecode import parse_rate
from vos.model.options import OPTION_NAMES, ModelOptions
from vos.policies import check_lag

Decoder = Literal["pyav", "decord"]
Progress = Literal["auto", "rich", "plain", "json", "none"]

TOML_NAME = "vos.toml"
_MAX_BYTES = 2**20
_OTHER_VARIABLES = ("config", "models")
_LIKENESS = 0.75  # of names, as difflib has it


def as_rate(value: object, where: str) -> Fraction:
    """Read frames per second from a number or its text. Raises ConfigError."""
    try:
        return parse_rate(value)
    except UsageError as error:
        raise ConfigError(f"{where}: {error}") from None


@dataclass(frozen=True, slots=True)
class Settings(ModelOptions):
    """The choices that a flag, the environment or a file may make: those of the model, and these.

    decoder: video reader.
    rate: frames per second of image sequences, None for 24; refused for videos.
    scene_cuts: "off", or what to do where the scene changes: "mark", "stop" or "reset".
    save: outputs to write.
    deliver: formats in which a finished result is exported beside it.
    progress: form of the progress report on stderr.
    checkpoint_s: seconds between two checkpoints of a run; 0 saves after every frame.
    """

    decoder: Decoder = "pyav"
    rate: Fraction | None = field(default=None, metadata={"read": as_rate})
    scene_cuts: SceneCuts = "mark"
    save: tuple[str, ...] = field(default=("masks", "overlay", "stats"), metadata={"read": as_list})
    deliver: tuple[str, ...] = field(default=(), metadata={"read": as_list})
    progress: Progress = "auto"
    checkpoint_s: float = field(default=10.0, metadata={"read": as_seconds})

    @property
    def model_options(self) -> ModelOptions:
        """Return the model's part alone, so that settings for one model are equal."""
        return ModelOptions(**{name: getattr(self, name) for name in OPTION_NAMES})


SETTING_NAMES = tuple(item.name for item in fields(Settings))


def resolve(
    flags: Mapping[str, object],
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Join the four sources into one Settings.

    flags: setting name -> value given by the caller; None means "not given".
    environ: environment to read, default `os.environ`.
    folder: where `vos.toml` is looked for, default the current folder.

    Raises:
        ConfigError: unknown key, a value of the wrong type, or an unreadable file.
        UsageError: a lag for a policy that has none.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, tuple[object, str | Parameter]] = {}
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
            values[name] = (value, Parameter(name))
    hints = get_type_hints(Settings)
    readers = {item.name: item.metadata.get("read") for item in fields(Settings)}
    checked: dict[str, Any] = {}
    for name, (value, origin) in values.items():
        read = readers[name]
        try:
            checked[name] = convert(hints[name], read(value, "") if read else value, "")
        except ConfigError as error:  # its text begins with the place, which was left empty
            raise ConfigError(origin, str(error)) from error
    found = Settings(**checked)
    check_lag(found.policy, found.lag)
    return found


def refuse_unknown_variables(environ: Mapping[str, str] | None = None) -> None:
    """Refuse a `VOS_*` variable that is nearly a setting, which would be passed over otherwise.

    environ: environment to read, default `os.environ`.

    Raises ConfigError.
    """
    for variable in sorted(os.environ if environ is None else environ):
        name = variable.removeprefix("VOS_").lower()
        if not variable.startswith("VOS_") or name in (*SETTING_NAMES, *_OTHER_VARIABLES):
            continue
        found = get_close_matches(name, SETTING_NAMES, n=1, cutoff=_LIKENESS)
        if found:
            raise ConfigError(
                f"{variable}: there is no such setting; set VOS_{found[0].upper()} if that is "
                "meant, or unset it"
            )


def choices(literal: object) -> list[str]:
    """The values of one of the Literal types above, for help texts and completion."""
    return [str(value) for value in get_args(literal)]


def _toml_path(environ: Mapping[str, str], folder: Path) -> Path | None:
    named = environ.get("VOS_CONFIG")
    if named:
        return Path(named)
    path = folder / TOML_NAME
    return path if path.is_file() else None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(read_text(path, _MAX_BYTES))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(
            f"{path}: cannot be read ({reason}); correct VOS_CONFIG or remove it"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; correct the file") from error
    except ValueError as error:  # of tomllib, of its numbers, or of the text
        raise ConfigError(f"{path}: not valid TOML ({error}); correct the file") from error
