"""A small ledger that never changes, and the files that are made of it.

    .venv/bin/python tests/reports/fixed_ledger.py

writes them into tests/reports/golden anew: do so when they were to change, look at `git diff`, and
say in the commit why.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.ledger import Ledger
from bench.overlap import TrainingOverlap
from bench.plan import Plan, trials
from bench.types import (
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Trial,
    Usage,
    Verdict,
    content_key,
    failure,
    verdict,
)
from reports.card import card
from reports.markdown import report
from reports.render import files
from reports.tables import build

GOLDEN = Path(__file__).parent / "golden"
COMMAND = ".venv/bin/python tests/reports/fixed_ledger.py"
BOTH = ("pairwise", "listwise")
SMALL = JudgeCard(
    "small",
    "probe",
    BOTH,
    description="a probe on a small model",
    model="tiny-lm",
    revision="1f2e3d",
    settings={"prompt": "none", "layer": 12},
    parameters=135_000_000,
    trained=True,
    trained_on=("other",),
    families=("m",),
    licence="Apache-2.0",
)
LARGE = JudgeCard(
    "large",
    "prompted",
    BOTH,
    description="a large model, asked",
    model="huge-lm",
    settings={"prompt": "choice-letter", "engine": "litellm"},
    parameters=70_000_000_000,
    paid=True,
    usd_per_mtok=(2.0, 0.2, 8.0),
)
COIN = JudgeCard("coin", "null", BOTH, description="draws", settings={"rule": "random"})
FIRST = JudgeCard("first", "null", BOTH, description="what is shown first", settings={"rule": "1"})


def draw(*parts: object) -> float:
    """A number in [0, 1) that follows from the parts alone, on every machine."""
    return int(content_key(*parts)[:12], 16) / 16**12


def items() -> list[Item]:
    """60 pairs of two domains with three annotators, and 12 lists of three with a gold key."""
    made = []
    for n in range(60):
        right = int(draw("right", n) < 0.5)
        texts = [f"answer {i} to {n}" + " and more" * int(6 * draw("long", n, i)) for i in (0, 1)]
        labels = []
        for who in ("ann", "ben", "cleo"):
            d = draw("label", n, who)
            best = right if d < 0.8 else 1 - right
            labels.append(Label(who, (0.5, 0.5) if d > 0.95 else (1.0 - best, float(best))))
        made.append(
            Item(
                f"p{n}",
                "pairs",
                ("chat", "code")[n // 3 % 2],
                (Message("user", f"question {n // 2}"),),
                (Response("a", texts[0], "m-1"), Response("b", texts[1], "z-1")),
                tuple(labels),
                f"part {n % 3}",
            )
        )
    for n in range(12):
        right = int(3 * draw("list", n))
        gold = Label("gold", tuple(float(i == right) for i in range(3)))
        responses = tuple(Response(f"r{i}", f"number {i} of {n}", "z-2") for i in range(3))
        message = (Message("user", f"list {n}"),)
        made.append(Item(f"l{n}", "lists", "math", message, responses, (gold,)))
    return made


def right(item: Item) -> int:
    """The response that most labels have on top, the first of several."""
    votes = [sum(label.utilities[i] for label in item.labels) for i in range(len(item.responses))]
    return votes.index(max(votes))


def shown(trial: Trial, best: int, **more: object) -> Verdict:
    """A verdict for one response, in item coordinates."""
    return verdict(trial, [float(i == best) for i in trial.order], **more)  # type: ignore[arg-type]


def of_skill(name: str, skill: float, first: float = 0.0) -> Callable[[Trial, Item], Verdict]:
    """Names what is shown first with the probability `first`, else the right one with `skill`, and
    states how sure it is."""

    def answer(trial: Trial, item: Item) -> Verdict:
        d, n = draw(name, item.id, trial.order), len(trial.order)
        best = right(item) if d < skill else (right(item) + 1) % n
        if draw(name, "slot", item.id) < first:
            best = trial.order[0]
        sure = round(0.5 + draw(name, "sure", item.id) / 2, 3)
        return shown(trial, best, confidence=sure, usage=Usage(latency_s=0.01))

    return answer


def large(trial: Trial, item: Item) -> Verdict:
    """Asked for money; says now and then what nobody can read."""
    d = draw("large", item.id, trial.order)
    usage = Usage(400 + int(100 * d), 0, 20, 0, 0.5 + d, 0.001 + d / 1000)
    if d > 0.93:
        return failure(trial, Status.UNPARSED, raw="Both have their merits.", usage=usage)
    best = right(item) if d < 0.78 else (right(item) + 1) % len(trial.order)
    letter = "ABC"[trial.order.index(best)]
    return shown(trial, best, raw=f"The better one is [[{letter}]].", usage=usage)


ANSWERS: dict[str, Callable[[Trial, Item], Verdict]] = {
    "small": of_skill("small", 0.74, 0.1),
    "large": large,
    "coin": of_skill("coin", 0.5),
    "first": lambda trial, item: shown(trial, trial.order[0]),
}


def write(
    folder: Path,
    cards: Sequence[JudgeCard] = (SMALL, LARGE, COIN, FIRST),
    made: Sequence[Item] | None = None,
    answers: Mapping[str, Callable[[Trial, Item], Verdict | None]] = ANSWERS,
    plan: Plan | None = None,
) -> Path:
    """The run folder. An answer of None leaves a showing not run."""
    made = items() if made is None else made
    plan = plan or Plan(tuple(c.name for c in cards), tuple({item.task: None for item in made}))
    overlaps = [TrainingOverlap(c.name, c.trained_on[0], {0: "prompt", 7: "gram"})
                for c in cards if c.trained_on]  # fmt: skip
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(plan, made, cards, overlaps)
        for c in cards:
            given = (answers[c.name](t, made[i]) for i, t in trials(made, c, repeats=plan.repeats))
            verdicts = [v for v in given if v is not None]
            ledger.append(verdicts)
            ledger.add_session(c.name, 0.0, 0.5 + len(verdicts) / 100, len(verdicts), None)
    return folder


def golden(folder: Path) -> dict[str, bytes]:
    """File name -> content, made of the fixed ledger in `folder`. Parquet names the version of its
    library and is left out, and so are forms that say the same as others."""
    with Ledger(write(folder) / "ledger.sqlite") as ledger:
        tables = build(ledger)
        texts = {"report.md": report(tables)}
        texts |= {f"card-{name}.md": card(ledger, name) for name in ("small", "large")}
    kept = {
        name: content
        for name, content in files(tables).items()
        if name.endswith((".csv", ".tex")) or name in ("leaderboard.json", "leaderboard.md")
    }
    return {**kept, **{name: text.encode() for name, text in texts.items()}}


def main() -> None:
    """Write the golden files anew."""
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = golden(Path(folder))
    for path in GOLDEN.iterdir():
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (GOLDEN / name).write_bytes(content)
    print(f"{GOLDEN}: {len(made)} files written")


if __name__ == "__main__":
    main()
