"""Tables as files: CSV, JSON and Markdown, byte for byte the same for the same numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.printable import printable

DIGITS = 6  # after the point; the last bits of a float may differ between two machines


def files(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """File name -> content, for every table in every form."""
    made = {}
    for name, table in tables.items():
        rounded = table.round(DIGITS)
        made[f"{name}.csv"] = rounded.to_csv(
            index=False, float_format=f"%.{DIGITS}f", lineterminator="\n"
        )
        made[f"{name}.json"] = _json(rounded)
        made[f"{name}.md"] = _markdown(rounded)
    return {name: text.encode("utf-8") for name, text in made.items()}


def save(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every file into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(tables).items():
        part = folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)


def differing(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[str]:
    """Names of stored files that are missing or not what `tables` gives."""
    return [
        name
        for name, content in files(tables).items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]


def _json(table: pd.DataFrame) -> str:
    """Records; what is undefined is null, because JSON has no NaN."""
    records = [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(table: pd.DataFrame) -> str:
    rows = [[str(column) for column in table.columns], ["---"] * len(table.columns)]
    rows += [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return printable(text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " "))
