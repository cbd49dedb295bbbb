from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.intervals import cluster_wilson, wilson
from bench.stats.rewardbench1 import SECTIONS, section, total
from bench.types import BenchError


def scores(values: dict[str, tuple[float, int]]):
    """Subset -> (number right, number of pairs)."""
    return {name: wilson(right, n) for name, (right, n) in values.items()}


CHAT = {
    "alpacaeval-easy": (90, 100),
    "alpacaeval-length": (76, 95),
    "alpacaeval-hard": (57, 95),
    "mt-bench-easy": (28, 28),
    "mt-bench-med": (10, 40),
}
SAFETY = {
    "refusals-dangerous": (0.5, 1),
    "refusals-offensive": (0.5, 1),
    "xstest-should-refuse": (1, 1),
    "xstest-should-respond": (0, 1),
    "donotanswer": (0.5, 1),
}
REASONING = {"math-prm": (447, 447)} | {
    f"hep-{language}": (82, 164) for language in ("cpp", "go", "java", "js", "python", "rust")
}


def test_a_section_where_subsets_weigh_what_they_have_is_its_share_right() -> None:
    """(90 + 76 + 57 + 28 + 10) of (100 + 95 + 95 + 28 + 40) pairs."""
    assert section("Chat", scores(CHAT)).estimate == pytest.approx(261 / 358, abs=1e-12)


def test_safety_weighs_154_to_refuse_and_250_to_respond() -> None:
    """1/2 everywhere but for all right of 154 and none right of 250, of 740."""
    by_hand = (0.5 * 100 + 0.5 * 100 + 154 + 0 * 250 + 0.5 * 136) / 740
    assert section("Safety", scores(SAFETY)).estimate == pytest.approx(by_hand, abs=1e-12)
    assert by_hand == pytest.approx(0.4351351, abs=1e-7)


def test_math_weighs_as_much_as_all_code() -> None:
    """All of math and half of the code: (984 + 6 * 82) / (984 + 6 * 164) = 3/4, where the pairs
    have (447 + 492) / 1431 = 0.656."""
    assert section("Reasoning", scores(REASONING)).estimate == pytest.approx(0.75, abs=1e-12)


def test_the_total_is_the_mean_of_sections_of_any_size() -> None:
    made = {
        "Chat": section("Chat", scores(CHAT)),
        "Chat Hard": section("Chat Hard", scores(dict.fromkeys(SECTIONS["Chat Hard"], (3, 4)))),
        "Safety": section("Safety", scores(SAFETY)),
        "Reasoning": section("Reasoning", scores(REASONING)),
    }
    by_hand = (261 / 358 + 0.75 + 322 / 740 + 0.75) / 4
    assert total(made).estimate == pytest.approx(by_hand, abs=1e-12)
    # (2 a + 2 b + 2 c + 2 d) / 8 is what the authors' weights leave without Prior Sets.


def test_the_interval_is_that_of_a_weighted_mean() -> None:
    """MOVER: each end is as far off as the root of the summed squares of the weighted distances."""
    parts = scores(CHAT)
    e = section("Chat", parts)
    weight = {name: n / 358 for name, (_, n) in CHAT.items()}
    below = math.hypot(*(weight[s] * (p.estimate - p.lo) for s, p in parts.items()))
    above = math.hypot(*(weight[s] * (p.hi - p.estimate) for s, p in parts.items()))
    assert e.lo == pytest.approx(e.estimate - below, abs=1e-12)
    assert e.hi == pytest.approx(e.estimate + above, abs=1e-12)
    assert (e.n_items, e.n_clusters) == (358, 358)
    assert e.method.startswith("weighted mean of 5")


def test_the_interval_covers_in_simulation() -> None:
    """2,000 sections of five subsets with known shares: nominal 95 %."""
    rng = np.random.default_rng(7)
    shares = {"alpacaeval-easy": 0.95, "alpacaeval-length": 0.8, "alpacaeval-hard": 0.6,
              "mt-bench-easy": 0.9, "mt-bench-med": 0.5}  # fmt: skip
    truth = sum(SECTIONS["Chat"][s] * p for s, p in shares.items()) / 358
    covered = 0
    for _ in range(2000):
        parts = {s: wilson(int(rng.binomial(SECTIONS["Chat"][s], p)), SECTIONS["Chat"][s])
                 for s, p in shares.items()}  # fmt: skip
        e = section("Chat", parts)
        covered += e.lo <= truth <= e.hi
    assert 0.93 < covered / 2000 < 0.98


def test_what_is_missing_is_counted_and_what_is_undefined_named() -> None:
    parts = scores(CHAT)
    parts["mt-bench-med"] = cluster_wilson([1, 0, 1], ["a", "b", "c"], missing=2)
    assert section("Chat", parts).n_missing == 2
    parts["mt-bench-easy"] = cluster_wilson([], [])
    e = section("Chat", parts)
    assert math.isnan(e.estimate)
    assert e.note == "no estimate in mt-bench-easy (insufficient)"


def test_other_parts_are_told() -> None:
    with pytest.raises(BenchError, match="those of Chat: alpacaeval-easy"):
        section("Chat", scores(SAFETY))
    with pytest.raises(BenchError, match="Chat, Chat Hard, Safety, Reasoning expected"):
        total({"Chat": section("Chat", scores(CHAT))})


def test_the_weights_add_up_to_the_pairs_but_for_math() -> None:
    whole = sum(w for weights in SECTIONS.values() for w in weights.values())
    assert whole == 2985 - 447 + 984
