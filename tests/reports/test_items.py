"""The verdict browser without a browser: its marks are those of the tables, its files its own."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.registry import make_judge
from bench.runner import Limits, carry_out
from bench.spec import parse_specs
from bench.types import (
    BenchError,
    Context,
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    Usage,
    failure,
    verdict,
)
from reports.page import items_list
from reports.page.items import page_name, write_items
from reports.page.items_marks import marks_of
from reports.page.items_passages import passage
from reports.study import Study

JUDGES = "planted:acc=0.7,first=0.3,tie=0.1,fail=0.1,random,first,longest"


def voted(n: int, responses: int = 2, task: str = "made", annotators: int = 3) -> list[Item]:
    """Items of two domains with disagreeing annotators; some are undecided, or have no label."""
    draw = random.Random(n + responses)
    made = []
    for i in range(n):
        votes = [
            tuple(float(draw.randrange(2)) for _ in range(responses))
            for _ in range(draw.choice((0, 1, annotators)))
        ]
        made.append(
            Item(
                f"{task}-{i}",
                task,
                f"domain {i % 2}",
                (Message("user", f"question {i}\n of {task}"),),
                tuple(Response(f"r{k}", "word " * draw.randint(1, 9)) for k in range(responses)),
                tuple(Label(f"w{k}", vote) for k, vote in enumerate(votes)),
            )
        )
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of pairs and of lists of four, with repeats, failures and judges of every kind."""
    folder = tmp_path_factory.mktemp("run")
    items = [*voted(130), *voted(40, 4, "lists")]
    made = [make_judge(spec, Context(seed=3)) for spec in parse_specs(JUDGES)]
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        plan = Plan(tuple(j.card.name for j in made), ("made", "lists"), repeats=2)
        ledger.write_plan(plan, items, [j.card for j in made])
        carry_out(items, made, ledger, repeats=2, limits=Limits(), show=lambda _: None)
        write_items(ledger, Study.of(ledger), folder)
    return folder


def pages(folder: Path) -> dict[str, str]:
    place = folder / "report" / "items"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(place.iterdir())}


