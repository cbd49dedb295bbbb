"""The verifiable task: its gold, its independence of style, its splits, its determinism."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench.spec import parse_specs
from bench.types import BenchError, Item, Split, content_key
from tasks.verifiable import CONFOUNDS, SHAPES, check, code, make
from tasks.verifiable.candidates import conclusion
from tasks.verifiable.constraints import broken
from tasks.verifiable.programs import TEMPLATES, fill
from tasks.verifiable.sandbox import Case, run_batch, run_cases

DOMAINS = ("math", "code", "instruction-following", "factuality", "reasoning", "ties")


@cache
def items(options: str = "", split: Split | None = None) -> tuple[Item, ...]:
    spec = f"verifiable:{options}" if options else "verifiable"
    return tuple(make(parse_specs(spec)[0]).items(split))


def truths(item: Item) -> list[bool]:
    return [utility == 1.0 for utility in item.labels[0].utilities]


def contents(chosen: tuple[Item, ...]) -> list[str]:
    """Content keys without the task's name, which says the options."""
    return [replace(item, task="verifiable").key for item in chosen]


def responses(chosen: tuple[Item, ...]) -> list[tuple[Item, str, bool]]:
    return [
        (item, response.text, right)
        for item in chosen
        for response, right in zip(item.responses, truths(item), strict=True)
    ]


def has_markdown(text: str) -> bool:
    return bool(re.search(r"\*\*|`|^#+ |^- ", text, re.MULTILINE))


# --- the gold -------------------------------------------------------------------------------


def test_the_checker_agrees_with_every_label() -> None:
    everything = responses(items("n=4000,seed=3"))
    wrongly_labelled = [
        (item.id, text)
        for item, text, right in everything
        if item.domain != "code" and check(item, text) != right
    ]
    assert wrongly_labelled == []
    programs = [row for row in everything if row[0].domain == "code"]
    assert len(programs) > 1500
    ran = run_batch(
        [
            (code.source_of(text), code.cases_of(item.meta["kind"], item.meta["params"]))
            for item, text, _ in programs
        ]
    )
    assert ran == [right for _, _, right in programs]


