"""Agreement against the size of the model."""

from __future__ import annotations

import math

from reports.figures.axes import lines_by_group
from reports.figures.figure import Figure, Tables
from reports.figures.judges import counts, overall, several
from reports.figures.scatter import HEIGHT, Against
from reports.numbers import size_text

COLUMNS = ["judge", "nature", "n_items", "n_prompts", "parameters"]
MEAN = ["mean", "mean_lo", "mean_hi", "mean_status"]


def agreement_size(tables: Tables, task: str) -> Figure | None:
    """None unless two judges have a known size."""
    data = overall(tables, task)[[*COLUMNS, *MEAN]]
    if not several(data[data.parameters.notna()]):
        return None
    x = data.parameters.astype(float).where(data.nature != "null", 0.0)
    drawing = Against(
        data.assign(x=x, x_lo=math.nan, x_hi=math.nan),
        "parameters",
        "no model",
        "size not known",
        lambda size: size_text(round(size)),
        lines_by_group(tables, task, "overall")["macro"],
    )
    caption = (
        f"Agreement with the labels of {task} (rule mean, failures wrong, unweighted mean over "
        f"domains) against the number of weights, on {counts(data)}. Bars: 95 % intervals, "
        "adjusted by prompt. A small model as high as a large one is what to look for; judges "
        "whose bars overlap may still differ, since they saw the same items: see the paired "
        "differences."
    )
    return Figure(task, "size", "Agreement against size", caption, data, HEIGHT, drawing.draw)
