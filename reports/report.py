"""Everything that a report is: the tables as files, the page, the verdict browser, report.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.ledger import Ledger
from reports import markdown, render
from reports.page.items import write_items
from reports.page.page import write
from reports.study import Study
from reports.tables import build


def write_report(ledger: Ledger, folder: Path) -> dict[str, pd.DataFrame]:
    """Write `tables` and `report` into `folder`, that of the run; the tables, by name.

    Raises BenchError for a ledger without items and a folder that cannot be written.
    """
    study = Study.of(ledger)
    tables = build(ledger, study)
    render.save(tables, folder / "tables")
    write_items(ledger, study, folder)
    write(ledger, tables, folder)
    markdown.save(tables, folder / "report")
    return tables
