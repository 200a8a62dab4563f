"""Fetch images for pasted clips: photographs, panoramas, cut-outs, stamps and silhouettes.

    python -m vos.synth.pasted_sources data/nano

makes a folder of each kind there. What cannot be fetched is said and left out; training goes on
with what is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vos.synth.pasted_sources.cutouts import fetch_cutouts
from vos.synth.pasted_sources.panoramas import fetch_panoramas
from vos.synth.pasted_sources.photographs import fetch_photographs
from vos.synth.pasted_sources.silhouettes import fetch_silhouettes
from vos.synth.pasted_sources.stamps import fetch_stamps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for line in fetch_photographs(folder / "photographs"):
        print(line, flush=True)
    print(fetch_panoramas(folder / "panoramas"), flush=True)
    print(fetch_cutouts(folder / "cutouts"), flush=True)
    print(fetch_stamps(folder / "stamps"), flush=True)
    print(fetch_silhouettes(folder / "silhouettes"))


if __name__ == "__main__":
    main()
