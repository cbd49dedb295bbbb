"""Domain reasoning: small puzzles with a chain of steps.

Every response gives its steps. A right one has true steps only; a wrong one has one false step (a
comparison turned round, a converse taken for granted, an overlap miscounted, a broken condition),
and so a wrong conclusion. What is true is decided by brute force, in `solver`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, permutations
from random import Random
from typing import Any

from tasks.verifiable import solver
from tasks.verifiable.candidates import Answer, Problem
from tasks.verifiable.vocabulary import HOBBIES, JOBS, NAMES, PLACES_IN_ORDER

_OPENERS = (
    "Let me go through this one step at a time.",
    "I take the statements in turn and put them together.",
    "First I note what is given, then I combine it.",
    "It helps to write the facts down in order.",
    "The question can be settled from what is given.",
)
_SCALES = (
    ("taller", "shorter"),
    ("older", "younger"),
    ("faster", "slower"),
    ("heavier", "lighter"),
    ("richer", "poorer"),
)


def _answer(rng: Random, value: str, steps: list[str]) -> Answer:
    return Answer(value, tuple(steps), (rng.choice(_OPENERS),))


def _problem(kind: str, prompt: str, params: dict[str, Any], answers: list[Answer]) -> Problem:
    return Problem(kind, prompt, params, (answers[0],), tuple(answers[1:]))


def _ordering(rng: Random, wrong: int) -> Problem | None:
    names = rng.sample(NAMES, rng.randint(max(3, wrong + 1), 5))
    more, less = rng.choice(_SCALES)
    place = rng.randrange(len(names))
    given = list(pairwise(names))
    rng.shuffle(given)
    facts = [rng.choice((f"{a} is {more} than {b}.", f"{b} is {less} than {a}.")) for a, b in given]
    question = f"Counting from the {more[:-1]}st, who comes {PLACES_IN_ORDER[place]}?"
    answers = []
    # Somebody else at the place asked for: one comparison of neighbours turns false.
    for name in [names[place], *rng.sample([n for n in names if n != names[place]], wrong)]:
        order = [n for n in names if n != name]
        order.insert(place, name)
        steps = [f"{a} is {more} than {b}." for a, b in pairwise(order)]
        answers.append(_answer(rng, name, steps))
    params = {"above": [list(pair) for pair in given], "place": place, "more": more}
    return _problem("ordering", f"{' '.join(facts)} {question}", params, answers)


def _claim(claim: list[Any], speaker: str) -> str:
    """What a speaker says of another, as a third person would put it."""
    what, other = claim
    return {
        "knight": f"{other} is a knight",
        "knave": f"{other} is a knave",
        "same": f"{speaker} and {other} are of the same kind",
        "different": f"{speaker} and {other} are of different kinds",
    }[what]


def _knights(rng: Random, wrong: int) -> Problem | None:
    names = rng.sample(NAMES, rng.randint(2, 3))
    claims = {
        name: [
            rng.choice(("knight", "knave", "same", "different")),
            rng.choice([n for n in names if n != name]),
        ]
        for name in names
    }
    worlds = solver.worlds(claims)
    if len(worlds) != 1:
        return None
    others = [w for w in solver.all_worlds(names) if w != worlds[0]]
    rng.shuffle(others)
    others.sort(key=lambda world: solver.contradictions(claims, world))
    said = " ".join(f"{name} says: {_claim(claims[name], name)}." for name in names)
    prompt = f"Knights always tell the truth and knaves always lie. {said} Who are the knights?"
    answers = []
    for world in (worlds[0], *others[:wrong]):
        steps = [
            f"{name} is a {kind}, so it is {'true' if kind == 'knight' else 'false'} that "
            f"{_claim(claims[name], name)}."
            for name, kind in world.items()
        ]
        value = " and ".join(n for n, kind in world.items() if kind == "knight") or "nobody"
        answers.append(_answer(rng, value, steps))
    return _problem("knights", prompt, {"claims": claims}, answers)


def _word(rng: Random) -> str:
    letters = [rng.choice("bdfgklmnprstvz" if place % 2 == 0 else "aeiou") for place in range(5)]
    return "".join(letters)


def _membership(rng: Random, wrong: int) -> Problem | None:
    kinds = [_word(rng) for _ in range(4)]
    if len(set(kinds)) < 4:
        return None
    a, b, c, d = kinds
    who, start = rng.choice(NAMES), rng.randrange(2)
    rules = [f"Every {a} is a {b}.", f"Every {b} is a {c}.", f"No {c} is a {d}."]
    fact = f"{who} is a {kinds[start]}."
    climb = rules[start:2]
    right = [(f"{who} is a {c}", climb), (f"{who} is not a {d}", [*climb, rules[2]])]
    bad = [
        (f"{who} is a {d}", [*climb, f"Every {c} is a {d}."]),
        (f"{who} is not a {c}", [*climb[:-1], f"No {b} is a {c}."]),
        (f"{who} is a {a}", [f"Every {b} is a {a}."])
        if start
        else (f"{who} is not a {b}", [f"No {a} is a {b}."]),
    ]
    chosen = [rng.choice(right), *rng.sample(bad, wrong)]
    options = [value for value, _ in (chosen[0], *bad)]
    given = [*rules, fact]
    rng.shuffle(given)
    rng.shuffle(options)
    prompt = f"{' '.join(given)} Which of these must be true? {'; '.join(options)}."
    answers = [_answer(rng, value, [fact, *steps]) for value, steps in chosen]
    params = {"kinds": kinds, "start": start, "who": who, "options": options}
    return _problem("membership", prompt, params, answers)


def _overlap(rng: Random, wrong: int) -> Problem | None:
    both, only_a, only_b = rng.randint(2, 12), rng.randint(2, 15), rng.randint(2, 15)
    a, b, union = both + only_a, both + only_b, both + only_a + only_b
    total = union + rng.randint(both + 2, 30)
    hobby, other = rng.sample(HOBBIES, 2)
    prompt = (
        f"Of {total} people, {a} like {hobby}, {b} like {other}, and {both} like both. "
        "How many like neither?"
    )
    slips = sorted({-10, -2, -1, 1, 2, 10, both})  # `both`: the overlap counted twice
    slips = [s for s in slips if 0 <= union + s <= total]
    answers = []
    for slip in (0, *rng.sample(slips, wrong)):
        at_least_one = union + slip
        steps = [
            f"{a} + {b} - {both} = {at_least_one} people like at least one.",
            f"{total} - {at_least_one} = {total - at_least_one}.",
        ]
        answers.append(_answer(rng, str(total - at_least_one), steps))
    params = {"total": total, "a": a, "b": b, "both": both}
    return _problem("overlap", prompt, params, answers)


def _rule(rng: Random, order: list[str]) -> list[Any]:
    """A random condition that the order meets."""
    i, j = sorted(rng.sample(range(len(order)), 2))
    what = rng.choice(("before", "next", "not"))
    if what == "not":
        return ["not", order[i], rng.choice([p for p in range(len(order)) if p != i])]
    return ["next", order[i], order[i + 1]] if what == "next" else ["before", order[i], order[j]]


def _rule_text(rule: list[Any]) -> str:
    what, job, other = rule
    if what == "not":
        return f"{job.capitalize()} is not {PLACES_IN_ORDER[other]}."
    where = "right after" if what == "next" else "some time after"
    return f"{other.capitalize()} comes {where} {job}."


def _schedule(rng: Random, wrong: int) -> Problem | None:
    order = rng.sample(JOBS, 4)
    rules: list[list[Any]] = []
    while len(rules) < 4 and len(solver.orders(order, rules)) > 1:
        rule = _rule(rng, order)
        if rule not in rules:
            rules.append(rule)
    if len(solver.orders(order, rules)) > 1:
        return None
    place = rng.randrange(4)
    near: dict[str, list[str]] = {}
    for other in rng.sample(list(permutations(order)), 24):
        if other[place] != order[place] and solver.broken(list(other), rules) == 1:
            near[other[place]] = list(other)
    if len(near) < wrong:
        return None
    jobs = ", ".join(sorted(order))
    said = " ".join(map(_rule_text, rules))
    prompt = (
        f"Four jobs are done one after another: {jobs}. {said} Which is {PLACES_IN_ORDER[place]}?"
    )
    answers = []
    for jobs_in_order in (order, *rng.sample(list(near.values()), wrong)):
        steps = [
            f"{job.capitalize()} is {PLACES_IN_ORDER[i]}." for i, job in enumerate(jobs_in_order)
        ]
        answers.append(_answer(rng, jobs_in_order[place], steps))
    params = {"jobs": sorted(order), "rules": rules, "place": place}
    return _problem("schedule", prompt, params, answers)


_KINDS: dict[str, Callable[[Random, int], Problem | None]] = {
    "ordering": _ordering,
    "knights": _knights,
    "membership": _membership,
    "overlap": _overlap,
    "schedule": _schedule,
}


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A puzzle with one right answer and that many wrong ones; None when its draws have no unique
    solution or too few near misses."""
    kind = rng.choice(list(_KINDS))
    for _ in range(10):  # so that kinds whose draws often fail are not rarer than the others
        problem = _KINDS[kind](rng, wrong) if right == 1 else None
        if problem is not None:
            return problem
    return None
