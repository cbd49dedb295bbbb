"""The judge ``personal``: one annotator's head on a frozen sentence encoder.

The reward of annotator i is lambda_i . phi(x, y) (PReF, arXiv 2503.06358): all annotators share the
features, each weighs them in their own way. Without a name it is the mean head, what all have in
common.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kinds import kind
from bench.spec import Spec
from bench.types import BenchError, Context, Judge
from judges.described import Described
from judges.embedding import HeadJudge
from judges.heads import load


@dataclass(frozen=True)
class Options(Described):
    """`annotator`: whose head; None: the mean of all."""

    annotator: str | None = None


@kind(
    trained=True,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"personal:FOLDER": Options},
)
def make(spec: Spec, context: Context) -> Judge:
    """What one annotator prefers: personal:FOLDER,annotator=NAME; without a name, all on average.

    Raises BenchError: no such heads, no annotator of that name, no encoder.
    """
    import numpy as np

    if not spec.argument:
        raise BenchError(f"{spec.text!r} names no heads; personal:FOLDER expected")
    options, heads = spec.settings(Options), load(Path(spec.argument).expanduser())
    weights = heads.weights.astype(np.float64)
    if options.annotator is None:
        head, whose = weights.mean(axis=0), "mean of all annotators"
    elif options.annotator in heads.annotators:
        head, whose = weights[heads.annotators.index(options.annotator)], options.annotator
    elif heads.annotators:
        raise _unknown(spec, options.annotator, heads.annotators)
    else:
        raise BenchError(f"{spec.text!r}: {spec.argument} holds one head, for everybody")
    return HeadJudge(
        spec,
        options,
        heads,
        head,
        context,
        kind="personal",
        description=f"personal head on a frozen sentence encoder: {whose}",
        settings={"annotator": options.annotator},
    )


def _unknown(spec: Spec, name: str, names: Sequence[str]) -> BenchError:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    mean = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return BenchError(
        f"{spec.text!r}: no annotator {name!r}.{mean} There are: {', '.join(names[:10])}{more}."
    )
