"""Other people's texts of several lines on a page."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TEXT = 20_000
"""Characters shown of a message or a response."""

# What cannot be seen, turns the direction of what can, or has no UTF-8 form. Joiners, which many
# scripts need, and blanks stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def passage(text: str, length: int = TEXT) -> Markup:
    """The text escaped, with escapes for what cannot be seen, and cut at `length` characters,
    which it says."""
    shown = text[:length]
    if not shown.replace("\n", "").isprintable():
        shown = _UNSEEN.sub(_written, shown.replace("\r\n", "\n"))
    made = escape(shown)
    if len(text) > length:
        made += Markup(f'<b class="cut">… cut here: {len(text):,} characters in all</b>')
    return made


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()
