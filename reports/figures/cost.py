"""Agreement against what a judgment costs."""

from __future__ import annotations

from bench.stats.pareto import frontier
from reports.figures.axes import lines_by_group
from reports.figures.figure import Figure, Tables
from reports.figures.judges import counts, overall, several
from reports.figures.scatter import HEIGHT, Against

COLUMNS = ["judge", "nature", "n_items", "n_prompts", "mean", "mean_lo", "mean_hi", "mean_status"]
USD = ["usd_per_1000", "usd_per_1000_lo", "usd_per_1000_hi"]


def agreement_cost(tables: Tables, task: str) -> Figure | None:
    """None unless two judges, null judges aside, have a known cost."""
    rows = overall(tables, task)
    if rows.empty:
        return None
    data = rows[COLUMNS].merge(tables["cost"][["judge", *USD]], "left", "judge")
    rulers = data.nature == "null"
    data.loc[rulers, USD] = 0.0
    if not several(data[data.usd_per_1000 > 0]):
        return None
    known = data.usd_per_1000.notna()
    data["on_frontier"] = False
    data.loc[known, "on_frontier"] = frontier(data.usd_per_1000[known], data["mean"][known])
    ordered = data[data.on_frontier].sort_values(["usd_per_1000", "mean"], kind="stable")
    plotted = data.rename(columns=dict(zip(USD, ("x", "x_lo", "x_hi"), strict=True)))
    drawing = Against(
        plotted,
        "USD per 1,000 judgments",
        "free",
        "cost not known",
        dollars,
        lines_by_group(tables, task, "overall")["macro"],
        tuple(ordered.judge),
    )
    caption = (
        f"Agreement with the labels of {task} (rule mean, failures wrong, unweighted mean over "
        f"domains) against the cost of 1,000 judgments, on {counts(data)}. Bars: 95 % intervals, "
        "adjusted by prompt; costs are those of the whole run, retries included. The line joins "
        "the judges that no other one beats on both counts; what lies below it is beaten by a "
        "judge that costs no more. Null judges cost nothing. Read first how far a judge stands "
        "above them and above chance."
    )
    return Figure(task, "cost", "Agreement against cost", caption, data, HEIGHT, drawing.draw)


def dollars(value: float) -> str:
    """Three figures, no exponent: .00512, 2, 1,000"""
    figures = f"{float(f'{value:.3g}'):,.10f}".rstrip("0").rstrip(".")
    return figures.replace("0.", ".", 1) if value < 1 else figures
