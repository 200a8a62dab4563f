"""Tables for papers and notes: a row per prediction, as LaTeX or Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from vos_eval.compare.bootstrap import Interval
from vos_eval.compare.comparison import Comparison, numeric_columns

LOWER_IS_BETTER = frozenset({"V", "JD", "FD", "J_trD"})
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_LATEX_NUMBERS = {
    "J&F": r"$\mathcal{J}\&\mathcal{F}$",
    "J": r"$\mathcal{J}$",
    "F": r"$\mathcal{F}$",
    "V": r"$\mathcal{V}$",
    "Js": r"$\mathcal{J}_s$",
    "Fs": r"$\mathcal{F}_s$",
    "Ju": r"$\mathcal{J}_u$",
    "Fu": r"$\mathcal{F}_u$",
    "J_tr": r"$\mathcal{J}_{tr}$",
    "J&Fdot": r"$\mathcal{J}\&\dot{\mathcal{F}}$",
    "Fdot": r"$\dot{\mathcal{F}}$",
    "J&Fdot_d": r"$\mathcal{J}\&\dot{\mathcal{F}}_d$",
    "J&Fdot_r": r"$\mathcal{J}\&\dot{\mathcal{F}}_r$",
}


class TableForm(StrEnum):
    """The language of a table.

    LATEX: for papers; needs the package booktabs.
    MARKDOWN: for notes and issues.
    """

    LATEX = "latex"
    MARKDOWN = "markdown"


def paper_tables(comparison: Comparison, form: TableForm) -> str:
    """Return the totals of all predictions and, with several, the means by attribute.

    Percent with one decimal, the best of several bold, the 95 % interval beside the headline.
    """
    tables = [_totals_table(comparison, form)]
    if comparison.attributes:
        tables.append(_attribute_table(comparison, form))
    return "\n".join(tables)


def _totals_table(comparison: Comparison, form: TableForm) -> str:
    columns = list(comparison.first.totals)
    rows = {
        name: [
            (score.totals[column], _shown(comparison, name, column) if not index else None)
            for index, column in enumerate(columns)
        ]
        for name, score in comparison.scores.items()
    }
    return _table("Method", columns, rows, form)


def _shown(comparison: Comparison, name: str, column: str) -> Interval | None:
    return comparison.intervals.get(name, {}).get(column)


def _attribute_table(comparison: Comparison, form: TableForm) -> str:
    """Return the headline's mean over the objects with each attribute."""
    headline = numeric_columns(comparison.protocol)[0]
    columns = [f"{row.name} ({row.objects})" for row in comparison.attributes]
    rows = {
        name: [(row.numbers[name][headline], None) for row in comparison.attributes]
        for name in comparison.scores
    }
    return _table(f"{headline} by attribute", columns, rows, form)


Cell = tuple[float, Interval | None]


def _table(
    corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[Cell]], form: TableForm
) -> str:
    best = [
        _best([cells[index][0] for cells in rows.values()], column) if len(rows) > 1 else None
        for index, column in enumerate(columns)
    ]
    lines = [
        [
            _cell(*cell, is_best=_text(cell[0]) == top, form=form)
            for cell, top in zip(cells, best, strict=True)
        ]
        for cells in rows.values()
    ]
    if form is TableForm.MARKDOWN:
        head = [_markdown(corner), *map(_markdown, columns)]
        body = [[_markdown(name), *line] for name, line in zip(rows, lines, strict=True)]
        rule = ["---", *(["---:"] * len(columns))]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body)) + "\n"
    head = [_latex(corner), *(_LATEX_NUMBERS.get(column, _latex(column)) for column in columns)]
    body = [[_latex(name), *line] for name, line in zip(rows, lines, strict=True)]
    return "\n".join(
        [
            f"\\begin{{tabular}}{{l{'c' * len(columns)}}}",
            r"\toprule",
            f"{' & '.join(head)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in body),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _best(values: Sequence[float], column: str) -> str | None:
    """Return the best value as it is printed, so that all that look equal to it are bold."""
    there = [value for value in values if not math.isnan(value)]
    if not there:
        return None
    return _text(min(there) if column in LOWER_IS_BETTER else max(there))


def _text(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def _cell(value: float, interval: Interval | None, *, is_best: bool, form: TableForm) -> str:
    text = _text(value)
    if form is TableForm.LATEX:
        text = text.replace("–", "--")
        text = rf"\textbf{{{text}}}" if is_best else text
    elif is_best:
        text = f"**{text}**"
    if interval is None or math.isnan(interval.low):
        return text
    span = f"[{_text(interval.low)}, {_text(interval.high)}]"
    return f"{text} {{\\scriptsize {span}}}" if form is TableForm.LATEX else f"{text} {span}"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _markdown(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]" else letter for letter in text)
