"""The report page: whole, self-contained, and free of anything a file name smuggles in."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from vos_eval.evaluate import evaluate
from vos_eval.protocols.base import Options
from vos_eval.protocols.plan import Missing
from vos_eval.protocols.sav import SAV
from vos_eval.report.html import write_report

HOSTILE = "<img src=x onerror=alert(1)>&'"


def save(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    image.putpalette([0, 0, 0, 128, 0, 0] + [9] * 762)
    image.save(path)


@pytest.fixture
def data(tmp_path):
    for number in range(6):
        mask = np.zeros((40, 60), np.uint8)
        mask[10:25, 10 + number : 30] = 1
        save(tmp_path / f"gt/{HOSTILE}/{number:05d}.png", mask)
        save(tmp_path / f"out/predictions/{HOSTILE}/{number:05d}.png", np.roll(mask, number))
    return tmp_path


class Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.links += [values[k] for k in ("src", "href") if k in values]
        assert not any(name.startswith("on") for name in values)
        if tag not in ("meta", "img", "br", "line", "path", "i"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("i", "line", "path"):
            assert self.open.pop() == tag


def page_of(data, options=None, protocol=SAV):
    options = options or Options()
    gt, pred = data / "gt", data / "out/predictions"
    score = evaluate(protocol, gt, pred, options)
    path = write_report(score, gt, pred, options, data / "html")
    assert path == data / "html/index.html"
    assert [p.name for p in (data / "html").iterdir()] == ["index.html"]
    return path.read_text(), score


def test_page_is_whole_and_self_contained(data):
    page, score = page_of(data)
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.links
    assert all(link.startswith("data:image/jpeg;base64,") for link in checker.links)
    assert "http" not in page
    assert "url(" not in page
    assert "script" not in checker.tags
    assert checker.tags.count("svg") == 1
    assert f"<b>{100 * score.totals['J&F']:.1f}</b>" in page
    assert "SAM2Long" in page
    assert "no run.json" in page
    assert page == page_of(data)[0]


def test_hashes_follow_the_inputs_and_the_model_is_named(data):
    before = re.findall(r"[0-9a-f]{64}", page_of(data)[0])
    assert len(before) == 2
    run = {"schema": 1, "model": "nano", "model_sha256": "ab" * 32, "data_set": "SA-V valid"}
    (data / "out/run.json").write_text(json.dumps(run))
    mask = np.zeros((40, 60), np.uint8)
    save(data / f"out/predictions/{HOSTILE}/00002.png", mask)
    page, _ = page_of(data)
    after = re.findall(r"[0-9a-f]{64}", page)
    assert after[0] == "ab" * 32
    assert after[1] == before[0]
    assert after[2] != before[1]
    assert "nano" in page
    assert "LVOS v2" not in page  # the data set is known, so only its rows are shown


def test_rows_by_other_rules_are_marked(data):
    page, _ = page_of(data)
    rows = re.findall(r"<tr class=\"(other|)\"><td>[^<]*</td>.*?</tr>", page)
    assert set(rows) == {"other", ""}
    for row in re.findall(r"<tr class=\"other\">.*?</tr>", page):
        assert "⚠" in row


def test_what_was_left_out_is_said(data):
    (data / f"out/predictions/{HOSTILE}/00003.png").unlink()
    page, _ = page_of(data, Options(missing=Missing.EMPTY))
    assert "scored as empty" in page


def test_one_frame_and_perfect_masks(data):
    for folder in ("gt", "out/predictions"):
        for number in (2, 3, 4):
            (data / folder / HOSTILE / f"{number:05d}.png").unlink()
    source = data / "gt" / HOSTILE / "00001.png"
    (data / "out/predictions" / HOSTILE / "00001.png").write_bytes(source.read_bytes())
    page, score = page_of(data)
    assert score.totals["J&F"] == 1
    assert "Every frame is perfect" in page
