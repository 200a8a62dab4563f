"""The parts of the Ray engine that need no Ray; the rest is in contract/test_engines.py."""

from __future__ import annotations

import builtins
import pickle
from pathlib import Path
from typing import Any

import pytest

from unit.cli.batch import fakes
from unit.cli.batch.engines.fake_ray import FakeRay
from vos.errors import InputError, OutputError, UsageError, VosError
from vos.version import __version__
from vos_cli.batch.engines.ray.engine import _find_folder, _why, run_ray
from vos_cli.batch.engines.ray.plan import Share, deal, ray_plan
from vos_cli.batch.engines.ray.worker import NodeWorker
from vos_cli.batch.folder import ClipResult
from vos_cli.main import run


@pytest.fixture
def token(tmp_path: Path) -> str:
    (tmp_path / ".visible-1").touch()
    return str(tmp_path / ".visible-1")


def test_a_worker_greets_and_works(token: str, tmp_path: Path):
    (task,) = fakes.tasks(tmp_path, "a")
    worker = NodeWorker("w1", None)
    lock = str(task.folder.workers_lock)
    name, problem = worker.hello(__version__, token, lock, [str(tmp_path)])
    assert problem is None
    assert name.endswith(":w1")
    result = worker.track(pickle.dumps((task, fakes.work)))
    assert (result.state, result.worker) == ("done", name)
    latest = worker.latest()
    assert latest is not None
    assert (latest.name, latest.frames, latest.total) == ("a", 1, 2)
    assert worker._lock is not None
    worker._lock.close()  # as the end of its process does


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"version": "0.0"}, UsageError, "the batch runs 0.0"),
        ({"token": "/nowhere/.visible-2"}, OutputError, "does not see the batch's folder"),
        ({"footage": ["/nowhere"]}, InputError, "/nowhere: node"),
    ],
)
def test_a_worker_says_what_its_node_lacks(
    changed: dict[str, Any], kind: type[Exception], words: str, token: str, tmp_path: Path
):
    lock = tmp_path / "lock"
    asked = {"version": __version__, "token": token, "lock": str(lock), "footage": [str(tmp_path)]}
    _, problem = NodeWorker("w1", None).hello(**asked | changed)
    assert isinstance(problem, kind)
    assert words in str(problem)
    assert not lock.exists()


class Blind:
    """A worker on a node that does not see OUT."""

    def hello(self, *_: Any) -> tuple[str, VosError]:
        return "node2:w2", OutputError("OUT: node node2 does not see it")


class Broken:
    """A worker on a node without vos."""

    def hello(self, *_: Any) -> None:
        raise ModuleNotFoundError("vos_cli")


class Mortal(NodeWorker):
    """Dies of every clip."""

    def track(self, pickled: bytes) -> ClipResult:
        raise RuntimeError("gone")


def good() -> NodeWorker:
    worker = NodeWorker("w1", None)
    worker.hello = lambda *_: ("node1:w1", None)  # so that no lock file stays open
    return worker


def ended(ray: FakeRay, root: Path, *names: str) -> dict[str, ClipResult]:
    events = run_ray(
        ray, fakes.tasks(root, *names), jobs=len(names), share=Share({}), do=fakes.work
    )
    return fakes.results(events)


def test_a_node_that_cannot_work_is_told_of_once_and_left_alone(tmp_path: Path, capsys):
    ray = FakeRay(Blind(), Blind(), good())
    results = ended(ray, tmp_path, "a", "b", "c")
    assert [one.state for one in results.values()] == ["done"] * 3
    assert capsys.readouterr().err.count("node2 does not see it") == 1
    assert len(ray.killed) == 3


def test_when_no_node_can_work_it_says_why(tmp_path: Path):
    with pytest.raises(OutputError, match="node2 does not see it"):
        ended(FakeRay(Blind(), Blind()), tmp_path, "a", "b")
    with pytest.raises(UsageError, match=r"no worker starts .*ModuleNotFoundError: vos_cli"):
        ended(FakeRay(*[Broken()] * 6), tmp_path, "a", "b")


def test_a_worker_that_starts_late_is_used(tmp_path: Path):
    results = ended(FakeRay(Broken(), Broken(), good(), good()), tmp_path, "a", "b")
    assert {name: one.attempts for name, one in results.items()} == {"a": 1, "b": 1}


def test_a_clip_that_kills_every_worker_is_given_up(tmp_path: Path):
    deadly = [Mortal("w1", None) for _ in range(4)]
    for one in deadly:
        one.hello = lambda *_: ("node1:w1", None)
    (result,) = ended(FakeRay(*deadly), tmp_path, "a").values()
    assert (result.state, result.attempts) == ("failed", 3)
    assert "its worker died 3 times (RuntimeError: gone)" in (result.reason or "")


def test_what_each_worker_gets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    head, small, large = {"CPU": 0.0}, {"CPU": 8.0}, {"CPU": 16.0, "GPU": 2.0}
    assert deal([head, small, large], None, "auto") == (2, Share({"num_gpus": 1, "num_cpus": 1}))
    assert deal([head, small, large], None, "cpu") == (6, Share({"num_cpus": 4}, 4))
    assert deal([small, large], 3, "cpu") == (3, Share({"num_cpus": 4}, 4))
    assert deal([small], 16, "auto") == (16, Share({"num_cpus": 1}, 1))
    assert deal([head], None, "cuda")[0] == 1  # a cluster may grow
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert deal([small], None, "cpu") == (2, Share({"num_cpus": 4}, 2))


def test_folders_of_footage(tmp_path: Path):
    (tmp_path / "day[1]").mkdir()
    assert _find_folder(str(tmp_path / "day[1]/a.mov")) == tmp_path / "day[1]"
    assert _find_folder(str(tmp_path / "day*/*.png")) == tmp_path


def test_of_many_lines_the_one_that_tells():
    died = "The actor died unexpectedly.\n\tpid: 3\nThe actor's node has died. Node Id: 12. More."
    assert _why(Exception(died)) == "The actor's node has died"
    assert _why(Exception("trace\nModuleNotFoundError: vos_cli")) == "ModuleNotFoundError: vos_cli"
    assert _why(Exception()) == "Exception"


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "ray":
            raise ImportError("No module named 'ray'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UsageError, match=r"pip install 'vos\[ray\]'"), ray_plan(1, None, "cpu"):
        pass


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--engine", "rai"), "did you mean 'ray'"),
        (("--ray-address", "head:6379"), "add --engine ray"),
        (("--engine", "ray", "--ray-address", "ray://head:10001"), "Ray Client"),
        (("--engine", "ray", "--device", "cuda:1"), "Ray deals out the GPUs"),
    ],
)
def test_wrong_flags(flags: tuple[str, ...], words: str, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.mp4").touch()
    assert run(["batch", "in", "-o", "out", *flags]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_nobody_listens_it_says_so_at_once():
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'vos[ray]')")
    refused = pytest.raises(UsageError, match=r"127.0.0.1:1: no Ray cluster answers .*refused")
    with refused, ray_plan(None, "127.0.0.1:1", "cpu"):
        pass
