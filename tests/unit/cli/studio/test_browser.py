"""A browser here, a tunnel, or a clear refusal."""

from __future__ import annotations

import sys

import pytest

from vos.errors import UsageError
from vos_cli.studio import browser as reach

SSH = {"SSH_CONNECTION": "10.1.1.1 50000 192.0.2.7 22", "DISPLAY": ":0"}


def test_a_browser_needs_a_window_on_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert not reach.has_browser({})
    assert reach.has_browser({"DISPLAY": ":0"})
    assert reach.has_browser({"WAYLAND_DISPLAY": "wayland-0"})
    assert not reach.has_browser(SSH)
    assert reach.has_browser(SSH | {"BROWSER": "firefox"})
    monkeypatch.setattr(sys, "platform", "darwin")
    assert reach.has_browser({})


def test_the_tunnel_names_port_user_and_host(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach, "_user", lambda: "ann")
    line = reach.tunnel_line(SSH, 4321)
    assert line == "ssh -N -L 4321:127.0.0.1:4321 ann@192.0.2.7"
    other = {"SSH_CONNECTION": "10.1.1.1 50000 192.0.2.7 2222"}
    assert reach.tunnel_line(other, 1) == "ssh -N -p 2222 -L 1:127.0.0.1:1 ann@192.0.2.7"
    assert reach.tunnel_line({}, 1) is None


def test_neither_terminal_nor_browser_is_one_line_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sys, "platform", "linux")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match=r"--box x1,y1,x2,y2.*vos pick"):
        reach.require_reachable({})
    reach.require_reachable({"DISPLAY": ":0"})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    reach.require_reachable({})
