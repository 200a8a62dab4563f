"""`python -m vos.synth`: draw a contact sheet of clips."""

from __future__ import annotations

import argparse
from pathlib import Path

from vos.synth.clips import contact_sheet, generate_clips
from vos.synth.config import RICH, ClipConfig

_SHEET_COLOURS = 96


def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser(prog="python -m vos.synth", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="image to write, .png or .jpg")
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--frames", type=int, default=8, help="frames per clip")
    parser.add_argument("--columns", type=int, default=8, help="frames shown per clip")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rich", action="store_true", help="clips of RICH")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    config = RICH if args.rich else ClipConfig()
    clips = generate_clips(args.clips, args.frames, args.size, args.seed, args.device, config)
    sheet = Image.fromarray(contact_sheet(clips, args.columns).numpy())
    if args.out.suffix == ".png":
        sheet = sheet.quantize(_SHEET_COLOURS)  # noise makes a full PNG three times as large
    sheet.save(args.out, optimize=True)


if __name__ == "__main__":
    main()
