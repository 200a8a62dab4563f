"""`vos models`: which model weights exist, which are here, getting and checking them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vos.errors import CheckpointError, ModelError
from vos.model import registry
from vos.model.files import weights as weight_file
from vos.model.registry import ModelEntry
from vos_cli.console.errors import message
from vos_cli.console.tables import print_table

if TYPE_CHECKING:
    from vos.model.files.identify import FileInfo

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="List, get, find, check and tell apart model weights.",
    epilog="Example:  vos models pull sam2.1-large",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# What huggingface_hub and the HTTP clients beneath it raise without a network.
_UNREACHABLE = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
}

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A registered name, as `vos models list` prints it.",
        autocompletion=registry.names,
    ),
]


@app.command("list", epilog="Example:  vos models list --json")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print every registered model, what it is for, and where it is on this machine."""
    rows = [_row(entry) for entry in registry.REGISTRY.values()]
    if as_json:
        print(json.dumps({"schema": 1, "models": [asdict(row) for row in rows]}))
        return
    table = [("name", "MB", "input", "speed", "licence", "for", "state", "file")]
    for row in rows:
        size = "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.0f}"
        side = "" if row.input_px is None else f"{row.input_px} px"
        what = (row.name, size, side, row.speed, row.licence, row.purpose)
        table.append((*what, row.state, row.path or ""))
    print_table(table, {"here": "green", "embedded": "green", "wrong size": "red"})


@app.command("pull", epilog="Example:  vos models pull sam2.1-large")
def pull(name: Name) -> None:
    """Download a model's weights from the Hugging Face Hub, check them, print their path."""
    entry = registry.get(name)
    present = registry.find(entry)
    if present is None or not registry.is_whole(entry, present):
        if entry.is_embedded:
            raise ModelError(
                f"{name}: {entry.file_name} was not installed with this package; reinstall vos"
            )
        present = _download(entry, registry.models_dir())
    else:
        _verify(entry, present)
    print(present)


@app.command("path", epilog="Example:  vos models path sam2.1-large")
def path(name: Name) -> None:
    """Print where a model's weights are on this machine."""
    registry.get(name)  # a path is no name here
    print(registry.resolve(name).path)


@app.command("info", epilog="Example:  vos models info MedSAM2_latest.pt")
def info(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="PATH|NAME",
            help="A weight file, or a registered name.",
            autocompletion=registry.names,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print what a weight file is, or what it nearly is, and whether it is of use here."""
    from vos.model.files.identify import identify

    seen = identify(registry.resolve(spec))
    if as_json:
        print(json.dumps({"schema": 1, **asdict(seen), "path": str(seen.path)}))
        return
    print_table([("file", str(seen.path)), ("what", seen.what), *_rows(seen, spec)])


@app.command("verify", epilog="Example:  vos models verify sam2.1-large")
def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Default: every model here.", autocompletion=registry.names
        ),
    ] = None,
) -> None:
    """Check weights on this machine against their published size and SHA-256."""
    if name is not None:
        entry = registry.get(name)
        _print_verified(entry, registry.resolve(name).path)
        return
    here = [(e, p) for e in registry.REGISTRY.values() if (p := registry.find(e)) is not None]
    wrong: list[str] = []
    for entry, found in here:
        try:
            _print_verified(entry, found)
        except CheckpointError as error:
            wrong.append(entry.name)
            print(f"{entry.name}: wrong: {message(error)}")
    if wrong:
        raise CheckpointError(
            f"{', '.join(wrong)}: {len(wrong)} of {len(here)} weight files are wrong; "
            "delete each and get it again with `vos models pull NAME`"
        )


def _rows(seen: FileInfo, spec: str) -> list[tuple[str, str]]:
    """List what is known of a file, what is unknown left out."""
    known = {
        "usable": f"yes: --model {quote(spec)}" if seen.is_usable else "no",
        "architecture": seen.architecture,
        "parameters": f"{seen.parameters / 1e6:.1f} million in {seen.tensors} tensors, "
        f"{', '.join(seen.dtypes)}",
        "input": None if seen.input_px is None else f"{seen.input_px} px",
        "licence": seen.licence,
        "source": seen.source,
        "size": f"{seen.size_bytes} bytes",
        "SHA-256": seen.sha256,
    }
    rows = [(name, text) for name, text in known.items() if text is not None]
    return rows + [("note", note) for note in seen.notes]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    state: Literal["embedded", "here", "wrong size", "not here"]
    path: str | None
    size_bytes: int | None
    sha256: str | None
    repository: str | None
    architecture: str
    input_px: int | None
    licence: str
    speed: str
    purpose: str


def _row(entry: ModelEntry) -> _Row:
    found = registry.find(entry)
    size_bytes = entry.size_bytes
    if found is None:
        state = "not here"
    elif entry.is_embedded:
        state, size_bytes = "embedded", found.stat().st_size
    else:
        state = "here" if registry.is_whole(entry, found) else "wrong size"
    place = None if found is None else str(found)
    return _Row(
        name=entry.name,
        state=state,
        path=place,
        size_bytes=size_bytes,
        sha256=entry.sha256,
        repository=entry.repository,
        architecture=entry.architecture,
        input_px=entry.trained_px,
        licence=entry.licence,
        speed=entry.speed,
        purpose=entry.purpose,
    )


def _print_verified(entry: ModelEntry, found: Path) -> None:
    digest = _verify(entry, found)
    print(f"{entry.name}: ok, SHA-256 {digest}")


def _verify(entry: ModelEntry, found: Path) -> str:
    digest = weight_file.verify(entry, found)
    if entry.sha256 is None:  # nothing published to compare with, so see that it can be read
        weight_file.load_state_dict(found)
    return digest


def _download(entry: ModelEntry, folder: Path) -> Path:
    """Fetch into a side folder, check, move into place; nothing unchecked gets the final name.

    Raises:
        ModelError: offline, refused or interrupted by the other side.
        CheckpointError: what arrived has another size or checksum.
    """
    assert entry.repository is not None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    incoming = folder / ".incoming"
    try:
        incoming.mkdir(parents=True, exist_ok=True)
        arrived = Path(hf_hub_download(entry.repository, entry.file_name, local_dir=incoming))
    except Exception as error:
        if _is_local(error, folder):
            raise ModelError(
                f"{folder}: cannot be written ({_reason(error)}); "
                "set VOS_MODELS to a folder that can"
            ) from error
        raise ModelError(
            f"{entry.name}: cannot be downloaded ({_reason(error)}); check the network, or "
            f"copy {entry.file_name} from another machine into {folder}"
        ) from error
    try:
        weight_file.verify(entry, arrived)
    except CheckpointError:
        arrived.unlink(missing_ok=True)
        raise
    final = folder / entry.file_name
    arrived.replace(final)
    shutil.rmtree(incoming, ignore_errors=True)
    return final


def _is_local(error: Exception, folder: Path) -> bool:
    """Tell whether the models folder is at fault, not the network."""
    name = getattr(error, "filename", None)
    return (
        isinstance(error, OSError)
        and error.errno is not None
        and isinstance(name, str | os.PathLike)
        and Path(name).is_relative_to(folder)
    )


def _reason(error: Exception) -> str:
    if type(error).__name__ in _UNREACHABLE:
        return "the Hugging Face Hub cannot be reached"
    strerror = getattr(error, "strerror", None)
    lines = str(strerror or error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
