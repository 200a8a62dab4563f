"""Every text file is read in the encodings that people's programs write."""

from __future__ import annotations

import codecs
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vos import bounded
from vos.bounded import UnfitError, decode_text, read_text
from vos.config import load_yaml
from vos.model.networks.nano.config import NanoConfig
from vos.prompts import Box, load_prompts, prompts_text
from vos.settings import resolve

ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16": b"",
    "utf-16-le": b"",
    "utf-16-be": b"",
    "utf-16-be, BOM": codecs.BOM_UTF16_BE,
    "utf-32": b"",
}
encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def encode(text: str, encoding: str) -> bytes:
    return ENCODINGS[encoding] + text.encode(encoding.partition(",")[0])


# Without a BOM, zero bytes tell UTF-16: characters such as U+0A00 have them on the other side.
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff").filter(
        lambda char: ord(char) % 256
    )
)


@given(
    st.lists(words, min_size=1),
    st.sampled_from(list(ENCODINGS)),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_texts_come_back_with_plain_line_ends(lines, encoding, ending):
    text = "key = 1" + "".join(f"\n{line}" for line in lines)
    data = encode(text.replace("\n", ending), encoding)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(data)
        assert read_text(path) == decode_text(data) == text


@given(st.binary())
def test_any_bytes_are_a_text_or_a_decoding_error(data):
    for errors in ("strict", "surrogateescape"):
        try:
            assert isinstance(decode_text(data, errors), str)
        except UnfitError:
            assert errors == "strict" or b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff")


@encodings
def test_prompts_settings_and_presets(encoding, tmp_path):
    (tmp_path / "p.json").write_bytes(encode(prompts_text([Box(1, (1, 2, 30, 40))]), encoding))
    assert load_prompts(tmp_path / "p.json") == [Box(1, (1, 2, 30, 40))]
    (tmp_path / "vos.toml").write_bytes(encode('model = "Größe"\r\nsize = 512\r\n', encoding))
    settings = resolve({}, {}, tmp_path)
    assert (settings.model, settings.size) == ("Größe", 512)
    (tmp_path / "c.yaml").write_bytes(encode("{}\n", encoding))
    assert load_yaml(NanoConfig, tmp_path / "c.yaml") == NanoConfig()


def test_many_keys_are_read_at_once(tmp_path):
    keys = ", ".join(f'"k{i}": 1' for i in range(60_000))
    (tmp_path / "p.json").write_text(f'{{"schema": 1, "prompts": [], "names": {{{keys}}}}}')
    with pytest.raises(Exception, match="ids are 1 to 255"):
        load_prompts(tmp_path / "p.json")


def test_a_file_that_may_be_longer_may_hold_more(tmp_path, monkeypatch):
    path = tmp_path / "long.json"
    path.write_text(json.dumps([[one] for one in range(90)]))
    monkeypatch.setattr(bounded, "MAX_TEXT_BYTES", 100)
    monkeypatch.setattr(bounded, "_MAX_CONTAINERS", 10)
    with pytest.raises(ValueError, match="over 100 bytes long"):
        bounded.read_json(path, 100)
    with pytest.raises(ValueError, match="too many values"):
        bounded.read_json(path, 600)
    assert len(bounded.read_json(path, 1000)) == 90
