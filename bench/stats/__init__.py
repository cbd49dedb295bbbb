"""Statistics: arrays in, `Estimate` out. One idea a file; no file knows of judges or tasks."""

from bench.stats.ceiling import (
    beta_ceiling,
    ceiling,
    human_agreement,
    leave_one_out,
    plug_in,
    share_of_ceiling,
)
from bench.stats.clusters import Clusters, pooled_deff
from bench.stats.combine import failure_bounds, macro
from bench.stats.estimate import Basis, Estimate, Soundness
from bench.stats.intervals import cluster_wilson, wilson
from bench.stats.intracluster import intracluster_correlation
from bench.stats.kappa import cohen_kappa, symmetrised_kappa
from bench.stats.paired import cluster_bonett_price

__all__ = [
    "Basis",
    "Clusters",
    "Estimate",
    "Soundness",
    "beta_ceiling",
    "ceiling",
    "cluster_bonett_price",
    "cluster_wilson",
    "cohen_kappa",
    "failure_bounds",
    "human_agreement",
    "intracluster_correlation",
    "leave_one_out",
    "macro",
    "plug_in",
    "pooled_deff",
    "share_of_ceiling",
    "symmetrised_kappa",
    "wilson",
]
