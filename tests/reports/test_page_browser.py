"""The page in a real Chromium, from disk."""

from __future__ import annotations

import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import page_runs
import pytest

from bench.outcome import POLICIES, RULES

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory):
    return page_runs.ordinary(tmp_path_factory.mktemp("ordinary"))


def column(page, name: str, board: int = 0) -> list[str]:
    """What the shown judges of a board have in a column, without intervals."""
    return page.evaluate(
        """([name, board]) => {
            const table = document.querySelectorAll("table[data-board]")[board];
            const at = [...table.tHead.rows[0].cells].findIndex((c) => c.dataset.column === name);
            return [...table.tBodies[1].rows].filter((row) => !row.hidden).map((row) => {
                const cell = row.cells[at];
                return (cell.querySelector("span, .name") ?? cell).textContent.trim();
            });
        }""",
        [name, board],
    )


def judges(page, board: int = 0) -> list[str]:
    rows = page.locator("table[data-board]").nth(board).locator("tbody.judges tr:visible .name")
    return rows.all_inner_texts()


def numbers(texts: list[str]) -> list[float]:
    return [float(t.strip("*")) for t in texts if t not in ("n/a", "–")]


def shown(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("0.", ".", 1)


def test_opens_from_disk_and_answers_on_the_first_screen(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path, viewport={"width": 1366, "height": 768}) as page:
        assert page.title().endswith("judges compared by smallclaims")
        first = page.locator("article").first
        for question in (
            "Which judge",
            "Is the first better than the second?",
            "What does it cost?",
        ):
            answer = first.locator("dt:visible", has_text=question)
            box = answer.bounding_box()
            assert box is not None and box["y"] + box["height"] < 768, question
        assert page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_warnings_stand_before_any_ranking(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path) as page:
        order = page.evaluate(
            """() => ["p.verdict", ".warning", ".questions", "table[data-board]"].map((which) =>
                [...document.querySelectorAll("*")].indexOf(document.querySelector(which)))"""
        )
        assert order == sorted(order) and -1 not in order
        warnings = " ".join(page.locator("article").first.locator(".warning").all_inner_texts())
        assert re.search(r"shaky gave no verdict in 1\d\.\d%", warnings)


def test_best_for_a_domain(opened, ordinary) -> None:
    path, tables = ordinary
    with opened(path) as page:
        page.select_option("#domain", label="code")
        for n, task in enumerate(("first task", "second task")):
            rows = tables["domains"]
            code = rows[(rows.task == task) & (rows.group == "code")].sort_values("rank")
            best = code.iloc[0]
            answer = page.locator("article").nth(n).locator("dd:visible").first.inner_text()
            assert answer.startswith(f"{best.judge} {shown(best['mean'])} [")
            assert judges(page, n) == list(code.judge)
            assert column(page, "mean", n) == [shown(v) for v in code["mean"]]
        page.select_option("#domain", label="chat")
        assert page.locator("article:visible").count() == 1
        assert page.locator("table[data-board]:visible").count() == 1
        page.get_by_role("button", name="Reset").click()
        page.locator("article[hidden]").wait_for(state="detached")
        rows = tables["leaderboard"]
        whole = rows[(rows.task == "first task") & (rows.scope == "overall")].sort_values("rank")
        assert column(page, "mean") == [shown(v) for v in whole["mean"]]


def test_filters_of_task_and_kind(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path) as page:
        page.select_option("#task", label="second task")
        assert page.locator("article:visible h2 .name").all_inner_texts() == ["second task"]
        page.select_option("#kind", label="trained")
        assert sorted(judges(page, 1)) == ["small", "tiny"]
        page.select_option("#kind", label="null")
        assert judges(page, 1) == ["longest"]
        assert page.locator("tbody.human tr:visible").count() == 2, "people are never filtered away"


def test_sorts_by_click_and_by_key(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path) as page:
        board = page.locator("table[data-board]").first
        assert board.locator("[aria-sort]").get_attribute("data-column") == "mean"
        before = judges(page)
        board.get_by_role("button", name="failed").click()
        head = board.locator("th[data-column=failed]")
        assert head.get_attribute("aria-sort") == "descending"
        assert judges(page)[0] == "shaky"
        board.get_by_role("button", name="failed").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert judges(page)[-1] == "shaky"
        board.get_by_role("button", name="$ per 1,000").focus()
        page.keyboard.press("Enter")
        assert judges(page)[:2] == ["large", "small"], "what is not known stands last"
        page.keyboard.press("Space")
        assert judges(page)[:2] == ["small", "large"]
        assert board.locator("[aria-sort]").count() == 1
        board.get_by_role("button", name="rank").click()
        assert judges(page) == before
        board.get_by_role("button", name="judge").click()
        assert judges(page) == sorted(before)


@pytest.mark.parametrize("shown_column", ["mean", "rank"])
def test_what_a_rule_does_not_know_stands_last(opened, tmp_path: Path, shown_column) -> None:
    asked = [
        page_runs.Asked(page_runs.prompted("one order", orders="first"), 0.95),
        page_runs.Asked(page_runs.card("good"), 0.9),
        page_runs.Asked(page_runs.prompted("poor"), 0.6),
    ]
    path, _ = page_runs.made(tmp_path, page_runs.pairs("set", ("chat",), 200, 1), asked)
    with opened(path) as page:
        assert judges(page)[0] == "one order"
        page.select_option("#rule", "strict")
        head = page.locator(f"table[data-board] th[data-column={shown_column}] button")
        for _ in range(2):
            head.click()
            assert judges(page)[0] != "one order"
            assert judges(page)[-1] == "one order"
        assert sorted(column(page, "rank")) == ["1", "2", "–"]
        assert dict(zip(judges(page), column(page, "rank"), strict=True))["good"] == "1"


def test_the_sort_by_rank_follows_the_rule(opened, tmp_path: Path) -> None:
    """One judge leads by the mean because the other fails often."""
    asked = [
        page_runs.Asked(page_runs.card("steady"), 0.75),
        page_runs.Asked(page_runs.prompted("refuser"), 0.95, fails=0.4),
    ]
    path, _ = page_runs.made(tmp_path, page_runs.pairs("set", ("chat",), 200, 1), asked)
    with opened(path) as page:
        page.get_by_role("button", name="rank").click()
        assert judges(page) == ["steady", "refuser"]
        page.select_option("#policy", "drop")
        assert judges(page) == ["refuser", "steady"]
        assert column(page, "rank") == ["1", "2"]
        page.select_option("#policy", "wrong")
        assert judges(page) == ["steady", "refuser"]


def test_what_the_controls_leave_alone_is_said(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path) as page:
        stays, kinds = page.locator("#stays"), page.locator("#kinds")
        assert stays.is_hidden() and kinds.is_hidden()
        page.select_option("#policy", "drop")
        page.select_option("#kind", label="null")
        assert "three answers stay with the rule mean" in stays.inner_text()
        assert "leaderboard alone" in kinds.inner_text()


def test_every_rule_and_policy_is_what_the_table_says(opened, ordinary) -> None:
    path, tables = ordinary
    rules = tables["rules"][tables["rules"].task == "first task"]
    by = {(r.group, r.judge, r.rule, r.policy): r.score for r in rules.itertuples()}
    with opened(path) as page:
        for group in ("macro", "code"):
            if group == "code":
                page.select_option("#domain", label="code")
            for rule in RULES:
                page.select_option("#rule", rule)
                for policy in POLICIES:
                    page.select_option("#policy", policy)
                    for judge, mean in zip(judges(page), column(page, "mean"), strict=True):
                        other = by.get((group, judge, rule, policy))
                        there = by[group, judge, rule, "wrong"] if other is None else other
                        assert mean.strip("*") == shown(there), (group, judge, rule, policy)
                    values = numbers(column(page, "mean"))
                    assert values == sorted(values, reverse=True)
                    notice = page.locator("[data-notice]").first
                    usual = (rule, policy) == ("mean", "wrong")
                    assert notice.is_visible() != usual
                    if not usual:
                        assert "belong to the rule mean with failures wrong" in notice.inner_text()
                        ranks = [int(r) for r in column(page, "rank")]
                        assert ranks == [1 + sum(b > a for b in values) for a in values]


def test_a_number_tells_what_stands_behind_it(opened, ordinary) -> None:
    path, tables = ordinary
    estimates = tables["estimates"]
    key = (estimates.task == "first task") & (estimates.scope == "overall")
    row = estimates[key & (estimates.judge == "small") & (estimates.metric == "strict")].iloc[0]
    wanted = (f"{row.n_items} items, {row.n_clusters} prompts", row.method, "95 % interval")
    with opened(path) as page:
        line = page.locator("table[data-board]").first.locator("tr", has_text="small")
        tip = page.get_by_role("tooltip")
        cell = line.locator("td").nth(2)
        cell.hover()
        for words in ("small, strict", *wanted):
            assert words in tip.inner_text()
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        # By keyboard: one stop a table, then arrows.
        page.locator("table[data-board]").first.locator("td[tabindex='0']").focus()
        assert tip.is_visible()
        assert page.locator("table[data-board]").first.locator("td[tabindex='0']").count() == 1
        cell.focus()
        page.keyboard.press("ArrowLeft")
        assert "small, mean" in tip.inner_text()
        focused = page.locator("td:focus")
        assert focused.get_attribute("aria-describedby") == tip.get_attribute("id")
        page.keyboard.press("ArrowDown")
        assert "small" not in tip.locator(".head").inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]


