"""`python -m vos.synth.thin`: draw a contact sheet of stills with thin parts."""

from __future__ import annotations

import argparse
from pathlib import Path

from vos.synth.thin.stills import contact_sheet, generate_fine


def main() -> None:
    from PIL import Image

    parser = argparse.ArgumentParser(prog="python -m vos.synth.thin", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="image to write, .png or .jpg")
    parser.add_argument("--stills", type=int, default=24)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    stills = generate_fine(args.stills, args.size, args.seed, args.device)
    Image.fromarray(contact_sheet(stills, args.columns).numpy()).save(args.out, quality=85)


if __name__ == "__main__":
    main()
