"""Hostile text in Markdown stays text: a parser of Markdown gives back the very words. What only
GitHub's dialect does (links out of bare words, mentions) is checked by its rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.printable import printable
from reports.marked import block, code, escape, table

HOSTILE = {
    "html": "<script>alert(1)</script>",
    "entity": "&lt;b&gt;",
    "link": "[here](https://evil.example)",
    "image": "![x](data:image/png;base64,AA)",
    "url": "see https://evil.example/now",
    "www": "www.evil.example",
    "mention": "@everyone",
    "issue": "fixes #12",
    "emphasis": "*a* _b_ ~~c~~ $d$",
    "code": "`` ` ``",
    "cell": "a|b\\|c",
    "control": "a\x1b[31m\u202eb\nc",
    "list": "- item",
    "number": "1. item",
    "heading": "# Title",
    "quote": "> said",
    "definition": "[1]: https://evil.example",
}


PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
WORDS = ("text", "text_special", "code_inline")


def words(markdown: str) -> str:
    """The text of the only inline content; fails where there is anything but words."""
    (inline,) = (t for t in PARSER.parse(markdown) if t.type == "inline")
    assert inline.children is not None
    assert {t.type for t in inline.children} <= set(WORDS), inline.children
    return "".join(t.content for t in inline.children)


@given(st.text(min_size=1) | st.text(min_size=1, alphabet="<>&[]()!*_`|\\~#-+.=1: @/a\n"))
def test_a_parser_gives_back_the_words(text: str) -> None:
    shown = " ".join(printable(text).split())
    if shown:
        parsed = PARSER.parse(escape(shown))
        assert [t.type for t in parsed] == ["paragraph_open", "inline", "paragraph_close"], parsed
        assert words(escape(shown)) == shown
        assert words(code(shown)) == shown
        block_token = PARSER.parse(block(text))[0]
        assert block_token.type == "fence"


@given(st.text(min_size=1, alphabet="<>&[]()!*_`|~#-+.=1: @/a"))
def test_a_cell_of_a_table_holds_the_words(text: str) -> None:
    shown = " ".join(text.split())
    made = table(("head", "more"), [(escape(shown), code(shown or "-"))])
    cells = [t for t in PARSER.parse(made) if t.type == "inline"]
    assert len(cells) == 4
    told = ["".join(c.content for c in t.children or ()) for t in cells[2:]]
    assert told == [shown, shown or "-"]


def outside_code(text: str) -> str:
    """What is left when code spans are taken out: a run of backticks to the next equal one."""
    return re.sub(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_it_takes_effect(text: str) -> None:
    shown = escape(text)
    assert words(shown) == printable(text)
    assert shown.isprintable()
    bare = outside_code(shown)
    assert not re.search(r"(?<!\\)[<&`*_~$]", bare), bare
    assert not re.search(r"(?<!\\)\[", re.sub(r"\[[-+.,\d –]+\](?![(\[:])", "", bare)), bare
    assert not re.search(r"://|www\.|@|(?<!\\)#", bare), bare
    assert not re.match(r"\s*([-+>#]|\d+[.)])(\s|$)", shown), "no block begins"


@given(st.text())
def test_any_text_ends_as_one_printable_line(text: str) -> None:
    assert escape(text).isprintable()
    assert code(text).isprintable()
    assert not re.search(r"(?<!\\)[<&]", outside_code(escape(text)))


@given(st.text(alphabet="`|a \\\n"))
def test_code_cannot_be_left(text: str) -> None:
    for fenced in (code(text), block(text)):
        fence = re.match("`+", fenced)
        assert fence
        inside = fenced[len(fence[0]) : -len(fence[0])]
        assert not re.search(rf"(?<!`){fence[0]}(?!`)", inside)


@given(st.lists(st.text(alphabet="|\\`ab*"), min_size=3, max_size=3))
def test_a_row_has_as_many_cells_as_its_head(cells: list[str]) -> None:
    rows = table(("a", "b", "c"), [[code(cell) for cell in cells], list(map(escape, cells))])
    for line in rows.splitlines():
        # GitHub: a bar ends a cell unless the sign before it is a backslash.
        assert len(re.findall(r"(?<!\\)\|", line)) == 4, line


def test_numbers_keep_their_brackets() -> None:
    assert escape("by +.077 [+.022, +.131].") == "by +.077 [+.022, +.131]."
