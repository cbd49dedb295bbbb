"""Style of a text: what Markdown and length it has, and whether a judge falls for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.clusters import Clusters, Floats
from bench.stats.feature_effect import FeatureEffect, feature_effects
from bench.stats.verdicts import complete, maybe

# A fence that is never closed runs to the end of the text, as in Markdown.
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*\s*?$|\Z)", re.MULTILINE | re.DOTALL)
_MARKS = {
    "headings": re.compile(r"^ {0,3}#{1,6}[ \t]", re.MULTILINE),
    "bullets": re.compile(r"^[ \t]*[-*+][ \t]", re.MULTILINE),
    "numbered": re.compile(r"^[ \t]*\d{1,9}[.)][ \t]", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*|(?<!\w)__[^_\n]+__(?!\w)"),
}
FEATURES = ("chars", "words", *_MARKS, "code_blocks")


def style_features(text: str) -> dict[str, int]:
    """Counts by name, `FEATURES`. Characters and words are those of the whole text; marks inside
    code blocks are not counted."""
    prose, blocks = _FENCE.subn("", text)
    counts = {"chars": len(text), "words": len(text.split())}
    counts |= {name: len(mark.findall(prose)) for name, mark in _MARKS.items()}
    return counts | {"code_blocks": blocks}


def style_difference(first: ArrayLike, second: ArrayLike) -> Floats:
    """(n,) counts of a feature in both responses -> (a - b) / (a + b + 1), in (-1, 1): what counts
    is the relative difference. NaN where either is missing."""
    a, b = maybe(first, 0, np.inf, "first"), maybe(second, 0, np.inf, "second")
    complete(first=a, second=b)
    difference: Floats = (a - b) / (a + b + 1)
    return difference


def z_scores(values: ArrayLike) -> Floats:
    """(n,) values in standard deviations (over n) from their mean; NaN stays, a constant is 0."""
    x = maybe(values, -np.inf, np.inf, "values")
    known = x[~np.isnan(x)]
    if known.size == 0 or np.ptp(known) == 0:
        return x * 0
    z: Floats = (x - known.mean()) / known.std()
    return z


def style_effects(
    judge: ArrayLike,
    human: ArrayLike,
    first: Sequence[Mapping[str, int]],
    second: Sequence[Mapping[str, int]],
    clusters: Clusters | ArrayLike,
    *,
    level: float = 0.95,
) -> dict[str, FeatureEffect]:
    """What each feature moves with the others held fixed: `feature_effects` of the z-scored
    relative differences, so per standard deviation of each.

    `judge`, `human`: (n,) in [-1, 1] in content coordinates. `first`, `second`: `style_features` of
    the n first and second responses; a feature that is missing leaves the pair out. Characters and
    words tell nearly the same: leave one out of both, or both are shrunk where they are too alike.
    """
    names = dict.fromkeys(name for counts in (*first, *second) for name in counts)
    columns = {
        name: z_scores(
            style_difference(*([c.get(name, np.nan) for c in side] for side in (first, second)))
        )
        for name in names
    }
    return feature_effects(judge, human, columns, clusters, level=level)
