"""The verdict browser in a real browser, from disk: hostile texts stay texts, filters find what the
tables count, and pages of items need no script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_runs import BROKEN, HOSTILE, pairs

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.registry import make_judge
from bench.runner import Limits, carry_out
from bench.spec import parse_specs
from bench.types import (
    Context,
    Item,
    JudgeCard,
    Label,
    Message,
    Response,
    Status,
    failure,
    verdict,
)
from reports.page.items import write_items
from reports.study import Study

MORE = (
    '<meta http-equiv="refresh" content="0;url=https://evil.invalid/">',
    '<base href="https://evil.invalid/">',
    "<iframe srcdoc='<script>top.ran=1</script>'></iframe>",
    "</td></tr></table></details></main><h1>gone</h1>",
    "</textarea></title></select><plaintext>",
    "<a href='javascript:window.ran=1' autofocus onfocus=window.ran=1>x</a>",
    "https://evil.invalid/ www.evil.invalid me@evil.invalid",
    "שלום \u2067(abc)\u2069 \u202b12",
    "a\0b",
    "$& \\u003cscript>\\",
)
ALL = (*HOSTILE, *MORE)
LINE = " ".join(ALL)
"""All of it, for names: one line."""
TEXT = "\n".join((*ALL, BROKEN))
"""All of it, for texts, which may also be broken."""
CUT = "\n".join(("x" * 1990, "<script>window.ran=1</script>"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """Two items and three judges with all of it in every text."""
    folder = tmp_path_factory.mktemp("hostile")
    names = [LINE, *HOSTILE[:2]]
    items = [
        Item(
            LINE,
            LINE,
            f"{n}{LINE}",
            (
                Message("system", TEXT),
                Message("user", f"{n} {TEXT}"),
                Message("assistant", TEXT),
            ),
            tuple(Response(f"{k}{LINE}{BROKEN}", TEXT, f"{LINE}{BROKEN}") for k in range(2)),
            (Label(LINE, (1.0, 0.0)), Label(f"2{LINE}", (0.0, 1.0))),
            subset=LINE,
            reference=TEXT,
            retests=(Label(LINE, (0.0, 1.0)),),
            cluster=LINE,
            meta={"hostile": TEXT},
        )
        for n in range(2)
    ]
    cards = [JudgeCard(n, "made", ("pairwise",), settings={"name": n}) for n in names]
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(tuple(names), (LINE,)), items, cards)
        for card in cards:
            for n, (_, trial) in enumerate(trials(items, card)):
                ledger.append(
                    [
                        verdict(trial, [1.0, 0.0], raw=TEXT, confidence=0.75)
                        if n == 0
                        else failure(trial, Status.UNPARSED, raw=TEXT, note=TEXT)
                        if n == 1
                        else failure(trial, Status.ERROR, note=TEXT)
                        if n == 2
                        else verdict(trial, [1.0, 0.0], raw=CUT)
                    ]
                )
        write_items(ledger, Study.of(ledger), folder)
    return folder / "report" / "items"


def seen(text: str, *, line: bool = False) -> str:
    """What is to be read of a text: escapes for what cannot be seen; in a name also for blanks."""
    hidden = "[\x00-\x08\x0b-\x1f\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud83d\ufffe]"
    if line:
        hidden = hidden.replace("\x08\x0b", "\x08\t\n\x0b")
    else:
        text = text.replace("\r\n", "\n")
    return re.sub(hidden, lambda m: m[0].encode("unicode_escape", "surrogatepass").decode(), text)


def texts(page: Any, selector: str) -> list[str]:
    """textContent of all that the selector finds."""
    return page.eval_on_selector_all(selector, "all => all.map(e => e.textContent)")


def unharmed(page: Any, scripts: int) -> None:
    """Nothing ran, and no text became an element or a link."""
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    foreign = "img, svg, iframe, object, embed, base, h1:nth-of-type(2), plaintext, textarea"
    assert page.locator(foreign).count() == 0
    assert page.locator("script").count() == scripts
    assert page.locator("style").count() == 2
    assert page.locator("link:not([rel=icon]), meta[http-equiv=refresh]").count() == 0
    links = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    assert [
        a for a in links if not re.fullmatch(r"(\d{4}|index|\.\./index)\.html(#i\d+)?", a)
    ] == []
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    assert [name for name in page.evaluate(handlers) if name.startswith("on")] == []


def test_hostile_texts_of_an_item_are_read_as_they_are(hostile: Path, opened) -> None:
    with opened(hostile / "0001.html") as page:
        for summary in page.locator("summary").all():
            summary.click()
        unharmed(page, scripts=1)
        item, other = page.locator("details.item").all()
        passages = item.locator(".passage").all_inner_texts()
        assert len(passages) == 3 + 2 + 1 + 6
        of_page = texts(page, ".item:first-of-type div.passage")
        assert of_page == [
            seen(TEXT),
            seen(f"0 {TEXT}"),
            *[seen(TEXT)] * 4,
        ]
        stored = TEXT.replace("\ud83d", "?")  # the ledger's form of what has none
        replies = texts(page, ".item:first-of-type td.passage")
        assert replies == [seen(stored), seen(stored) + seen(stored)] * 3
        assert texts(page, ".item:nth-of-type(2) td.passage .note") == [seen(stored)] * 3
        name = seen(LINE, line=True)
        whole = texts(page, ".item:first-of-type")[0]
        # summary 3, subset, cluster, 2 ids, 2 models, 3 annotators, a judge
        assert whole.count(name) >= 13
        assert seen(f"1{LINE}{BROKEN}", line=True) in whole
        isolated = "all => all.map(e => getComputedStyle(e).unicodeBidi)"
        for kind in (".name", ".passage"):
            assert set(page.eval_on_selector_all(kind, isolated)) == {"isolate"}
        assert "unparsed" in item.inner_text()
        assert "error" in other.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_cut_reply_says_so_and_stays_text(hostile: Path, opened) -> None:
    with opened(hostile / "0001.html") as page:
        cut = texts(page, ".item:nth-of-type(2) td.passage")[1]
        assert cut == "x" * 1990 + "\n<script>w" + f"… cut here: {len(CUT):,} characters in all"


def test_hostile_texts_of_the_list_are_read_as_they_are(hostile: Path, opened) -> None:
    with opened(hostile / "index.html") as page:
        unharmed(page, scripts=2)
        assert page.locator("#rows tr").count() == 2
        name = seen(LINE, line=True)
        assert texts(page, "#rows td.id a") == [name] * 2
        assert texts(page, "#rows td.id small") == [f"{name} · {n}{name}" for n in range(2)]
        start = seen(f"0 {TEXT}", line=True)[:20]
        assert texts(page, "#rows td.start")[0].startswith(start)
        title = page.get_attribute("#rows tr:first-child td.mark", "title")
        assert title.startswith(name)
        assert name in texts(page, "select[name=judge] option")[1]
        assert texts(page, "th.judge .name")[0] == name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.fill("input[name=text]", "<script>window.ran=1")
        assert page.locator("#rows tr").count() == 2
        page.goto((hostile / "index.html").as_uri() + "#text=<img src=x onerror=window.ran=1>")
        page.goto((hostile / "index.html").as_uri() + "#judge=constructor&mark=__proto__&at=1e9")
        unharmed(page, scripts=2)


SMALL, LARGE, FIRST, SHAKY, NULL = JUDGES = (
    "planted:acc=0.8",
    "planted:acc=0.9",
    "planted:acc=0.6,first=0.4",
    "planted:acc=0.7,fail=0.15",
    "longest",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Two tasks, three domains, four judges that err as told and a null one."""
    folder = tmp_path_factory.mktemp("planted")
    items = [
        *pairs("first task", ("chat", "code"), 240),
        *pairs("second task", ("math", "code"), 240),
    ]
    judges = [make_judge(spec, Context(seed=3)) for spec in parse_specs(",".join(JUDGES))]
    with Ledger(folder / "ledger.sqlite", write=True) as ledger:
        plan = Plan(JUDGES, ("first task", "second task"))
        ledger.write_plan(plan, items, [judge.card for judge in judges])
        carry_out(items, judges, ledger, repeats=1, limits=Limits(), show=lambda _: None)
        write_items(ledger, Study.of(ledger), folder)
    return folder


