"""WMT side-by-side MQM from the authors' table: pairs, penalties, agreement, retests."""

from __future__ import annotations

import csv
import itertools
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import spearmanr

from bench.spec import parse_spec
from bench.types import BenchError, Item, Label
from tasks.wmt_sxs import ARCHIVE, COMMIT, WmtSxs, make

needs_mirror = pytest.mark.skipif(
    "SMALLCLAIMS_MIRROR" not in os.environ, reason="SMALLCLAIMS_MIRROR is not set"
)
GPT4 = ("GPT4-5shot_with_ONLINE-W", "GPT4-5shot_with_refA")
UNWEIGHED = ("Source issue", "Accuracy/Creative Reinterpretation")
HEAD = ["system", "doc", "docSegId", "globalSegId", "rater"]
HEAD += ["source", "target", "category", "severity", "metadata"]


def weight(category: str, severity: str, unweighed: tuple[str, ...] = UNWEIGHED) -> float:
    """The standard MQM weights."""
    if category in unweighed or severity not in ("Major", "Minor"):
        return 0
    if category.startswith("Non-translation"):
        return 25
    if severity == "Major":
        return 5
    return 0.1 if category == "Fluency/Punctuation" else 1


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(WmtSxs().items())


@pytest.fixture(scope="module")
def table(mirror: Path) -> pd.DataFrame:
    """Rows of the file, with columns of our own: parsed metadata, weight, plain text."""
    path = mirror / f"github.com/google/wmt-mqm-human-evaluation/{COMMIT}/{ARCHIVE}"
    with tarfile.open(path) as archive:
        (member,) = archive.getmembers()
        frame = pd.read_csv(
            archive.extractfile(member),  # type: ignore[arg-type]
            sep="\t",
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            dtype=str,
            usecols=range(len(HEAD)),
        )
    assert list(frame) == HEAD
    frame["about"] = [json.loads(text) for text in frame["metadata"]]
    frame["weight"] = [weight(*x) for x in zip(frame["category"], frame["severity"], strict=True)]
    for column in ("source", "target"):
        plain = frame[column].str.replace("<v>", "").str.replace("</v>", "")
        frame[column] = plain.str.strip()
    return frame


Penalties = dict[tuple[str, str, str], float]


def penalties(table: pd.DataFrame, unweighed: tuple[str, ...] = UNWEIGHED) -> Penalties:
    """(segment, rater, system) -> its penalty, rounded so that equal ones are equal."""
    weights = [
        weight(*x, unweighed) for x in zip(table["category"], table["severity"], strict=True)
    ]
    sums = table.assign(w=weights).groupby(["globalSegId", "rater", "system"])["w"].sum()
    return {key: round(float(value), 1) for key, value in sums.items()}  # type: ignore[misc]


def systems(item: Item) -> tuple[str, str]:
    """The names in the table: GPT-4's has that of its partner in it."""
    left, right = (response.model or "" for response in item.responses)
    if left.startswith("GPT4"):
        return f"{left}_with_{right}", right
    return left, f"{right}_with_{left}" if right.startswith("GPT4") else right


def sign(label: Label) -> int:
    left, right = label.utilities
    return (left > right) - (left < right)


@needs_mirror
def test_pairs_are_what_the_raters_saw_together(items: list[Item], table: pd.DataFrame) -> None:
    """Two sides of one showing have events at the same instant in their logs of timing, and no
    other two systems do."""
    instants: dict[tuple[str, str], dict[str, set[int]]] = {}
    for row in table.itertuples():
        logs = (entry for event in row.about["timing"].values() for entry in event.get("log", []))
        of_rater = instants.setdefault((row.globalSegId, row.rater), {})
        of_rater.setdefault(row.system, set()).update(entry["ts"] for entry in logs)
    together = Counter[frozenset[str]]()
    for by_system in instants.values():
        for one, other in itertools.combinations(by_system, 2):
            together[frozenset((one, other))] += bool(by_system[one] & by_system[other])
    pairs = {frozenset(systems(item)) for item in items}
    assert {pair for pair, count in together.items() if count} == pairs
    assert len(pairs) == 5
    assert all(together[pair] >= 311 for pair in pairs)  # of 312
    sides = {(row.system, side) for row in table.itertuples() if (side := row.about.get("side"))}
    for item in items:
        assert {(systems(item)[0], 1), (systems(item)[1], 2)} <= sides
    assert len(sides) == 10


