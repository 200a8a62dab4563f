"""The report of a batch in Chromium: it fits the window, shows its pictures, asks for nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from e2e import clips
from e2e.studio_page import browser

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("width", [1400, 800, 420])
def test_the_report_fits_the_window(width: int, vos, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    clips.video(folder / f"{'A_very_long_name_of_a_shot_' * 4}.mp4", 4)
    clips.truncated_video(folder / "cut.mp4")
    (folder / "text.mp4").write_text("not a video")
    options = ("--box", clips.BOX, "--model", "null", "--save", "masks,stats,overlay")
    assert vos("batch", folder, "-o", "out", *options).code == 4
    report = tmp_path / "out/report.html"
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("h2").first.inner_text().startswith("Failed")
        assert "not a video" in page.locator("article.failed .reason").inner_text()
        pictures = page.locator("article img")
        assert pictures.count() == 2
        for number in range(2):
            pictures.nth(number).scroll_into_view_if_needed()
            assert pictures.nth(number).evaluate("image => image.decode().then(() => image.width)")
        for tile in page.locator(".tile").all():
            assert tile.evaluate("tile => tile.scrollWidth <= tile.clientWidth")
        for link in page.locator("a").all():
            assert link.bounding_box()["height"] < 30  # one line, also beside a long name
            assert (report.parent / link.get_attribute("href")).exists()
        if shots := os.environ.get("VOS_SCREENSHOTS"):
            page.screenshot(path=str(Path(shots) / f"report-{width}.png"), full_page=True)
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
