"""How the user gets to the page: a browser here, a tunnel from where they sit, or not at all."""

from __future__ import annotations

import getpass
import sys
import threading
import webbrowser
from collections.abc import Mapping

from vos.errors import UsageError


def has_browser(environ: Mapping[str, str]) -> bool:
    """Tell whether a browser with a window can be opened on this machine.

    BROWSER counts; over SSH a window would open on the wrong machine, if at all.
    """
    if environ.get("BROWSER"):
        return True
    if is_remote(environ):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def is_remote(environ: Mapping[str, str]) -> bool:
    """Tell whether this is an SSH session."""
    return "SSH_CONNECTION" in environ or "SSH_TTY" in environ


def tunnel_line(environ: Mapping[str, str], port: int) -> str | None:
    """Return the `ssh -L` command to type where the user sits, None outside SSH."""
    if not is_remote(environ):
        return None
    parts = environ.get("SSH_CONNECTION", "").split()
    host, ssh_port = (parts[2], parts[3]) if len(parts) == 4 else ("THIS-MACHINE", "22")
    other_port = "" if ssh_port == "22" else f"-p {ssh_port} "
    return f"ssh -N {other_port}-L {port}:127.0.0.1:{port} {_user()}@{host}"


def require_reachable(environ: Mapping[str, str]) -> None:
    """Raise UsageError where nobody on this machine could see the page or its link."""
    if has_browser(environ) or sys.stderr.isatty() or sys.stdin.isatty():
        return
    raise UsageError(
        "drawing prompts needs a browser or a terminal, and there is neither: give them, as in "
        "--box x1,y1,x2,y2, or draw them elsewhere with `vos pick` and give --prompts FILE.json"
    )


def open_browser(url: str) -> None:
    """Open the page; in a thread, as some browsers return only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"
