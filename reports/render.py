"""Tables as files: CSV, JSON, Markdown and Parquet, and T1 to T10 as LaTeX; byte for byte the same
for the same numbers."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reports import marked
from reports.latex import latex

DIGITS = 6  # after the point; the last bits of a float may differ between two machines


def files(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """File name -> content, for every table in every form."""
    made: dict[str, bytes] = {}
    for name, table in tables.items():
        rounded = table.round(DIGITS)
        text = {
            "csv": rounded.to_csv(index=False, float_format=f"%.{DIGITS}f", lineterminator="\n"),
            "json": _json(rounded),
            "md": _markdown(rounded),
        }
        made |= {f"{name}.{form}": content.encode("utf-8") for form, content in text.items()}
        made[f"{name}.parquet"] = _parquet(rounded)
    return made | {f"{name}.tex": text.encode("utf-8") for name, text in latex(tables).items()}


def save(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every file into `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(tables).items():
        part = folder / f"{name}.part"
        part.write_bytes(content)
        part.replace(folder / name)


def differing(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[str]:
    """Names of stored files that are missing or not what `tables` gives."""
    return [name for name, content in files(tables).items() if not _same(folder / name, content)]


def _same(path: Path, content: bytes) -> bool:
    if not path.is_file():
        return False
    stored = path.read_bytes()
    if stored == content or path.suffix != ".parquet":
        return stored == content
    # A Parquet file also names the version of the library that wrote it.
    from pyarrow import ArrowException, parquet

    try:
        one, other = (parquet.read_table(io.BytesIO(data)) for data in (stored, content))
    except ArrowException:
        return False
    return bool(one.equals(other))


def _parquet(table: pd.DataFrame) -> bytes:
    """The same columns; what is undefined is null. No index, and no notes of the libraries that
    depend on their versions."""
    from pyarrow import Table, parquet

    made = Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    file = io.BytesIO()
    parquet.write_table(made, file, version="2.6", compression="none", store_schema=False)
    return file.getvalue()


def _json(table: pd.DataFrame) -> str:
    """Records; what is undefined is null, because JSON has no NaN."""
    records = [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    missing = value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value


def _markdown(table: pd.DataFrame) -> str:
    rows = (list(map(_cell, row)) for row in table.itertuples(index=False))
    return marked.table(list(map(str, table.columns)), rows, words=len(table.columns))


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else marked.escape(str(value))
