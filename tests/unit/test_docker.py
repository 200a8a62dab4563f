"""The Dockerfile, as far as it can be read without an engine."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
IGNORE = (ROOT / ".dockerignore").read_text().splitlines()


def test_what_it_copies_is_there_and_is_sent():
    sources = [
        one
        for line in re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.MULTILINE)
        for one in line.split()[:-1]
    ]
    assert "vos" in sources
    for one in sources:
        assert (ROOT / one).exists(), one
        assert f"!{one}" in IGNORE, one


def test_the_package_is_whole_in_it():
    """Everything that the wheel is built of is copied."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.MULTILINE)).split()
    for listed in re.findall(r"^packages = \[(.*)\]$", pyproject, re.MULTILINE):
        for package in re.findall(r'"([^"]+)"', listed):
            assert package.partition("/")[0] in copied
    for name in ("configs", "README.md", "LICENSE", "NOTICE"):
        assert name in copied


def test_it_runs_as_no_root_on_images_of_any_registry():
    *_, last_user = re.findall(r"^USER (\S+)$", TEXT, re.MULTILINE)
    assert last_user not in ("root", "0")
    assert TEXT.rindex("USER ") < TEXT.rindex("ENTRYPOINT")
    bases = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert set(bases) == {"${BASE}"}
    (base,) = re.findall(r"^ARG BASE=(\S+)$", TEXT, re.MULTILINE)
    assert "." not in base.partition("/")[0].partition(":")[0]  # no host