@needs_mirror
def test_weights_are_those_of_the_scores_in_the_file(table: pd.DataFrame) -> None:
    """Metadata carry the mean penalty over raters of each text; of GPT-4's, shown twice, the sum
    of both."""
    sums = table.groupby(["globalSegId", "system"])["weight"].sum() / 3
    recorded = {
        (row.globalSegId, row.system): row.about["segment"]["metrics"]["MQM"]
        for row in table.itertuples()
        if "segment" in row.about
    }
    assert len(recorded) == 1040
    for (segment, system), mqm in recorded.items():
        counted = GPT4 if system in GPT4 else (system,)
        assert sum(sums[segment, each] for each in counted) == pytest.approx(mqm)


@needs_mirror
def test_items_say_what_the_table_says(items: list[Item], table: pd.DataFrame) -> None:
    sums = penalties(table)
    clean = table[table["severity"] != "HOTW-test"]
    assert len(table) - len(clean) == 245
    assert (table["category"].isin(["Found", "Missed"]) == (table["severity"] == "HOTW-test")).all()
    texts = clean.groupby(["globalSegId", "system"])["target"].agg(set)
    raters = clean.groupby("globalSegId")["rater"].agg(set)
    segments = clean.drop_duplicates("globalSegId").set_index("globalSegId")
    assert len(items) == len({item.id for item in items}) == 520
    assert len(segments) == 104
    for item in items:
        number = item.id.split("/")[1]
        assert [{r.text} for r in item.responses] == [texts[number, s] for s in systems(item)]
        assert item.prompt[0].content.endswith("\n\n" + segments.loc[number, "source"])
        assert {label.annotator for label in item.labels} == raters[number]
        assert item.cluster == segments.loc[number, "doc"]
        for label in item.labels:
            found = tuple(-sums[number, label.annotator, system] for system in systems(item))
            assert label.utilities == found
        reference = None if "refA" in systems(item) else {*texts[number, "refA"]}.pop()
        assert item.reference == reference
    assert {len(item.labels) for item in items} == {3}
    assert len({label.annotator for item in items for label in item.labels}) == 10
    assert len({item.cluster for item in items}) == 30
    assert {item.domain for item in items} == {"translation"}
    assert not any("<v>" in r.text or "</v>" in r.text for item in items for r in item.responses)


@needs_mirror
@pytest.mark.parametrize(
    ("unweighed", "with_ties", "both_decide", "ties"),
    [(UNWEIGHED, 0.576, 0.676, 424), ((), 0.571, 0.674, 413)],
    ids=["as in the file's scores", "every mark"],
)
def test_raters_agree_as_in_the_card(
    items: list[Item],
    table: pd.DataFrame,
    unweighed: tuple[str, ...],
    with_ties: float,
    both_decide: float,
    ties: int,
) -> None:
    """Counted from the table; the labels are those of the first case."""
    sums = penalties(table, unweighed)
    raters = table.groupby("globalSegId")["rater"].unique()
    votes = []
    for item in items:
        number = item.id.split("/")[1]
        given = [[sums[number, who, s] for s in systems(item)] for who in raters[number]]
        votes.append([(left < right) - (left > right) for left, right in given])
    pairs = [pair for three in votes for pair in itertools.combinations(three, 2)]
    decided = [pair for pair in pairs if all(pair)]
    assert sum(a == b for a, b in pairs) / len(pairs) == pytest.approx(with_ties, abs=5e-4)
    assert sum(a == b for a, b in decided) / len(decided) == pytest.approx(both_decide, abs=5e-4)
    assert sum(vote == 0 for three in votes for vote in three) == ties
    if unweighed:
        assert [[sign(label) for label in item.labels] for item in items] == votes


@needs_mirror
def test_retests_are_the_other_rating_of_gpt4(items: list[Item], table: pd.DataFrame) -> None:
    sums = penalties(table)
    same, checked = [], 0
    for item in items:
        number = item.id.split("/")[1]
        twice = [i for i, system in enumerate(systems(item)) if system in GPT4]
        assert bool(twice) == bool(item.retests)
        for first, again in zip(item.labels, item.retests, strict=True) if twice else ():
            (at,) = twice
            (other,) = {*GPT4} - {systems(item)[at]}
            assert again.annotator == first.annotator
            assert again.utilities[1 - at] == first.utilities[1 - at]
            assert again.utilities[at] == -sums[number, again.annotator, other]
            same.append(sign(first) == sign(again))
            checked += 1
    assert checked == 624
    assert sum(same) / 624 == pytest.approx(0.853, abs=5e-4)
    ratings = {key[:2]: (sums[(*key[:2], GPT4[0])], sums[(*key[:2], GPT4[1])]) for key in sums}
    assert len(ratings) == 312
    equal = sum(one == other for one, other in ratings.values())
    assert equal / 312 == pytest.approx(0.609, abs=5e-4)
    assert spearmanr(*zip(*ratings.values(), strict=True)).statistic > 0.5  # really one text


