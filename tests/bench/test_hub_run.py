"""A run on a set of the hub, as people type it: what was resolved stands in the manifest, what was
asked for in the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hub import Hub
from typer.testing import CliRunner

from bench.cli import app

REPO = "THU-KEG/RM-Bench"


def rows(first: str) -> bytes:
    """Two prompts a domain; the right answer is the longer one in its detailed styles only."""
    made = [
        {
            "id": n,
            "prompt": f"{first} {domain} {n}",
            "chosen": ["yes", f"yes, and at length {n}", f"**yes**, and at length {n}"],
            "rejected": ["no it is", "no, nothing", "**no**, nothing"],
            "domain": domain,
        }
        for domain in ("chat", "code", "math", "safety-refuse", "safety-response")
        for n in range(2)
    ]
    return json.dumps(made).encode()


def run(*args: str) -> dict[str, object]:
    out = args[args.index("--out") + 1]
    done = CliRunner().invoke(app, ["run", *args])
    assert done.exit_code == 0, done.output
    manifest: dict[str, object] = json.loads((Path(out) / "manifest.json").read_text())
    return manifest


def test_the_revision_that_was_resolved_and_the_one_that_was_pinned(
    hub: Hub, tmp_path: Path
) -> None:
    old = hub.put(REPO, {"total_dataset.json": rows("old")})
    new = hub.put(REPO, {"total_dataset.json": rows("new")})
    asked = ("--judges", "longest", "--tasks", "rmbench")
    manifest = run(*asked, "--out", str(tmp_path / "newest"))
    assert manifest["tasks"][0]["revision"] == new
    pinned = ("--revision", f"rmbench={old}", "--out", str(tmp_path / "pinned"))
    manifest = run(*asked, *pinned)
    assert manifest["tasks"][0]["revision"] == old
    again = ("--plan", str(tmp_path / "pinned/plan.json"), "--out", str(tmp_path / "again"))
    assert run(*again)["items_key"] == manifest["items_key"]


def test_the_official_score_stands_in_its_table(hub: Hub, tmp_path: Path) -> None:
    hub.put(REPO, {"total_dataset.json": rows("some")})
    out = tmp_path / "run"
    run("--judges", "longest", "--tasks", "rmbench", "--out", str(out))
    table = pd.read_csv(out / "tables/official.csv")
    mine = table[(table.judge == "longest") & (table.reading == "official")]
    score = mine.set_index(["scope", "group"]).score
    # Wins where the right answer is detailed, of whatever style the wrong one is: two rows of three
    # in the matrix. Below its diagonal all three cells are won, above it one, on it two.
    whole = {k: v for k, v in score.items() if "overall" in k}
    assert pytest.approx(2 / 3, abs=1e-6) in list(whole.values()), score


def test_a_typo_and_no_network_are_told_in_a_line(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.types import BenchError

    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    out = ("--out", str(tmp_path / "run"))
    for task, said in (("rmbnch", "Did you mean rmbench"), ("rmbench", "SMALLCLAIMS_MIRROR")):
        ran = CliRunner().invoke(app, ["run", "--judges", "longest", "--tasks", task, *out])
        assert isinstance(ran.exception, BenchError)
        assert said in str(ran.exception)
    assert not (tmp_path / "run").exists()