def test_the_checker_refuses_an_answer_that_names_nothing() -> None:
    for item in items("n=240"):
        if item.domain != "instruction-following":
            assert not check(item, "I do not know.")
            assert not check(item, "")


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_solution_passes_and_every_mutation_fails(kind: str) -> None:
    template = TEMPLATES[kind]
    spans = template.ranges.values()
    draws = [
        dict(zip(template.ranges, values, strict=True))
        for values in (
            [low for low, _ in spans],
            [high for _, high in spans],
            [(low + high) // 2 for low, high in spans],
        )
    ]
    programs: list[tuple[str, Any]] = []
    expected = []
    for params in draws:
        cases = code.cases_of(kind, params)
        for solution in template.solutions:
            assert len(set(solution.wrong)) == len(solution.wrong) >= 3
            for source in (solution.right, *solution.wrong):
                programs.append((fill(source, "answer", params), cases))
                expected.append(source is solution.right)
    assert run_batch(programs) == expected


def test_code_is_run_with_limits() -> None:
    cases = [Case((3,), 4)]
    assert run_cases("def f(n):\n    return n + 1", cases)
    assert not run_cases("def f(n):\n    return n", cases)
    assert not run_cases("def f(n):\n    while True:\n        pass", cases)
    assert not run_cases("def f(n):\n    return len(bytearray(2**40)) and 4", cases)
    writes = "def f(n):\n    with open('x', 'w') as f:\n        f.write('y')\n    return 4"
    assert not run_cases(writes, cases)
    assert not run_cases("import os\ndef f(n):\n    return 4 if os.environ['HOME'] else 4", cases)
    assert not run_cases("def f(n):\n    raise SystemExit", cases)
    assert not run_cases("this is no Python", cases)
    assert not run_cases("", cases)
    assert not run_cases("def f(n):\n    return True", [Case((3,), 1)])


def test_a_program_that_kills_the_process_harms_no_other() -> None:
    cases = [Case((3,), 4)]
    good, deadly = "def f(n):\n    print(5)\n    return n + 1", "import os\nos._exit(0)"
    batch = [(good, cases), (deadly, cases), (good, cases), (deadly, cases)]
    assert run_batch(batch) == [True, False, True, False]


def test_a_wrong_text_breaks_exactly_one_constraint() -> None:
    for item, text, right in responses(items("n=1200,seed=5")):
        if item.domain == "instruction-following":
            assert len(broken(text, item.meta["params"]["constraints"])) == (not right)


def test_a_wrong_order_of_people_rests_on_one_false_step() -> None:
    seen = 0
    for item, text, right in responses(items("n=1200,seed=5")):
        if item.meta["kind"] != "ordering" or item.domain != "reasoning":
            continue
        after = dict(item.meta["params"]["above"])
        names = sorted({*after, *after.values()} - {*after.values()})
        while names[-1] in after:
            names.append(after[names[-1]])
        steps = re.findall(rf"(\w+) is {item.meta['params']['more']} than (\w+)\.", text)
        false = [a for a, b in steps if names.index(a) > names.index(b)]
        assert len(steps) == len(names) - 1
        assert len(false) == (not right)
        seen += 1
    assert seen > 50


# --- shapes, domains, numbers ---------------------------------------------------------------


def test_the_default_is_balanced() -> None:
    chosen = items()
    assert Counter(item.domain for item in chosen) == dict.fromkeys(DOMAINS, 12)
    shapes = Counter((item.domain, item.subset) for item in chosen)
    for domain in DOMAINS[:-1]:
        assert shapes[domain, "pairs"] == 10
        assert shapes[domain, "best-of-4"] == 2
    assert shapes["ties", "ties"] == 12


@pytest.mark.parametrize("n", [1, 5, 6, 7, 100])
def test_n_is_respected_and_domains_differ_by_one_at_most(n: int) -> None:
    chosen = items(f"n={n}")
    assert len(chosen) == n
    counts = Counter(item.domain for item in chosen)
    assert max(counts.values()) - min(counts[d] for d in DOMAINS) <= 1


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_shapes(shape: str) -> None:
    for item in items(f"n=120,shape={shape}"):
        right = truths(item)
        if shape == "ties":
            assert item.domain == "ties"
            assert 4 <= len(right) <= 6
            assert 2 <= sum(right) <= len(right) - 2
            values = [conclusion(response.text) for response in item.responses]
            assert len(set(values)) == len(values)
        else:
            assert item.domain != "ties"
            assert (len(right), sum(right)) == ((2, 1) if shape == "pairs" else (4, 1))
        assert item.subset == shape
        assert [label.annotator for label in item.labels] == ["gold"]


def test_texts_are_short() -> None:
    for item in items("n=1200,seed=5"):
        assert 3 <= len(item.prompt[0].content.split()) <= 70
        assert all(1 <= len(r.text.split()) <= 75 for r in item.responses)


def test_prompts_and_ids_are_distinct() -> None:
    chosen = items("n=4000,seed=3")
    assert len({item.prompt_key for item in chosen}) == len({i.id for i in chosen}) == 4000


def test_a_space_that_is_used_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.verifiable._PATIENCE", 300)
    monkeypatch.setattr("tasks.verifiable.facts._KINDS", {"x": _only_http()})
    with pytest.raises(BenchError, match=r"factuality is used up.*Ask for fewer"):
        list(make(parse_specs("verifiable:n=600")[0]).items())


def _only_http() -> Any:
    from tasks.verifiable import facts

    return facts._KINDS["http-status"]


# --- nothing but the truth tells right from wrong -------------------------------------------


def correlations(chosen: tuple[Item, ...]) -> tuple[float, float]:
    """Pearson's r of (is right) with length in characters and with Markdown."""
    rows = [(right, len(text), has_markdown(text)) for _, text, right in responses(chosen)]
    right, length, markdown = np.array(rows, float).T
    return float(np.corrcoef(right, length)[0, 1]), float(np.corrcoef(right, markdown)[0, 1])


def test_length_and_format_are_independent_of_the_truth() -> None:
    chosen = items("n=5000,shape=pairs,seed=1")
    assert np.abs(correlations(chosen)).max() < 0.05
    for domain in DOMAINS[:-1]:
        of_domain = tuple(item for item in chosen if item.domain == domain)
        assert len(of_domain) == 1000
        assert np.abs(correlations(of_domain)).max() < 0.1, domain


@pytest.mark.parametrize("shape", ["best-of-4", "ties"])
def test_the_other_shapes_are_independent_too(shape: str) -> None:
    assert np.abs(correlations(items(f"n=1200,shape={shape},seed=1"))).max() < 0.05


def test_both_styles_are_common() -> None:
    share = np.mean([has_markdown(text) for _, text, _ in responses(items("n=1200,seed=5"))])
    assert 0.4 < share < 0.6


def test_place_and_writer_are_independent_of_the_truth() -> None:
    chosen = items("n=5000,shape=pairs,seed=1")
    first = np.mean([truths(item)[0] for item in chosen])
    assert abs(first - 0.5) < 4 * 0.5 / 5000**0.5
    wins = Counter(i.responses[truths(i).index(True)].model for i in chosen)
    of = Counter(response.model for item in chosen for response in item.responses)
    assert len(of) == 3
    for writer, number in of.items():
        assert abs(wins[writer] / number - 0.5) < 4 * 0.5 / number**0.5


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_a_planted_length_confound_makes_the_right_answer_the_longer_one(shape: str) -> None:
    for item in items(f"n=300,shape={shape},confound=length"):
        rows = responses((item,))
        shortest_right = min(len(text) for _, text, right in rows if right)
        assert shortest_right > max(len(text) for _, text, right in rows if not right)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_a_planted_format_confound_gives_markdown_to_the_right_answer_only(shape: str) -> None:
    for _, text, right in responses(items(f"n=300,shape={shape},confound=format")):
        assert has_markdown(text) == right


@pytest.mark.parametrize("confound", CONFOUNDS[1:])
def test_strength_is_the_share_of_items_with_the_confound(confound: str) -> None:
    assert contents(items(f"n=60,confound={confound},strength=0")) == contents(items("n=60"))

    def share(options: str) -> float:
        hits = []
        for item in items(f"n=1200,shape=pairs,{options}"):
            (_, wrong, _), (_, right, _) = sorted(responses((item,)), key=lambda row: row[2])
            if confound == "length":
                hits.append(len(right) > len(wrong))
            else:
                hits.append(has_markdown(right) and not has_markdown(wrong))
        return float(np.mean(hits))

    none, half = share("confound=none"), share(f"confound={confound},strength=0.5")
    assert abs(half - (0.5 + 0.5 * none)) < 0.05


def test_a_confound_changes_the_wording_and_not_the_truth() -> None:
    for item, text, right in responses(items("n=300,shape=best-of-4,confound=length")):
        if item.domain != "code":
            assert check(item, text) == right


# --- splits and seeds -----------------------------------------------------------------------


def test_splits_never_share_a_prompt_whatever_the_seed() -> None:
    splits: tuple[Split, ...] = ("train", "dev", "test")
    prompts: dict[Split, set[str]] = {split: set() for split in splits}
    for split in splits:
        for seed in range(4):
            chosen = items(f"n=120,seed={seed}", split)
            assert {item.split for item in chosen} == {split}
            prompts[split] |= {item.prompt_key for item in chosen}
    assert not prompts["train"] & prompts["test"]
    assert not prompts["train"] & prompts["dev"]
    assert not prompts["dev"] & prompts["test"]


def test_without_a_split_the_test_items_come() -> None:
    assert items("n=30") == items("n=30", "test")


def test_seeds_differ_and_a_smaller_set_is_the_start_of_a_larger_one() -> None:
    prompts = [{item.prompt_key for item in items(f"n=60,seed={seed}")} for seed in (1, 2)]
    assert len(prompts[0] & prompts[1]) < 6
    assert contents(items("n=30")) == contents(items("n=240")[:30])


def test_the_generator_has_not_changed() -> None:
    """A new key here means new items for the same seed: raise REVISION with it."""
    assert content_key(contents(items("n=60"))) == "231238b36c751a495da98855018b788a"
    assert make(parse_specs("verifiable")[0]).card.revision == "1"


# --- the card and the options ---------------------------------------------------------------


def test_the_card_says_what_it_is() -> None:
    card = make(parse_specs("verifiable")[0]).card
    assert (card.name, card.synthetic, card.licence) == ("verifiable", True, "Apache-2.0")
    assert card.domains == DOMAINS
    assert "not human preference" in card.traps[0]
    planted = make(parse_specs("verifiable:confound=length,strength=0.25")[0]).card
    assert "confound is planted: in a share of 0.25" in planted.traps[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("n=0", "n is 0; a number of items >= 1"),
        ("n=x", "int expected"),
        ("shape=triples", "mixed, pairs, best-of-4, ties"),
        ("confound=colour", "none, length, format"),
        ("strength=1.5", r"a number in \[0, 1\]"),
        ("strength=nan", r"a number in \[0, 1\]"),
        ("size=3", "Options: n, seed, shape, confound, strength"),
    ],
)
def test_bad_settings_are_named(options: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        make(parse_specs(f"verifiable:{options}")[0])


def test_an_argument_and_an_unknown_split_are_refused() -> None:
    with pytest.raises(BenchError, match="takes options only"):
        make(parse_specs("verifiable:big")[0])
    with pytest.raises(BenchError, match="train, dev, test"):
        next(make(parse_specs("verifiable")[0]).items("valid"))  # type: ignore[arg-type]
