"""The structure that a nano's weight file names in its header."""

from __future__ import annotations

import io

import pytest
import torch
from safetensors.torch import save_file

from vos.errors import CheckpointError
from vos.model.load import load_model
from vos.model.networks.nano.build import build_nano
from vos.model.networks.nano.config import NanoConfig
from vos.model.networks.nano.file import NANO_CONFIG_KEY, read_nano_config, save_nano
from vos.model.types import MemoryEntry
from vos.track.memory_bank import MemoryBank
from vos.track.snapshot import SessionState, from_bytes, to_bytes

SECOND = NanoConfig(trunk="efficientnet-lite0", key_dim=64)


def test_a_header_without_trunk_and_keys_means_the_first_structure(tmp_path):
    path = tmp_path / "first.safetensors"
    save_file({"weight": torch.zeros(1)}, path, {NANO_CONFIG_KEY: '{"image_size": 256}'})
    assert read_nano_config(path) == NanoConfig()


@pytest.mark.parametrize("named", [SECOND, NanoConfig(key_dim=64)])
def test_a_header_that_names_another_structure_is_refused(tmp_path, named):
    path = tmp_path / "weights.safetensors"
    save_nano(path, build_nano(NanoConfig()).state_dict(), named, {})
    with pytest.raises(CheckpointError):
        load_model(str(path), device=torch.device("cpu"))


@pytest.mark.parametrize("key_dim", [1, 40, 512])
def test_keys_of_a_width_that_cannot_be_are_refused(tmp_path, key_dim):
    path = tmp_path / "weights.safetensors"
    config = NanoConfig(trunk="efficientnet-lite0", key_dim=key_dim)
    save_nano(path, build_nano(SECOND).state_dict(), config, {})
    with pytest.raises(CheckpointError):
        load_model(str(path), device=torch.device("cpu"))


def test_a_checkpoint_keeps_keys_and_masks():
    one = torch.rand(1, 1)
    keys, mask = (torch.rand(1, n, 4, 4).bfloat16() for n in (64, 1))
    spatial = torch.rand(1, 8, 2, 2).bfloat16()
    bank = MemoryBank(prompted=(MemoryEntry(0, spatial, torch.rand(1, 8), one, one, keys, mask),))
    data = to_bytes(SessionState({1: bank}))
    (entry,) = from_bytes(data, torch.device("cpu")).banks[1].prompted
    assert torch.equal(entry.keys, keys)
    assert torch.equal(entry.mask, mask)


def test_a_checkpoint_from_before_keys_is_read():
    one = torch.rand(1, 1)
    bank = MemoryBank(prompted=(MemoryEntry(0, None, torch.rand(1, 8), one, one),))
    content = torch.load(io.BytesIO(to_bytes(SessionState({1: bank}))), weights_only=True)
    for name in ("keys", "mask"):
        del content["banks"][1]["prompted"][0][name]
    older = io.BytesIO()
    torch.save(content, older)
    assert from_bytes(older.getvalue(), torch.device("cpu")).banks[1].prompted[0].keys is None
