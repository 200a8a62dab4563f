"""SAM 2's interactive protocols: which frames get clicks, and what each round leaves."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

import data_set_layouts as layouts
from vos_cli import main
from vos_cli.commands.eval import data_set
from vos_cli.evaluate import predict, rounds
from vos_cli.evaluate.clicks import Clicker
from vos_eval.data_sets.davis import open_davis


@pytest.fixture
def evaluate(monkeypatch, tracker, tmp_path):
    """Run `vos eval davis` for three rounds with a small tracker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vos.loading.load", lambda _options: tracker)
    for module in (rounds, predict, data_set):
        monkeypatch.setattr(module, "ROUNDS", 3)
    layouts.davis_2017(tmp_path / "D")

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        more = ("--limit", 1, "--jobs", 1, "--progress", "none", "-o", "out")
        with redirect_stdout(out), redirect_stderr(err):
            returned = main.run(["eval", "davis", "D", *map(str, (*arguments, *more))])
        assert returned == 0, err.getvalue()
        return out.getvalue(), err.getvalue()

    return run


def test_results_of_each_round(evaluate, tmp_path):
    out, _ = evaluate("--interactive", "offline", "--json")
    content = json.loads(out)
    assert [one["round"] for one in content["rounds"]] == [1, 2, 3]
    assert content["rounds"][-1]["global"] == content["global"]
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert (record["interactive"], record["prompt"]) == ("offline", "clicks:3")
    assert sorted(path.name for path in (tmp_path / "out/rounds").iterdir()) == ["1", "2", "3"]
    assert [path.name for path in (tmp_path / "out/predictions").iterdir()] == ["bear"]
    out, err = evaluate("--interactive", "offline")
    assert "1 finished videos kept" in err
    assert out.splitlines()[-4].split() == ["round", "J&F", "J", "F"]
    assert out.splitlines()[-1].split()[0] == "3"


def test_online_keeps_what_came_before_the_clicks(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "PAUSE_BELOW", 1.0)
    clicked = []
    original = Clicker.ask

    def ask(self, one, frame_idx):
        clicked.append(frame_idx)
        original(self, one, frame_idx)

    monkeypatch.setattr(Clicker, "ask", ask)
    evaluate("--interactive", "online", "--prompt", "clicks:2")
    assert clicked[0] == 0
    assert clicked[:3] == sorted(set(clicked[:3]))

    def masks(number):
        folder = tmp_path / f"out/rounds/{number}/bear"
        return [np.array(Image.open(path)) for path in sorted(folder.iterdir())]

    for number, at in ((1, clicked[1]), (2, clicked[2])):
        before, after = masks(number), masks(number + 1)
        for index in range(at):
            assert np.array_equal(before[index], after[index])
        assert not np.array_equal(before[at], after[at])


def test_which_frame_comes_next(tmp_path, tracker):
    video = open_davis(layouts.davis_2017(tmp_path)).videos[0]
    one = video.objects[0]

    clicker = Clicker(tracker, video, 1)
    for frame_idx in (0, 3):
        clicker.ask(one, frame_idx)
    for _ in clicker.track():
        pass

    def choose(mode, *ious):
        return rounds._choose_frame(mode, clicker, one, dict(enumerate(ious)))

    assert choose("offline", 0.1, 0.9, 0.5, 0.2, 0.5) == 2
    assert choose("offline", 0.1, 1.0, 1.0, 0.2, 1.0) is None
    assert choose("online", 0.1, 0.2, 0.1, 0.2, 0.8, 0.74, 0.1) == 5
    assert choose("online", 0.1, 0.2, 0.1, 0.2, 0.75) is None


def test_interrupted_rounds_are_done_again(evaluate, tmp_path, monkeypatch):
    original = rounds._track_round

    def stop(*_arguments):
        raise KeyboardInterrupt

    def once(*arguments):
        monkeypatch.setattr(rounds, "_track_round", stop)
        return original(*arguments)

    monkeypatch.setattr(rounds, "_track_round", once)
    with pytest.raises(AssertionError, match="interrupted"):
        evaluate("--interactive", "offline")
    assert not (tmp_path / "out/predictions/bear").exists()
    monkeypatch.setattr(rounds, "_track_round", original)
    again, _ = evaluate("--interactive", "offline", "--json")
    assert sorted(path.name for path in (tmp_path / "out/predictions").iterdir()) == ["bear"]
    fresh, _ = evaluate("--interactive", "offline", "--json", "--overwrite")
    assert again == fresh
