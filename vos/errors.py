"""The errors users may see. Each carries the value, the rule and the next step, in one line.

Libraries raise them and name parameters as Python does; only the command line turns them into text
with its flags, and an exit code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that an error's text names, spelled by whoever shows the text.

    name: as Python has it, such as `pool_memory`, where the command line has `--pool-memory`.
    value: what was given for it; None where the text names the parameter alone.
    """

    name: str
    value: object = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value!r}"


class VosError(Exception):
    """Something the user can act on. `exit_code` is the process exit code of the command line.

    Its text may be given in parts, some of which are parameters.
    """

    exit_code = 1

    def __init__(self, *parts: str | Parameter) -> None:
        super().__init__(*parts)
        self.parts = parts

    def __str__(self) -> str:
        return self.spell(str)

    def spell(self, write: Callable[[Parameter], str]) -> str:
        """Return the text with each parameter as `write` gives it."""
        return "".join(write(p) if isinstance(p, Parameter) else p for p in self.parts)


class UsageError(VosError):
    """A parameter, prompt or configuration value is wrong, or two contradict each other."""

    exit_code = 2


class PromptError(UsageError):
    """A prompt does not fit the video: outside the frame, empty, conflicting, past the end."""


class ConfigError(UsageError):
    """A configuration file has an unknown key or a value of the wrong type."""


class OutputError(UsageError):
    """The output place cannot be used: a file is in the way, no space, no permission."""


class BusyError(OutputError):
    """Another run is writing this output."""


class OtherOutputError(OutputError):
    """An earlier output of vos is there, which may be replaced if the user says so."""


class ResumeError(OutputError):
    """A saved state does not fit what lies beside it, so an older one or none must do."""


class InputError(VosError):
    """The input cannot be read: missing, empty, not a video, mixed sizes, no permission."""

    exit_code = 3


class FrameError(InputError, ValueError):
    """A frame made in Python has another type, shape, size or place in the stream than it must."""


class ModelError(VosError):
    """No such model, not on this machine, or its file is wrong."""

    exit_code = 6


class CheckpointError(ModelError):
    """A weight file is truncated, foreign, of another architecture or of another checksum."""


class OutOfMemoryError(VosError):
    """The device has too little memory even after every fallback."""

    exit_code = 7


class VerificationError(VosError):
    """A finished output does not pass its own check."""

    exit_code = 8


class Cancelled(VosError):
    """Whoever started the work asked to stop it, from another thread; nothing went wrong."""


class TrainingError(VosError):
    """A training run cannot go on: its loss is not a number any more."""


class VosWarning(UserWarning):
    """In Python, what the command line says as a warning or a notice: one line."""
