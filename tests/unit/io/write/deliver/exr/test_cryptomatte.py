"""Cryptomatte: ids by its specification, ranks, and files as another reader takes them."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest

from finished_result import FRAMES, SIZE_HW, export_result, label_map, verify_again
from vos.errors import UsageError, VerificationError
from vos.io.write.deliver.exr.cryptomatte import hash_murmur3, id_bits, rank, unrank

oiio = pytest.importorskip("OpenImageIO", reason="needs OpenImageIO: pip install 'vos[deliver]'")

KEY = "cryptomatte/3ae39a5"
IDS = {"coffee_cup1": "9b37ca6b", "Hand2": "1c95bd4d"}


def test_hashes_are_those_of_murmur():
    known = {b"": 0, b"\0\0\0\0": 0x2362F9DE, b"abc": 0xB3DD93FA}
    known |= {b"Hello, world!": 0xC0363E43, b"a": 0x3C2569B2, b"ab": 0x9BBFD75F}
    assert {data: hash_murmur3(data) for data in known} == known


def test_ids_are_those_of_the_specification():
    known = {"bunny": "13851a76", "default": "42c9679f", "bunny_porcelain_mat": "b24b26d4"}
    assert {name: f"{id_bits(name):08x}" for name in known} == known
    floats = {"hello": 6.0705627102400005616e-17, "m\xe4dchen": 6.2361298211599995797e25}
    for name, value in floats.items():
        assert np.uint32(id_bits(name)).view(np.float32) == np.float32(value)


def test_no_id_is_infinite_or_too_small_to_be_kept():
    names = [f"object{number}" for number in range(3000)]
    floats = np.array([id_bits(one) for one in names], np.uint32).view(np.float32)
    assert np.isfinite(floats).all()
    assert (np.abs(floats) >= np.finfo(np.float32).tiny).all()
    turned = [one for one in names if id_bits(one) != hash_murmur3(one.encode())]
    assert turned  # both kinds are among them
    assert all(id_bits(one) ^ hash_murmur3(one.encode()) == 1 << 23 for one in turned)


def test_ranks_are_in_the_order_of_coverage():
    ids = np.array([id_bits(str(one)) for one in range(8)], np.uint32).view(np.float32)
    rng = np.random.default_rng(3)
    mattes = rng.integers(0, 256, (8, 9, 7), dtype=np.uint8)
    mattes[[1, 4]] = 0
    mattes[:, 4:] = 0
    mattes[0, 0] = 7  # equals leave the order of the objects
    mattes[2, 0] = 7
    pixels = rank(mattes, ids)
    assert (np.diff(pixels[..., 1::2], axis=-1) <= 0).all()
    assert not pixels[4:].any()
    for y, x in np.ndindex(4, 7):
        ranked = dict(zip(pixels[y, x, 0::2].tolist(), pixels[y, x, 1::2].tolist(), strict=True))
        covered = zip(ids.tolist(), mattes[:, y, x].tolist(), strict=True)
        assert {one: value for one, value in ranked.items() if value} == pytest.approx(
            {one: value / 255 for one, value in covered if value}
        )
    np.testing.assert_array_equal(unrank(pixels, ids), mattes)
    with pytest.raises(ValueError, match="does not name"):
        unrank(pixels, ids[1:])
    mattes[:, 2, 2] = np.maximum(mattes[:, 2, 2], 1)
    with pytest.raises(UsageError, match="8 objects meet in one pixel, and cryptomatte holds 6"):
        rank(mattes, ids)
    pixels[0, 0, 3] = 2
    with pytest.raises(ValueError, match="order of coverage"):
        unrank(pixels, ids)


def test_files_as_another_reader_takes_them(make_result):
    place, _, done = export_result(make_result(), "cryptomatte", start_number=1001)
    assert done.compared == 6
    for index in range(FRAMES):
        path = place / f"shot.{1001 + index}.exr"
        opened = oiio.ImageInput.open(str(path))
        spec = opened.spec()
        opened.close()
        assert str(spec.format) == "float"
        assert list(spec.channelnames) == [
            f"CryptoObject0{level}.{one}" for level in range(3) for one in "RGBA"
        ]
        assert spec.get(f"{KEY}/name") == "CryptoObject"
        assert spec.get(f"{KEY}/hash") == "MurmurHash3_32"
        assert spec.get(f"{KEY}/conversion") == "uint32_to_float32"
        manifest = json.loads(spec.get(f"{KEY}/manifest"))
        assert list(manifest) == list(IDS)
        context = av.CodecContext.create("exr", "r")
        context.options = {"layer": "CryptoObject00"}
        (frame,) = [*context.decode(av.Packet(path.read_bytes())), *context.decode(None)]
        pixels = frame.to_ndarray()
        for object_id, name in enumerate(IDS, 1):
            is_there = pixels[..., 0].view(np.uint32) == int(manifest[name], 16)
            np.testing.assert_array_equal(is_there, label_map(index, SIZE_HW) == object_id)
        np.testing.assert_array_equal(pixels[..., 1], label_map(index, SIZE_HW) > 0)
        assert not pixels[..., 2:].any()


def test_verify_finds_what_was_changed(make_result):
    result = make_result()
    place, _, _ = export_result(result, "cryptomatte")
    path = place / "shot.0006.exr"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"Hand2"', b'"Hand3"'))
    with pytest.raises(VerificationError, match="manifest of frame 6"):
        verify_again(place, result)
    path.write_bytes(data[:-40])
    with pytest.raises(VerificationError, match="frame 6 cannot be decoded"):
        verify_again(place, result)
    path.write_bytes((place / "shot.0000.exr").read_bytes())
    with pytest.raises(VerificationError, match="TimeCode of frame 6"):
        verify_again(place, result)


def test_cryptomattes_are_of_objects(make_result):
    with pytest.raises(UsageError, match="holds objects"):
        export_result(make_result(), "cryptomatte", is_inverted=True)
