"""Commands that take their options from a dataclass, so that each option is spelled once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

Command = Callable[..., None]

_MANY = tuple[str, ...]


def takes(
    flags: type | None = None, *, only: Collection[str] = (), verbose_panel: str | None = None
) -> Callable[[Command], Command]:
    """Give a command the options of a dataclass, as its parameter `flags`, and --verbose.

    Typer sees one option per field where the command has `flags`; it need not have it. The command
    itself does not get --verbose: the error handler reads it from the command line, since it must
    work before any command is known.

    flags: a dataclass whose fields are annotated as Typer options; a tuple of texts is an option
        that may be repeated.
    only: names of the fields that this command takes; the others keep their defaults. Empty: all.
    verbose_panel: where the help shows --verbose.
    """
    names = [] if flags is None else [f.name for f in fields(flags) if not only or f.name in only]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_flags(**given: Any) -> None:
            del given["verbose"]
            if flags is not None:
                taken = {name: given.pop(name) for name in names}
                is_many = {f.name for f in fields(flags) if f.default == ()}
                values = {k: tuple(v or ()) if k in is_many else v for k, v in taken.items()}
                given["flags"] = flags(**values)
            command(**given)

        parameters = [*_parameters(command, flags, names), _verbose(verbose_panel)]
        with_flags.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        with_flags.__annotations__ = {one.name: one.annotation for one in parameters}
        return with_flags

    return decorate


def _parameters(
    command: Command, flags: type | None, names: Collection[str]
) -> Iterator[inspect.Parameter]:
    """Yield the command's parameters, with one per field in the place of `flags`."""
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        if flags is None or parameter.name != "flags":
            yield _keyword(parameter.name, hints[parameter.name], parameter.default)
            continue
        kinds = get_type_hints(flags, include_extras=True)
        for field in fields(flags):
            if field.name not in names:
                continue
            kind = kinds[field.name]
            if kind.__origin__ == _MANY:
                yield _keyword(field.name, Annotated[list[str] | None, *kind.__metadata__], None)
            else:
                yield _keyword(field.name, kind, field.default)


def _verbose(panel: str | None) -> inspect.Parameter:
    option = typer.Option(
        "-v",
        "--verbose",
        help="The whole log, and the traceback of an error.",
        rich_help_panel=panel,
    )
    return _keyword("verbose", Annotated[bool, option], False)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
