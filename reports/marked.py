"""Text of somebody's data in Markdown: it stays text, whatever it holds.

No markup, HTML, link, mention or mathematics of it takes effect, in GitHub's dialect either;
control characters and turns of direction are written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.printable import printable, printable_lines

_LINK = re.compile(r"://|^\W*www\.|@|#\d", re.IGNORECASE)
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$]")
_INTERVAL = re.compile(r"(\[[-+.,\d –]+\])(?![(\[:])")  # brackets that nothing can become a link by
_LIST = re.compile(r"^(\s*\d*)([-+.)=])")


def escape(text: str) -> str:
    """Words as prose. A word that would become a link or a mention stands as code."""
    parts = _INTERVAL.split(printable(text))
    marked = (part if n % 2 else _escape(part) for n, part in enumerate(parts))
    return _LIST.sub(r"\1\\\2", "".join(marked))


def _escape(text: str) -> str:
    words = re.split(r"(\s+)", text)
    return "".join(code(w) if _LINK.search(w) else _MARKUP.sub(r"\\\g<0>", w) for w in words)


def code(text: str) -> str:
    """A name as code, on one line."""
    text = printable(text) or " "
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def block(text: str) -> str:
    """Several lines as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{printable_lines(text)}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table of cells that are marked already; the first `words` columns to the left, the others
    to the right. Ends with a line's end."""
    lines = [head, [":--" if n < words else "--:" for n in range(len(head))], *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)  # a bar ends a cell also in code
