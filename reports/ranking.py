"""Which judges of a group can be told apart when all of them are compared at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.stats.ranks import compact_letters, probability_best, rank_intervals
from bench.stats.simultaneous import Comparison, simultaneous
from reports.groups import Group
from reports.study import Study

COLUMNS = ("rank", "rank_lo", "rank_hi", "letters", "p_best")


@dataclass(frozen=True)
class Ranking:
    """The judges of one group from best to worst. `ranks`: (J, 2) first and last rank that each may
    have. `letters`: judges that share one do not differ. `p_best`: (J,) share of resamples in
    which the judge leads: a description, no test. `comparisons`: by (better, worse) name."""

    judges: tuple[str, ...]
    ranks: NDArray[np.int64]
    letters: tuple[str, ...]
    p_best: NDArray[np.float64]
    comparisons: dict[tuple[str, str], Comparison]


Rankings = dict[tuple[str, str, str], Ranking]


def rankings(study: Study, scores: pd.DataFrame) -> Rankings:
    """By (task, scope, group), subsets left out. `scores`: the rows of `score_rows`."""
    here = dict(iter(scores.groupby(["task", "scope", "group"], sort=False)))
    found: Rankings = {}
    made: dict[tuple[bytes, bool], Ranking] = {}  # where a task has one domain, three are the same
    for group in study.groups:
        key = (group.task, group.scope, group.name)
        if group.scope != "subset" and key in here:
            known = here[key].dropna(subset=["mean"])
            ordered = known.sort_values("mean", ascending=False, kind="stable")
            if len(ordered) > 1:
                same = (group.items.tobytes(), _strata(study, group) is not None)
                if same not in made:
                    made[same] = _ranking(study, group, tuple(ordered.judge))
                found[key] = made[same]
    return found


def _ranking(study: Study, group: Group, judges: tuple[str, ...]) -> Ranking:
    table = study.table
    rows = np.flatnonzero(group.items & table.decided)
    credits = np.stack([study.scores[judge][rows] for judge in judges], axis=1)
    clusters = table.cluster[rows]
    strata = _strata(study, group)
    strata = None if strata is None else strata[rows]
    all_pairs = simultaneous(credits, clusters, strata)
    better = all_pairs.better()
    whole = ~np.isnan(credits).any(axis=1)
    first = probability_best(
        credits[whole], clusters[whole], None if strata is None else strata[whole]
    )
    return Ranking(
        judges,
        rank_intervals(better),
        compact_letters(better),
        first,
        {(judges[c.first], judges[c.second]): c for c in all_pairs.comparisons},
    )


def _strata(study: Study, group: Group) -> NDArray[np.str_] | None:
    """(items,) domains where the group's score is the mean over several, else None."""
    domains = np.array(study.table.domain)
    several = len(np.unique(domains[group.items])) > 1
    return domains if group.scope == "overall" and several else None


def with_ranks(scores: pd.DataFrame, found: Rankings, pairs: pd.DataFrame) -> pd.DataFrame:
    """`scores` with the columns of `COLUMNS`, and with `mde`: the difference from the leader (of
    the leader: from the second) that these items would have shown in four of five samples."""
    ranks = pd.DataFrame(_rank_rows(found, pairs), columns=[*KEY, "judge", *COLUMNS, "mde"])
    whole = ("rank", "rank_lo", "rank_hi")
    return scores.merge(ranks, "left", [*KEY, "judge"]).astype(dict.fromkeys(whole, "Int64"))


KEY = ("task", "scope", "group")


def _rank_rows(found: Rankings, pairs: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    of_pair = {
        (*(row[k] for k in KEY), frozenset((row["judge"], row["against"]))): row["mde"]
        for row in pairs.to_dict("records")
    }
    for key, ranking in found.items():
        for n, judge in enumerate(ranking.judges):
            rival = ranking.judges[0] if n else ranking.judges[1]
            lo, hi = (int(rank) for rank in ranking.ranks[n])
            values = (n + 1, lo, hi, ranking.letters[n], float(ranking.p_best[n]))
            yield (*key, judge, *values, of_pair[(*key, frozenset((judge, rival)))])
