"""A figure as a <svg> for the page: nothing in it but shapes, text and presentation attributes, so
that a strict Content-Security-Policy holds; its colours are the page's CSS variables."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from bench.printable import printable
from reports.figures.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_DROPPED = ("metadata", "defs", "style")
_KEPT = (
    "fill",
    "fill-opacity",
    "opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linejoin",
    "stroke-linecap",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
    "font-size",
)
_GEOMETRY = ("d", "x", "y")


def inline(figure: Figure) -> str:
    """Markup of one <svg role="img" class="figure">, 720 wide, with `figure.title` and
    `figure.caption` as its <title> and <desc>; its ids begin with `figure.key`."""
    from reports.figures.pen import WIDTH, Pen, style

    with style("none"):
        pen = Pen(figure.height)
        pen.canvas.patch.set_visible(False)
        figure.draw(pen)
        written = io.BytesIO()
        pen.canvas.savefig(written, format="svg", metadata=dict.fromkeys(_METADATA))
    drawn = ET.fromstring(written.getvalue())
    svg = ET.Element(
        "svg",
        {
            "xmlns": _SVG,
            "class": "figure",
            "role": "img",
            "aria-labelledby": f"{figure.key}-title",
            "aria-describedby": f"{figure.key}-desc",
            "width": f"{WIDTH * 4 / 3:g}",
            "height": f"{figure.height * 4 / 3:g}",
            "viewBox": f"0 0 {WIDTH:g} {figure.height:g}",
            "stroke-linejoin": "round",
        },
    )
    ET.SubElement(svg, "title", id=f"{figure.key}-title").text = printable(figure.title)
    ET.SubElement(svg, "desc", id=f"{figure.key}-desc").text = printable(figure.caption)
    svg.extend(_shapes(drawn, pen.tips, ""))
    return ET.tostring(svg, encoding="unicode", short_empty_elements=True)


_METADATA = ("Creator", "Date", "Format", "Type")


def _shapes(parent: ET.Element, tips: dict[str, str], tip: str) -> Iterator[ET.Element]:
    """The paths and texts below `parent`, in the order drawn. `tip`: of the group they are in."""
    for child in parent:
        name = child.tag.removeprefix(f"{{{_SVG}}}")
        if name == "g":
            yield from _shapes(child, tips, tips.get(child.get("id", ""), tip))
        elif name not in _DROPPED:
            shape = ET.Element(name, _attributes(child))
            shape.text = child.text
            if tip:
                ET.SubElement(shape, "title").text = tip
            yield shape


def _attributes(drawn: ET.Element) -> dict[str, str]:
    found = {name: _rounded(drawn.get(name, "")) for name in _GEOMETRY if drawn.get(name)}
    for declaration in drawn.get("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() in _KEPT:
            found[name.strip()] = _coloured(value.strip())
    return found


def _rounded(numbers: str) -> str:
    """A hundredth of a point is not seen."""
    return re.sub(r"-?\d+\.\d+", lambda m: f"{float(m.group()):.2f}", numbers).strip()


def _coloured(value: str) -> str:
    from reports.figures.pen import GRID, INK, MUTED, PAPER, SERIES

    series = {colour: f"c{n}" for n, colour in enumerate(SERIES, 1)}
    names = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper", **series}
    return f"var(--{names[value]}, {value})" if value in names else value
