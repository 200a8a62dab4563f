"""The colours of objects on the page, told apart with any kind of colour vision.

They are for screens alone: the palette of mask PNGs is a contract of its own.
"""

from __future__ import annotations

import functools

NINE = (
    "#ffee22",  # yellow
    "#99ccff",  # light blue
    "#cc0011",  # red
    "#bbffdd",  # mint
    "#aa2299",  # magenta
    "#bbbb00",  # olive
    "#7700ff",  # violet
    "#cc7788",  # rose
    "#9988ee",  # lavender
)
"""For objects 1 to 9. Chosen so that the least difference of two of them (in OKLab, as normal,
protanopic, deuteranopic and tritanopic eyes see them) is as large as it gets."""

_LIGHTER, _DARKER = (255, 0.45), (0, 0.3)
_BACKGROUND = "#000000"


@functools.cache
def colours() -> list[str]:
    """Return CSS colours by object id; 10 and on are lighter and darker ones of the first nine."""
    rounds = (None, _LIGHTER, _DARKER)
    return [
        _BACKGROUND,
        *(_mixed(NINE[i % len(NINE)], rounds[i // len(NINE) % len(rounds)]) for i in range(255)),
    ]


def _mixed(colour: str, towards: tuple[int, float] | None) -> str:
    if towards is None:
        return colour
    end, share = towards
    channels = bytes.fromhex(colour[1:])
    return "#" + bytes(round(one + (end - one) * share) for one in channels).hex()
