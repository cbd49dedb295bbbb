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

_PLACES = (
    "harbour garden market library bakery station museum village bridge theatre island valley "
    "castle workshop orchard square lighthouse chapel meadow mill inn park school barn forest "
    "beach tunnel tower farm port"
).split()
_OPENERS = (
    "often usually today somehow perhaps now then still lately sometimes again truly oddly mostly"
).split()
_ADJECTIVES = (
    "quiet bright old small busy calm narrow famous sunny empty grand lovely modest windy ancient "
    "colourful peaceful crowded charming tiny"
).split()
_VERBS = (
    "rests|waits for spring|hums with voices|looks splendid|feels warm|draws many visitors|"
    "smells of rain|wakes slowly|shines|belongs to everyone|stays open|fills with people|"
    "seems unchanged|invites us in|glows|welcomes old friends|grows on you|surprises strangers"
).split("|")
_THINGS = (
    "lantern fountain bench statue garland fence clock ladder wagon barrel bicycle painting piano "
    "chimney staircase flag"
).split()
_TIMES = (
    "at dawn|at noon|in winter|in summer|every morning|on holidays|before sunset|after midnight|"
    "in autumn|at night|each evening|all afternoon"
).split("|")
_LABELS = ("Note", "Tip", "Fact", "Idea", "Step", "Point", "Hint", "Task")
_LISTS = {
    "animals": "ant bear camel deer eagle fox goat horse iguana jackal koala lion mouse newt otter "
    "pig rabbit seal tiger wolf yak zebra elephant crocodile",
    "fruits": "apple banana cherry date fig grape kiwi lemon mango nectarine orange papaya plum "
    "quince raspberry strawberry peach pear melon apricot blackberry",
    "colours": "amber black crimson emerald gold indigo ivory lavender magenta navy olive pink red "
    "silver turquoise violet white yellow beige green",
    "tools": "axe brush chisel drill file hammer knife level mallet pliers rake saw shovel spade "
    "trowel wrench screwdriver sandpaper",
    "instruments": "accordion banjo cello drum flute guitar harp lute oboe piano recorder saxophone "
    "trumpet ukulele viola xylophone clarinet harmonica",
    "vegetables": "asparagus beetroot carrot fennel garlic kale leek onion parsnip radish spinach "
    "turnip pea bean cabbage cauliflower celery cucumber",
}
_TRIES = 60


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
    """One phrase, the longer or the shorter of two by style, without the letter if it can be."""
    fitting = [phrase for phrase in stock if letter not in phrase] if letter else stock
    pair = rng.sample(list(fitting) if len(fitting) > 1 else list(stock), 2)
    return max(pair, key=len) if style.long else min(pair, key=len)


def _marked(words: list[str], style: Style, rng: Random) -> list[str]:
    """The words, one of them (not the first) in bold where the style has Markdown."""
    at = rng.randrange(1, len(words))
    return [f"**{w}**" if style.markdown and i == at else w for i, w in enumerate(words)]


def _sentence(plan: Mapping[str, Any], style: Style, rng: Random) -> str:
    """One sentence about a place; the plan may fix its number of words and some of the words."""
    letter, wanted, excess = plan.get("letter", ""), plan.get("include"), plan.get("also")
    for _ in range(_TRIES):
        adjectives = [w for w in (wanted, excess) if w in _ADJECTIVES]
        if not adjectives or rng.random() < 0.3:
            adjectives.append(_pick(rng, _ADJECTIVES, style, letter))
        words = [plan.get("first") or _pick(rng, _OPENERS, style, letter), "the"]
        words += " and ".join(dict.fromkeys(adjectives)).split()
        words += [plan["place"], *_pick(rng, _VERBS, style, letter).split()]
        things = [w for w in (wanted, excess) if w in _THINGS]
        if things or rng.random() < 0.5:
            thing = things[0] if things else _pick(rng, _THINGS, style, letter)
            words += [rng.choice(("near", "behind", "beside", "by")), "a", thing]
        time = plan.get("last") or _pick(rng, _TIMES, style, letter)
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
    stock = _LISTS[plan["category"]].split()
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


def _other(rng: Random, stock: Sequence[str], one: str) -> str:
    return rng.choice([phrase for phrase in stock if phrase != one])


Slips = dict[str, Callable[[Random], dict[str, Any]]]
"""By rule: what to change in the plan so that the text breaks that rule."""


def _sentence_task(rng: Random) -> tuple[str, dict[str, Any], list[Constraint], Slips]:
    place, count = rng.choice(_PLACES), rng.randint(9, 14)
    first, last = rng.choice(_OPENERS), rng.choice(_TIMES)
    include, exclude = rng.choice(_ADJECTIVES + _THINGS), rng.choice(_ADJECTIVES + _THINGS)
    letter = rng.choice("bcdfgkmpuvwy")
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
        "first": lambda r: {"first": _other(r, _OPENERS, first)},
        "last": lambda r: {"last": _other(r, _TIMES, last)},
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
    place, count = rng.choice(_PLACES), rng.randint(2, 4)
    include, exclude = rng.sample(_ADJECTIVES + _THINGS, 2)
    label = rng.choice(_LABELS)
    plan: dict[str, Any] = {"place": place, "count": count, "include": include}
    slips: Slips = {
        "sentences": lambda r: {"count": _one_more_or_less(r, count)},
        "lines": lambda r: {"count": _one_more_or_less(r, count)},
        "include": lambda r: {"include": None},
        "exclude": lambda r: {"also": exclude},
        "lower": lambda r: {"lower": False},
        "prefix": lambda r: {"odd": _other(r, _LABELS, label)},
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
    category, count = rng.choice(list(_LISTS)), rng.randint(3, 7)
    name, skip = rng.sample(_LISTS[category].split(), 2)
    plan = {"category": category, "count": count, "name": name}
    slips: Slips = {
        "entries": lambda r: {"count": _one_more_or_less(r, count)},
        "alphabetical": lambda r: {"disorder": True},
        "name": lambda r: {"name": _other(r, _LISTS[category].split(), name)},
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