def listed(page: str) -> dict:
    """The data in a list page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_marks_and_credits_are_those_of_the_leaderboard(run: Path) -> None:
    with Ledger(run / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
    written = pages(run)
    data = listed(written["index.html"])
    said = "".join(written[page_name(i)] for i in range(0, 170, 50))
    for judge, (name, scores) in zip(data["judges"], study.scores.items(), strict=True):
        assert judge["name"] == name
        known = ~np.isnan(scores)
        marks = np.array(list(judge["mark"]))
        for sign, here in {
            "4": np.isclose(scores, 1),
            "3": (scores > 0.5) & ~np.isclose(scores, 1) & ~np.isclose(scores, 0.5),
            "2": np.isclose(scores, 0.5),
            "1": (scores < 0.5) & (scores > 0) & ~np.isclose(scores, 0.5),
            "0": scores == 0,
        }.items():
            silent = marks == "x"
            assert ((marks == sign) == (here & ~silent)).all(), (name, sign)
        assert (scores[(marks == "x") & known] == 0).all()
        credits = re.findall(
            rf'<span class="name">{re.escape(name)}</span>.*?<small>(.*?)</small>', said
        )
        assert len(credits) == 170
        of_page = [c.partition("credit ")[2] for c in credits]
        assert [bool(c) for c in of_page] == known.tolist()
        assert np.allclose([float(c) for c in of_page if c], scores[known], atol=5e-4)


def test_flips_and_failures_are_those_of_the_tables(run: Path) -> None:
    with Ledger(run / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
    for judge in listed(pages(run)["index.html"])["judges"]:
        reading = study.readings[judge["name"]]
        item, first, swapped = reading.in_slots()
        both = ~np.isnan(first) & ~np.isnan(swapped)
        flipped = set(item[both & (first != -swapped)].tolist())
        pairs = study.table.pairs
        found = {i for i, v in enumerate(judge["verdict"]) if v == "~" and pairs[i]}
        assert found == flipped
        no_verdict = reading.statuses[:, 1:4].any(axis=1)
        no_answer = reading.statuses[:, 4:].any(axis=1) & ~no_verdict
        assert [f == "x" for f in judge["failed"]] == no_verdict.tolist()
        assert [f == "?" for f in judge["failed"]] == no_answer.tolist()
    assert flipped == set()  # the last judge is shown responses alone
    names = [judge["name"] for judge in listed(pages(run)["index.html"])["judges"]]
    assert names[-1] == "longest"


def test_a_verdict_is_the_response_that_all_showings_name(tmp_path: Path) -> None:
    items = voted(1, 4)
    answers = {
        "same": [(0.0, 0.0, 1.0, 0.0)] * 2,
        "tied": [(1.0, 0.0, 1.0, 0.0)] * 2,
        "turned": [(0.0, 0.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0)],
        "silent": [None, None],
        "half": [(0.0, 0.0, 0.0, 1.0), None],
    }
    cards = [JudgeCard(name, "made", ("listwise",), settings={"name": name}) for name in answers]
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(tuple(answers), ("made",)), items, cards)
        for card in cards:
            for n, (_, trial) in enumerate(trials(items, card)):
                by_item = answers[card.name][n % 2]
                if by_item is None:
                    ledger.append([failure(trial, Status.REFUSED)])
                else:
                    ledger.append([verdict(trial, [by_item[r] for r in trial.order])])
        study = Study.of(ledger)
        marks = [marks_of(card, study.readings[card.name]) for card in study.cards]
    assert [m.verdict for m in marks] == ["2", "=", "~", "-", "3"]
    assert [m.failed for m in marks] == [" ", " ", " ", "x", "x"]
    assert marks[3].mark == "x"


def test_replies_come_item_by_item_with_what_failed(make_item, tmp_path: Path) -> None:
    items = [make_item(n) for n in range(3)]
    cards = [
        JudgeCard("a", "made", ("pairwise",), revision="a"),
        JudgeCard("b", "made", ("pointwise",), revision="b", order_free=True),
    ]
    with Ledger(tmp_path / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("a", "b"), ("made",)), items, cards)
        of_a = [trial for _, trial in trials(items, cards[0])]
        usage = Usage(prompt_tokens=7, cost_usd=0.5)
        ledger.append([verdict(of_a[0], [1.0, 0.0], raw="first\0one", usage=usage)])
        ledger.append([failure(of_a[1], Status.ERROR, note="one")])
        ledger.append([failure(of_a[1], Status.ERROR, note="another")])
        rows = list(ledger.replies())
    assert [(r[0], r[1], r[2]) for r in rows] == [
        (item, judge, shown)
        for item in range(3)
        for judge, orders in ((0, ("0,1", "1,0")), (1, ("0", "1")))
        for shown in orders
    ]
    assert rows[0][4:10] == ("ok", "[1.0, 0.0]", None, 0, "first\0one", "")
    assert rows[0][10:] == (7, None, None, None, None, 0.5)
    assert rows[1][4:10] == ("error", None, None, 0, "", "another")
    assert {row[4] for row in rows[2:]} == {"not_run"}


class Links(HTMLParser):
    """All links of a page, and its ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "a":
            self.links.append(str(named["href"]))
        if "id" in named:
            self.ids.append(str(named["id"]))