@needs_mirror
def test_figures_of_the_traps(items: list[Item]) -> None:
    signs = [sign(label) for item in items for label in item.labels]
    assert signs.count(1) / (1560 - signs.count(0)) == pytest.approx(0.495, abs=5e-4)
    human = [sign(x) for i in items if "refA" in systems(i) for x in i.labels]
    assert (human.count(1), human.count(-1)) == (93, 147)  # GPT-4 is left; 0.388
    equal = [i for i in items if i.responses[0].text == i.responses[1].text]
    assert len(equal) == 10
    assert not any(sign(label) for item in equal for label in item.labels)
    longest = []
    for item in items:
        (top, count), *_ = Counter(map(sign, item.labels)).most_common()
        if top and count >= 2:
            left, right = (len(response.text) for response in item.responses)
            longest.append(0.5 if left == right else (left > right) == (top > 0))
    assert sum(longest) / len(longest) == pytest.approx(0.501, abs=5e-4)
    documents = Counter(item.cluster for item in items)
    assert (min(documents.values()), max(documents.values())) == (2 * 5, 5 * 5)


@needs_mirror
def test_nothing_is_unpacked_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert next(WmtSxs().items()).labels
    assert not list(tmp_path.iterdir())


def made_up(*rows: str) -> str:
    """A table of one segment: rows of system, target, category and severity."""
    lines = ["\t".join(HEAD)]
    for row in rows:
        system, target, category, severity = row.split("|")
        place = [system, "doc", "1", "7", "rater1", "A <v>red</v> door"]
        lines.append("\t".join([*place, target, category, severity, "{}"]))
    return "\n".join(lines) + "\n"


def test_weights_markers_and_test_rows_on_a_made_up_table(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = ("refA", "ONLINE-A", "ONLINE-Y", "ONLINE-G")
    text = made_up(
        *(f"{system}|Tür|No-error|No-error" for system in clean),
        "refA|Tür|Missed|HOTW-test",
        "ONLINE-M|eine rote <v>Tür</v> |Fluency/Punctuation|Minor",
        "ONLINE-M|<v>eine</v> rote Tür|Fluency/Punctuation|Major",
        "ONLINE-M|eine rote Tür|Source issue|Major",
        "ONLINE-M|eine rote Tür|Accuracy/Creative Reinterpretation|Minor",
        "ONLINE-W|Tor|Accuracy/Mistranslation|Minor",
        "NLLB_MBR_BLEU|Tor|Fluency/Grammar|Minor",
        "NLLB_MBR_BLEU|Tor|Non-translation!|Major",
        "Lan-BridgeMT|Tor|Other|Major",
        "GPT4-5shot_with_ONLINE-W|Pforte|Style/Unnatural or awkward|Minor",
        "GPT4-5shot_with_refA|Pforte|Terminology/Inconsistent|Major",
    )
    monkeypatch.setattr("tasks.wmt_sxs._table", lambda: text)
    found = {item.id.split("/")[2]: item for item in WmtSxs().items()}
    labels = {pair: item.labels[0].utilities for pair, item in found.items()}
    assert labels == {
        "NLLB_MBR_BLEU-vs-Lan-BridgeMT": (-26.0, -5.0),
        "ONLINE-M-vs-ONLINE-G": (-5.1, 0.0),
        "ONLINE-Y-vs-ONLINE-A": (0.0, 0.0),
        "ONLINE-W-vs-GPT4-5shot": (-1.0, -1.0),
        "GPT4-5shot-vs-refA": (-5.0, 0.0),
    }
    retests = {pair: x.utilities for pair, item in found.items() for x in item.retests}
    assert retests == {"ONLINE-W-vs-GPT4-5shot": (-1.0, -5.0), "GPT4-5shot-vs-refA": (-1.0, 0.0)}
    item = found["ONLINE-M-vs-ONLINE-G"]
    assert item.prompt[0].content == "Translate from English to German:\n\nA red door"
    assert item.responses[0].text == "eine rote Tür"
    assert item.reference == "Tür"


def test_a_setting_is_refused() -> None:
    with pytest.raises(BenchError, match="wmt_sxs alone expected"):
        make(parse_spec("wmt_sxs:x=1"))
