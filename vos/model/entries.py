"""The registered models: what each is, and which file of weights was published for it.

Sizes and SHA-256 values are those of the files that Meta and the authors of EfficientTAM published;
each of SAM 2's agrees in several independent public lists, among them copies of the Hugging Face
Hub's own LFS records, and EdgeTAM's in two.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

EMBEDDED = "nano"
BEST = "sam2.1-large"


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
