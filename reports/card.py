"""The card of a judge, one page of Markdown: what it is, how far it agrees with humans, whom it may
replace, how it is swayed, what it costs, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from bench.ledger import Ledger
from bench.registry import choose
from bench.types import JudgeCard
from reports.card_replaces import replaces
from reports.card_scores import cost, scores, swayed
from reports.examples import examples, modes
from reports.marked import block, code, escape, table
from reports.names import plain_name
from reports.numbers import interval, size_text
from reports.short.short import records
from reports.study import INCOMPLETE, Study, nature
from reports.tables import build

Tables = Mapping[str, pd.DataFrame]


def save(ledger: Ledger, judge: str, folder: Path) -> tuple[str, Path]:
    """Write the card of `judge` into `folder`, whole or not at all; its text and its path. Raises
    BenchError with near names for a judge that the run does not have."""
    names = [card.name for card in ledger.judges()]
    if names and judge not in names:
        raise choose("judge of this run", judge, names)
    text = card(ledger, judge)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plain_name(judge)}.md"
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return text, path


def card(ledger: Ledger, judge: str) -> str:
    """The text. `judge`: a name of the run."""
    study = Study.of(ledger)
    tables = build(ledger, study)
    (about,) = (c for c in study.cards if c.name == judge)
    rows = tables["leaderboard"]
    tasks = [str(task) for task in rows[rows.judge == judge].task.unique()]
    parts = [
        f"# {escape(judge)}",
        *([escape(about.description)] if about.description else []),
        *(f"**{escape(line)}**" for line in _warnings(tables, judge)),
        *_what_it_is(about),
        *_trained_on(about, tables),
        *scores(tables, judge, tasks),
        *replaces(study, tables, about, tasks),
        *swayed(tables, judge, tasks),
        *cost(tables["cost"], judge),
        *_failures(ledger, study, about),
    ]
    return "\n\n".join(parts) + "\n"


def _warnings(tables: Tables, judge: str) -> Iterator[str]:
    found = tables["leaderboard"]
    mine = records(found[(found.judge == judge) & (found.scope == "overall")])
    if not mine:
        yield "It was shown no item of this run."
    for row in mine:
        if (lost := row["error"] + row["not_run"]) > INCOMPLETE:
            yield (
                f"Incomplete: on {row['task']} {lost:.1%} of its showings have no answer. Its "
                "numbers stand on the others, and nothing is tested."
            )


def _what_it_is(about: JudgeCard) -> Iterator[str]:
    price = about.usd_per_mtok
    facts = {
        "kind": f"{about.kind}, {nature(about)}" if nature(about) != about.kind else about.kind,
        "model": about.model,
        "revision": about.revision,
        "size": about.parameters and f"{size_text(about.parameters)} weights",
        "licence": about.licence,
        "asked": ", ".join(about.protocols) + _orders(about),
        "sees": ", ".join(about.sees),
        "samples": about.samples if about.samples > 1 else None,
        "context": about.context and f"{about.context:,} tokens",
        "kin": ", ".join(about.families),
        **dict(sorted(about.settings.items())),
        "price": price
        and f"${price[0]:g} / {price[1]:g} / {price[2]:g} per million tokens "
        "(input / cached / output)",
        "machine": about.usd_per_hour and f"${about.usd_per_hour:g} an hour",
        "identity": about.identity,
    }
    known = ((escape(name), code(str(v))) for name, v in facts.items() if v not in (None, "", 0))
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
        if row["not_compared"]:
            lines.append(
                f"{row['task']}: {row['not_compared']} could not be had, so whether it has seen "
                "these items is not known."
            )
        else:
            lines.append(
                f"{row['task']}: {row['n_same_prompt']:,} of {row['n_items']:,} items share their "
                f"prompt with it, {row['n_same_words']:,} more have thirteen words in a row in "
                f"common; mean with them {interval(row, 'mean_with')}, without "
                f"{interval(row, 'mean_without')}."
            )
    yield "\n".join(f"- {escape(line)}" for line in lines)


def _failures(ledger: Ledger, study: Study, about: JudgeCard) -> Iterator[str]:
    if nature(about) == "null":
        return
    yield "## How it fails"
    failing = modes(study, about.name)
    yield "; ".join(f"{mode.name}: {len(mode.items):,} items" for mode in failing) + (
        ". Some of them, texts cut. Responses are numbered from 0, as in the item; a reply counts "
        "in its own way, in the order shown."
    )
    for example in examples(ledger, study, about.name, failing):
        item = example.item
        what = f"{example.what[0].upper()}{example.what[1:]}"
        yield f"**{what}.** {escape(f'{item.task}, {item.domain}, item {item.id}')}"
        yield block(example.text)
