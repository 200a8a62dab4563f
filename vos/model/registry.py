"""Registered models by name, by file, and where they are on this machine.

Nothing here imports torch or touches the network, so `vos models list` and completion stay fast.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from vos.config import nearest
from vos.errors import ModelError
from vos.model.entries import BEST, EMBEDDED, NULL, REGISTRY, ModelEntry

AUTO = "auto"
TRYING_OUT = f"{EMBEDDED} is for trying out; for work, get SAM 2.1: vos models pull {BEST}"
"""What is said of the embedded model where it is shown."""

_WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A weight file to load.

    path: the file; it exists.
    entry: the registered model it was named as; None for a path, whose tensors show the size.
    is_automatic: chosen by "auto", so that the user should learn which one it is.
    """

    path: Path
    entry: ModelEntry | None
    is_automatic: bool = False

    @property
    def name(self) -> str:
        return self.path.name if self.entry is None else self.entry.name

    @property
    def named_px(self) -> int | None:
        """Return the input side in the name of an unregistered file; None if there is none.

        No tensor depends on it. MedSAM2's files are fine-tuned at 512 px, and those of EfficientTAM
        for 512 px have this in their names.
        """
        return 512 if self.entry is None and _AT_512.search(self.path.name) else None


# Models that people know and ask for by name, as they are known without hyphens.
_UNLISTED = {
    "sam3": "its weights are gated: ask for access at huggingface.co/facebook/sam3, get them with "
    "`hf download facebook/sam3 sam3.pt`, and give the file's path; its tracker is what runs",
    "sam3.1": "its multiplex tracker has other modules than SAM 2 and is not supported",
    "medsam2": "not in the list, as we have not seen its licence; get MedSAM2_latest.pt from "
    "huggingface.co/wanglab/MedSAM2 and give its path",
}

# "auto" takes the first of these that is on this machine, else the embedded model.
_AUTO_ORDER = (BEST, "sam2.1-base-plus", "sam2.1-small", "sam2.1-tiny")
_AT_512 = re.compile(r"medsam2|512x512", re.IGNORECASE)

_NO_HOME = Path("/nonexistent")  # as systems call it that have users without one


def names() -> list[str]:
    """Return all registered names, the embedded model first."""
    return list(REGISTRY)


def get(name: str) -> ModelEntry:
    """Return the entry of that name.

    Raises:
        ModelError: no such name; the message gives the nearest one.
    """
    try:
        return REGISTRY[name]
    except KeyError:
        known = _UNLISTED.get(name.lower().replace("_", "").replace("-", ""))
        if known is not None:
            raise ModelError(f"{name}: {known}; `vos models list` has what there is") from None
        raise ModelError(
            f"{name!r}: no such model{nearest(name, REGISTRY)}; "
            "list them with `vos models list`, or give the path of a weight file"
        ) from None


def home() -> Path:
    """Return the user's home; a folder that does not exist for a user without one."""
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and a uid that the system has no name for
        return _NO_HOME


def find_published(sha256: str) -> ModelEntry | None:
    """Find the registered model whose published file has this SHA-256."""
    return next((entry for entry in REGISTRY.values() if entry.sha256 == sha256), None)


def find_by_file_name(name: str) -> ModelEntry | None:
    """Find the registered model whose file has this name."""
    return next((entry for entry in REGISTRY.values() if entry.file_name == name), None)


def expand_user(path: str | Path) -> Path:
    """Replace a leading `~`; leave it as it is where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def models_dir() -> Path:
    """Return the folder that `vos models pull` fills: `VOS_MODELS`, else `~/.cache/vos/models`."""
    named = os.environ.get("VOS_MODELS")
    return expand_user(named) if named else home() / ".cache" / "vos" / "models"


def find(entry: ModelEntry) -> Path | None:
    """Find this model's weight file on this machine, or None. Its content is not checked.

    Looked for in the models folder first, then in the Hugging Face cache.
    """
    if entry.is_embedded:
        candidates = [_WEIGHTS_DIR / entry.file_name]
    else:
        candidates = [models_dir() / entry.file_name, *_in_hub_cache(entry)]
    return next((path for path in candidates if path.is_file()), None)


def is_whole(entry: ModelEntry, path: Path) -> bool:
    """Tell whether the file has the published size; True where none is published."""
    return entry.size_bytes is None or path.stat().st_size == entry.size_bytes


def resolve(spec: str) -> ResolvedModel:
    """Turn `--model` into a file: "auto", a registered name, "null", or a path.

    "auto" is the best whole weight file of SAM 2.1 here, else the embedded model. Anything else
    never falls back.

    Raises:
        ModelError: no such name or file, or the model is not on this machine.
    """
    if spec == AUTO:
        for name in _AUTO_ORDER:
            path = find(REGISTRY[name])
            if path is not None and is_whole(REGISTRY[name], path):
                return ResolvedModel(path, REGISTRY[name], is_automatic=True)
        return ResolvedModel(_require(REGISTRY[EMBEDDED]), REGISTRY[EMBEDDED], is_automatic=True)
    if spec == NULL.name:
        return ResolvedModel(Path(os.devnull), NULL)
    if spec in REGISTRY:
        return ResolvedModel(_require(REGISTRY[spec]), REGISTRY[spec])
    if not spec:
        raise ModelError("no model is named; give auto, or a name of `vos models list`")
    path = expand_user(spec)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError:  # the name is too long for the file system, or a folder is closed
        is_file = is_folder = False
    if is_file:
        return ResolvedModel(path, None)
    if is_folder:
        raise ModelError(f"{spec}: is a folder, not a weight file; give a .pt or .safetensors file")
    if path.suffix in {".pt", ".pth", ".safetensors"} or len(path.parts) > 1:
        raise ModelError(f"{spec}: no such weight file; check the path, or see `vos models list`")
    get(spec)
    raise AssertionError("unreachable: get() raises for a name that is not registered")


def _require(entry: ModelEntry) -> Path:
    path = find(entry)
    if path is not None:
        return path
    if entry.is_embedded:
        raise ModelError(
            f"{entry.name}: {entry.file_name} was not installed with this package; reinstall vos"
        )
    raise ModelError(
        f"{entry.name}: not on this machine; get it with `vos models pull {entry.name}`, "
        "or use `--model nano`"
    )


def _in_hub_cache(entry: ModelEntry) -> list[Path]:
    """List this entry's files in the Hugging Face cache (public layout: snapshots/COMMIT/FILE)."""
    assert entry.repository is not None
    hugging = os.environ.get("HF_HOME")
    root = expand_user(hugging) if hugging else home() / ".cache" / "huggingface"
    named = os.environ.get("HF_HUB_CACHE")
    hub = expand_user(named) if named else root / "hub"
    snapshots = hub / f"models--{entry.repository.replace('/', '--')}" / "snapshots"
    return sorted(snapshots.glob(f"*/{entry.file_name}"))
