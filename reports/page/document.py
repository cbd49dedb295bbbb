"""One self-contained HTML file: a template with its styles and scripts inside, and a policy that
lets nothing else run, load or be sent. Text of somebody's data is hostile: all that a template
prints is escaped, and what is not printable is written out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from bench.printable import printable, printable_lines

_JOINT = re.compile(r"([/:_,=])(?=\w)")


def document(
    template: str, *, css: Sequence[str] = (), js: Sequence[str] = (), **values: object
) -> str:
    """The page of `templates/<template>`, which extends base.html.j2. `css`, `js`: names of files
    beside this one; base.css comes first."""
    return _template(template).render(**values, **_frame(tuple(css), tuple(js)))


@cache
def _frame(css: tuple[str, ...], js: tuple[str, ...]) -> dict[str, object]:
    sheets = [_resource(name) for name in ("base.css", *css)]
    scripts = [_resource(name) for name in js]
    return {
        "policy": _policy(sheets, scripts),
        "sheets": [Markup(sheet) for sheet in sheets],
        "scripts": [Markup(script) for script in scripts],
    }


def _policy(sheets: Sequence[str], scripts: Sequence[str]) -> str:
    """Content-Security-Policy: these very styles and scripts, and images that are in the page."""
    return (
        f"default-src 'none'; style-src {_hashes(sheets)}; script-src {_hashes(scripts)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests) or "'none'"


def _resource(name: str) -> str:
    return (files("reports.page") / name).read_text(encoding="utf-8")


@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["lines"] = lambda text: Markup(escape(printable_lines(text)))
    made.filters["breakable"] = _breakable
    made.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    return made


def _breakable(name: str) -> Markup:
    """A name that a narrow cell may break behind its own punctuation."""
    return Markup(_JOINT.sub(r"\1<wbr>", str(escape(printable(name)))))


def _shown(value: object) -> object:
    """What `{{ value }}` prints, before it is escaped: nothing for None."""
    if value is None:
        return ""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
