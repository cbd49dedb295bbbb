"""T1 to T10 as LaTeX: \\input a file in a document with \\usepackage{booktabs}.

Text out of somebody's data is hostile here too: every sign that TeX would act on is escaped, and
one that a document in the standard encoding cannot print stands as its code point.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from bench.printable import printable
from reports.names import plain_name
from reports.short import OF_A_TASK, Short, short_tables

LONGEST = 40  # rows; a float that is longer than its page would be cut
FOLDED = 20  # a column of words with longer ones is folded at this width
CUT = 40  # of a head
TITLES = {
    "leaderboard": "Leaderboard",
    "domains": "Scores by domain",
    "pairs": "Paired differences",
    "position": "Position",
    "bias": "Length and kin",
    "calibration": "Calibration",
    "official": "Official scores",
    "cost": "Cost and speed",
    "headline": "Trained against prompted",
    "data": "Data",
    "people": "Judges beside annotators",
}


def latex(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Name of a table -> its file: a float for each task, more where it is long or wide; a comment
    where no judge has such numbers. Labels: tab:NAME:TASK, further floats tab:NAME:TASK:2 ..."""
    made: dict[str, list[str]] = {name: [] for name in (*OF_A_TASK, "cost")}
    seen: Counter[str] = Counter()
    for short in short_tables(tables):
        for at in range(0, len(short.rows), LONGEST):
            rows = short.rows[at : at + LONGEST]
            label = ":".join(filter(None, ("tab", short.name, plain_name(short.task))))
            seen[label] += 1
            turn = seen[label]
            label += f":{turn}" if turn > 1 else ""
            made[short.name].append(_float(short, rows, label, turn))
    return {
        name: "\n".join(floats) or f"% {name}: this run has no such numbers\n"
        for name, floats in made.items()
    }


def _float(short: Short, rows: Sequence[tuple[str, ...]], label: str, turn: int) -> str:
    """One table environment. Words to the left, folded where they are long; numbers to the right,
    their intervals small."""
    words = list(zip(*rows, strict=True))[: short.words]
    wide = [max(map(len, column)) > FOLDED for column in words]
    columns = [f"p{{{FOLDED}ex}}" if w else "l" for w in wide] + ["r"] * (
        len(short.head) - short.words
    )
    title = TITLES[short.name] + (f" ({turn})" if turn > 1 else "")
    head = (text if len(text) <= CUT else text[: CUT - 1] + "…" for text in short.head)
    lines = [
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{title}. {escape(f'{short.about} {short.legend}')}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{{''.join(columns)}}}",
        r"    \toprule",
        _row(map(escape, head)),
        r"    \midrule",
    ]
    for row in rows:
        names = (_folded(text) if w else escape(text) for text, w in zip(row, wide, strict=False))
        lines.append(_row((*names, *map(_number, row[short.words :]))))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def _row(cells: Iterable[str]) -> str:
    # After the end of a row [ begins an option, and * is one.
    guarded = (f"{{}}{cell}" if cell.startswith(("[", "*")) else cell for cell in cells)
    return rf"    {' & '.join(guarded)} \\"


def _folded(name: str) -> str:
    """A long name, that may break after its signs."""
    return r"\raggedright " + re.sub(r"([-/:=]|\\_)(?=\w)", r"\1\\allowbreak ", escape(name))


def _number(text: str) -> str:
    """One of our own numbers, its interval small."""
    signed = escape(re.sub(r"-(?=[.\d])", "−", text))
    return re.sub(r"\[.*\]", r"{\\scriptsize \g<0>}", signed)


def escape(text: str) -> str:
    """Plain text as TeX prints it."""
    escaped = "".join(map(_sign, printable(text)))
    return re.sub(r"([-',])(?=\1)", r"\1{}", escaped)  # else two make another sign


def _sign(sign: str) -> str:
    if sign in _ESCAPED:
        return _ESCAPED[sign]
    return sign if sign.isascii() or sign in LETTERS else f"U+{ord(sign):04X}"


LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ"
"""Those that LaTeX prints in any of its encodings."""
_ESCAPED = {
    **{sign: f"\\{sign}" for sign in "{}$&#%_"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"{\char96}",
    '"': r"{\char34}",
    "−": "$-$",
    "–": r"\textendash{}",
    "†": r"$\dagger$",
    "…": r"\dots{}",
}
