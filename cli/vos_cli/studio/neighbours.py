"""Which user of this machine has opened a connection, where the system tells.

The link's token may be seen by others: a browser is started with it on its command line, which
everybody on the machine can list. Whoever is quicker must not get the page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Socket = tuple[str, int]

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_LOCAL, _REMOTE, _UID = 1, 2, 7
_NOBODY_LOGGED_IN = 2**32 - 1
_ROOT = 0


def is_stranger(client: Socket | None, server: Socket | None) -> bool:
    """Tell whether a connection comes from another user of this machine.

    client, server: addresses and ports of its two ends. False where the system does not tell.
    """
    if client is None or server is None or not client[0].startswith(_LOOPBACK):
        return False
    user = find_user(client[1], server[1])
    return user is not None and user not in _own()


def find_user(client_port: int, server_port: int) -> int | None:
    """Return the id of the user who has the client's end of a loopback connection, None if unknown.

    Linux lists all sockets of this machine with their owners.
    """
    for table in _TABLES:
        with suppress(OSError, ValueError, IndexError):
            for line in table.read_text().splitlines()[1:]:
                values = line.split()
                ports = _port(values[_LOCAL]), _port(values[_REMOTE])
                if ports == (client_port, server_port) and _is_loopback(values[_LOCAL]):
                    return int(values[_UID])
    return None


def _own() -> set[int]:
    """Return who may use the page: its user, who became that user, and root, who may anyway."""
    return {os.getuid(), os.geteuid(), _ROOT, *_became()}


def _became() -> Iterator[int]:
    """Yield the users who logged in here and called `sudo` or `su`."""
    with suppress(KeyError, ValueError):
        yield int(os.environ["SUDO_UID"])
    with suppress(OSError, ValueError):
        user = int(Path("/proc/self/loginuid").read_text())
        if user != _NOBODY_LOGGED_IN:
            yield user


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _is_loopback(address: str) -> bool:
    """Tell whether `HEX:PORT` is 127.x.x.x, as IPv4 or inside IPv6, or ::1."""
    number = address.partition(":")[0]
    return number.endswith("7F") or number == f"{'0' * 24}01000000"
