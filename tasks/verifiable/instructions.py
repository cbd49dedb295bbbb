"""Domain instruction-following: write something short that keeps two to four constraints.

Texts are put together from a small stock of phrases according to a plan. A wrong response follows a
plan that differs in one constraint, so it breaks that one and keeps the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tasks.verifiable.candidates import Problem, Style
from tasks.verifiable.constraints import Constraint, ask, broken
from tasks.verifiable.vocabulary import (
    ADJECTIVES,
    CATEGORIES,
    LABELS,
    OPENERS,
    PLACES,
    THINGS,
    TIMES,
    VERBS,
)

_TRIES = 60  # a text of random phrases has the wished number of words about once in six


@dataclass(frozen=True, slots=True)
class _Text:
    """A Writer that puts texts together by `plan` until one breaks exactly the rules `breaks` of
    `constraints`. `compose`: one attempt."""

    compose: Callable[[Mapping[str, Any], Style, Random], str]
    plan: Mapping[str, Any]
    constraints: Sequence[Constraint]
    breaks: list[str] = field(default_factory=list)

    def __call__(self, style: Style, rng: Random) -> str | None:
        for _ in range(_TRIES):
            text = self.compose(self.plan, style, rng)
            if broken(text, self.constraints) == self.breaks:
                return text
        return None


def _pick(rng: Random, stock: Sequence[str], style: Style, letter: str = "") -> str:
    """One phrase, the longer or the shorter of two by style, without the letter."""
    pair = rng.sample([p for p in stock if letter not in p] if letter else stock, 2)
    return max(pair, key=len) if style.long else min(pair, key=len)


def _marked(words: list[str], style: Style, rng: Random) -> list[str]:
    """The words, one of them (not the first) in bold where the style has Markdown."""
    at = rng.randrange(1, len(words))
    return [f"**{w}**" if style.markdown and i == at else w for i, w in enumerate(words)]


def _sentence(plan: Mapping[str, Any], style: Style, rng: Random) -> str:
    """One sentence about a place; the plan may fix its number of words and some of the words."""
    letter, wanted, excess = plan.get("letter", ""), plan.get("include"), plan.get("also")
    for _ in range(_TRIES):
        adjectives = [w for w in (wanted, excess) if w in ADJECTIVES]
        if not adjectives or rng.random() < 0.3:
            adjectives.append(_pick(rng, ADJECTIVES, style, letter))
        words = [plan.get("first") or _pick(rng, OPENERS, style, letter), "the"]
        words += " and ".join(dict.fromkeys(adjectives)).split()
        words += [plan["place"], *_pick(rng, VERBS, style, letter).split()]
        things = [w for w in (wanted, excess) if w in THINGS]
        if things or ("count" not in plan and rng.random() < 0.5):
            things = things or [_pick(rng, THINGS, style, letter)]
            words.append(rng.choice(("near", "behind", "beside", "by")))
            words += " and ".join(f"a {thing}" for thing in things).split()
        time = plan.get("last") or _pick(rng, TIMES, style, letter)
        words += time.split()
        if plan.get("words") in (None, len(words)):
            break
    if not plan.get("lower"):
        words[0] = words[0].capitalize()
    return " ".join(_marked(words, style, rng)) + "."


def _sentences(plan: Mapping[str, Any], style: Style, rng: Random) -> str:
    """Several sentences in a row; a word that the plan wants is in one of them."""
    lucky = rng.randrange(plan["count"])
    loose = {k: v for k, v in plan.items() if k not in ("include", "also")}
    plans = [plan if i == lucky else loose for i in range(plan["count"])]
    marked = [rng.randrange(plan["count"]) == i for i in range(plan["count"])]
    if style.markdown and not any(marked):
        marked[lucky] = True
    texts = [
        _sentence(p, Style(style.long, style.markdown and m), rng)
        for p, m in zip(plans, marked, strict=True)
    ]
    if "prefix" not in plan:
        return " ".join(texts)
    labels = [plan["prefix"]] * plan["count"]
    if "odd" in plan:
        labels[rng.randrange(plan["count"])] = plan["odd"]
    return "\n".join(f"{label}: {text}" for label, text in zip(labels, texts, strict=True))


def _list(plan: Mapping[str, Any], style: Style, rng: Random) -> str:
    """A comma-separated list of things of one category."""
    stock = CATEGORIES[plan["category"]]
    chosen = [plan["name"]] if "name" in plan else []
    if "also" in plan:
        chosen.append(plan["also"])
    for _ in range(_TRIES):
        entry = _pick(rng, stock, style)
        if len(chosen) < plan["count"] and entry not in chosen:
            chosen.append(entry)
    chosen.sort()
    if plan.get("disorder"):
        at = rng.randrange(len(chosen) - 1)
        chosen[at], chosen[at + 1] = chosen[at + 1], chosen[at]
    return ", ".join(_marked(chosen, style, rng))


def _one_more_or_less(rng: Random, number: int) -> int:
    return number + rng.choice((-1, 1))


def _other(rng: Random, stock: Sequence[str], one: str, without: str = "-") -> str:
    return rng.choice([phrase for phrase in stock if phrase != one and without not in phrase])


Slips = dict[str, Callable[[Random], dict[str, Any]]]
"""By rule: what to change in the plan so that the text breaks that rule."""


def _sentence_task(rng: Random) -> tuple[str, dict[str, Any], list[Constraint], Slips]:
    place, count = rng.choice(PLACES), rng.randint(8, 12)
    first, last = rng.choice(OPENERS), rng.choice(TIMES)
    include, exclude = rng.sample(ADJECTIVES + THINGS, 2)
    # Letters that no fixed word needs, so that the constraints can be kept together.
    fixed = place + first + last + include + exclude
    letter = rng.choice([c for c in "cfgkmpuvw" if c not in fixed] or ["z"])
    rules: dict[str, tuple[Any, dict[str, Any]]] = {
        "words": (count, {"words": count}),
        "first": (first, {"first": first}),
        "last": (last.split()[-1], {"last": last}),
        "include": (include, {"include": include}),
        "exclude": (exclude, {}),
        "letter": (letter, {"letter": letter}),
        "lower": (True, {"lower": True}),
    }
    slips: Slips = {
        "words": lambda r: {"words": _one_more_or_less(r, count)},
        "first": lambda r: {"first": _other(r, OPENERS, first, letter)},
        "last": lambda r: {"last": _other(r, TIMES, last, letter)},
        "include": lambda r: {"include": None},
        "exclude": lambda r: {"also": exclude},
        "letter": lambda r: {"letter": ""},
        "lower": lambda r: {"lower": False},
    }
    chosen = rng.sample(list(rules), rng.randint(2, 3))
    plan = {"place": place}
    for rule in chosen:
        plan.update(rules[rule][1])
    return f"Write one sentence about a {place}.", plan, [(r, rules[r][0]) for r in chosen], slips


def _several_task(rng: Random) -> tuple[str, dict[str, Any], list[Constraint], Slips]:
    place, count = rng.choice(PLACES), rng.randint(2, 4)
    include, exclude = rng.sample(ADJECTIVES + THINGS, 2)
    label = rng.choice(LABELS)
    plan: dict[str, Any] = {"place": place, "count": count, "include": include}
    slips: Slips = {
        "sentences": lambda r: {"count": _one_more_or_less(r, count)},
        "lines": lambda r: {"count": _one_more_or_less(r, count)},
        "include": lambda r: {"include": None},
        "exclude": lambda r: {"also": exclude},
        "lower": lambda r: {"lower": False},
        "prefix": lambda r: {"odd": _other(r, LABELS, label)},
    }
    extra: list[Constraint] = [("include", include), ("exclude", exclude)]
    if rng.random() < 0.5:
        plan["prefix"] = label
        return f"Describe a {place}.", plan, [("lines", count), ("prefix", label), *extra], slips
    if rng.random() < 0.5:
        plan["lower"] = True
        extra.append(("lower", True))
    return f"Describe a {place}.", plan, [("sentences", count), *extra], slips


def _list_task(rng: Random) -> tuple[str, dict[str, Any], list[Constraint], Slips]:
    category, count = rng.choice(list(CATEGORIES)), rng.randint(3, 7)
    name, skip = rng.sample(CATEGORIES[category], 2)
    plan = {"category": category, "count": count, "name": name}
    slips: Slips = {
        "entries": lambda r: {"count": _one_more_or_less(r, count)},
        "alphabetical": lambda r: {"disorder": True},
        "name": lambda r: {
            "name": r.choice([e for e in CATEGORIES[category] if e not in (name, skip)])
        },
        "skip": lambda r: {"also": skip},
    }
    constraints: list[Constraint] = [("entries", count), ("name", name), ("skip", skip)]
    if rng.random() < 0.6:
        constraints.append(("alphabetical", True))
    return f"List {category}, separated by commas.", plan, constraints, slips


_KINDS = {
    "sentence": (_sentence_task, _sentence),
    "several": (_several_task, _sentences),
    "list": (_list_task, _list),
}


def draw(rng: Random, right: int, wrong: int) -> Problem | None:
    """A writing task with one text that keeps all constraints and that many that break one."""
    kind = rng.choice(list(_KINDS))
    task, compose = _KINDS[kind]
    opening, plan, constraints, slips = task(rng)
    rng.shuffle(constraints)
    texts = [_Text(compose, plan, constraints)]
    for rule in rng.choices([rule for rule, _ in constraints], k=wrong):
        texts.append(_Text(compose, {**plan, **slips[rule](rng)}, constraints, [rule]))
    prompt = " ".join((opening, *map(ask, constraints)))
    params = {"constraints": [list(constraint) for constraint in constraints]}
    if right != 1:
        return None
    return Problem(kind, prompt, params, (texts[0],), tuple(texts[1:]))