def found(page: Any) -> int:
    """The number of items that the list says it found."""
    match = re.search(r"([\d,]+) items", page.locator("#count").inner_text())
    assert match
    return int(match[1].replace(",", ""))


def test_filters_find_what_the_ledger_holds(run: Path, opened) -> None:
    with Ledger(run / "ledger.sqlite") as ledger:
        study = Study.of(ledger)
    names = [card.name for card in study.cards]
    scores, readings = study.scores, study.readings
    domain = np.array(study.table.domain)
    task = np.array(study.table.task)
    prefers = {name: reading.preferences() for name, reading in readings.items()}
    flips = {}
    for name, reading in readings.items():
        item, first, swapped = reading.in_slots()
        turned = ~np.isnan(first) & ~np.isnan(swapped) & (first != -swapped)
        flips[name] = set(item[turned].tolist())
    failed = readings[SHAKY].statuses[:, 1:].any(axis=1)
    spoken = {name: ~np.isnan(p) for name, p in prefers.items()}
    against = np.logical_and.reduce(
        [~spoken[n] | (scores[n] < 0.5 - 1e-9) for n in names if n != NULL]
    ) & np.logical_or.reduce([spoken[n] for n in names if n != NULL])
    differ = spoken[SMALL] & spoken[LARGE] & (prefers[SMALL] != prefers[LARGE])
    assert 0 < against.sum() < 480
    assert 0 < differ.sum() < 480
    with opened(run / "report" / "items" / "index.html") as page:

        def count(**chosen: str) -> int:
            page.click("button[type=reset]")
            page.locator("#count", has_text="1–100 of 480").wait_for()
            for field, value in chosen.items():
                page.select_option(f"select[name={field}]", label=value)
            return found(page)

        assert count() == 480
        assert count(task="second task") == (task == "second task").sum()
        assert count(domain="code") == (domain == "code").sum()
        both = (domain == "code") & (task == "second task")
        assert count(task="second task", domain="code") == both.sum()
        assert count(judge=LARGE, mark="right") == (scores[LARGE] > 1 - 1e-9).sum()
        assert count(judge=FIRST, mark="flipped") == len(flips[FIRST])
        assert count(mark="flipped") == len(set.union(*flips.values()))
        fails = count(judge=SHAKY, mark="without a verdict in some showing")
        assert fails == failed.sum()
        assert count(judge=LARGE, mark="without a verdict in some showing") == 0
        assert page.locator("#rows tr").count() == 0
        assert count(one=SMALL, other=LARGE) == differ.sum()
        count()
        page.check("input[name=strong]")
        assert found(page) == against.sum()
        count()
        page.fill("input[name=text]", "Question 17")
        assert found(page) == len([i for i in study.table.items if "question 17" in start_of(i)])


