"""Numbers printed in papers, each with the rules it was made by. Percent, as printed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Rules(StrEnum):
    """The evaluator whose rules made a row."""

    OFFICIAL = "official LVOS"
    PER_OBJECT = "per-object mean (SA-V evaluator)"
    DAVIS = "DAVIS 2017"
    UNSTATED = "not stated"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of somebody's table.

    method: the model, as its paper calls it.
    numbers: percent, in the order of the table's columns; None where the paper has none.
    rules: the rules it was scored by.
    source: where it is printed.
    remark: what a reader has to know about it.
    """

    method: str
    numbers: tuple[float | None, ...]
    rules: Rules
    source: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """The published rows of one data set.

    data_set: name of the data set, as `run.json` has it.
    columns: headings of the numbers.
    rows: the rows, best first.
    """

    data_set: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


_SAM2LONG = "SAM2Long, Tables 1-3"
_REFINER = "SAM2Refiner, Table 2"
_META = "SAM 2 repository"
_SAM3 = "SAM 3"
_LOW_SAM2 = "(its own SAM 2 row does not add up: 77.5 from its parts)"

_NONE = (None, None, None, None)

LVOS_V2 = PublishedTable(
    "LVOS v2 valid",
    ("J&F", "Js", "Fs", "Ju", "Fu"),
    (
        PublishedRow("SAM 3.1", (89.2, *_NONE), Rules.OFFICIAL, _SAM3),
        PublishedRow("SAM 3", (88.5, *_NONE), Rules.OFFICIAL, _SAM3),
        PublishedRow(
            "SAM2Long (SAM 2.1-L)", (85.9, 81.7, 88.6, 83.0, 90.5), Rules.OFFICIAL, _SAM2LONG
        ),
        PublishedRow(
            "SAM2Long (SAM 2-L)", (84.2, 82.3, 89.2, 79.1, 86.2), Rules.OFFICIAL, _SAM2LONG
        ),
        PublishedRow("SAM 2.1-L", (84.1, 80.7, 87.4, 80.6, 87.7), Rules.OFFICIAL, _SAM2LONG),
        PublishedRow("SAM 2.1-L", (80.6, *_NONE), Rules.OFFICIAL, _META),
        PublishedRow("SAM2Refiner", (79.9, 78.7, 87.9, 71.6, 81.5), Rules.OFFICIAL, _REFINER),
        PublishedRow("SAM 2.1-L", (79.6, *_NONE), Rules.OFFICIAL, _SAM3),
        PublishedRow("HQ-SAM 2-L", (79.1, *_NONE), Rules.OFFICIAL, _REFINER),
        PublishedRow(
            "SAM 2-L", (78.3, 75.2, 87.0, 68.5, 79.4), Rules.OFFICIAL, _REFINER, _LOW_SAM2
        ),
        PublishedRow("SAM 2.1-S", (78.3, *_NONE), Rules.OFFICIAL, _META),
        PublishedRow("SAM 2.1-B+", (78.2, *_NONE), Rules.OFFICIAL, _META),
        PublishedRow("SAM 2.1-T", (77.3, *_NONE), Rules.OFFICIAL, _META),
        PublishedRow("XMem", (64.5, 62.6, 69.1, 60.6, 65.6), Rules.OFFICIAL, _SAM2LONG),
        PublishedRow("SAM2Long (SAM 2.1-L)", (85.3, *_NONE), Rules.PER_OBJECT, _SAM2LONG),
        PublishedRow("SAM 2.1-L", (84.0, *_NONE), Rules.PER_OBJECT, _SAM2LONG),
        PublishedRow("SAM 2.1-B+", (83.1, *_NONE), Rules.PER_OBJECT, _SAM2LONG),
        PublishedRow("SAM 2.1-S", (82.1, *_NONE), Rules.PER_OBJECT, _SAM2LONG),
        PublishedRow("SAM 2.1-T", (81.6, *_NONE), Rules.PER_OBJECT, _SAM2LONG),
    ),
)

LVOS_V1 = PublishedTable(
    "LVOS v1 valid",
    ("J&F", "J", "F"),
    (
        PublishedRow("SAM2Long (SAM 2.1-L)", (83.4, 78.4, 88.5), Rules.UNSTATED, _SAM2LONG),
        PublishedRow("SAM2Long (SAM 2-L)", (81.3, 76.4, 86.2), Rules.UNSTATED, _SAM2LONG),
        PublishedRow("SAM2Refiner", (80.9, 75.1, 86.8), Rules.UNSTATED, _REFINER),
        PublishedRow("SAM 2.1-L", (80.2, 75.4, 84.9), Rules.UNSTATED, _SAM2LONG),
        PublishedRow("HQ-SAM 2-L", (79.6, None, 84.3), Rules.UNSTATED, _REFINER),
        PublishedRow("SAM 2-L", (77.9, 73.1, 82.7), Rules.UNSTATED, _SAM2LONG),
        PublishedRow("SAM 2-L", (77.2, None, None), Rules.UNSTATED, _REFINER),
        PublishedRow("DDMemory", (60.7, 55.0, 66.3), Rules.UNSTATED, "LVOS"),
        PublishedRow("XMem", (52.9, 48.1, 57.7), Rules.UNSTATED, "LVOS"),
    ),
)

DAVIS_2017 = PublishedTable(
    "DAVIS 2017 valid",
    ("J&F",),
    (
        PublishedRow("SAM 3", (92.0,), Rules.DAVIS, _SAM3),
        PublishedRow("EdgeTAM", (87.7,), Rules.DAVIS, "EdgeTAM"),
    ),
)

SA_V = PublishedTable(
    "SA-V valid",
    ("J&F",),
    (
        PublishedRow("SAM 3", (84.6,), Rules.PER_OBJECT, _SAM3),
        PublishedRow("SAM 2.1-L", (78.4,), Rules.PER_OBJECT, _SAM3),
        PublishedRow("EdgeTAM", (72.3,), Rules.PER_OBJECT, "EdgeTAM"),
    ),
)

IMAGES = PublishedTable(
    "Fine-detail images: DIS / COIFT / HRSOD / ThinObject5K, mIoU and mBIoU",
    ("DIS", "", "COIFT", "", "HRSOD", "", "Thin", "", "mIoU", "mBIoU"),
    (
        PublishedRow(
            "SAM2Refiner-L, 10 points",
            (85.2, 80.6, 96.6, 93.6, 94.7, 90.2, 95.9, 91.0, 93.1, 88.9),
            Rules.UNSTATED,
            "SAM2Refiner, Table 1",
        ),
        PublishedRow(
            "SAM2Refiner-B+, 10 points",
            (83.4, 78.5, 96.5, 93.3, 94.1, 89.4, 95.1, 90.1, 92.3, 87.8),
            Rules.UNSTATED,
            "SAM2Refiner, Table 1",
        ),
        PublishedRow(
            "SAM 2-L, 10 points",
            (57.6, 50.7, 92.4, 88.0, 86.3, 79.5, 77.8, 67.7, 78.5, 71.5),
            Rules.UNSTATED,
            "SAM2Refiner, Table 1",
        ),
        PublishedRow(
            "HQ-SAM-L, box",
            (78.6, 70.4, 94.8, 90.1, 93.6, 86.9, 89.5, 79.9, 89.1, 81.8),
            Rules.UNSTATED,
            "HQ-SAM",
        ),
        PublishedRow(
            "PA-SAM-L, box",
            (81.5, 73.9, 95.8, 92.1, 94.6, 88.0, 92.7, 84.0, 91.2, 84.5),
            Rules.UNSTATED,
            "PA-SAM",
        ),
    ),
)
