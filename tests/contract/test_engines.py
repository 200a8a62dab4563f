"""Every engine of `vos batch`: what one clip does to its worker touches no other clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from unit.cli.batch import fakes
from vos.errors import InputError, OutputError
from vos_cli.batch.engines.events import Event
from vos_cli.batch.engines.local import run_local

Engine = Callable[..., Iterator[Event]]


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Ray of its own that believes in two GPUs."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'vos[ray]')")
    from vos_cli.batch.engines.ray import plan as ray_plan

    ray = ray_plan._import_ray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(fakes.__file__).parents[3]))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # Ray leaves its token there
        ray.init("local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "local":
        return run_local
    ray = request.getfixturevalue("ray")
    from vos_cli.batch.engines.ray.engine import Share, run_ray

    return partial(run_ray, ray, share=Share({"num_cpus": 1}, threads=1))


def test_a_dead_worker_costs_one_clip_three_tries(engine: Engine, tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "unlucky", "fatal", "b", "c")
    ended = fakes.results(engine(tasks, jobs=2, do=fakes.work))
    assert {name: (one.state, one.attempts) for name, one in ended.items()} == {
        "a": ("done", 1),
        "unlucky": ("done", 2),
        "fatal": ("failed", 3),
        "b": ("done", 1),
        "c": ("done", 1),
    }
    assert "its worker died 3 times (" in (ended["fatal"].reason or "")
    assert tasks[2].folder.read_result("fatal") == ended["fatal"]


def test_closing_stops_the_workers(engine: Engine, tmp_path: Path):
    tasks = fakes.tasks(tmp_path, "a", "b", "c")
    events = engine(tasks, jobs=2, do=fakes.endless)
    kinds: list[str] = []
    while len(kinds) < 4:
        kinds.append(type(next(events)).__name__)
    assert set(kinds) == {"Progressed", "Started"}
    assert kinds.count("Started") <= 2
    events.close()  # pyright: ignore[reportAttributeAccessIssue]
    with tasks[0].folder.lock():  # no worker is left holding the folder
        pass


def test_nothing_to_do(engine: Engine):
    assert list(engine([], jobs=2)) == []


@pytest.mark.slow
def test_ray_gives_each_worker_a_gpu_and_keeps_its_process(ray: Any, tmp_path: Path):
    from vos_cli.batch.engines.ray.engine import Share, run_ray

    tasks = fakes.tasks(tmp_path, *"abcdefgh")
    share = Share({"num_gpus": 1, "num_cpus": 1})
    ended = fakes.results(run_ray(ray, tasks, jobs=2, share=share, do=fakes.gpu))
    seen = {str(one.reason) for one in ended.values()}
    assert len(seen) <= 2
    assert len({one.split()[1] for one in seen}) == len(seen)


@pytest.mark.slow
@pytest.mark.parametrize(("missing", "error"), [("token", OutputError), ("in", InputError)])
def test_ray_refuses_nodes_that_do_not_see_the_files(
    missing: str, error: type[Exception], ray: Any, tmp_path: Path, monkeypatch, capsys
):
    """A node cannot be made blind here, so it is asked for other paths than there are."""
    from vos_cli.batch.engines.ray import engine as ray_engine

    tasks = fakes.tasks(tmp_path, "a", "b")
    if missing == "token":
        monkeypatch.setattr(ray_engine, "write_atomic", lambda *_: None)
    else:
        monkeypatch.setattr(ray_engine, "_find_folder", lambda _: tmp_path / "elsewhere")
    share = ray_engine.Share({"num_cpus": 1})
    with pytest.raises(error, match="every node mounts at the same path"):
        list(ray_engine.run_ray(ray, tasks, jobs=2, share=share, do=fakes.work))
    assert list(tmp_path.glob(".visible*")) == []
