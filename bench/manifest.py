"""What it takes to run this again: versions, revisions, hashes, hardware. `manifest.json` stands
beside the ledger; no table is made from it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from bench.plan import Plan
from bench.prepare import Prepared
from bench.prices import price_date
from bench.types import content_key


def save(
    folder: Path,
    plan: Plan,
    prepared: Prepared,
    *,
    session: Mapping[str, Any] | None = None,
) -> None:
    """Write `manifest.json`, whole or not at all. What the plan is stands there once; every
    session that asked something keeps its own entry, since each may have run elsewhere. A session
    with a `started` that is there already replaces that entry."""
    path = folder / "manifest.json"
    sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"] if path.exists() else []
    if session is not None:
        sessions = [s for s in sessions if s["started"] != session["started"]] + [dict(session)]
    manifest = {
        "plan": asdict(plan),
        "plan_sha256": hashlib.sha256(plan.to_json().encode()).hexdigest(),
        "items_key": content_key([item.key for item in prepared.items]),
        "tasks": [asdict(task.card) for task in prepared.tasks],
        "left_out_as_trained_on": prepared.left_out,
        "training_sets": [
            {
                "judge": o.judge,
                "source": o.source,
                "shared": dict(Counter(o.shared.values())),
                "unknown": o.unknown,
            }
            for o in prepared.overlaps
        ],
        "judges": [
            {**asdict(judge.card), "identity": judge.card.identity} for judge in prepared.judges
        ],
        "price_date": price_date(),
        "sessions": sessions,
    }
    part = folder / "manifest.json.part"
    part.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def session(started: float, wall_s: float | None, threads: int | None) -> dict[str, Any]:
    """One session. `started`: seconds since the epoch. `wall_s`: seconds, preparation included;
    None while it runs, and for ever if it was killed. `threads`: as asked for."""
    return {
        "started": started,
        "wall_s": wall_s,
        "smallclaims": {"version": version("smallclaims"), **_git()},
        "hardware": _hardware(),
        "threads_asked": threads,
        "libraries": {d.name: d.version for d in sorted(distributions(), key=lambda d: d.name)},
    }


def _git() -> dict[str, Any]:
    """Revision of our own code when it runs from a checkout; None for an installed package."""
    here = Path(__file__).parent
    ask = ["git", "-C", str(here)]
    try:
        top = _output([*ask, "rev-parse", "--show-toplevel"])
        if Path(top).resolve() != here.parent.resolve():
            return {"git_revision": None, "git_dirty": None}
        dirty = bool(_output([*ask, "status", "--porcelain"]))
        return {"git_revision": _output([*ask, "rev-parse", "HEAD"]), "git_dirty": dirty}
    except (OSError, subprocess.CalledProcessError):
        return {"git_revision": None, "git_dirty": None}


def _output(command: list[str]) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _hardware() -> dict[str, Any]:
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    torch = sys.modules.get("torch")  # not loaded here only to be asked
    gpu = torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": memory and round(memory, 1),
        "gpu": gpu,
        "torch_threads": torch.get_num_threads() if torch else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