def test_every_number_has_its_facts(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path) as page:
        bare = page.evaluate(
            """() => {
                const data = JSON.parse(document.getElementById("data").textContent);
                return [...document.querySelectorAll("table[data-numbers] td:not(.text)")]
                    .filter((cell) => /\\d/.test(cell.textContent) && !cell.matches(".count"))
                    .filter((cell) => !data.facts[data.numbers[cell.dataset.n]?.[5]]?.length)
                    .map((cell) => cell.outerHTML);
            }"""
        )
        assert bare == []


def test_a_number_is_told_on_touch(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path, **PHONE) as page:
        page.locator("table.domains td[data-n]").first.tap()
        tip = page.get_by_role("tooltip")
        assert "method:" in tip.inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_tables_not_the_page(opened, ordinary, scheme) -> None:
    path, _ = ordinary
    with opened(path, color_scheme=scheme, **PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_without_script_everything_is_there(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path, java_script_enabled=False) as page:
        assert page.locator("#controls").is_hidden()
        assert page.locator("article:visible").count() == 2
        assert page.locator("dl.questions:visible").count() == 2
        assert page.locator("tbody.judges tr:visible").count() == 10
        assert page.locator("tbody.human tr:visible").count() == 4
        assert page.locator("table.domains:visible tbody tr").count() == 6
        page.locator("summary", has_text="Cost and speed").click()
        assert page.locator("td", has_text="$2.00").first.is_visible()


def test_in_print(opened, ordinary) -> None:
    path, _ = ordinary
    with opened(path, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert (
            page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert page.locator("#controls").is_hidden()
        assert page.locator("p.verdict:visible").count() == 2
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_hostile_text_stays_text(opened, tmp_path: Path) -> None:
    path, _ = page_runs.hostile(tmp_path)
    with opened(path) as page:
        page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        for select in page.locator("#controls select").all():
            for n in range(select.locator("option").count()):
                select.select_option(index=n)
            select.select_option(index=0)
        for cell in page.locator("table[data-board]").first.locator("td[data-n]").all()[:20]:
            cell.hover()
        names = set(page.locator(".name").all_inner_texts())
        assert "<script>window.ran=1</script>" in names
        assert "\\u202eright to left\\u2066" in names
        assert page.evaluate("window.ran") is None
        assert page.evaluate("document.querySelectorAll('script').length") == 2
        assert page.locator("img, iframe, object, embed, base, link:not([rel=icon])").count() == 0
        attributes = (
            "[...document.querySelectorAll(':not(#tip)')].flatMap((e) => e.getAttributeNames())"
        )
        names_of = set(page.evaluate(attributes))
        assert not [name for name in names_of if name.startswith("on") or name == "style"]
        links = page.locator("a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        assert all(re.match(r"#|items/", link) for link in links)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        text = page.inner_text("body")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x1b\x07]", text)


class Counting(BaseHTTPRequestHandler):
    """Answers anything, and keeps what was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_policy_lets_nothing_else_run(chromium, ordinary, tmp_path: Path) -> None:
    """What a hole in the escaping would let in does nothing, and nothing is sent."""
    path, _ = ordinary
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = f"http://127.0.0.1:{server.server_port}"
        holes = (
            "<script>window.ran=1</script><img src=x onerror='window.ran=1'>"
            f"<script src='{there}/1'></script><img src='{there}/2'>"
            f"<iframe src='{there}/3'></iframe><link rel=stylesheet href='{there}/4'>"
            "<p id=styled style='display:none'>styled</p>"
            f"<form action='{there}/5' id=form></form><base href='{there}/'>"
        )
        without = path.read_text()
        policy = re.search(r'<meta http-equiv="Content-Security-Policy".*?>', without)
        assert policy is not None
        for name, text in (("held", without), ("free", without.replace(policy.group(), ""))):
            Counting.asked.clear()
            file = tmp_path / f"{name}.html"
            file.write_text(text.replace("<main>", f"<main>{holes}"))
            page = chromium.new_page()
            page.goto(file.as_uri())
            assert page.locator("#controls").is_visible(), "the page's own script runs"
            held = name == "held"
            assert page.locator("#styled").is_visible() == held
            assert page.evaluate("window.ran === undefined") == held
            page.evaluate("document.getElementById('form').submit()")
            page.wait_for_timeout(300)
            assert bool(Counting.asked) != held, Counting.asked
            page.close()
        server.shutdown()


def test_twenty_judges_are_small_and_fast(opened, tmp_path: Path) -> None:
    """The page holds no item, so that few items make the page that many would."""
    items = [
        item
        for n in range(3)
        for item in page_runs.pairs(f"task {n}", [f"domain {k}" for k in range(6)], 60, 1)
    ]
    kinds = (page_runs.card, page_runs.prompted)
    judges = [
        page_runs.Asked(kinds[n % 2](f"judge {n}"), 0.5 + 0.02 * n, fails=0.05, usd=0.001 * n)
        for n in range(18)
    ]
    judges += [page_runs.Asked(page_runs.null(name), 0.5) for name in ("longest", "first")]
    path, _ = page_runs.made(tmp_path, items, judges)
    assert path.stat().st_size < 5_000_000
    started = time.perf_counter()
    with opened(path) as page:
        page.select_option("#rule", "strict")
        assert page.locator("[data-notice]").first.is_visible()
        assert time.perf_counter() - started < 2
        began = time.perf_counter()
        page.select_option("#domain", label="domain 3")
        page.get_by_role("button", name="kappa").first.click()
        assert time.perf_counter() - began < 1


def test_charts_are_in_the_page(opened, ordinary) -> None:
    from reports.figures import across_tasks, figures

    path, tables = ordinary
    wanted = [f.title for task in ("first task", "second task") for f in figures(tables, task)]
    wanted += [f.title for f in across_tasks(tables)]
    with opened(path) as page:
        assert page.locator("figcaption b").all_inner_texts() == wanted
        assert page.locator("figure svg[role=img]").count() == len(wanted)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))


def test_the_data_of_the_script_is_json(ordinary) -> None:
    path, _ = ordinary
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    assert block is not None
    assert not set(block.group(1)) & set("<>&\u2028\u2029")
    data = json.loads(block.group(1))
    assert set(data) == {"boards", "facts", "numbers"}
