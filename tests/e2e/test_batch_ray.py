"""`vos batch` on real Rays: one of its own, and a cluster of several nodes that loses one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e import clips

pytestmark = pytest.mark.slow
pytest.importorskip("ray", reason="Ray is not installed (pip install 'vos[ray]')")

FRAMES = 24
START_S = 600  # a busy machine takes minutes to start Ray


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """Everything needs the token, which is how Ray 2.61 and later start."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    tests = str(Path(__file__).parents[1])
    return environ | token | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": tests}


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    prompt = {
        "type": "box",
        "object_id": 1,
        "frame_idx": 0,
        "box_xyxy_px": [float(value) for value in clips.BOX.split(",")],
    }
    text = json.dumps({"schema": 1, "prompts": [prompt]})
    for name in ("a", "b", "c"):
        clips.video(folder / f"{name}.mp4", FRAMES)
        (folder / f"{name}.mp4.prompts.json").write_text(text)
    return folder


@contextmanager
def cluster(environ: dict[str, str], *cpus: int) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A cluster's address, and a process that kills a node for each line it is given."""
    process = subprocess.Popen(
        [sys.executable, "-m", "e2e.ray_nodes", *map(str, cpus)],
        env=environ,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.stdin.close()
        process.wait(START_S)
        process.stdout.close()


def masks(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("clips/*/masks/*")}


def wait_until(is_so) -> None:
    until = time.monotonic() + START_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


COMMAND = ("batch", "in", "--model", "nano", "--save", "masks,stats", "--json")


def test_a_ray_of_its_own_gives_the_local_masks(vos, footage: Path, tmp_path: Path):
    for engine in ("local", "ray"):
        ran = vos(*COMMAND, "-o", engine, "--engine", engine, timeout_s=START_S)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["counts"]["done"] == 3
    assert len(masks(tmp_path / "local")) == 3 * FRAMES
    assert masks(tmp_path / "ray") == masks(tmp_path / "local")


def test_a_node_killed_in_the_middle_costs_its_clip_a_retry(
    vos, environ: dict[str, str], footage: Path, tmp_path: Path
):
    assert vos(*COMMAND, "-o", "local", timeout_s=START_S).code == 0
    out = tmp_path / "ray"
    with cluster(environ, 1, 1) as (address, nodes):
        options = ("-o", out, "--engine", "ray", "--ray-address", address)
        batch = subprocess.Popen(
            [sys.executable, "-m", "vos_cli", *COMMAND, *options],
            cwd=tmp_path,
            env=environ | {"VOS_CHECKPOINT_S": "0"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        at_work = out / "clips"
        wait_until(lambda: len([*at_work.glob(".*.part/masks/00004.png")]) == 2)
        assert nodes.stdin is not None
        nodes.stdin.write("kill\n")
        nodes.stdin.flush()
        said, err = batch.communicate(timeout=START_S)
        assert batch.returncode == 0, err
    report = json.loads(said)
    assert sorted(clip["attempts"] for clip in report["clips"]) == [1, 1, 2]
    (again,) = [clip["name"] for clip in report["clips"] if clip["attempts"] == 2]
    assert "continued at frame" in (out / f"logs/{again}.log").read_text()
    assert masks(out) == masks(tmp_path / "local")
    assert len(masks(out)) == 3 * FRAMES
    assert list(out.glob(".visible-*")) == []


def test_interrupted_it_continues(vos, environ: dict[str, str], footage: Path, tmp_path: Path):
    command = (*COMMAND, "--match", "a.mp4", "-o", "out", "--engine", "ray")
    batch = subprocess.Popen(
        [sys.executable, "-m", "vos_cli", *command],
        cwd=tmp_path,
        env=environ | {"VOS_CHECKPOINT_S": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "out/clips/.a.mp4.part/masks/00004.png").exists)
    batch.send_signal(signal.SIGINT)
    _, err = batch.communicate(timeout=START_S)
    assert batch.returncode == 130, err
    assert json.loads((tmp_path / "out/report.json").read_text())["state"] == "interrupted"
    ran = vos(*command, timeout_s=START_S)
    assert ran.code == 0, ran.err
    assert "continued at frame" in (tmp_path / "out/logs/a.mp4.log").read_text()
    assert len(masks(tmp_path / "out")) == FRAMES
