"""A connection to Ray, and what each worker of a batch gets of it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from vos.errors import UsageError
from vos.model.registry import home
from vos_cli.batch.engines.events import Event
from vos_cli.batch.engines.plan import CORES_PER_JOB, core_count, threads_each
from vos_cli.batch.engines.ray.engine import Share, run_ray
from vos_cli.batch.engines.worker import Task

_KNOCK_S = 10.0
_STORE_BYTES = 80 * 2**20
"""For Ray's object store, about the least it takes: nothing large goes through it."""


@dataclass(frozen=True, slots=True)
class RayPlan:
    """Workers on a connected Ray.

    ray: its module, connected.
    jobs: how many workers there are.
    share: what each of them gets.
    """

    ray: Any
    jobs: int
    share: Share

    def run(self, tasks: Sequence[Task]) -> Iterator[Event]:
        return run_ray(self.ray, tasks, jobs=self.jobs, share=self.share)


@contextmanager
def ray_plan(jobs: int | None, address: str | None, device: str) -> Iterator[RayPlan]:
    """Connect for the time of a batch.

    jobs: clips at once; None for as many as there is room for now. address: "HOST:PORT" of a
    cluster's head, or "auto"; None starts a Ray on this machine. device: the batch's own.

    Raises UsageError if Ray is not installed or the cluster cannot be reached.
    """
    if device.startswith("cuda:"):
        raise UsageError(f"--device {device}: Ray deals out the GPUs; give cuda or auto")
    ray = _import_ray()
    with redirect_stdout(sys.stderr):  # where Ray prints what it has to say of its nodes
        _connect(ray, address)
        try:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            workers, share = deal(nodes, jobs, device)
            yield RayPlan(ray, workers, share)
        finally:
            ray.shutdown()


def deal(nodes: Sequence[dict[str, float]], jobs: int | None, device: str) -> tuple[int, Share]:
    """Return how many workers there are and the share of each: a GPU, else cores.

    Cores are those of the smallest node, divided as for local workers: threads are the same
    everywhere, as the last bits of results depend on them.
    """
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if device == "cuda" or (device == "auto" and gpus):
        return jobs or max(1, gpus), Share({"num_gpus": 1, "num_cpus": 1})
    counts = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1] or [core_count()]
    cores = min(counts)
    on_each = -(-jobs // len(counts)) if jobs else max(1, cores // CORES_PER_JOB)
    cores_each = max(1, cores // on_each)
    room = sum(count // cores_each for count in counts)
    return jobs or room, Share({"num_cpus": cores_each}, threads_each(cores, on_each))


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"--engine ray: Ray is not installed ({error}); get it with pip install 'vos[ray]'"
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens; Ray itself tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def _connect(ray: Any, address: str | None) -> None:
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    what, advice = "--engine ray: Ray does not start here", "try --engine local"
    try:
        if address is None:
            keep_token_private()
            ray.init(
                "local",
                num_cpus=core_count(),
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                **options,
            )
            keep_token_private()
        else:
            what = f"--ray-address {address}: no Ray cluster answers"
            advice = "start one with `ray start --head`"
            _knock(address)
            what = f"--ray-address {address}: Ray does not let us in"
            advice = "where it asks for a token, set RAY_AUTH_MODE=token, see docs/use/cluster.md"
            ray.init(address, **options)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UsageError(f"{what} ({reason}); {advice}") from error


def keep_token_private() -> None:
    """Let nobody else read the token of the Ray that is started here, which Ray writes as 0644.

    Whoever has it can run programs as this user.
    """
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or home() / ".ray" / "auth_token"
    with contextlib.suppress(OSError):  # there is none, or it is not ours
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
