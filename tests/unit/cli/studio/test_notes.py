"""How masks were read where that is not plain is said by the page and by `vos fix` too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from e2e import clips
from vos.errors import UsageError
from vos.io.read.open import open_source
from vos.prompts.file import NamedPrompts
from vos.prompts.masks import mask_prompts_from_png
from vos.settings import Settings

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

import uvicorn

from vos_cli.commands import fix as fix_command
from vos_cli.studio import serve as serving

WHITE_FIRST = "index 0 is white: white is taken as the object"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.images(tmp_path / "clip", 2)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """An indexed mask whose index 0 is white, as drawing programs save them."""
    indices = np.ones((clips.HEIGHT, clips.WIDTH), np.uint8)
    indices[10:30, 10:30] = 0
    image = Image.fromarray(indices)
    image.putpalette([255, 255, 255, 0, 0, 0])
    path = tmp_path / "m.png"
    image.save(path)
    return path


def test_the_page_says_it(clip, mask, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(serving, "require_reachable", lambda _environ: None)
    monkeypatch.setattr(serving, "_announce", lambda *_: None)
    monkeypatch.setattr(serving, "_model", lambda _settings: None)
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_args, **_named: None)
    session = serving.serve(
        source=str(clip),
        settings=Settings(model="nano"),
        drawn=NamedPrompts(tuple(mask_prompts_from_png(mask))),
        tool="box",
        notify=lambda _text: None,
        save_to=tmp_path / "prompts.json",
    )
    (note,) = session.clip()["notes"]
    assert WHITE_FIRST in note
    assert f"warning: {note}" in capsys.readouterr().err


def test_fix_says_it_before_anything_else(clip, mask, monkeypatch, capsys) -> None:
    def stop(*_args, **_named):
        raise UsageError("stop here")

    with open_source(clip) as source:
        opened = SimpleNamespace(source=source, manifest={}, is_finished=True)
        monkeypatch.setattr(fix_command, "open_result", lambda *_args, **_named: opened)
        monkeypatch.setattr(fix_command, "settings_like", stop)
        with pytest.raises(UsageError, match="stop here"):
            fix_command.fix(**{**DEFAULTS, "result": clip, "mask": [f"1:{mask}"]})
    assert WHITE_FIRST in capsys.readouterr().err


DEFAULTS = {
    name: parameter.default
    for name, parameter in fix_command.fix.__signature__.parameters.items()  # pyright: ignore[reportFunctionMemberAccess]
}
