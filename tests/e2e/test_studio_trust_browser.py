"""What an editor has to be able to rely on, with a real mouse, a real keyboard and Chromium.

The page is served by this process, so that a test costs seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vos_cli.studio
from e2e.studio_here import served
from e2e.studio_page import INSIDE, Tab, middle, video, wait_for_model

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

STATIC = Path(vos_cli.studio.__file__).parent / "static"
MODEL = ("--model", "nano", "--device", "cpu", "--size", "128")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return video(tmp_path / "clip.mp4", frames=24)


def focused(tab: Tab) -> str:
    script = "(document.activeElement.id || document.activeElement.ariaLabel || '') + ''"
    return tab.page.evaluate(script)


def test_an_object_is_named_with_mouse_and_keys(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.mouse.click(*middle(tab, "#add-object"))
        tab.page.mouse.click(*middle(tab, "#objects [data-object='1'] input"))
        tab.page.keyboard.type("boxes")  # b, o, x, e and s are tools, or were
        tab.page.keyboard.press("Enter")
        tab.page.mouse.click(*middle(tab, "#objects [data-object='2'] input"))
        tab.page.keyboard.type("pan")
        tab.page.keyboard.press("Tab")
        tab.wait_for_server(3)
        assert tab.document()["objects"] == {"1": "boxes", "2": "pan"}
        tab.page.mouse.click(*middle(tab, "#objects [data-object='2'] input"))
        tab.page.keyboard.type("!")
        tab.page.keyboard.press("Escape")  # as it was
        assert tab.page.input_value("[aria-label='Name of object 2']") == "pan"
        assert tab.page.locator("[data-tool=box][aria-pressed=true]").count() == 1
        tab.page.focus("#objects .colour")  # where it is once a colour was chosen
        tab.page.keyboard.press("p")
        tab.page.wait_for_selector("[data-tool=point][aria-pressed=true]")
        tab.page.mouse.click(*middle(tab, "#frame-number"))
        tab.page.keyboard.type("7")
        tab.page.keyboard.press("Escape")  # stays where it was, and leaves the field
        tab.page.keyboard.press("b")
        tab.page.wait_for_selector("[data-tool=box][aria-pressed=true]")
        assert tab.page.input_value("#frame-number") == "0"
        tab.page.mouse.click(*middle(tab, "#next"))
        tab.page.keyboard.press("ArrowLeft")
        tab.page.keyboard.press("Space")  # plays, and does not press the button again
        tab.page.wait_for_selector('#canvas[data-frame="23"]')
        assert tab.prompts() == []
        assert tab.version() == 3
        assert tab.errors == []


def test_tab_goes_everywhere_and_on(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_server(1)
        seen: list[str] = []
        for _ in range(60):
            tab.page.keyboard.press("Tab")
            seen.append(focused(tab))
            if seen.count("slider") == 2:
                break
        expected = {
            "undo",
            "go",
            "canvas",
            "Name of object 1",
            "Remove this prompt",
            "play",
            "loop",
        }
        assert expected <= set(seen)
        assert seen.count("slider") == 2  # all the way round
        while focused(tab) != "Name of object 1":
            tab.page.keyboard.press("Shift+Tab")
        tab.page.keyboard.type("dog")
        tab.page.keyboard.press("Tab")
        assert focused(tab) != "Name of object 1"
        tab.wait_for_server(2)
        assert tab.document()["objects"]["1"] == "dog"
        tab.page.keyboard.press("End")
        tab.page.wait_for_selector('#canvas[data-frame="23"]')
        while focused(tab) != "Choose object 1":
            tab.page.keyboard.press("Shift+Tab")
        for _ in range(20):  # over the object's name and buttons to the row of the prompt
            tab.page.keyboard.press("Tab")
            if tab.page.evaluate("document.activeElement.matches('#prompts .pick')"):
                break
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector('#canvas[data-frame="0"]')
        assert tab.errors == []


def test_a_box_is_drawn_with_the_keyboard(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        press = tab.page.keyboard.press
        press("c")
        for _ in range(4):
            press("Shift+ArrowLeft")
        press("Space")
        for _ in range(3):
            press("Shift+ArrowDown")
        press("ArrowRight")
        press("Space")
        tab.wait_for_server(1)
        assert tab.prompts()[0]["box_xyxy_px"] == [120, 90, 121, 120]
        press("p")
        press("Space")
        tab.wait_for_server(2)
        assert tab.prompts()[1]["points_xy_px"] == [[121.5, 120.5]]
        press("c")
        press("ArrowRight")  # goes on a frame again
        tab.page.wait_for_selector('#canvas[data-frame="1"]')
        assert tab.errors == []


def test_a_lost_connection_heals_and_loses_nothing(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.tool("point")
        tab.click(100.5, 90.5)
        tab.wait_for_server(1)
        window.set_offline(True)
        tab.page.wait_for_selector("#lost:not([hidden])")
        assert "retrying" in tab.page.inner_text("#lost")
        assert "has ended" not in tab.page.inner_text("#over")
        tab.click(110.5, 90.5)
        tab.page.keyboard.press("End")
        tab.page.wait_for_timeout(2500)  # much longer than it once took to be given up
        assert tab.page.locator("#over").is_hidden()
        window.set_offline(False)
        tab.page.wait_for_selector("#lost", state="hidden")
        tab.wait_for_server(2)
        assert tab.prompts()[0]["points_xy_px"] == [[100.5, 90.5], [110.5, 90.5]]
        tab.page.wait_for_selector('#canvas[data-frame="23"]')
        assert tab.errors == []


def test_an_answer_that_is_lost_is_not_a_second_click(monkeypatch, window: Any, clip: Path):
    """The server has the click, the page does not know it: it must not send another one."""
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.tool("point")
        lost: list[str] = []

        def lose_first(route: Any) -> None:
            if lost or route.request.method != "PUT":
                route.continue_()
                return
            lost.append(route.request.url)
            route.fetch()
            route.abort("connectionreset")

        tab.page.route("**/api/document", lose_first)
        tab.click(100.5, 90.5)
        tab.click(110.5, 90.5)
        tab.wait_for_server(2)
        tab.page.wait_for_timeout(300)
        assert lost
        assert tab.prompts()[0]["points_xy_px"] == [[100.5, 90.5], [110.5, 90.5]]
        assert tab.version() == 2


def test_a_click_is_on_the_frame_that_is_seen(monkeypatch, window: Any, clip: Path):
    with served(monkeypatch, "pick", clip, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.page.wait_for_selector('#clip-facts:text-matches("24 frames ·")')
        tab.tool("point")

        def slowly(route: Any) -> None:
            tab.page.wait_for_timeout(10)
            held.append(route)

        held: list[Any] = []
        tab.page.route("**/api/frames/20.*", slowly)
        tab.page.route("**/api/thumbnails/20.*", lambda route: route.fulfill(status=204))
        tab.page.mouse.move(*tab.at(*INSIDE))
        tab.page.fill("#frame-number", "20")
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_timeout(200)
        tab.page.mouse.down()
        tab.page.mouse.up()
        tab.wait_for_server(1)
        assert [one["frame_idx"] for one in tab.prompts()] == [0]
        for route in held:
            route.continue_()
        tab.page.wait_for_timeout(300)
        assert tab.page.get_attribute("#canvas", "data-frame") == "0"
        assert tab.page.input_value("#frame-number") == "0"
        assert tab.errors == []


@pytest.mark.parametrize(
    ("frame", "chosen", "way", "stop"),
    [
        (0, 1, 1, (5, 1)),
        (5, 1, 1, (5, 2)),  # the second object whose span begins there
        (5, 2, 1, (9, 1)),
        (7, 2, 1, (9, 1)),
        (9, 1, 1, None),
        (9, 1, -1, (5, 2)),
        (5, 2, -1, (5, 1)),
        (5, 1, -1, None),
        (7, 1, -1, (5, 2)),
    ],
)
def test_no_suspicious_span_is_skipped(chromium: Any, frame: int, chosen: int, way: int, stop: Any):
    text = (STATIC / "stops.js").read_text().replace("export function", "function")
    page = chromium.new_page()
    spans = [(9, 1), (5, 2), (5, 1), (5, 1)]  # two of one object at once are one stop
    sent = [[{"first": first, "object_id": who} for first, who in spans], frame, chosen, way]
    work = f"{text} return stopAfter(spans, {{frame, object}}, way);"
    call = f"([spans, frame, object, way]) => {{ {work} }}"
    found = page.evaluate(call, sent)
    page.close()
    assert found == (stop and {"first": stop[0], "object_id": stop[1]})


@pytest.mark.slow
def test_what_is_drawn_while_it_tracks_stays(monkeypatch, window: Any, tmp_path: Path):
    out = tmp_path / "out"
    clip = video(tmp_path / "clip.mp4", frames=120)  # it has to track for longer than one draws
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        wait_for_model(tab)
        tab.drag((78, 58), (142, 122))
        tab.wait_for_server(1)
        tab.page.keyboard.press("Control+Enter")
        tab.page.wait_for_selector(r'#run-text:text-matches("^[0-9]+ of")')
        # On the first frame a second box would take the place of the first.
        tab.page.wait_for_selector('#canvas:not([data-frame="0"])')
        start, end = tab.at(20, 20), tab.at(60, 50)
        mouse = tab.page.mouse
        mouse.move(*start)
        mouse.down()
        for step in range(1, 6):  # as slowly as people draw: other frames are done meanwhile
            share = step / 5
            mouse.move(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))
            tab.page.wait_for_timeout(150)
        mouse.up()
        tab.wait_for_server(2)
        assert tab.prompts()[-1]["box_xyxy_px"] == [20, 20, 60, 50]
        assert tab.page.get_attribute("#run-follow", "aria-pressed") == "false"
        tab.page.wait_for_selector('#run-title:text-is("Tracked")')

        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#ask[open]")
        tab.page.keyboard.press("Escape")
        assert tab.page.locator("#over").is_hidden()
        tab.close_and_keep()
        assert here.finished() == 0
        assert tab.errors == []
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.wait_for_selector("#ask[open]")
        assert "There is a result in" in tab.page.inner_text("#ask-text")
        assert "2 prompts" in tab.page.inner_text("#ask-text")
        tab.shot("offer")
        tab.page.click("#ask button >> text=Go on")
        tab.wait_for_server(1)
        assert len(tab.prompts()) == 2
        assert tab.errors == []
    with served(monkeypatch, "track", clip, "--box", "-o", out, *MODEL) as here:
        tab = Tab(window.new_page(), here.link)
        tab.page.click("#ask button >> text=Open the result")
        tab.page.wait_for_selector("body.fix #timeline-canvas[data-id='0']")
        tab.page.mouse.click(*middle(tab, "#close"))
        tab.page.wait_for_selector("#over:not([hidden])")
        assert here.finished() == 0
        assert tab.errors == []
