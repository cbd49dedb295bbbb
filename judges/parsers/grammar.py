"""An answer at the end of a text: how it is announced, and how it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from judges.parsers.objects import final_object, spelt
from judges.parsers.text import RESULT, filled_lines, plain

BARE = 40  # a one-line reply of at most this many characters may be the answer and nothing else

_ASCII = re.I | re.A  # without re.A, re.I takes signs outside A to Z for letters

Groups = tuple[str | None, ...]


@dataclass(frozen=True)
class Grammar:
    """`labels`: words that announce an answer, also names in a JSON object. `final`: those of them
    that do so without a colon too, as in "final decision is". `answer`: a pattern of the answer,
    whose groups are what it says. `bracketed`: of what may stand in ``[[ ]]``, with the same
    groups."""

    labels: tuple[str, ...]
    final: tuple[str, ...]
    answer: str
    bracketed: str

    def found(self, text: str) -> set[Groups]:
        """What the lines that end `text` say: one answer if it is clear, several if they, or two
        places in one line, do not agree; none where the text does not end in an answer."""
        ended = final_object(text)
        if ended is not None and any(label in ended[1] for label in self.labels):
            before, named = ended
            values = [named[label] for label in self.labels if label in named]
            return (set(map(self._value, values)) - {()}) | self._announced(filled_lines(before))
        lines = filled_lines(text)
        if len(lines) == 1 and len(text) <= BARE and (match := self._bare.fullmatch(plain(text))):
            return {_said(match)}
        return self._announced(self._joined(lines))

    def _announced(self, lines: list[str]) -> set[Groups]:
        found: set[Groups] = set()
        for line in reversed(lines):  # several lines of answers in a row must agree
            match = self._in_brackets.fullmatch(line) or self._named.fullmatch(plain(line))
            namings = len(self._naming.findall(plain(line, brackets=True)))
            if match is None or namings == 0:
                break
            found.add(_said(match))
            if namings > 1:
                found.add(("another",))
        return found

    def _joined(self, lines: list[str]) -> list[str]:
        """An answer alone on the last line, below its label, as one line."""
        if len(lines) < 2 or len(lines[-1]) > BARE or not self._bare.fullmatch(plain(lines[-1])):
            return lines
        if not self._label_alone.fullmatch(plain(lines[-2])):
            return lines
        return [*lines[:-2], f"{lines[-2]} {lines[-1]}"]

    def _value(self, value: object) -> Groups:
        match = self._bare.fullmatch(plain(spelt(value)))
        return () if match is None else _said(match)

    @cached_property
    def _label(self) -> str:
        # "The correct answer: B" says what is right in the item, not which response is.
        words = rf"(?:final\s+)?(?<!correct )(?<!right )(?:{'|'.join(self.labels)})"
        final = rf"final\s+(?:{'|'.join(self.final)})\s+is\b"
        return rf"(?:{words}\s*(?:is\s*)?[:=]|{final}|{RESULT})"

    @cached_property
    def _bare(self) -> re.Pattern[str]:
        return re.compile(rf"\s*{self.answer}", _ASCII)

    @cached_property
    def _named(self) -> re.Pattern[str]:
        return re.compile(rf"(?:.*[^A-Z])?{self._label}\s*{self.answer}", _ASCII)

    @cached_property
    def _label_alone(self) -> re.Pattern[str]:
        return re.compile(rf"(?:.*[^A-Z])?{self._label}\s*", _ASCII)

    @cached_property
    def _in_brackets(self) -> re.Pattern[str]:
        return re.compile(rf".*\[\[\s*{self.bracketed}\s*\]\]\W*", _ASCII)

    @cached_property
    def _naming(self) -> re.Pattern[str]:
        """Each place in a line, brackets included, where an answer is announced."""
        return re.compile(rf"{self._label}\s*(?:\[\[)?|\[\[", _ASCII)


def _said(match: re.Match[str]) -> Groups:
    return tuple(None if group is None else group.upper() for group in match.groups())
