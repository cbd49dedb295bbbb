"""The card of a judge, one page of Markdown: what it is, how far it agrees with the labels, whom
it may replace, how it is swayed, what it costs, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from bench.ledger import Ledger
from bench.registry import choose
from bench.types import JudgeCard
from reports import overlap
from reports.card_replaces import replaces
from reports.card_scores import cost, scores, swayed, unanswered
from reports.examples import examples, modes
from reports.marked import block, code, escape, table
from reports.names import plain_name
from reports.numbers import size_text
from reports.readings import LOST
from reports.short.short import counted, records
from reports.study import INCOMPLETE, Study, nature
from reports.tables import build

Tables = Mapping[str, pd.DataFrame]


def save(text: str, judge: str, folder: Path) -> Path:
    """Write the card of `judge` into `folder`, whole or not at all; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plain_name(judge)}.md"
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path


def card(ledger: Ledger, judge: str) -> str:
    """The text. Raises BenchError with near names for a judge that the run does not have."""
    names = [card.name for card in ledger.judges()]
    if names and judge not in names:
        raise choose("judge of this run", judge, names)
    study = Study.of(ledger)
    tables = build(ledger, study)
    (about,) = (c for c in study.cards if c.name == judge)
    rows = tables["leaderboard"]
    tasks = [str(task) for task in rows[rows.judge == judge].task.unique()]
    silent = study.lost(judge, study.readings[judge].asked()) == 1
    parts = [
        f"# {escape(judge)}",
        *([escape(about.description)] if about.description else []),
        *(f"**{escape(line)}**" for line in _warnings(tables, judge, silent)),
        *_what_it_is(about),
        *_trained_on(about, tables),
    ]
    if not silent:  # else there is nothing to tell
        parts += [
            *scores(tables, judge, tasks),
            *replaces(study, tables, about, tasks),
            *swayed(tables, judge, tasks),
            *cost(tables["cost"], judge),
            *_failures(ledger, study, about),
        ]
    return "\n\n".join(parts) + "\n"


def _warnings(tables: Tables, judge: str, silent: bool) -> Iterator[str]:
    """`silent`: none of its showings has an answer."""
    found = tables["leaderboard"]
    mine = records(found[(found.judge == judge) & (found.scope == "overall")])
    if not mine:
        yield "It was shown no item of this run."
    if silent:
        counts = {what: sum(round(row[what] * row["n_showings"]) for row in mine) for what in LOST}
        told = ", ".join(f"{what.replace('_', ' ')} {n:,}" for what, n in counts.items())
        yield f"No answer to any of its showings: {told}. It has no scores, and nothing is tested."
        return
    for row in mine:
        if (lost := unanswered(row)) > INCOMPLETE:
            yield (
                f"Incomplete: on {row['task']} {lost:.1%} of its showings have no answer. Its "
                "numbers stand on the others, and nothing is tested."
            )


def _what_it_is(about: JudgeCard) -> Iterator[str]:
    price = about.usd_per_mtok
    size, context, hour = about.parameters, about.context, about.usd_per_hour
    facts: dict[str, object] = {
        "kind": f"{about.kind}, {nature(about)}" if nature(about) != about.kind else about.kind,
        "model": about.model,
        "revision": about.revision,
        "size": None if size is None else f"{size_text(size)} weights",
        "licence": about.licence,
        "asked": ", ".join(about.protocols) + _orders(about),
        "sees": ", ".join(about.sees),
        "samples": about.samples if about.samples > 1 else None,
        "context": None if context is None else f"{context:,} tokens",
        "kin": ", ".join(about.families),
        "price": price
        and f"${price[0]:g} / {price[1]:g} / {price[2]:g} per million tokens "
        "(input / cached / output)",
        "machine": None if hour is None else f"${hour:g} an hour",
        "identity": about.identity,
    }
    settings = (
        (f"{name} (setting)" if name in facts else name, value)
        for name, value in sorted(about.settings.items())
    )
    told = ((name, v) for name, v in (*facts.items(), *settings) if v is not None and v != "")
    known = ((escape(name), code(str(v))) for name, v in told)
    yield "## What it is\n\n" + table(("", ""), known, 2).rstrip()


def _orders(about: JudgeCard) -> str:
    if about.order_free:
        return "; the order cannot matter"
    return "; in the items' own order alone" if about.orders == "first" else "; in every order"


def _trained_on(about: JudgeCard, tables: Tables) -> Iterator[str]:
    if not about.trained:
        yield "- Not trained to judge."
        return
    lines = [f"Trained on: {', '.join(about.trained_on) or 'its card does not say'}."]
    found = tables["overlap"]
    for row in records(found[(found.judge == about.name) & (found.scope == "overall")]):
        said = list(overlap.told(row)) or [
            "none of these items shares a prompt, or thirteen words in a row, with it"
        ]
        lines += [f"{row['task']}: {line}." for line in said]
    yield "\n".join(f"- {escape(line)}" for line in lines)


def _failures(ledger: Ledger, study: Study, about: JudgeCard) -> Iterator[str]:
    if nature(about) == "null":
        return
    yield "## How it fails"
    failing = modes(study, about.name)
    yield "; ".join(f"{mode.name}: {counted(len(mode.items), 'item')}" for mode in failing) + (
        ". Some of them, texts cut. Responses are numbered from 0, as in the item; a reply counts "
        "in its own way, in the order shown."
    )
    for example in examples(ledger, study, about.name, failing):
        item = example.item
        what = f"{example.what[0].upper()}{example.what[1:]}"
        yield f"**{what}.** {escape(f'{item.task}, {item.domain}, item {item.id}')}"
        yield block(example.text)
