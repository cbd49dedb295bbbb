"""Published figures, recomputed from the authors' recorded verdicts through plan and ledger."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.ledger import Ledger
from bench.stats import cohen_kappa
from reports.read import read
from reports.readings import ItemTable
from reports.tables import build

LLMBAR = "github.com/princeton-nlp/LLMBar/900616bff90b6c6c8e1681f7d079250637c55992/Dataset/LLMBar"
SUBSETS = {
    "Natural": "Natural",
    **{s: f"Adversarial/{s}" for s in ("Neighbor", "GPTInst", "GPTOut", "Manual")},
}
GPT4 = "replay:llmbar/GPT-4/Vanilla"


def run(judges: str, tasks: str, folder: Path) -> Path:
    """What a user types; the ledger that it leaves."""
    arguments = ["run", "--judges", judges, "--tasks", tasks, "--out", str(folder)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return folder / "ledger.sqlite"


def published(mirror: Path) -> dict[tuple[str, str, str], dict[str, object]]:
    """(model, prompt, subset) -> the authors' statistics, of all files that they publish."""
    found = {}
    for subset, folder in SUBSETS.items():
        for file in sorted((mirror / LLMBAR / folder / "evaluators").glob("*/*/statistics.json")):
            found[file.parts[-3], file.parts[-2], subset] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="module")
def llmbar(mirror: Path, tmp_path_factory) -> Path:
    sources = sorted({(model, prompt) for model, prompt, _ in published(mirror)})
    judges = ",".join(f"replay:llmbar/{model}/{prompt}" for model, prompt in sources)
    return run(judges, "llmbar", tmp_path_factory.mktemp("llmbar"))


def test_llmbar_accuracies_are_the_authors_in_every_file_and_order(mirror, llmbar) -> None:
    statistics = published(mirror)
    assert len(statistics) == 110
    with Ledger(llmbar) as ledger:
        table = ItemTable(ledger.items())
        results = build(ledger)["domains"].set_index(["scope", "group", "judge"])
        subset = np.array([item.subset for item in table.items])
        cards = {card.name: card for card in ledger.judges()}
        for (model, prompt, name), authors in statistics.items():
            judge = f"replay:llmbar/{model}/{prompt}"
            count = {
                k: int(str(authors[k]).split(" / ")[0]) for k in authors if " / " in str(authors[k])
            }
            reading = read(ledger, cards[judge], table)
            here = subset == name
            assert reading.scores("first")[here].sum() == count["correct_False"]
            assert reading.scores("strict")[here].sum() == count["correct_both"]
            row = results.loc["subset", name, judge]
            n = here.sum()
            mean = (count["correct_False"] + count["correct_True"]) / (2 * n)
            assert row["mean"] == pytest.approx(mean, abs=1e-9)
            assert row["strict"] == pytest.approx(count["correct_both"] / n, abs=1e-9)


def test_llmbar_kappas_are_mended(mirror, llmbar) -> None:
    """The authors' files say .270 on Natural at 95.5 % accuracy: gold and verdicts were coded
    differently there."""
    with Ledger(llmbar) as ledger:
        table = ItemTable(ledger.items())
        (card,) = (card for card in ledger.judges() if card.name == GPT4)
        reading = read(ledger, card, table)
        results = build(ledger)["domains"].set_index(["scope", "group", "judge"])
    item, judge = reading.pair_verdicts()
    human = np.where(table.vote_top[item] == 1, 1, -1)
    subset = np.array([i.subset for i in table.items])[item]
    kappas = {
        name: cohen_kappa((judge[subset == name] < 0) * 1, (human[subset == name] < 0) * 1, 2)
        for name in SUBSETS
    }
    assert {name: round(k.estimate, 3) for name, k in kappas.items()} == {
        "Natural": 0.908,
        "Neighbor": 0.571,
        "GPTInst": 0.729,
        "GPTOut": 0.558,
        "Manual": 0.607,
    }
    assert results.loc["subset", "Natural", GPT4].kappa == pytest.approx(0.910, abs=5e-4)
    authors = published(mirror)["GPT-4", "Vanilla", "Natural"]
    assert authors["kappa_average"] == pytest.approx(0.270, abs=5e-4)


def test_pandalm_trained_against_prompted(mirror, tmp_path: Path) -> None:
    path = run("pandalm-7b,gpt-3.5-turbo-pandalm", "pandalm", tmp_path)
    with Ledger(path) as ledger:
        tables = build(ledger)
    kappas = tables["annotators"].kappa.round(3).tolist()
    assert kappas == [0.852, 0.879, 0.862]
    # Every two annotators agree in .920 of their votes, ties a class.
    assert tables["annotators"].agreement.mean() == pytest.approx(0.920, abs=5e-4)
    assert tables["data"].human_agreement.iloc[0] == pytest.approx(0.949, abs=5e-4)
    pairs = tables["pairs"]
    row = pairs[(pairs.why == "trained against prompted") & (pairs.scope == "overall")].iloc[0]
    assert (row.judge, row.against) == ("pandalm-7b", "gpt-3.5-turbo-pandalm")
    assert row.difference_lo < row.difference < row.difference_hi
    results = tables["leaderboard"].set_index(["scope", "judge"])
    mean = results["mean"]
    assert row.difference == pytest.approx(
        mean["overall", "pandalm-7b"] - mean["overall", "gpt-3.5-turbo-pandalm"]
    )
    assert results.loc[("overall", "gpt-3.5-turbo-pandalm"), "unparsed"] == pytest.approx(25 / 999)
    assert tables["cost"].judgments_per_s.isna().tolist()[:2] == [True, True]
    assert tables["data"].n_prompts.iloc[0] == 170


def test_qlora_position_and_transitivity_of_gpt_4(mirror, tmp_path: Path) -> None:
    """Counts of the recorded verdicts; nobody published them."""
    with Ledger(run("gpt-4-vicuna", "qlora_vicuna", tmp_path)) as ledger:
        tables = build(ledger)
    swaps = tables["position"].set_index(["scope", "judge"]).loc[("pooled", "gpt-4-vicuna")]
    assert (swaps.n_pairs, swaps.n_prompts, swaps.n_unparsed) == (2240, 80, 13)
    assert swaps.FS + swaps.SF + swaps.TT == 1367
    assert swaps.FF + swaps.SS == 456
    assert swaps.flip_rate == pytest.approx(1 - 1367 / 2227)
    assert swaps.first_slot_lo > 0.6, "it leans to what it is shown first"
    assert swaps.primacy_share == pytest.approx(797 / 860)
    cycles = tables["transitivity"].set_index("judge")
    gpt, coin = cycles.loc["gpt-4-vicuna"], cycles.loc["random"]
    assert gpt[["order", "cycle", "chain", "shared", "split", "equal"]].sum() == 80 * 56
    assert gpt.cycles_hi < 0.01
    assert coin.cycles_lo < 0.25 < coin.cycles_hi, "a coin without ties makes cycles of a quarter"
    assert tables["leaderboard"].mean_status.unique().tolist() == ["not_applicable"]