def test_every_item_is_on_one_page_and_every_link_leads_somewhere(run: Path) -> None:
    written = pages(run)
    assert list(written) == ["0001.html", "0002.html", "0003.html", "0004.html", "index.html"]
    found = {name: Links(page) for name, page in written.items()}
    ids = [i for links in found.values() for i in links.ids if re.fullmatch(r"i\d+", i)]
    assert ids == [f"i{n}" for n in range(1, 171)]
    assert "i51" in found[page_name(50)].ids
    here = {*written, "../index.html"}
    for links in found.values():
        assert set(links.links) <= here
        assert "../index.html" in links.links
    assert set(found["index.html"].links) == here - {"index.html"}
    assert "0001.html" not in found["0001.html"].links
    assert {"0001.html", "0003.html", "index.html"} <= set(found["0002.html"].links)


def test_a_long_list_is_split_and_its_pages_lead_to_their_part(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items_list, "PART_BYTES", 6_000)
    with Ledger(run / "ledger.sqlite") as ledger:
        write_items(ledger, Study.of(ledger), tmp_path)
    written = pages(tmp_path)
    lists = [name for name in written if name.startswith("index")]
    assert len(lists) > 1
    parts = [listed(written[name]) for name in sorted(lists, key=lambda n: (len(n), n))]
    assert [i for part in parts for i in part["ids"]] == [
        *(f"made-{n}" for n in range(130)),
        *(f"lists-{n}" for n in range(40)),
    ]
    for name, part in zip(sorted(lists, key=lambda n: (len(n), n)), parts, strict=True):
        assert all(len(j["mark"]) == len(part["ids"]) for j in part["judges"])
        assert len(json.dumps(part, ensure_ascii=False).encode()) < 8_000
        page = page_name(part["first"])
        assert part["first"] % 50 or name in Links(written[page]).links


def test_pages_of_a_former_report_go_and_other_files_stay(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "report" / "items"
    place.mkdir(parents=True)
    outside = tmp_path / "outside.html"
    for path in (place / "0999.html", place / "index-2.html", place / "mine.html", outside):
        path.write_text("old")
    (place / "0001.html").symlink_to(outside)
    (place / "12345.html").mkdir()
    with Ledger(run / "ledger.sqlite") as ledger:
        write_items(ledger, Study.of(ledger), tmp_path)
        once = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}
        write_items(ledger, Study.of(ledger), tmp_path)
        again = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}
    assert once == again
    assert outside.read_text() == "old"
    assert not (place / "0001.html").is_symlink()
    assert sorted(once) == [
        *(f"{n:04d}.html" for n in range(1, 5)),
        "index.html",
        "mine.html",
    ]
    assert once["mine.html"] == b"old"
    assert (place / "12345.html").is_dir()


def test_a_place_that_is_none_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "items").symlink_to(tmp_path / "elsewhere")
    with Ledger(run / "ledger.sqlite") as ledger:
        with pytest.raises(BenchError, match="link to elsewhere"):
            write_items(ledger, Study.of(ledger), tmp_path)
        assert list((tmp_path / "elsewhere").iterdir()) == []
        (tmp_path / "file").write_text("")
        with pytest.raises(BenchError, match="cannot be written"):
            write_items(ledger, Study.of(ledger), tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\u202egnp\u2066x\u200f", "\\u202egnp\\u2066x\\u200f"),
        ("a\0b\x1b[31m\x07\x85", "a\\x00b\\x1b[31m\\x07\\x85"),
        ("\ud83d half", "\\ud83d half"),
        ("\ufeff\u2028\U000e0041\ufffe", "\\ufeff\\u2028\\U000e0041\\ufffe"),
        ("می\u200cخواهم, 👩\u200d👧, 5\u00a0%", "می\u200cخواهم, 👩\u200d👧, 5\u00a0%"),
        ("<b>&amp;\"'", "&lt;b&gt;&amp;amp;&#34;&#39;"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, seen: str) -> None:
    assert passage(text) == seen
    assert passage(text).encode()


def test_a_long_text_is_cut_and_says_so() -> None:
    assert passage("x" * 2000, 2000) == "x" * 2000
    cut = passage("<" * 2345, 2000)
    assert cut.count("&lt;") == 2000
    assert "cut here: 2,345 characters in all" in cut
