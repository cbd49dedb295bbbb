"""`smallclaims tasks NAME`: a task by itself, counted once, and what judges get for nothing."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli import app

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMALLCLAIMS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tasks(name: str) -> Result:
    return CliRunner().invoke(app, ["tasks", name])


def own(path: Path, n: int = 30) -> Path:
    """Two domains, the longer response wins in the first one alone; two annotators and retests."""
    rows = []
    for i in range(n):
        longer = int(i % 2 == 0)
        labels = [
            {"annotator": "ann", "preferred": 1 if longer else 0},
            {"annotator": "ben", "preferred": 0 if i % 5 == 4 else (1 if longer else 0)},
        ]
        rows.append(
            {
                "id": f"i{i}",
                "domain": "math" if longer else "code",
                "prompt": [{"role": "user", "content": f"question {i}"}],
                "responses": [
                    {"id": "a", "text": "short", "model": "gpt-4"},
                    {"id": "b", "text": "much longer", "model": "vicuna-13b"},
                ],
                "labels": labels,
                "retests": [{"annotator": "ann", "preferred": 1}] if i < 4 else [],
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_counts_agreement_nulls_and_the_file_of_items(cache: Path, tmp_path: Path) -> None:
    path = own(tmp_path / "own.jsonl")
    ran = tasks(f"jsonl:{path}")
    assert ran.exit_code == 0, ran.output
    for line in (
        "items:       30; prompts 30, clusters 30, references 0, writers 2",
        "domains:     code 15, math 15",
        "families:    gpt 30, llama 30",
        "labels:      60 by 2 annotators",
        "retests:     4 second answers, the same as the first .500",
    ):
        assert line in ran.stdout, ran.stdout
    (kept,) = (cache / "profiles").glob("*.json")
    found = json.loads(kept.read_text())
    of = {(r["judge"], r["group"]): r["mean"] for r in found["null_judges"]}
    # On "code" ben differs from ann in one of five items, and the short response is ann's.
    assert of["longest", "math"] == pytest.approx((15 - 3 * 0.5) / 15)
    assert of["longest", "code"] == 0
    assert of["shortest", "code"] == 1
    assert found["people"]["n_retests"] == 4
    with kept.with_suffix(".items.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert rows[4]["stratum"] == "split"
    assert (rows[0]["stratum"], rows[0]["reliability"], rows[0]["retest"]) == (
        "unanimous",
        "0.75",
        "1.0",
    )


def test_it_is_counted_once_for_a_revision(cache: Path, tmp_path: Path) -> None:
    path = own(tmp_path / "own.jsonl")
    first, second = tasks(f"jsonl:{path}"), tasks(f"jsonl:{path}")
    assert "once; it is kept in" in first.stderr
    assert second.stderr == ""
    assert second.stdout == first.stdout
    own(path, n=20)
    assert "once; it is kept in" in tasks(f"jsonl:{path}").stderr


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"counts": {}}'])
def test_a_broken_profile_is_counted_again(cache: Path, tmp_path: Path, broken: str) -> None:
    path = own(tmp_path / "own.jsonl")
    first = tasks(f"jsonl:{path}")
    (kept,) = (cache / "profiles").glob("*.json")
    kept.write_text(broken)
    again = tasks(f"jsonl:{path}")
    assert "once; it is kept in" in again.stderr
    assert again.stdout == first.stdout


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLCLAIMS_CACHE", "/proc/nowhere")
    ran = tasks(f"jsonl:{own(tmp_path / 'own.jsonl')}")
    assert ran.exit_code == 2
    assert "Set SMALLCLAIMS_CACHE to a folder that can" in ran.stderr


def test_a_set_that_cannot_be_had_still_shows_its_card(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("SMALLCLAIMS_MIRROR", raising=False)
    ran = tasks("rmbench")
    assert ran.exit_code == 2
    assert "licence:" in ran.stdout
    assert "its items cannot be counted here: THU-KEG/RM-Bench cannot be had" in ran.stderr
    assert not cache.exists()


@needs_mirror
def test_a_set_without_labels_has_no_scores(cache: Path) -> None:
    ran = tasks("qlora_vicuna")
    assert ran.exit_code == 0, ran.output
    assert "No item has a label that decides" in ran.stdout


@needs_mirror
def test_published_figures_of_real_sets(cache: Path) -> None:
    for name, judge, mean in (("llmbar", "longest", 0.272), ("evouna", "longest", 0.688)):
        assert tasks(name).exit_code == 0
        (kept,) = (cache / "profiles").glob(f"{name}-*.json")
        rows = json.loads(kept.read_text())["null_judges"]
        (row,) = (r for r in rows if r["judge"] == judge and r["scope"] == "overall")
        assert row["mean"] == pytest.approx(mean, abs=5e-4)
