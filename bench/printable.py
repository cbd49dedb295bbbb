"""Text of somebody's data in a terminal or a page of text: what is not printable is written out."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with control characters, turns of direction, broken Unicode and strange blanks as
    escapes, so that a name in a data set cannot steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def printable_lines(text: str) -> str:
    """The same for a message of several lines, which stay."""
    return "\n".join(map(printable, text.split("\n")))
