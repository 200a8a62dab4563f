"""Draws on a page whose command is killed again and again, and looks for what was drawn. A program:

    python -m e2e.killing_page KILLS SEED CLIP FILE

Each command is `vos pick CLIP -o FILE`. Prints how many prompts were drawn in all. It loads the
libraries once and forks, as every kill needs a process of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit

import uvicorn

import vos_cli.studio.app
import vos_cli.studio.session
from vos_cli.main import run

assert uvicorn
assert vos_cli.studio.app
assert vos_cli.studio.session

PATIENCE_S = 30.0


class Page:
    """A command in a process of its own, and a browser that has opened its link."""

    def __init__(self, *arguments: str) -> None:
        reading, writing = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.dup2(writing, 2)
            os._exit(run(list(arguments)))
        os.close(writing)
        with os.fdopen(reading) as said:
            link = next(line for line in said if "http://" in line).split()[-1]
        parts = urlsplit(link)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base = f"{self._origin}{parts.path.rstrip('/')}"
        self._asker = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), urllib.request.ProxyHandler({})
        )
        self._asker.open(link, timeout=PATIENCE_S).close()

    def ask(self, method: str, path: str, sent: Any = None) -> Any:
        body = None if sent is None else json.dumps(sent).encode()
        headers = {"Origin": self._origin, "Content-Type": "application/json"}
        request = urllib.request.Request(self._base + path, body, headers, method=method)
        with self._asker.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def kill(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)


def click(number: int) -> dict[str, Any]:
    return {
        "type": "scribble",
        "object_id": 1,
        "frame_idx": 0,
        "stroke_xy_px": [[number % 90 + 0.5, 9.5], [number % 90 + 5.5, number // 90 + 10.5]],
        "positive": True,
    }


def draw(page: Page, kept: list[Any], dice: random.Random) -> list[Any]:
    """Draw until the command dies; return what it must have kept, and what it may have."""
    threading.Timer(dice.uniform(0.02, 0.4), page.kill).start()
    version = page.ask("GET", "/api/document")["version"]
    try:
        while True:
            more = [*kept, click(len(kept))]
            sent = {"version": version, "prompts": more, "objects": {"1": ""}}
            version = page.ask("PUT", "/api/document", sent)["version"]
            kept = more
    except urllib.error.HTTPError as error:
        raise SystemExit(f"refused: {error.read().decode()}") from error
    except (OSError, HTTPException, ValueError):
        return kept


def main() -> None:
    kills, seed, clip, file = sys.argv[1:]
    dice = random.Random(int(seed))
    kept: list[Any] = []
    for _ in range(int(kills)):
        page = Page("pick", clip, "-o", file, "--model", "null")
        offer = page.ask("GET", "/api/status")["offer"]
        if kept:
            count = offer["drawn"]["prompts"]
            if count not in (len(kept), len(kept) + 1):  # the last answer may not have come
                raise SystemExit(f"{len(kept)} prompts were drawn, {count} are offered")
            page.ask("POST", "/api/offer", {"take": "drawn"})
        found = page.ask("GET", "/api/document")["prompts"]
        if found[: len(kept)] != kept or any(
            one != click(number) for number, one in enumerate(found)
        ):
            raise SystemExit(f"other prompts are there than were drawn: {len(found)}")
        kept = draw(page, found, dice)
        time.sleep(0.05)
    print(len(kept))


if __name__ == "__main__":
    main()
