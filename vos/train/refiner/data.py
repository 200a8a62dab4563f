"""Training batches of stills, each a function of seed, step and process alone.

So a run can stop at any step and go on as if it had not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from vos.errors import Parameter, UsageError
from vos.synth.thin.stills import generate_fine
from vos.train.hqseg import HqSegSamples, Pair, Sample, find_hqseg
from vos.train.refiner.config import RefinerTrainConfig


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of stills.

    images: RGB in [0, 1].
    target: the object in [0, 1], at any size.
    names: files or seeds.
    empty: masks without an object that were passed over.
    """

    images: Float[Tensor, "b 3 s s"]
    target: Float[Tensor, "b 1 l l"]
    names: tuple[str, ...]
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """This process among those that train as one.

    rank: its number, from 0.
    world: how many there are.
    """

    rank: int = 0
    world: int = 1


def find_data(config: RefinerTrainConfig, data: Path | None) -> list[Pair] | None:
    """Find the pairs to train on, None where the config draws its own images.

    data: HQ-SAM's folder.

    Raises: UsageError for a missing or needless folder, or one that does not fill a batch;
    InputError as `find_hqseg`.
    """
    if config.data == "synthetic":
        if data is not None:
            raise UsageError(
                Parameter("data", str(data)),
                ": this config draws its own images; leave ",
                Parameter("data"),
                " out",
            )
        return None
    if data is None:
        raise UsageError(
            Parameter("data"), ": missing; this config trains on HQSeg-44K, give its data folder"
        )
    pairs = find_hqseg(data, allow_partial=config.allow_partial)
    if len(pairs) < config.batch:
        raise UsageError(
            f"{data}: {len(pairs)} pairs do not fill a batch of {config.batch}; "
            "get more images or lower batch"
        )
    return pairs


def batches(
    config: RefinerTrainConfig,
    pairs: list[Pair] | None,
    size_px: int,
    device: torch.device,
    start: int,
    share: Share,
) -> Iterator[Batch]:
    """Yield this process's part of every batch from step `start` on, on `device`, without end."""
    if pairs is None:
        return _synthetic(config, size_px, device, start, share)
    return _hqseg(HqSegSamples(pairs, size_px, config.seed), config, device, start, share)


def _synthetic(
    config: RefinerTrainConfig, size_px: int, device: torch.device, start: int, share: Share
) -> Iterator[Batch]:
    per_process = config.batch // share.world
    made: tuple[int, Tensor, Tensor] | None = None
    for step in count(start):
        group, view = divmod(step, config.reuse)
        seed = (config.seed * 1_000_003 + group) * share.world + share.rank
        if made is None or made[0] != seed:
            stills = generate_fine(per_process, size_px, seed, device, config.fine)
            made = seed, stills.images.float() / 255, stills.labels[:, None].float()
        images, target = made[1], made[2]
        if view:  # of the eight symmetries of a square, one for each time a batch is used
            turn, mirror = view % 4, view % 8 >= 4
            images, target = (
                torch.rot90(x.flip(-1) if mirror else x, turn, (-2, -1)) for x in (images, target)
            )
        names = tuple(f"synthetic seed {seed}, still {i}" for i in range(per_process))
        yield Batch(images, target, names)


def _hqseg(
    samples: HqSegSamples,
    config: RefinerTrainConfig,
    device: torch.device,
    start: int,
    share: Share,
) -> Iterator[Batch]:
    loader = DataLoader(
        samples,  # pyright: ignore[reportArgumentType]  # indexed by (epoch, pair)
        batch_sampler=_keys(samples, config.batch, start, share),  # pyright: ignore[reportArgumentType]
        num_workers=config.workers,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
    )
    for images, target, names, empty in loader:
        yield Batch(
            images.to(device, non_blocking=True),
            target.to(device, non_blocking=True),
            names,
            empty,
        )


def _keys(
    samples: HqSegSamples, batch: int, start: int, share: Share
) -> Iterator[list[tuple[int, int]]]:
    """Yield whole batches of one epoch after the other; the rest of an epoch is left out."""
    per_epoch = len(samples) // batch
    order: list[int] = []
    for step in count(start):
        epoch, position = divmod(step, per_epoch)
        if position == 0 or not order:
            order = samples.order(epoch)
        mine = order[position * batch : (position + 1) * batch][share.rank :: share.world]
        yield [(epoch, index) for index in mine]


def _collate(
    samples: list[Sample],
) -> tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]:
    return (
        torch.stack([s.image for s in samples]),
        torch.stack([s.target for s in samples]),
        tuple(s.name for s in samples),
        tuple(name for s in samples for name in s.empty),
    )
