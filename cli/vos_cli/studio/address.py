"""Where the page's server listens, and which names in a Host header mean it."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Self

from vos.errors import UsageError

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
_NOWHERE = ("192.0.2.1", 9)  # of the documentation network; nothing is sent there


@dataclass(frozen=True, slots=True)
class Address:
    """One address of this machine, or all of them. Made with `of`.

    numeric: what to bind to.
    family: IPv4 or IPv6.
    names: what a Host header may say, besides the address at which a connection arrives where the
        server listens at all of them; lower case, IPv6 without brackets.
    shown: the name in the link.
    """

    numeric: str
    family: socket.AddressFamily
    names: tuple[str, ...]
    shown: str

    @classmethod
    def of(cls, host: str) -> Self:
        """Resolve what `--host` names. Raises UsageError for a host that is not found."""
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageError(
                f"--host {host!r}: no such address ({error}); give an address or name of this "
                "machine, or 0.0.0.0 for all of them"
            ) from None
        family, numeric = found[0][0], str(found[0][4][0])
        parsed = ipaddress.ip_address(numeric.partition("%")[0])
        if parsed.is_loopback:
            return cls(numeric, family, _LOOPBACK_NAMES, numeric)
        if parsed.is_unspecified:
            own = (socket.gethostname().lower(), socket.getfqdn().lower())
            return cls(numeric, family, (*_LOOPBACK_NAMES, *own), _outward() or own[0])
        return cls(numeric, family, (host.lower(), numeric), host)

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can connect."""
        return self.names == _LOOPBACK_NAMES

    def listen(self, port: int = 0) -> socket.socket:
        """Open a socket that takes connections at once.

        port: 0 for a free one.

        Raises UsageError.
        """
        listener = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            if port and os.name == "posix":  # a server that was just ended leaves its port waiting
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.numeric, port))
            listener.listen()
        except OSError as error:
            listener.close()
            if port:
                raise UsageError(
                    f"--port {port}: cannot be listened at ({error.strerror or error}); give "
                    "another one, or 0 for any that is free"
                ) from None
            raise UsageError(
                f"--host {self.shown}: cannot be listened at ({error.strerror or error}); give an "
                "address of this machine, or 0.0.0.0 for all of them"
            ) from None
        return listener

    def link(self, port: int) -> str:
        """Return the page's URL, without a token."""
        name = f"[{self.shown}]" if ":" in self.shown else self.shown
        return f"http://{name}:{port}/"

    def is_named(self, host: str, server: tuple[str, int] | None) -> bool:
        """Tell whether a Host header means this server.

        server: address and port at which the connection arrived. On loopback any port will do, as
        a tunnel has another one; elsewhere it must be the server's.
        """
        name, _, port = host.rpartition(":")
        if not (name and port.isascii() and port.isdigit() and len(port) <= 5):
            return False
        name = name[1:-1] if name.startswith("[") and name.endswith("]") else name
        if name in _LOOPBACK_NAMES:
            return name in self.names
        if server is None or int(port) != server[1]:
            return False
        if name.lower() in self.names:
            return True
        is_any = ipaddress.ip_address(self.numeric.partition("%")[0]).is_unspecified
        return is_any and name == server[0].removeprefix("::ffff:")


def _outward() -> str | None:
    """Return the address by which this machine reaches others, None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NOWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])
