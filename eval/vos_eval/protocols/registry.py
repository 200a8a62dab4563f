"""The protocols by name. A new benchmark is one file beside this one and one line here."""

from __future__ import annotations

from vos_eval.protocols.base import Protocol
from vos_eval.protocols.davis import DAVIS
from vos_eval.protocols.lvos import LVOS, LVOS_V1_ERA
from vos_eval.protocols.mosev2 import MOSEV2
from vos_eval.protocols.sav import SAV
from vos_eval.protocols.vost import VOST

PROTOCOLS: dict[str, Protocol] = {}


def register(protocol: Protocol) -> None:
    """Make a protocol known by its name.

    Raises:
        ValueError: another protocol has this name.
    """
    if PROTOCOLS.setdefault(protocol.name, protocol) is not protocol:
        raise ValueError(f"there is already a protocol named {protocol.name}")


register(LVOS)
register(LVOS_V1_ERA)
register(DAVIS)
register(SAV)
register(MOSEV2)
register(VOST)
