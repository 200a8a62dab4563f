"""Files of `torch.save`, read without executing anything and without inflating anything."""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from vos.bounded import UnfitError

_ZIP_MAGIC = b"PK\x03\x04"
_MAX_PICKLE_BYTES = 64 * 2**20  # names and shapes: 0.1 MB for the largest SAM 2
_MAX_ENTRIES = 200_000
_BOMBS = ("bytearray",)  # makes as many bytes as a number says


class ForeignError(UnfitError):
    """The file holds more than tensors and plain values."""


def load_torch_file(source: Path | bytes, device: str | torch.device) -> Any:
    """Read tensors and plain values. A file's tensors are mapped, not copied.

    Raises OSError, ForeignError, and UnfitError for a file that is damaged or compressed.
    """
    with _open(source) as file:
        is_zip = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
        file.seek(0)
        _check_names(_stored_pickle(file) if is_zip else file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle versions; the outcome says enough
            return torch.load(
                io.BytesIO(source) if isinstance(source, bytes) else source,
                map_location=device,
                weights_only=True,
                mmap=is_zip and not isinstance(source, bytes),
            )
    except pickle.UnpicklingError as error:
        raise ForeignError("more than tensors") from error
    except (MemoryError, OSError):
        raise
    except Exception as error:  # torch raises nearly anything on damaged data
        raise UnfitError(f"truncated or damaged ({type(error).__name__})") from error


def _open(source: Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _stored_pickle(file: IO[bytes]) -> IO[bytes]:
    """Return the pickle in an archive whose entries are all stored as they are.

    `torch.save` never compresses, so that what is compressed was made to be larger than it looks.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > _MAX_ENTRIES:
                raise UnfitError(f"{len(entries)} entries")
            size = file.seek(0, io.SEEK_END)
            if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
                raise UnfitError("compressed, which torch.save never does")
            if sum(one.file_size for one in entries) > size:
                raise UnfitError("its parts are larger than the file")
            found = [one for one in entries if one.filename.endswith("data.pkl")]
            if len(found) != 1 or found[0].file_size > _MAX_PICKLE_BYTES:
                raise UnfitError("no table of tensors")
            return io.BytesIO(archive.read(found[0]))
    except UnfitError:
        raise
    except Exception as error:  # zipfile raises nearly anything on damaged data
        raise UnfitError(f"truncated or damaged ({type(error).__name__})") from error


def _check_names(file: IO[bytes]) -> None:
    """Refuse the names that torch lets through and that make memory out of a number.

    An old file is several pickles one after the other, and then the tensors.
    """
    for _ in range(5):
        try:
            for opcode, argument, _ in pickletools.genops(file):
                is_name = opcode.name in ("GLOBAL", "INST")
                if is_name and str(argument).split(" ")[-1].split(".")[-1] in _BOMBS:
                    raise ForeignError(f"more than tensors ({argument})")
                if opcode.name == "STACK_GLOBAL":
                    raise ForeignError("more than tensors, or written with another protocol")
        except ForeignError:
            raise
        except Exception:  # the tensors of an old file; or damaged, which torch says better
            return
