// Sorting, filters and the facts behind each number. The page shows its default state without it.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const chosen = (id, otherwise) => document.getElementById(id)?.value ?? otherwise;

  // A number is [text, ends, value, lo, hi, facts]; a cell holds its place in the list.
  const TEXT = 0, ENDS = 1, VALUE = 2, LO = 3, HI = 4, FACTS = 5;
  const WIDTH = 120; // of a bar
  const RULE_WITH_CHANCE = ["mean", "tie", "first", "decisive"]; // worth what a guess is worth
  const USUAL = "mean wrong";
  const NOT_APPLICABLE = ["n/a", "", null, null, null, null];

  // -- cells -----------------------------------------------------------------------------------

  const numberOf = (cell) => data.numbers[cell?.dataset.n] ?? NOT_APPLICABLE;

  const fill = (cell, place, chance) => {
    const number = data.numbers[place] ?? NOT_APPLICABLE;
    delete cell.dataset.place;
    if (place === undefined) delete cell.dataset.n;
    else cell.dataset.n = place;
    cell.querySelector("span").textContent = number[TEXT];
    cell.querySelector("small").textContent = number[ENDS];
    const bar = cell.querySelector("svg");
    if (bar) draw(bar, number, chance);
  };

  const draw = (bar, number, chance) => {
    const x = (value) => (WIDTH * value).toFixed(1);
    const paths = {
      axis: `M0 5.5H${WIDTH}`,
      chance: chance === null ? null : `M${x(chance)} 0V11`,
      span: number[LO] === null ? null : `M${x(number[LO])} 5.5H${x(number[HI])}`,
      point: number[VALUE] === null ? null : `M${x(number[VALUE])} 0V11`,
    };
    bar.replaceChildren();
    for (const [name, shape] of Object.entries(paths)) {
      if (shape === null) continue;
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", name);
      path.setAttribute("d", shape);
      bar.append(path);
    }
  };

  // -- sorting ---------------------------------------------------------------------------------

  const columnOf = (head) => [...head.parentElement.children].indexOf(head);

  const keyOf = (row, column) => {
    const cell = row.children[column];
    if (cell.dataset.place !== undefined) return Number(cell.dataset.place) || null;
    if (cell.matches("th, .text"))
      return (cell.querySelector(".name") ?? cell).textContent.trim().toLowerCase() || null;
    return numberOf(cell)[VALUE];
  };

  const sort = (table, column, direction) => {
    const body = table.tBodies[table.tBodies.length - 1];
    const rows = [...body.rows].map((row) => [keyOf(row, column), row]);
    const sign = direction === "ascending" ? 1 : -1;
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // unknown: last, always
      return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
    });
    body.append(...rows.map(([, row]) => row));
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
  };

  const sortAgain = (table) => {
    const head = table.tHead.querySelector("[aria-sort]");
    if (head) sort(table, columnOf(head), head.getAttribute("aria-sort"));
  };

  for (const table of all("table[data-numbers]:not([data-order])")) {
    for (const head of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      if (head.dataset.about) button.title = head.dataset.about;
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        // Words from a to z, places from the first, other numbers from the largest.
        const up = head.classList.contains("text") || head.dataset.column === "rank";
        const first = up ? "ascending" : "descending";
        const other = up ? "descending" : "ascending";
        sort(table, columnOf(head), now === first ? other : first);
      });
    }
  }

  // -- what is shown ---------------------------------------------------------------------------

  const state = () => ({
    task: chosen("task", ""),
    domain: Number(chosen("domain", -1)),
    kind: document.getElementById("kind").selectedIndex - 1,
    rule: chosen("rule", "mean"),
    policy: chosen("policy", "wrong"),
  });

  const isUsual = ({ rule, policy }) => `${rule} ${policy}` === USUAL;

  const show = () => {
    const wanted = state();
    for (const part of all("[data-task]")) {
      const board = data.boards[part.dataset.task];
      const other = wanted.task !== "" && wanted.task !== part.dataset.task;
      part.hidden = other || groupOf(board, wanted.domain) < 0;
      for (const answer of all("[data-group]", part))
        answer.hidden = Number(answer.dataset.group) !== groupOf(board, wanted.domain);
      for (const row of all("[data-domain]", part))
        row.classList.toggle("chosen", wanted.domain >= 0 && Number(row.dataset.domain) === groupOf(board, wanted.domain));
    }
    for (const table of all("table[data-board]")) showBoard(table, wanted);
    document.getElementById("stays").hidden = isUsual(wanted);
    document.getElementById("kinds").hidden = wanted.kind < 0;
  };

  // The first group is all domains of the task, which may be one.
  const groupOf = (board, domain) =>
    domain < 0 ? 0 : board.groups.findIndex((group) => group.domain === domain);

  const showBoard = (table, wanted) => {
    const board = data.boards[table.dataset.board];
    const at = groupOf(board, wanted.domain);
    if (at < 0) return;
    const group = board.groups[at];
    const names = [...table.tHead.rows[0].cells].map((head) => head.dataset.column);
    const [rank, mean] = [names.indexOf("rank"), names.indexOf("mean")];
    const usual = isUsual(wanted);
    const chance = RULE_WITH_CHANCE.includes(wanted.rule) ? group.chance : null;
    const ranked = [];
    for (const row of table.tBodies[1].rows) {
      const cells = group.cells[row.dataset.line];
      row.hidden = !cells || (wanted.kind >= 0 && Number(row.dataset.kind) !== wanted.kind);
      if (!cells) continue;
      cells.forEach((place, n) => {
        const column = n + rank;
        fill(row.children[column], place, column === mean ? chance : null);
      });
      if (usual) continue;
      const rules = group.rules[row.dataset.line];
      // Where nothing failed every policy is the same, and only one is kept.
      const place = rules[`${wanted.rule} ${wanted.policy}`] ?? rules[`${wanted.rule} wrong`];
      fill(row.children[mean], place, chance);
      ranked.push(row);
    }
    for (const [n, row] of [...table.tBodies[0].rows].entries())
      fill(row.cells[mean], group.people[n], group.chance);
    if (!usual) rankByValue(ranked, rank, mean);
    nameScore(table.tHead.rows[0].cells[mean], wanted, usual);
    tellRule(table.closest("section"), wanted, usual);
    sortAgain(table);
  };

  const rankByValue = (rows, rank, mean) => {
    const value = (row) => numberOf(row.cells[mean])[VALUE];
    for (const row of rows) {
      const cell = row.cells[rank];
      const was = `${numberOf(cell)[TEXT]} ${numberOf(cell)[ENDS]}`.trim();
      const known = value(row) !== null;
      const better = rows.filter((other) => value(other) !== null && value(other) > value(row));
      cell.dataset.place = known ? better.length + 1 : ""; // what it is sorted by
      cell.querySelector("span").textContent = known ? cell.dataset.place : "–";
      cell.querySelector("small").textContent = `mean: ${was}`;
    }
  };

  const nameScore = (head, wanted, usual) => {
    head.dataset.mean ??= head.dataset.about;
    head.querySelector("span").textContent = usual ? "mean" : `under ${wanted.rule}`;
    head.dataset.about = usual ? head.dataset.mean : notice(wanted);
    head.querySelector("button").title = head.dataset.about;
  };

  const notice = ({ rule, policy }) => `Scores under the rule ${rule}, failed verdicts ${policy}.`;

  const tellRule = (section, wanted, usual) => {
    const place = section.querySelector("[data-notice]");
    place.hidden = usual;
    place.textContent = `${notice(wanted)} ` +
      "Ranks here are by value alone; rank intervals, letters, tests and verdicts belong to the " +
      "rule mean with failures wrong, and stand behind “mean:”.";
    const domain = document.getElementById("domain");
    section.querySelector("[data-where]").textContent =
      wanted.domain < 0 ? "" : `in ${domain.options[domain.selectedIndex].text}`;
  };

  const controls = document.getElementById("controls");
  controls.hidden = false;
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("change", show);
  controls.addEventListener("reset", () => setTimeout(show));

  // -- the facts behind a number ---------------------------------------------------------------

  const tip = document.getElementById("tip");
  let told = null;

  const line = (text, name) => {
    const made = document.createElement("div");
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const tell = (cell) => {
    const number = numberOf(cell);
    const facts = data.facts[number[FACTS]] ?? [];
    if (!facts.length) return hush();
    const table = cell.closest("table");
    const head = table.tHead.rows[0].cells[columnOf(cell)];
    const who = cell.parentElement.cells[0].textContent.trim().replace(/^[●■▽◆★]\s*/, "");
    tip.replaceChildren(
      line(`${who}, ${head.textContent.trim()}: ${number[TEXT]} ${number[ENDS]}`, "head"),
      ...facts.map((fact) => line(fact)),
      ...(head.dataset.about ? [line(head.dataset.about, "about")] : []),
    );
    told?.removeAttribute("aria-describedby");
    told = cell;
    cell.setAttribute("aria-describedby", "tip");
    tip.hidden = false;
    settle();
  };

  // Beside its number, wherever that is now.
  const settle = () => {
    if (!told) return;
    const at = told.getBoundingClientRect();
    const height = document.documentElement.clientHeight;
    if (at.bottom < 0 || at.top > height) return hush();
    const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = at.bottom + 6;
    const above = at.top - tip.offsetHeight - 6;
    const fits = below + tip.offsetHeight < height || above < 0;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${fits ? below : above}px`;
  };

  const hush = () => {
    tip.hidden = true;
    told?.removeAttribute("aria-describedby");
    told = null;
  };

  // One stop of the tab key a table; the arrow keys go from number to number.
  const enter = (cell) => {
    for (const other of all("[tabindex='0']", cell.closest("table"))) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus();
  };

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

  const step = (cell, [down, right]) => {
    const rows = all("tbody tr", cell.closest("table")).filter((row) => !row.hidden);
    let [y, x] = [rows.indexOf(cell.parentElement), cell.cellIndex];
    for (;;) {
      [y, x] = [y + down, x + right];
      const next = rows[y]?.cells[x];
      if (!rows[y] || x < 0 || x >= rows[y].cells.length) return;
      if (next?.dataset.n !== undefined) return enter(next);
    }
  };

  for (const table of all("table[data-numbers]")) {
    for (const cell of all("td[data-n]", table)) cell.tabIndex = -1;
    const first = table.querySelector("td[data-n]");
    if (first) first.tabIndex = 0;
  }

  const cellOf = (event) => event.target.closest?.("td[data-n]");
  document.addEventListener("focusin", (event) => (cellOf(event) ? tell(cellOf(event)) : hush()));
  document.addEventListener("click", (event) => {
    if (cellOf(event)) enter(cellOf(event));
    else if (!tip.contains(event.target)) hush();
  });
  document.addEventListener("mouseover", (event) => {
    const moved = event.movementX !== 0 || event.movementY !== 0; // not the page under the mouse
    if (cellOf(event) && (moved || !told)) tell(cellOf(event));
    else if (!tip.contains(event.target) && !told?.matches(":focus")) hush();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hush();
    const cell = cellOf(event);
    if (!cell || !(event.key in STEPS)) return;
    event.preventDefault();
    step(cell, STEPS[event.key]);
  });
  addEventListener("scroll", settle, true);
})();
