"""Nuke: read an EXR export of vos and give each of its layers a Shuffle.

In the Script Editor, or at startup: exec(open("nuke_vos.py").read()); import_vos()
From a shell, into a script: nuke -t nuke_vos.py first.exr out.nk
"""

import re
import sys
from pathlib import Path

import nuke

STEP = 120  # between two nodes, in the node graph's pixels


def find_sequence(first):
    """Return the pattern of the sequence that a file is of, and its first and last number."""
    first = Path(first)
    match = re.fullmatch(r"(.*?)(\d+)\.exr", first.name)
    if match is None:
        raise ValueError(f"{first.name} has no frame number before .exr")
    head, digits = match.groups()
    form = re.compile(re.escape(head) + r"(\d+)\.exr")
    found = [form.fullmatch(one.name) for one in first.parent.iterdir()]
    numbers = [int(one.group(1)) for one in found if one]
    pattern = first.parent / f"{head}%0{len(digits)}d.exr"
    return pattern.as_posix(), min(numbers), max(numbers)


def list_layers(channels):
    """Return the layers that hold mattes, in the order of the alphabet."""
    layers = {one.split(".")[0] for one in channels}
    return sorted(layers - {"rgb", "rgba", "alpha", "other"})


def import_vos(first=None):
    """Make a Read of the sequence and, below it, a Shuffle per layer that has it as its alpha."""
    first = first or nuke.getFilename("First EXR of the export", "*.exr")
    if not first:
        return None
    pattern, start, end = find_sequence(first)
    read = nuke.nodes.Read(file=pattern, first=start, last=end, origfirst=start, origlast=end)
    read["raw"].setValue(True)  # mattes are numbers, not colours
    for place, layer in enumerate(list_layers(read.channels())):
        shuffle = nuke.nodes.Shuffle(inputs=[read], label=layer)
        shuffle["in"].setValue(layer)
        for channel in ("red", "green", "blue", "alpha"):
            shuffle[channel].setValue("alpha")
        shuffle.setXYpos(read.xpos() + place * STEP, read.ypos() + STEP)
    return read


if __name__ == "__main__" and len(sys.argv) == 3:
    import_vos(sys.argv[1])
    nuke.scriptSaveAs(sys.argv[2], overwrite=1)
