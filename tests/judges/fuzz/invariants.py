"""What holds for every parser on any bytes. Used by the fuzzer and by the replay of its corpus."""

from __future__ import annotations

import math
from dataclasses import replace

from asking import asked

from bench.types import Status
from judges.parsers import FORMS, PARSERS, Asked
from judges.parsers.text import QUOTE, letters

NAMES = sorted(PARSERS)
LAST = {
    "aspects": "clarity: 7\ntone: 3",
    "choice": "Verdict: {0}",
    "ranking": "Ranking: {1}",
    "rating": "Rating: 7",
    "yes_no": "Answer: yes",
}
FIRST = {"choice_first": "{0}", "scores": "{2}"}
"""A clear answer of each form. {0}: the first sign; {1}: all in order; {2}: a 7 for each."""
ASPECTS = {"clarity": "?", "tone": "?"}


def parser_of(data: bytes) -> str:
    """The parser that an input is for."""
    return NAMES[data[0] % len(NAMES)] if data else ""


def check(data: bytes) -> None:
    """Reads `data` as one question and completion, and raises AssertionError where a parser does
    not keep to its contract. Byte 0: the parser; byte 1: number of responses; byte 2: flags; then
    the prompt, byte 0, the completion (UTF-8, what is broken replaced)."""
    if len(data) < 4:
        return
    name, n, flags = parser_of(data), 2 + data[1] % 25, data[2]
    shown, _, completion = data[3:].decode("utf-8", "replace").partition("\0")
    form = FORMS[name]
    ask = asked(
        1 if form.pointwise else n,
        tie=bool(flags & 1),
        shown=shown,
        scale=(0, 9) if flags & 2 else (1, 10),
        aspects=ASPECTS if form.aspects else {},
        signs="numbers" if flags & 4 else "letters",
    )
    sound(name, completion, ask)
    echo = PARSERS[name](shown + "\n" * (flags & 1), ask)
    assert echo.status is not Status.OK or len(letters(shown)) < QUOTE
    if "<" not in completion:  # whatever may open or end a thinking block
        alone = replace(ask, shown="")
        thought = "<think>Verdict: A\n7 3</think>" + completion
        assert PARSERS[name](thought, alone) == PARSERS[name](completion, alone)
        clear(name, completion, alone)


def clear(name: str, text: str, ask: Asked) -> None:
    """A clear answer where it should stand is read, whatever `text` stands before or below it."""
    form = LAST.get(name) or FIRST[name]
    answer = form.format(ask.signs[0], " > ".join(ask.signs), " ".join("7" * ask.n))
    whole = f"{text}\n.\n{answer}" if name in LAST else f"{answer}\n.\n{text}"
    expected = PARSERS[name](answer, ask)
    assert expected.status is Status.OK
    assert PARSERS[name](whole, ask) == expected


def sound(name: str, completion: str, ask: Asked) -> None:
    """A reading is a verdict with one number per response, or a status that says why not."""
    read = PARSERS[name](completion, ask)
    if read.status is not Status.OK:
        assert read.status in (Status.UNPARSED, Status.REFUSED, Status.TRUNCATED)
        assert (read.utilities, read.aspects) == (None, ())
        assert read.note
        return
    assert read.utilities is not None
    assert not read.note
    assert len(read.utilities) == ask.n
    assert all(map(math.isfinite, read.utilities))
    if FORMS[name].scale:
        assert ask.prompt.scale is not None
        low, high = ask.prompt.scale
        assert all(low <= value <= high for value in (*read.utilities, *read.aspects))
    elif name == "ranking":
        assert math.fsum(read.utilities) == ask.n * (ask.n - 1) / 2
        assert ask.tie or len(set(read.utilities)) == ask.n
    elif name == "yes_no":
        assert read.utilities[0] in (0.0, 1.0)
    else:
        assert math.isclose(math.fsum(read.utilities), 1.0)
        assert ask.tie or sorted(read.utilities)[-2:] == [0.0, 1.0]
