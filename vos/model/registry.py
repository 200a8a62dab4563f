"""The registered models: where their weights come from, and where they are on this machine.

Nothing here imports torch or touches the network, so `vos models list` and completion stay fast.
Sizes and SHA-256 values are those of the files that Meta and the authors of EfficientTAM published;
each of SAM 2's agrees in several independent public lists, among them copies of the Hugging Face
Hub's own LFS records, and EdgeTAM's in two.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from vos.config import nearest
from vos.errors import ModelError

AUTO = "auto"
EMBEDDED = "nano"
BEST = "sam2.1-large"
TRYING_OUT = f"{EMBEDDED} is for trying out; for work, get SAM 2.1: vos models pull {BEST}"
"""What is said of the embedded model where it is shown."""

_WEIGHTS_DIR = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One registered model.

    name: what `--model` takes.
    architecture: "sam2-tiny" ... "sam2.1-large", "efficienttam-s" or "-ti", "edgetam", or "nano";
        `infer_architecture` returns these.
    config: config name inside the sam2 package, None for what vos builds itself.
    repository: Hugging Face Hub repository, None for the embedded model.
    file_name: the weight file's name, in the repository and in the models folder.
    size_bytes, sha256: of the published file; None where the file comes with the package.
    trained_px: input side it was trained at; None where the file itself says it.
    licence: of the weights.
    speed: a class, from "fastest" to "slowest", by the arithmetic of a frame.
    purpose: what to choose it for, in a few words.
    """

    name: str
    architecture: str
    config: str | None
    repository: str | None
    file_name: str
    size_bytes: int | None = None
    sha256: str | None = None
    trained_px: int | None = None
    licence: str = "Apache-2.0"
    speed: str = ""
    purpose: str = ""

    @property
    def is_embedded(self) -> bool:
        return self.repository is None


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


_SAM2_SIZES = {
    "tiny": ("t", "medium"),
    "small": ("s", "medium"),
    "base-plus": ("b+", "slow"),
    "large": ("l", "slowest"),
}


def _sam2(version: str, size: str, size_bytes: int, sha256: str, purpose: str) -> ModelEntry:
    family = f"sam{version}"
    letter, speed = _SAM2_SIZES[size]
    stem = f"{family}_hiera_{size.replace('-', '_')}"
    return ModelEntry(
        name=f"{family}-{size}",
        architecture=f"{family}-{size}",
        config=f"configs/{family}/{family}_hiera_{letter}.yaml",
        repository=f"facebook/{family}-hiera-{size}",
        file_name=f"{stem}.pt",
        size_bytes=size_bytes,
        sha256=sha256,
        trained_px=1024,
        speed=speed,
        purpose=purpose,
    )


def _efficienttam(
    size: str, trained_px: int, size_bytes: int, sha256: str, purpose: str
) -> ModelEntry:
    is_small = trained_px == 512
    return ModelEntry(
        name=f"efficienttam-{size}{'-512' if is_small else ''}",
        architecture=f"efficienttam-{size}",
        config=None,
        repository="yunyangx/efficient-track-anything",
        file_name=f"efficienttam_{size}{'_512x512' if is_small else ''}.pt",
        size_bytes=size_bytes,
        sha256=sha256,
        trained_px=trained_px,
        speed="fast" if is_small else "medium",
        purpose=purpose,
    )


_EDGETAM = ModelEntry(
    "edgetam",
    "edgetam",
    None,
    "facebook/EdgeTAM",
    "edgetam.pt",
    56_116_523,
    "ed2d4850b8792c239689b043c47046ec239b6e808a3d9b6ae676c803fd8780df",
    trained_px=1024,
    speed="fast",
    purpose="small GPUs; needs vos[edgetam]",
)

_REPEAT = "results of SAM 2.0 again"

_ENTRIES = (
    ModelEntry(
        EMBEDDED,
        EMBEDDED,
        None,
        None,
        "nano.safetensors",
        speed="fastest",
        purpose="trying things out; comes with vos",
    ),
    _sam2(
        "2.1",
        "tiny",
        156_008_466,
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        "laptops with a GPU",
    ),
    _sam2(
        "2.1",
        "small",
        184_416_285,
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        "a little better than tiny",
    ),
    _sam2(
        "2.1",
        "base-plus",
        323_606_802,
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        "good masks at half of large's cost",
    ),
    _sam2(
        "2.1",
        "large",
        898_083_611,
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        "the best masks",
    ),
    _efficienttam(
        "ti",
        512,
        71_620_052,
        "7d4d652a465f0081391050932f45d8a66768ccc99c8ea393ce8a5927e83f3b9b",
        "CPUs; coarse edges",
    ),
    _efficienttam(
        "s",
        512,
        136_379_145,
        "67b5840012737ed2c94a4cb8787c5c1b27b3a946045d2e602e65ef77230b6085",
        "CPUs and laptops",
    ),
    _efficienttam(
        "ti",
        1024,
        71_616_316,
        "acbb17b28cca1f860acee09c9ecb6efdb732080dc7a85a07292c31813175fa7d",
        "GPUs; costs less than sam2.1-tiny",
    ),
    _efficienttam(
        "s",
        1024,
        136_375_868,
        "2b572be30d9e96ee29c8d785fe157c6b079ede7d56fbc8a3671d4120e63c89cd",
        "GPUs; costs what sam2.1-tiny does",
    ),
    _EDGETAM,
    _sam2(
        "2",
        "tiny",
        155_906_050,
        "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        _REPEAT,
    ),
    _sam2(
        "2",
        "small",
        184_309_650,
        "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        _REPEAT,
    ),
    _sam2(
        "2",
        "base-plus",
        323_493_298,
        "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        _REPEAT,
    ),
    _sam2(
        "2",
        "large",
        897_952_466,
        "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
        _REPEAT,
    ),
)

REGISTRY: MappingProxyType[str, ModelEntry] = MappingProxyType({e.name: e for e in _ENTRIES})

NULL = ModelEntry("null", "null", None, None, "null")
"""No model: every mask is empty. For simulations (docs/use/cluster.md), so it is not registered."""

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
    return next((entry for entry in _ENTRIES if entry.sha256 == sha256), None)


def find_by_file_name(name: str) -> ModelEntry | None:
    """Find the registered model whose file has this name."""
    return next((entry for entry in _ENTRIES if entry.file_name == name), None)


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
