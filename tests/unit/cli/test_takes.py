"""Commands whose options are declared in a dataclass."""

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from vos_cli.options.takes import takes

SEEN = []


@dataclass(frozen=True, slots=True)
class Flags:
    box: Annotated[tuple[str, ...], typer.Option("--box")] = ()
    size: Annotated[int | None, typer.Option("--size")] = None
    exact: Annotated[bool, typer.Option("--exact")] = False


def run(command, *words):
    SEEN.clear()
    app = typer.Typer()
    app.command()(command)
    app(list(words), standalone_mode=False)
    return SEEN[0]


@takes(Flags)
def everything(source: str, *, flags: Flags, last: int = 0) -> None:
    SEEN.append((source, flags, last))


@takes(Flags, only=("size",))
def some(*, flags: Flags) -> None:
    SEEN.append(flags)


def test_fields_are_options_in_the_place_of_flags():
    names = ["source", "box", "size", "exact", "last", "verbose"]
    assert list(inspect.signature(everything).parameters) == names
    seen = run(everything, "a.mp4", "--box", "1", "--box", "2", "--exact", "--last", "3", "-v")
    assert seen == ("a.mp4", Flags(("1", "2"), None, True), 3)
    assert run(everything, "a.mp4") == ("a.mp4", Flags(), 0)


def test_some_of_the_fields_are_enough():
    assert run(some, "--size", "64") == Flags(size=64)
    with pytest.raises(Exception, match="--exact"):
        run(some, "--exact")


def test_no_flags_but_verbose():
    @takes()
    def plain(count: int = 1) -> None:
        SEEN.append(count)

    assert run(plain, "--verbose", "--count", "2") == 2
