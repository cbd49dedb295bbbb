"""Where a page comes from: when, from what, with which versions, and how to make it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.ledger import Ledger


@dataclass(frozen=True)
class Origin:
    """`facts`: (name, words). `sets`: of every task (name, facts). `commands`: what makes the page
    again, and checks it; they name the run's folder as the ledger was opened in it."""

    facts: list[tuple[str, str]]
    sets: list[tuple[str, list[tuple[str, str]]]]
    commands: list[str]


def origin(ledger: Ledger) -> Origin:
    """From the ledger, and from the manifest beside it if that can be read."""
    plan = ledger.plan()
    started = [at for _, at, *_ in ledger.sessions()]
    manifest = _manifest(ledger)
    facts = [
        ("asked", f"{_day(min(started))} to {_day(max(started))} (UTC)" if started else ""),
        ("judges", ", ".join(plan.judges)),
        ("tasks", ", ".join(plan.tasks)),
        ("items a task", "all" if plan.limit is None else f"{plan.limit:,} at the most"),
        ("seed", str(plan.seed)),
        ("showings of each order", str(plan.repeats)),
        *_versions(manifest),
    ]
    name = shlex.quote(str(ledger.path.parent))
    commands = [
        f"smallclaims report {name}",
        f"smallclaims compare {name}",
        f"smallclaims check {name}",
    ]
    return Origin([(k, v) for k, v in facts if v], _sets(manifest), commands)


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _manifest(ledger: Ledger) -> Mapping[str, Any]:
    try:
        text = ledger.path.with_name("manifest.json").read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _versions(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    sessions = manifest.get("sessions") or [{}]
    last = sessions[-1]
    own, machine = last.get("smallclaims", {}), last.get("hardware", {})
    revision = own.get("git_revision")
    changed = ", with changes" if own.get("git_dirty") else ""
    known = (
        machine.get("processor"),
        f"{machine['cores']} cores" if machine.get("cores") else None,
        machine.get("gpu"),
        machine.get("platform"),
    )
    return [
        ("smallclaims", f"{own['version']}{f' ({revision[:12]}{changed})' if revision else ''}"
         if own.get("version") else ""),
        ("Python", str(machine.get("python", ""))),
        ("machine", ", ".join(str(fact) for fact in known if fact)),
        ("prices of", str(manifest.get("price_date", ""))),
        ("plan", str(manifest.get("plan_sha256", ""))),
        ("items", str(manifest.get("items_key", ""))),
    ]  # fmt: skip


def _sets(manifest: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Cards of the tasks."""
    names = ("title", "labels", "licence", "revision", "url", "citation")
    sets = []
    for card in manifest.get("tasks", []):
        facts = [(name, str(card[name])) for name in names if card.get(name)]
        facts += [("beware", str(trap)) for trap in card.get("traps", ())]
        sets.append((str(card.get("name", "")), facts))
    return sets
