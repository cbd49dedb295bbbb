from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.types import (
    BenchError,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Usage,
    Verdict,
    content_key,
    split_of,
    to_item_coordinates,
)


@given(st.permutations(range(6)))
def test_item_coordinates_undo_the_order(order: list[int]) -> None:
    utilities = [float(10 * i) for i in range(6)]
    shown = [utilities[i] for i in order]
    assert to_item_coordinates(order, shown) == tuple(utilities)


def test_pointwise_utility_stays_alone() -> None:
    assert to_item_coordinates((4,), (0.7,)) == (0.7,)


def test_prompt_key_ignores_case_spacing_and_unicode_form(make_item) -> None:
    variants = ["Café  au lait?", "CAFE\u0301 au\nlait?"]
    keys = {make_item(1, prompt=(Message("user", v),)).prompt_key for v in variants}
    assert len(keys) == 1


def test_splits_have_their_shares_and_follow_the_prompt_alone() -> None:
    keys = [content_key(i) for i in range(20_000)]
    shares = {s: sum(split_of(k) == s for k in keys) / len(keys) for s in ("train", "dev", "test")}
    assert shares["train"] == pytest.approx(0.6, abs=0.02)
    assert shares["dev"] == pytest.approx(0.1, abs=0.01)
    assert shares["test"] == pytest.approx(0.3, abs=0.02)


def test_a_view_holds_only_what_the_card_names(make_item) -> None:
    item = make_item(
        1, responses=(Response("gold", "a", "big"), Response("bad", "b", "small")), reference="a"
    )
    view = item.seen(("text",))
    assert (view.id, view.task, view.domain, view.labels, view.reference) == ("", "", "", (), None)
    assert [(r.id, r.text, r.model) for r in view.responses] == [("0", "a", None), ("1", "b", None)]
    assert item.seen(("text", "model")).responses[1].model == "small"
    assert item.seen(("text", "labels")).labels == item.labels


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prompt": ()}, "no message"),
        ({"responses": (Response("a", "x"),)}, "1 responses; 2 to 62"),
        ({"responses": (Response("a", "x"), Response("a", "y"))}, "not unique"),
        ({"labels": (Label("w", (1.0, 0.0, 0.0)),)}, "3 utilities; 2 expected"),
        ({"domain": "\ud800"}, "broken Unicode"),
        ({"labels": (Label("\udfff", (1.0, 0.0)),)}, "broken Unicode"),
    ],
)
def test_bad_items_are_refused_where_they_enter(make_item, fields, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        make_item(1, **fields)


def test_verdicts_are_tri_state() -> None:
    with pytest.raises(BenchError):
        Verdict("00", Status.UNPARSED, (1.0, 0.0))
    with pytest.raises(BenchError):
        Verdict("00", Status.OK)
    with pytest.raises(BenchError):
        Verdict("00", Status.OK, (math.nan, 0.0))
    with pytest.raises(BenchError):
        Verdict("00", Status.OK, (1.0, 0.0), confidence=1.5)
    with pytest.raises(BenchError):
        Label("w", (math.inf, 0.0))
    with pytest.raises(BenchError):
        Usage(prompt_tokens=-1)


def test_identity_follows_what_changes_verdicts_and_nothing_else() -> None:
    card = JudgeCard("a", "prompted", ("pairwise",), model="m", revision="1")
    same = JudgeCard("b", "prompted", ("pairwise",), "other words", model="m", revision="1")
    other = JudgeCard("a", "prompted", ("pairwise",), model="m", revision="2")
    assert card.identity == same.identity != other.identity
    # Cards that say nothing else of themselves are told apart by their names.
    bare = [JudgeCard(name, "rule", ("pairwise",)) for name in ("first", "last")]
    assert bare[0].identity != bare[1].identity
    with pytest.raises(BenchError, match="pairwise, listwise, pointwise"):
        JudgeCard("a", "x", ("pair",))  # type: ignore[arg-type]


def test_broken_unicode_has_a_key() -> None:
    assert content_key("\ud800") != content_key("?")
