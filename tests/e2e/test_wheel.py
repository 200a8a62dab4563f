"""The wheel: only our packages inside, and `vos demo` runs from it alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    built = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_content(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(n for n in names if n.endswith("METADATA"))
        text = archive.read(metadata).decode()
    tops = {name.split("/", 1)[0] for name in names}
    info = {top for top in tops if top.endswith(".dist-info")}
    assert tops - info == {"vos", "vos_cli", "vos_eval"}
    assert len(info) == 1
    suffixes = {Path(n).suffix for n in names if not n.startswith(tuple(info))}
    assert suffixes <= {".py", ".yaml", ".safetensors", ".css", ".html", ".js", ".svg", ".typed"}
    page = (ROOT / "cli/vos_cli/studio/static").iterdir()
    assert {f"vos_cli/studio/static/{file.name}" for file in page} <= set(names)
    presets = {n for n in names if n.startswith("vos/presets/")}
    expected = {
        "vos/presets/" + p.relative_to(ROOT / "configs").as_posix()
        for p in (ROOT / "configs").rglob("*")
        if p.is_file()
    }
    assert presets == expected
    assert {"vos/weights/nano.safetensors", "vos/py.typed", "vos_eval/py.typed"} <= set(names)
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert "License-Expression: Apache-2.0" in text
    assert "Classifier: Typing :: Typed" in text


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; its dependencies are borrowed from this one.

    A path file adds this environment's packages after its own, but not what their path files add,
    so the working copy installed here stays invisible.
    """
    folder = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOS_", "PYTHON"))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=kept)
    assert done.returncode == 0, done.stderr
    return done


def test_it_is_the_wheel_that_runs(installed: Path, tmp_path: Path):
    code = "import vos, vos_cli, vos_eval; print(vos.__file__, vos_cli.__file__, vos_eval.__file__)"
    done = _run([str(installed / "python"), "-c", code], tmp_path)
    assert all(Path(p).is_relative_to(installed.parent) for p in done.stdout.split())
    code = "from vos.config import presets_dir; print(presets_dir())"
    done = _run([str(installed / "python"), "-c", code], tmp_path)
    assert done.stdout.strip().endswith("vos/presets")


def test_demo(installed: Path, tmp_path: Path):
    done = _run([str(installed / "vos"), "demo", "-o", "out", "--json"], tmp_path)
    report = json.loads(done.stdout)
    assert report["frames"] == 60
    assert 0 <= report["mean_j"] <= 1
    assert (tmp_path / report["overlay"]).is_file()
