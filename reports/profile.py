"""A task by itself: counts, lengths, how far people agree, and what judges get for nothing.

Computed once for a revision of a set, by the same way through plan, ledger and tables that every
judge takes, and kept in the cache as `NAME.json`, beside `NAME.items.csv` with the reliability of
each item's label.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.ledger import Ledger
from bench.model_families import family
from bench.outcome import top_set
from bench.plan import Plan, sample
from bench.prepare import NULL_JUDGES, distinct_items
from bench.registry import make_judge
from bench.runner import Limits, carry_out
from bench.spec import parse_spec
from bench.stats import cluster_wilson
from bench.stats.label_reliability import label_reliability
from bench.types import BenchError, Context, Item, Task, content_key
from reports.data import data_table
from reports.readings import retest_tops
from reports.scores import score_rows
from reports.study import Study

FORMAT = 1  # of what is kept: raised when it would say something else
MOST = 20_000
"""Items that judges and annotators are compared on; a larger set is sampled."""

PARTS = ("counts", "lengths", "label_agreement", "compared_items", "people", "null_judges")
Profile = dict[str, Any]
"""JSON values at these `PARTS`."""


def profile(task: Task, cache: Path, say: Callable[[str], None]) -> tuple[Profile, Path]:
    """The profile of a task and the file that it is kept in. Raises BenchError when the items
    cannot be had."""
    next(iter(task.items()), None)  # a set on the hub knows its revision once it is read
    name = re.sub(r"[^\w.=-]+", "-", task.card.name)
    key = content_key(task.card.name, task.card.revision, FORMAT, MOST, _code(task))
    path = cache / "profiles" / f"{name}-{key[:12]}.json"
    if (kept := _kept(path)) is not None:
        return kept, path
    say(f"counting {task.card.name}, once; it is kept in {path}")
    items = list(distinct_items(task))
    made = {
        "counts": _counts(items),
        "lengths": _lengths(items),
        "label_agreement": _label_agreement(items),
        **_judged(task, items, cache),
    }
    text = json.dumps(made, indent=1, sort_keys=True) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _save_items(items, path.with_suffix(".items.csv"))
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise BenchError(
            f"the cache folder {path.parent} cannot be written ({error.strerror}). Set "
            "SMALLCLAIMS_CACHE to a folder that can."
        ) from error
    found: Profile = json.loads(text)
    return found, path


def _code(task: Task) -> str:
    """A hash of the adapters' code, and of the task's own: a mended one counts anew."""
    own = inspect.getsourcefile(type(task))
    paths = [*Path(str(files("tasks"))).rglob("*.py"), *([Path(own)] if own else [])]
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _kept(path: Path) -> Profile | None:
    """What was counted before; None where there is nothing, or nothing whole."""
    try:
        found: Profile = json.loads(path.read_text(encoding="utf-8"))
        return found if set(PARTS) <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _counts(items: list[Item]) -> Profile:
    writers = Counter(r.model for item in items for r in item.responses if r.model)
    families = Counter(family(model) or "other" for model in writers.elements())
    return {
        "items": len(items),
        "prompts": len({item.prompt_key for item in items}),
        "clusters": len({item.cluster or item.prompt_key for item in items}),
        "responses": _histogram(len(item.responses) for item in items),
        "domains": _histogram(item.domain for item in items),
        "subsets": _histogram(item.subset for item in items if item.subset),
        "splits": _histogram(item.split for item in items),
        "votes": sum(len(item.labels) for item in items),
        "votes_per_item": _histogram(len(item.labels) for item in items),
        "annotators": len({label.annotator for item in items for label in item.labels}),
        "retests": sum(len(item.retests) for item in items),
        "references": sum(item.reference is not None for item in items),
        "writers": len(writers),
        "families": dict(families.most_common()),
        "strata": _histogram(_reliability(item).stratum for item in items),
    }


def _histogram(values: Iterable[Any]) -> dict[str, int]:
    counts = Counter(values)
    return {str(value): counts[value] for value in sorted(counts, key=str)}


def _label_agreement(items: list[Item]) -> Profile | None:
    """How often two annotators of an item put the same responses first, a tie being an answer like
    others: mean over the items that have two or more. None where none has."""
    agreement = np.array([_reliability(item).agreement for item in items])
    known = np.flatnonzero(~np.isnan(agreement))
    if not known.size:
        return None
    clusters = [items[i].cluster or items[i].prompt_key for i in known]
    return asdict(cluster_wilson(agreement[known], clusters))


def _lengths(items: list[Item]) -> Profile:
    """Characters of prompts and responses: 5 %, median, 95 %."""
    prompt = [sum(len(m.content) for m in item.prompt) for item in items]
    response = [len(r.text) for item in items for r in item.responses]
    return {
        "prompt_chars": _spread(prompt),
        "response_chars": _spread(response),
        "empty_responses": response.count(0),
    }


def _spread(values: list[int]) -> list[float]:
    return [float(q) for q in np.percentile(values, (5, 50, 95))]


def _judged(task: Task, items: list[Item], cache: Path) -> Profile:
    """Human agreement and the null judges, from a run of these judges in a ledger of its own."""
    shown = sample(items, MOST, 0)
    context = Context((task,), cache)
    judges = [make_judge(parse_spec(name), context) for name in NULL_JUDGES]
    if not any(r.model for item in shown for r in item.responses):
        judges = [judge for judge in judges if "model" not in judge.card.sees]
    plan = Plan(tuple(judge.card.name for judge in judges), (task.card.name,), limit=MOST)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(Path(folder) / "ledger.sqlite", write=True) as ledger,
    ):
        ledger.write_plan(plan, shown, [judge.card for judge in judges])
        limits = Limits(None, max_errors=1)
        carry_out(shown, judges, ledger, repeats=1, limits=limits, show=lambda progress: None)
        study = Study.of(ledger)
        data, scores = data_table(study), score_rows(study)
    kept = ["judge", "scope", "group", *(f"{m}{e}" for m in ("mean", "strict") for e in _ENDS)]
    rows = scores[scores.scope.isin(["overall", "domain"])][kept]
    return {
        "compared_items": len(shown),
        "people": _records(data[data.scope == "overall"])[0],
        "null_judges": _records(rows),
    }


_ENDS = ("", "_lo", "_hi")


def _records(frame: pd.DataFrame) -> list[Profile]:
    """Rows as JSON values: what is undefined is null."""
    records: list[Profile] = json.loads(frame.to_json(orient="records", double_precision=10))
    return records


def _reliability(item: Item) -> Any:
    return label_reliability([top_set(v.utilities) for v in item.labels], retest_tops(item))


def _save_items(items: list[Item], path: Path) -> None:
    """One row per item: its split and the reliability of its label."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for item in items:
            row = {"id": item.id, "domain": item.domain, "split": item.split}
            row |= asdict(_reliability(item))
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
