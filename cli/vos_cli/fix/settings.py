"""The model a result was made with, found again. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vos import settings
from vos.errors import ModelError, Parameter, UsageError
from vos.model import registry
from vos.model.files import weights as weight_file
from vos.refine.resolve import AUTO, NONE, RefinerInfo, resolve_refiner
from vos.settings import Settings, as_rate


def settings_like(
    manifest: Mapping[str, Any],
    *,
    model: str | None,
    refiner: str | None,
    device: str | None,
    progress: str | None,
) -> Settings:
    """What the result was made with, but for what is named here.

    model, refiner: to use instead; then any will do. Environment and `vos.toml` choose the device
    and the form of the progress report only.

    Raises: ModelError where the model or refiner of then is not here, or is another one now.
    """
    was = manifest["parameters"]
    chosen = settings.resolve({"device": device, "progress": progress})
    name = _model_of(manifest) if model is None else model
    resolved = registry.resolve(name)
    if resolved.entry is registry.NULL:
        raise UsageError(
            Parameter("model", name),
            ": finds nothing, so nothing is corrected with it; leave it out",
        )
    sha256 = weight_file.check_sha256(resolved)
    refined = AUTO if refiner is None else refiner
    if refiner is None and sha256 == manifest["model_sha256"]:
        refined = str(was["refiner"])
        _check_refiner(was, resolve_refiner(refined, resolved.name, sha256))
    return replace(
        chosen.with_parameters(was),
        model=name,
        refiner=refined,
        decoder=was["decoder"],
        rate=as_rate(was["rate"], "rate") if "rate" in was else None,
    )


def model_line(used: Settings) -> str:
    """One line for people. Raises ModelError."""
    resolved = registry.resolve(used.model)
    info = resolve_refiner(used.refiner, resolved.name, weight_file.check_sha256(resolved))
    return f"model {resolved.name}" + ("" if info is None else f", refiner {info.name}")


def _model_of(manifest: Mapping[str, Any]) -> str:
    """The registered name of the weights the result was made with."""
    wanted = manifest["model_sha256"]
    for entry in registry.REGISTRY.values():
        if entry.sha256 is not None:
            is_it = entry.sha256 == wanted
        else:
            path = registry.find(entry)
            is_it = path is not None and weight_file.compute_sha256(path) == wanted
        if is_it:
            return entry.name
    raise ModelError(
        f"this result was made with weights of SHA-256 {wanted[:12]}..., which no model of "
        "`vos models list` has now: give their file with --model PATH, or another --model"
    )


def _check_refiner(was: Mapping[str, Any], info: RefinerInfo | None) -> None:
    wanted = was["refiner_sha256"]
    if (None if info is None else info.sha256) != wanted:
        raise ModelError(
            f"this result was made with refiner {was['refiner']} of SHA-256 {wanted[:12]}..., "
            "and the one here is another: give its file with --refiner PATH, or --refiner "
            f"{AUTO} or {NONE}"
        )