def start_of(item: Item) -> str:
    return f"{item.id} {item.prompt[0].content}"


def test_pages_of_the_list_turn_and_the_way_back_finds_the_filters(run: Path, opened) -> None:
    with opened(run / "report" / "items" / "index.html") as page:
        assert page.locator("#rows tr").count() == 100
        assert page.locator("#back").is_disabled()
        page.select_option("select[name=task]", label="first task")
        page.click("#on")
        page.click("#on")
        assert page.locator("#count").inner_text().startswith("201–240 of 240")
        assert page.locator("#on").is_disabled()
        link = page.locator("#rows tr:first-child a")
        name = link.inner_text()
        link.click()
        page.wait_for_url("**/0005.html#i201")
        assert page.locator("details.item[open]").count() == 1
        assert page.locator("#i201").is_visible()
        assert name in page.locator("details.item[open] summary").inner_text()
        page.click("a[rel=next] >> nth=0")
        assert "Items 251–300 of 480" in page.locator("h1").inner_text()
        page.go_back()
        page.go_back()
        page.locator("#count", has_text="201–240").wait_for()
        assert page.locator("select[name=task]").input_value() == "0"
        page.click("#back")
        assert page.locator("#count").inner_text().startswith("101–200 of 240")


def test_the_pages_of_items_need_no_script(run: Path, opened) -> None:
    place = run / "report" / "items"
    with opened(place / "0001.html", java_script_enabled=False) as page:
        assert page.locator("details.item").count() == 50
        assert not page.locator("#i7").is_visible()
        page.click("details.item:nth-of-type(7) summary")
        assert page.locator("#i7").is_visible()
        assert "Response 1" in page.locator("#i7").inner_text()
        assert page.locator("#i7 .verdicts tbody").count() == 5
        page.goto((place / "0001.html").as_uri() + "#i9")
        assert page.locator("#i9").is_visible()
    with opened(place / "index.html", java_script_enabled=False) as page:
        assert page.locator("noscript .warning").is_visible()
        page.click("#pages summary")
        page.click("#pages a >> nth=1")
        assert "Items 51–100" in page.locator("h1").inner_text()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_fits_its_screen(run: Path, opened, width: int) -> None:
    place = run / "report" / "items"
    screen = {"width": width, "height": 800}
    for name in ("index.html", "0001.html"):
        with opened(place / name, viewport=screen) as page:
            for summary in page.locator("summary").all()[:5]:
                summary.click()
            assert page.evaluate("document.documentElement.scrollWidth") == width
            if name == "index.html":
                first = page.locator("#rows tr:first-child td.mark").first
                box = first.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= width


def test_twenty_judges_and_twenty_thousand_items_are_searched_in_an_instant(
    run: Path, opened, tmp_path: Path
) -> None:
    """The list page of a large run, made of a small one by repeating its data."""
    page_text = (run / "report" / "items" / "index.html").read_text(encoding="utf-8")
    head, tail = page_text.split('<script type="application/json" id="data">')
    text, rest = tail.split("</script>", 1)
    data = json.loads(text)
    times = 20_000 // len(data["ids"]) + 1
    for column in ("ids", "task", "domain", "labels", "starts"):
        data[column] = (data[column] * times)[:20_000]
    for judge in data["judges"]:
        for column in ("mark", "verdict", "failed"):
            judge[column] = (judge[column] * times)[:20_000]
    data["starts"] = [f"{start} {'and more ' * 7}"[:80] for start in data["starts"]]
    data["judges"] *= 4
    large = tmp_path / "index.html"
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    large.write_text(f'{head}<script type="application/json" id="data">{text}</script>{rest}')
    assert large.stat().st_size < 5_000_000
    with opened(large) as page:
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert 0 < ready < 2_000
        script = """() => { const start = performance.now();
            document.querySelector('input[name=strong]').click();
            return performance.now() - start; }"""
        assert page.evaluate(script) < 1_000
        assert found(page) > 0
