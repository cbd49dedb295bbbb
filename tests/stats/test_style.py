from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.style import FEATURES, style_difference, style_effects, style_features, z_scores
from bench.types import BenchError


def test_features_vector(vector):
    v = vector("bias.style_features")
    counts = style_features(v.inputs["text"])
    assert counts == v.expected
    assert tuple(counts) == FEATURES


def test_difference_vector(vector):
    v = vector("bias.style_diff")
    raw = style_difference(v.inputs["a"], v.inputs["b"])
    v.close(raw, "raw")
    v.close(z_scores(raw), "z")


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("", {}),
        ("#hashtag\n####### seven", {}),
        ("## a\n   # b\n    # code", {"headings": 2}),
        ("* a\n  + b\n- c\n-d\n---\n**bold**", {"bullets": 3, "bold": 1}),
        ("1. a\n22) b\n3.5 is no item", {"numbered": 2}),
        ("**a** and __b__ and ** c\n**", {"bold": 2}),
        ("f__a__ and a__b__c and __d__e and (__f__), __g__", {"bold": 2}),
        ("~~~\n# no\n~~~\n# yes", {"code_blocks": 1, "headings": 1}),
        ("```\n# no\n", {"code_blocks": 1}),
        ("````\n```\n# no\n```\n````\n# yes", {"code_blocks": 1, "headings": 1}),
        ("inline `# x` and ```y``` in a line", {}),
        ("a\r\n- b\r\n- c", {"bullets": 2}),
        ("```\r\n# no\r\n```\r\n# yes", {"code_blocks": 1, "headings": 1}),
    ],
)
def test_marks(text, wanted):
    counts = style_features(text)
    del counts["chars"], counts["words"]
    assert {k: v for k, v in counts.items() if v} == wanted


@given(st.text(alphabet="#-*_1.)`~ \nab", max_size=60))
def test_any_text_has_counts(text):
    counts = style_features(text)
    assert tuple(counts) == FEATURES
    assert min(counts.values()) >= 0
    assert counts["chars"] == len(text)


def test_long_texts_take_no_time():
    for text in ("`" * 50_000, "**a" * 20_000, "#" * 50_000, "```\n" * 20_000, "_" * 50_000):
        style_features(text)


def test_difference_changes_sign_with_the_responses_and_keeps_what_is_missing():
    a, b = [3, 0, 10, None], [1, 0, 20, 4]
    np.testing.assert_allclose(style_difference(a, b), -style_difference(b, a))
    assert math.isnan(style_difference(a, b)[3])
    np.testing.assert_array_equal(z_scores([2, 2, np.nan]), [0, 0, np.nan])
    assert z_scores([]).size == 0
    with pytest.raises(BenchError, match=r"first\[0\] is -1"):
        style_difference([-1], [1])
    with pytest.raises(BenchError, match="first 1, second 2"):
        style_difference([1], [1, 2])


def pairs(n=1500, seed=0):
    """Humans like headings; the judge follows them and falls for bold."""
    rng = np.random.default_rng(seed)
    sides = [
        [{"headings": int(h), "bold": int(b), "tables": 0} for h, b in rng.poisson(2, (n, 2))]
        for _ in range(2)
    ]
    heads, bold = (
        style_difference(*([c[name] for c in side] for side in sides))
        for name in ("headings", "bold")
    )
    human = np.where(rng.random(n) < 1 / (1 + np.exp(-2 * heads)), 1, -1)
    judge = np.where(rng.random(n) < 1 / (1 + np.exp(-3 * human - 2 * bold)), 1, -1)
    return judge, human, *sides, rng.integers(0, n // 3, n)


def test_each_feature_is_judged_with_the_others_held_fixed():
    effects = style_effects(*pairs())
    assert effects["headings"].human.lo > 0
    assert effects["bold"].human.lo < 0 < effects["bold"].human.hi
    assert effects["bold"].excess.lo > 0.05
    assert effects["bold"].excess_ame.lo > 0
    assert effects["headings"].excess_ame.hi < 0.03
    constant = effects["tables"].excess
    assert constant.status == "degenerate"
    assert "tables" in constant.note
    assert effects["bold"].excess.status == "ok"


def test_exchanging_all_responses_changes_nothing():
    judge, human, first, second, ids = pairs(400)
    a = style_effects(judge, human, first, second, ids)
    b = style_effects(-judge, -human, second, first, ids)
    for name in ("headings", "bold"):
        for field in ("judge", "excess", "excess_ame"):
            x, y = getattr(a[name], field), getattr(b[name], field)
            np.testing.assert_allclose((x.estimate, x.lo, x.hi), (y.estimate, y.lo, y.hi), 1e-6)


def test_missing_feature_leaves_the_pair_out():
    judge, human, first, second, ids = pairs(400)
    e = style_effects(judge, human, [{"headings": 1}, *first[1:]], second, ids)["bold"].excess
    assert (e.n_items, e.n_missing) == (399, 1)
    assert style_effects([], [], [], [], []) == {}
