"""How good files are damaged: as bytes, text or JSON, and in formats that sign their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

Spoil = Callable[[bytes, random.Random], bytes]


class Damage:
    """The damage of one input; the same seed does the same on every machine.

    chance: chooses what is damaged, and how.
    is_off: every file stays as it is; such an input must be accepted.
    """

    def __init__(self, seed: str, *, is_off: bool = False) -> None:
        self.chance = random.Random(seed)
        self.is_off = is_off

    def to(self, data: bytes, spoil: Spoil) -> bytes:
        """Return the damaged bytes."""
        return data if self.is_off else spoil(data, self.chance)


def spoil_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, insert, repeat or overwrite, up to four times."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(made) + 1)
        end = min(len(made), place + chance.choice([1, 1, 2, 4, 16, 200, 5000]))
        what = chance.randrange(6)
        if what == 0:
            del made[place:end]
        elif what == 1:
            del made[place:]
        elif what == 2:
            made[place:end] = chance.randbytes(end - place)
        elif what == 3:
            made[place:place] = made[place:end]
        elif what == 4:
            made[place:end] = chance.choice([b"\0", b"\xff"]) * (end - place)
        elif place < len(made):
            made[place] ^= 1 << chance.randrange(8)
    return bytes(made)


def spoil_header(data: bytes, chance: random.Random) -> bytes:
    """Damage the first bytes of a file, where formats keep sizes and counts."""
    end = chance.choice([64, 256, 1024])
    made = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(min(end, len(made)))
        made[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
    return bytes(made)


ODD: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 2**70, 1e308, -0.5, "", "..", "/nowhere/else",
    "../../target.txt", "\0", "a\nb", "\udcff", "\ud83d", "9" * 5000, "x" * 300, [], {}, [[[[]]]],
    {"a": {"a": {"a": 1}}}, [None] * 50,
]  # fmt: skip


def spoil_json(root: Any, chance: random.Random) -> Any:
    """Replace, drop or repeat one value somewhere inside."""
    if isinstance(root, dict) and root and chance.random() < 0.8:
        key = chance.choice(sorted(root))
        if chance.random() < 0.15:
            return {name: value for name, value in root.items() if name != key}
        return {**root, key: spoil_json(root[key], chance)}
    if isinstance(root, list) and root and chance.random() < 0.8:
        index = chance.randrange(len(root))
        if chance.random() < 0.15:
            return [*root, *root[index:]]
        return [*root[:index], spoil_json(root[index], chance), *root[index + 1 :]]
    return chance.choice(ODD)


RAW = [
    b"", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b'{"schema": ' + b"9" * 5000 + b"}",
    b"\xff\xfea", b"\0" * 99, b'{"schema": 1e999, "files": {}}', b"a,b\rc,d\r", b'"\\ud83d"',
]  # fmt: skip


def spoil_text(data: bytes, chance: random.Random) -> bytes:
    """Damage JSON as such or as bytes; give text in another encoding, or something else."""
    kind = chance.random()
    if kind < 0.06:
        return chance.choice(RAW)
    if kind < 0.12:
        encoding = chance.choice(["utf-16", "utf-32", "cp500"])
        return data.decode("utf-8", "replace").encode(encoding, "replace")
    with contextlib.suppress(ValueError):
        if kind < 0.7:
            return json.dumps(spoil_json(json.loads(data), chance)).encode()
    return spoil_bytes(data, chance)


def spoil_checkpoint(data: bytes, chance: random.Random) -> bytes:
    """Damage the header of a checkpoint, or a part of it, and sign it again; or its bytes."""
    what = chance.random()
    if what < 0.2:
        return spoil_bytes(data, chance)
    body = data[40:]
    size = int.from_bytes(body[:8], "little")
    text, parts = body[8 : 8 + size], body[8 + size :]
    if what < 0.7 or not parts:
        text = spoil_text(text, chance)
    else:
        parts = spoil_bytes(parts, chance)
    body = len(text).to_bytes(8, "little") + text + parts
    return data[:8] + hashlib.sha256(body).digest() + body


def spoil_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Damage a text of the metadata of a safetensors file, or its header, or its bytes."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = header["__metadata__"]
    what = chance.random()
    if what < 0.6:
        key = chance.choice(sorted(about))
        about[key] = spoil_text(about[key].encode(), chance).decode("utf-8", "replace")
    elif what < 0.8:
        header = spoil_json(header, chance)
    else:
        return spoil_bytes(data, chance)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def spoil_png(data: bytes, chance: random.Random) -> bytes:
    """Damage a PNG; half of the time its header, with the right checksum."""
    if chance.random() < 0.5:
        return spoil_bytes(data, chance)
    head = bytearray(data[12:29])
    if chance.random() < 0.5:
        sides = [1, 64, 96, 5000, 13_300, 30_000, 2**31 - 1]
        head[4:8] = chance.choice(sides).to_bytes(4, "big")
        head[8:12] = chance.choice(sides).to_bytes(4, "big")
    else:
        head[chance.randrange(4, 17)] = chance.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]
