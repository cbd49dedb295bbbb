"use strict";
(() => {
  const ROWS = 100;
  const data = JSON.parse(document.getElementById("data").textContent);
  const filters = document.getElementById("filters");
  const list = document.getElementById("list");
  const rows = document.getElementById("rows");
  const count = document.getElementById("count");
  const back = document.getElementById("back");
  const on = document.getElementById("on");
  const judges = data.judges;
  const texts = data.starts.map((start, i) => `${data.ids[i]} ${start}`.toLowerCase());
  let found = [];
  let at = 0;

  const SAID = new Set("01234-"); // marks of a judge that gave a verdict
  const BETWEEN = new Set("123");
  const is = {
    right: (judge, i) => judge.mark[i] === "4",
    wrong: (judge, i) => judge.mark[i] === "0",
    between: (judge, i) => BETWEEN.has(judge.mark[i]),
    flipped: (judge, i) => judge.verdict[i] === "~",
    failed: (judge, i) => judge.failed[i] === "x",
    lost: (judge, i) => judge.failed[i] === "?",
  };

  function differ(a, b, i) {
    const both = SAID.has(a.mark[i]) && SAID.has(b.mark[i]);
    return both && a.verdict[i] !== b.verdict[i];
  }

  // Every judge but the null ones, of those with a verdict and a label to score it by: one at
  // least, and all with credit below one half.
  const strong = judges.filter((judge) => judge.strong);
  function allAgainst(i) {
    const marks = strong.map((judge) => judge.mark[i]).filter((mark) => mark >= "0" && mark <= "4");
    return marks.length > 0 && marks.every((mark) => mark < "2");
  }

  function tests() {
    const value = (name) => (filters.elements[name] ? filters.elements[name].value : "");
    const made = [];
    for (const name of ["task", "domain"]) {
      if (value(name) !== "") made.push((i) => data[name][i] === Number(value(name)));
    }
    const mark = is[value("mark")];
    if (mark) {
      const asked = value("judge") === "" ? judges : [judges[Number(value("judge"))]];
      made.push((i) => asked.some((judge) => mark(judge, i)));
    }
    if (value("one") !== "" && value("other") !== "") {
      const [a, b] = [judges[Number(value("one"))], judges[Number(value("other"))]];
      made.push((i) => differ(a, b, i));
    }
    if (filters.elements.strong.checked) made.push(allAgainst);
    const text = value("text").trim().toLowerCase();
    if (text) made.push((i) => texts[i].includes(text));
    return made;
  }

  function cell(kind, text) {
    const made = document.createElement("td");
    made.className = kind;
    made.textContent = text;
    return made;
  }

  function words(verdict) {
    if (verdict === "=") return "tie";
    if (verdict === "~") return "flipped";
    if (verdict === "*") return "repeats differ";
    const response = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".indexOf(verdict);
    return response < 0 ? "" : `response ${response}`;
  }

  function mark(judge, number, i) {
    const [sign, meaning] = data.marks[judge.mark[i]];
    const flip = judge.verdict[i] === "~" ? "⇄" : "";
    const failed = judge.failed[i] !== " " && SAID.has(judge.mark[i]) ? "!" : "";
    const made = cell(`mark m${judge.mark[i]}`, sign);
    const flags = document.createElement("small");
    flags.textContent = flip + failed;
    made.append(flags);
    const failure = failed && "some showing failed";
    const facts = [meaning, words(judge.verdict[i]), failure].filter(Boolean).join(", ");
    made.title = `${judge.name}: ${facts}`;
    made.setAttribute("aria-label", made.title);
    made.dataset.judge = number + 1;
    return made;
  }

  function row(i) {
    const number = data.first + i;
    const page = String(Math.floor(number / data.perPage) + 1).padStart(4, "0");
    const link = document.createElement("a");
    link.href = `${page}.html#i${number + 1}`;
    link.className = "name";
    link.textContent = data.ids[i];
    const about = document.createElement("small");
    about.className = "name";
    about.textContent = `${data.tasks[data.task[i]]} · ${data.domains[data.domain[i]]}`;
    const id = cell("id", "");
    id.append(link, about);
    const start = cell("start", data.starts[i]);
    start.dir = "auto";
    const made = document.createElement("tr");
    made.append(id, start, cell("label", data.labels[i] || "–"));
    made.append(...judges.map((judge, n) => mark(judge, n, i)));
    return made;
  }

  function show() {
    const here = found.slice(at, at + ROWS);
    rows.replaceChildren(...here.map(row));
    const many = (n) => n.toLocaleString("en-GB");
    const of = found.length === data.ids.length ? "" : ` found among ${many(data.ids.length)}`;
    const range = here.length ? `${many(at + 1)}–${many(at + here.length)} of ` : "";
    count.textContent = `${range}${many(found.length)} item${found.length === 1 ? "" : "s"}${of}`;
    back.disabled = at === 0;
    on.disabled = at + ROWS >= found.length;
  }

  // Filters and place are kept in the address: the way back from an item finds them again.
  function keep() {
    const chosen = new URLSearchParams([...new FormData(filters)].filter(([, value]) => value));
    if (at) chosen.set("at", at);
    history.replaceState(null, "", `#${chosen}`);
  }

  function kept() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const field of filters.elements) {
      if (field.type === "checkbox") field.checked = chosen.has(field.name);
      else if (field.name) field.value = chosen.get(field.name) || "";
    }
    return Math.max(0, Math.floor(Number(chosen.get("at")) / ROWS) * ROWS || 0);
  }

  function search(from = 0) {
    const all = tests();
    found = [...data.ids.keys()].filter((i) => all.every((test) => test(i)));
    at = from < found.length ? from : 0;
    show();
  }

  function turn(by) {
    at += by;
    show();
    keep();
    list.scrollIntoView();
  }

  function changed() {
    search();
    keep();
  }

  filters.addEventListener("input", changed);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(changed));
  back.addEventListener("click", () => turn(-ROWS));
  on.addEventListener("click", () => turn(ROWS));
  addEventListener("hashchange", () => search(kept()));
  search(kept());
})();
