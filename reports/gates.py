"""May a judge stand in for an annotator? Two gates, read off an interval, never off a point."""

from __future__ import annotations

import math

from reports.numbers import Row, interval, number
from reports.people import EPSILONS

KAPPA = 0.6
KAPPA_CAVEAT = (
    "Kappa gate: pass where the whole interval is at .60 or above, fail where it is below, else "
    "undetermined. The threshold is a convention (Landis & Koch 1977 call kappas from .61 "
    "“substantial”); no study shows that a judge above it may replace people, so read it beside "
    "the kappa gap: judge with annotator less annotator with annotator."
)
ALT_CAVEAT = (
    "Alternative annotator test (Calderon et al. 2025): may the judge stand in for half or more of "
    "these very annotators? It may lose by epsilon because it is cheaper: .1 where they are a "
    "crowd, .15 skilled, .2 experts. It needs three annotators with thirty items each, and says "
    "nothing of other people."
)


def kappa_gate(row: Row) -> str:
    """pass, fail, undetermined; n/a where kappa does not apply. `row`: of the leaderboard or of its
    domains."""
    if row["kappa_status"] == "not_applicable":
        return "n/a"
    if row["kappa_lo"] >= KAPPA:
        return "pass"
    return "fail" if row["kappa_hi"] < KAPPA else "undetermined"


def alt_test(row: Row) -> str:
    """pass with the least epsilon that it passes at, fail, or why there is no test. `row`: of the
    table `people`."""
    rates = {epsilon: row[f"alt_omega_{epsilon:g}"] for epsilon in EPSILONS}
    if all(map(math.isnan, rates.values())):
        return "no test: too few annotators"
    passed = [epsilon for epsilon, rate in rates.items() if rate >= 0.5]
    least = f"smallest epsilon {interval(row, 'alt_smallest_epsilon')}"
    return f"pass at {number(passed[0])}; {least}" if passed else f"fail; {least}"
