"""Fingerprints: equal for equal inputs, different for different ones."""

from __future__ import annotations

import json
import os

import pytest

from vos.errors import InputError
from vos.io.results.fingerprint import InputFingerprint, fingerprint_input
from vos.io.results.manifest import (
    Fingerprint,
    inventory,
    manifest_text,
    read_manifest,
    versions,
)

INPUT = InputFingerprint("a.mp4", 3, "00")


def test_a_file_is_known_by_its_name_and_all_its_bytes(tmp_path):
    data = bytearray(os.urandom(3 * 2**20))
    path = tmp_path / "a.mp4"

    def fingerprint() -> InputFingerprint:
        path.write_bytes(data)
        return fingerprint_input(path)

    first = fingerprint()
    assert (first.name, first.size_bytes) == ("a.mp4", 3 * 2**20)
    for place in (3 * 2**19, 0, 2**20 - 1, 2 * 2**20, 3 * 2**20 - 1):
        data[place] ^= 1
        assert fingerprint() != first
        data[place] ^= 1
    data.append(0)
    assert fingerprint() != first


@pytest.mark.parametrize("length", [0, 1, 2**20, 2**20 + 1, 2**21 - 1])
def test_short_files_are_read_once_and_whole(tmp_path, length):
    import hashlib

    data = os.urandom(length)
    (tmp_path / "a").write_bytes(data)
    assert fingerprint_input(tmp_path / "a").sha256 == hashlib.sha256(data).hexdigest()


def test_a_folder_and_a_glob_are_known_by_their_files(tmp_path):
    folder = tmp_path / "shots [1]"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(name.encode())
    first = fingerprint_input(folder)
    assert first.size_bytes == 10
    assert fingerprint_input(tmp_path / "shots ?1?" / "*.jpg").sha256 == first.sha256
    (folder / "b.jpg").rename(folder / "c.jpg")
    assert fingerprint_input(folder) != first
    (folder / "c.jpg").rename(folder / "b.jpg")
    assert fingerprint_input(folder) == first
    (folder / "b.jpg").write_bytes(b"B.jpg")
    assert fingerprint_input(folder) != first
    (folder / "c.jpg").write_bytes(b"")
    assert fingerprint_input(tmp_path / "shots ?1?" / "[ab].jpg") != fingerprint_input(folder)


def test_nothing_to_read_is_an_input_error(tmp_path):
    for path in (tmp_path, tmp_path / "gone.mp4", tmp_path / "*.png"):
        with pytest.raises(InputError, match="no such file"):
            fingerprint_input(path)


def test_a_manifest_is_read_back_and_compared(tmp_path):
    fingerprint = Fingerprint(INPUT, {"start": None, "size": (3, 4), "refiner": "none"}, "abcd")
    (tmp_path / "masks").mkdir()
    for name in ("masks/0.png", "masks/1.png", "stats.jsonl", "masks/.DS_Store", ".DS_Store"):
        (tmp_path / name).write_text("")
    text = manifest_text(
        fingerprint, frame_count=2, warnings=["truncated"], files=inventory(tmp_path)
    )
    (tmp_path / "manifest.json").write_text(text)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest["files"] == inventory(tmp_path) == {"masks": 2, "stats.jsonl": 1}
    assert (manifest["frame_count"], manifest["warnings"]) == (2, ["truncated"])
    assert manifest["versions"] == versions()
    assert fingerprint.differences(manifest) == []
    other = Fingerprint(
        InputFingerprint("b.mp4", 3, "00"), {"start": 0, "size": [3, 4], "end": 1}, None
    )
    assert other.differences(manifest) == ["input", "model", "end", "refiner", "start"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", json.dumps({"schema": 3, "files": {}})])
def test_a_manifest_that_is_not_understood_is_none(tmp_path, text):
    assert read_manifest(tmp_path) is None
    (tmp_path / "manifest.json").write_text(text)
    assert read_manifest(tmp_path) is None


def test_versions_name_what_made_the_masks():
    assert {"vos", "python", "torch", "av", "numpy"} <= set(versions())
