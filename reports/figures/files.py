"""Figures as files for a paper: PDF, SVG and PNG whose bytes depend on the numbers alone, and the
numbers as CSV beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from reports.figures.figure import Figure
from reports.marked import escape

DPI = 200
_NO_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "png": {"Software": None},
}


def save(figures: Sequence[Figure], folder: Path) -> None:
    """Write `folder`/KEY.pdf, .svg, .png and .csv of each, and the captions of all, each whole or
    not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _contents(figures):
        part = folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)


def _contents(figures: Sequence[Figure]) -> Iterator[tuple[str, bytes]]:
    for figure in figures:
        for form, content in drawn(figure).items():
            yield f"{figure.key}.{form}", content
        text = figure.data.to_csv(index=False, float_format="%.6f", lineterminator="\n")
        yield f"{figure.key}.csv", text.encode("utf-8", "backslashreplace")
    said = (f"## {f.key}\n\n**{escape(f.title)}.** {escape(f.caption)}\n" for f in figures)
    yield "captions.md", "\n".join(said).encode()


def drawn(figure: Figure) -> dict[str, bytes]:
    """File ending -> content. Fonts are embedded; in SVG letters are shapes."""
    from reports.figures.pen import Pen, style

    made = {}
    with style():
        pen = Pen(figure.height)
        figure.draw(pen)
        for form, metadata in _NO_METADATA.items():
            to = io.BytesIO()
            pen.canvas.savefig(to, format=form, dpi=DPI, metadata=metadata)
            made[form] = to.getvalue()
    return made
