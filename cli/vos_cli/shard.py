"""`--shard i/n`: a part of a list for each of several machines."""

from __future__ import annotations

from vos.errors import UsageError


def parse_shard(text: str) -> tuple[int, int]:
    """The 0-based index and the count of `i/n`. Raises UsageError."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise UsageError(f"--shard {text}: expected i/n with 1 <= i <= n, such as 1/4")
    return int(first) - 1, int(count)
