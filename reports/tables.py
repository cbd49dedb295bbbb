"""A ledger -> the tables of a run, as data frames.

`leaderboard`  per task and judge: scores, kappa, share of the ceiling, ranks, failures
`domains`      the same by domain and subset
`pairs`        paired differences between every two judges on the same items
`rules`        the scores under every order rule and failure policy
`position`     what the order shown does to each judge
`slots`        the same for lists of three and more
`transitivity` whether preferences between writers form an order
`bias`         what length, style and authorship do to each judge, relative to humans
`calibration`  how far each judge's confidence can be believed
`reliability`  the same bin by bin
`risk_coverage` the errors that are left when only confident verdicts are kept
`overlap`      trained judges: the score with and without items that they may have seen
`transfer`     judges trained on one set and shown another
`official`     the score that a benchmark's authors define, beside our strict reading
`cost`         per judge: tokens, money, speed (this and the next depend on clock and prices)
`break_even`   judgments after which a trained judge has paid for itself
`headline`     trained judges against prompted ones: the verdict
`people`       each judge beside the annotators: would it do instead of one of them
`data`         items, prompts, votes; chance; human agreement and ceiling
`annotators`   agreement of every pair of annotators
`estimates`    every number of these with its method, counts, status and note
"""

from __future__ import annotations

import pandas as pd

from bench.ledger import Ledger
from reports.bias import bias_table
from reports.break_even import break_even_table
from reports.calibration import calibration_table
from reports.cost import cost_table, usd_per_1000
from reports.data import annotators_table, data_table
from reports.headline import default_question, headline_table
from reports.official import official_table
from reports.overlap import overlap_table
from reports.pairs import pairs_table
from reports.people import people_table
from reports.position import position_table, slots_table
from reports.ranking import rankings, with_ranks
from reports.rules import rules_table
from reports.scores import score_rows
from reports.selective import reliability_table, risk_coverage_table
from reports.study import Study
from reports.transfer import transfer_table
from reports.transitivity import transitivity_table


def build(ledger: Ledger, study: Study | None = None) -> dict[str, pd.DataFrame]:
    """All tables, by name. Only the ledger is read. `study`: of this ledger, where it is read
    already."""
    study = study or Study.of(ledger)
    scores = score_rows(study)
    ranked = rankings(study, scores)
    pairs = pairs_table(study, scores, ranked)
    scores = with_ranks(scores, ranked, pairs)
    whole = scores.scope.isin(["overall", "pooled"])
    cost = cost_table(ledger, study)
    tables = {
        "leaderboard": scores[whole].reset_index(drop=True),
        "domains": scores[~whole].reset_index(drop=True),
        "pairs": pairs,
        "rules": rules_table(study),
        "position": position_table(study),
        "slots": slots_table(study),
        "transitivity": transitivity_table(study),
        "bias": bias_table(study),
        "calibration": calibration_table(study),
        "reliability": reliability_table(study),
        "risk_coverage": risk_coverage_table(study),
        "overlap": overlap_table(study),
        "transfer": transfer_table(study.cards, scores, pairs),
        "official": official_table(study),
        "cost": cost,
        "break_even": break_even_table(study.cards, cost),
        "headline": headline_table(study, default_question(study), usd_per_1000(cost)),
        "people": people_table(study),
        "data": data_table(study),
        "annotators": annotators_table(study),
    }
    return {**tables, "estimates": pd.DataFrame(study.estimates.rows)}
