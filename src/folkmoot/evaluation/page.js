
"use strict";
// Texts of models are only ever set as textContent. The layout of samples and turns is that of page_data.py.
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const text = n => (n < 0 ? null : D.texts[n]);
  const AT_ONCE = 200, LONG = 1500;
  const GLYPH = {
    right: ["✓", "right"], wrong: ["×", "wrong"], some: ["½", "partly right (score in percent)"], unparsed: ["?", "unparsed"],
    truncated: ["…", "truncated"], refused: ["R", "refused"], limit: ["L", "over the context limit"],
    error: ["!", "error"], none: ["·", "not finished"],
  };

  function el(tag, cls, content, attributes) {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (content !== undefined && content !== null) e.textContent = content;
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    return e;
  }
  const put = (parent, ...children) => { parent.append(...children.filter(Boolean)); return parent; };
  const number = x => x.toLocaleString("en-US");

  // items: [task, id, draw, question, golds, samples]; samples: [outcome, score, answer, seconds, error, decision, turns]
  const [TASK, ID, DRAW, QUESTION, GOLD, SAMPLES] = [0, 1, 2, 3, 4, 5];
  function state(sample) {
    if (!sample) return "none";
    const outcome = D.outcomes[sample[0]];
    if (outcome !== "scored") return outcome;
    return sample[1] >= 1 ? "right" : sample[1] <= 0 ? "wrong" : "some";
  }
  const glyph = (sample, s) => (s === "some" ? String(Math.round(100 * sample[1])) : GLYPH[s][0]);
  const label = item => item[ID] + (D.draws > 1 ? `, draw ${item[DRAW] + 1}` : "");
  const scores = item => item[SAMPLES].filter(Boolean).map(s => (D.outcomes[s[0]] === "scored" ? s[1] : 0));
  const differ = item => { const all = scores(item); return all.some(x => x !== all[0]); };

  const root = document.getElementById("explorer");
  const FILTERS = {
    all: ["all questions", () => true],
    differ: ["only where systems differ", differ],
    nobody: ["nobody right", item => scores(item).every(x => x === 0)],
    everybody: ["everybody right", item => scores(item).every(x => x === 1)],
    failed: ["something was not scored", item => item[SAMPLES].some(s => s && D.outcomes[s[0]] !== "scored")],
  };
  D.systems.forEach(([name], i) => {
    FILTERS[`only${i}`] = [`only ${name.length > 40 ? name.slice(0, 39) + "…" : name} right`, item => item[SAMPLES].every((s, j) => (state(s) === "right") === (i === j))];
  });

  // Tools
  const tools = el("div", "tools");
  const chosen = el("select", "", null, { id: "filter" });
  for (const [key, [name]] of Object.entries(FILTERS)) put(chosen, el("option", "", name, { value: key }));
  put(tools, put(el("label", "", "Show"), chosen));
  const task = el("select", "", null, { id: "task" });
  put(task, el("option", "", "all tasks", { value: "" }));
  D.tasks.forEach((name, i) => put(task, el("option", "", name, { value: i })));
  if (D.tasks.length > 1) put(tools, put(el("label", "", "Task"), task));
  const search = el("input", "", null, { type: "search", placeholder: "in the questions", id: "search" });
  put(tools, put(el("label", "", "Find"), search));
  const count = el("span", "count", "", { "aria-live": "polite" });
  put(tools, count);

  const seen = new Set(D.items.flatMap(item => item[SAMPLES].map(state)));
  const legend = el("ul", "glyphs");
  for (const [s, [sign, name]] of Object.entries(GLYPH)) {
    if (seen.has(s)) put(legend, put(el("li"), el("span", `cell ${s}`, sign, { "aria-hidden": "true" }), el("span", "", name)));
  }

  // Matrix: a row per question, a column per system; the cells are links to the discussion
  const panes = el("div", "panes" + (D.systems.length <= 12 ? " aside" : ""));
  const matrix = el("div", "matrix", null, { role: "region", "aria-label": "Questions by systems", tabindex: "0" });
  const table = el("table"), head = el("tr"), body = el("tbody");
  put(head, el("th", "", "Question", { scope: "col" }));
  for (const [name] of D.systems) put(head, put(el("th", "", null, { scope: "col", title: name }), el("span", "up", name)));
  put(table, put(el("thead"), head), body);
  const more = el("button", "more", "", { type: "button" });
  put(matrix, table, more);
  const transcript = el("article", "transcript", null, { "aria-live": "off" });
  put(panes, matrix, transcript);
  put(root, tools, legend, panes);

  let shown = [], drawn = 0, now = { item: -1, system: -1 };
  const rows = new Map();

  function row(i) {
    const item = D.items[i], tr = el("tr");
    const question = text(item[QUESTION]);
    const th = put(el("th", "", null, { scope: "row", title: `${label(item)}: ${question.slice(0, 300)}` }), el("div", "", question.slice(0, 160)));
    put(tr, th);
    item[SAMPLES].forEach((sample, j) => {
      const s = state(sample);
      const cell = sample
        ? el("a", `cell ${s}`, glyph(sample, s), {
            href: `#q${i}s${j}`, tabindex: "-1",
            "aria-label": `${D.systems[j][0]}: ${GLYPH[s][1]}${sample[2] >= 0 ? `, answer ${text(sample[2]).slice(0, 60)}` : ""}`,
            title: `${D.systems[j][0]}: ${GLYPH[s][1]}`,
          })
        : el("span", "cell none", GLYPH.none[0], { title: GLYPH.none[1] });
      put(tr, put(el("td"), cell));
    });
    return tr;
  }
  function draw(upTo) {
    for (; drawn < Math.min(upTo, shown.length); drawn++) {
      const tr = row(shown[drawn]);
      rows.set(shown[drawn], tr);
      body.append(tr);
    }
    more.hidden = drawn >= shown.length;
    more.textContent = `Show ${Math.min(AT_ONCE, shown.length - drawn)} more of ${number(shown.length - drawn)}`;
    mark();
  }
  function filter() {
    const wanted = search.value.trim().toLowerCase(), test = FILTERS[chosen.value][1];
    shown = [];
    D.items.forEach((item, i) => {
      if (task.value !== "" && item[TASK] !== Number(task.value)) return;
      if (wanted && !`${item[ID]}\n${text(item[QUESTION])}`.toLowerCase().includes(wanted)) return;
      if (test(item)) shown.push(i);
    });
    body.replaceChildren();
    rows.clear();
    drawn = 0;
    draw(AT_ONCE);
    count.textContent = `${number(shown.length)} of ${number(D.items.length)}`;
    if (now.item >= 0) steps();
  }
  function mark() {
    for (const e of body.querySelectorAll(".now")) e.classList.remove("now");
    const tr = rows.get(now.item);
    if (tr) {
      tr.classList.add("now");
      const cell = tr.querySelectorAll("td")[now.system];
      if (cell) cell.firstChild.classList.add("now");
    }
    for (const a of body.querySelectorAll("a[tabindex='0']")) a.tabIndex = -1;
    const entry = body.querySelector("a.now") || body.querySelector("a");
    if (entry) entry.tabIndex = 0;
  }
  chosen.addEventListener("change", filter);
  task.addEventListener("change", filter);
  search.addEventListener("input", filter);
  more.addEventListener("click", () => draw(drawn + AT_ONCE));
  matrix.addEventListener("keydown", event => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest && event.target.closest("td");
    if (!step || !cell) return;
    const tr = cell.parentElement, to = body.children[[...body.children].indexOf(tr) + step[0]];
    const next = to && to.children[cell.cellIndex + step[1]];
    const link = next && next.querySelector("a");
    if (!link) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    link.tabIndex = 0;
    link.focus();
  });

  // Discussion of one question
  let heading, back, forth;
  function show(i, j, jump) {
    now = { item: i, system: j };
    const item = D.items[i];
    heading = el("h3", "", label(item), { tabindex: "-1" });
    if (D.tasks.length > 1) put(heading, el("span", "soft", `  ${D.tasks[item[TASK]]}`));
    back = el("button", "", "← Previous", { type: "button" });
    forth = el("button", "", "Next →", { type: "button" });
    back.addEventListener("click", () => walk(-1));
    forth.addEventListener("click", () => walk(1));
    const gold = put(el("p", "gold", "Accepted: "), el("b", "", item[GOLD].map(text).join("  or  ") || "nothing noted", { dir: "auto" }));
    transcript.replaceChildren(put(el("header"), heading, back, forth), el("div", "question", text(item[QUESTION]), { dir: "auto" }), gold);
    item[SAMPLES].forEach((sample, k) => { if (sample) put(transcript, system(sample, k, k === j)); });
    steps();
    mark();
    if (!jump) return;
    heading.focus({ preventScroll: true });
    const target = transcript.querySelector("details[open]");
    const far = target && target.offsetTop - transcript.offsetTop > innerHeight * 0.6;
    (far ? target : transcript).scrollIntoView({ block: "start" });
  }
  function steps() {
    const at = shown.indexOf(now.item);
    back.disabled = !shown.length || at === 0;
    forth.disabled = !shown.length || at === shown.length - 1;
  }
  function walk(step) {
    const at = shown.indexOf(now.item);
    const to = at < 0 ? 0 : at + step;
    if (to < 0 || to >= shown.length) return;
    if (to >= drawn) draw(to + AT_ONCE);
    location.hash = `q${shown[to]}s${now.system < 0 ? 0 : now.system}`;
  }
  function system(sample, k, open) {
    const [, , answer, seconds, error, decision, turns] = sample, s = state(sample);
    const box = el("details", "system"), top = el("summary");
    const made = turns.reduce((sum, t) => sum + t[11], 0);
    put(top, el("span", `cell ${s}`, glyph(sample, s), { "aria-hidden": "true" }), el("span", "who", D.systems[k][0]),
      put(el("span", "reply"), el("span", "soft", answer >= 0 ? "answered " : GLYPH[s][1]), answer >= 0 && el("bdi", "", text(answer))),
      el("span", "costs", `${turns.length} call${turns.length === 1 ? "" : "s"}, ${number(made)} tokens, ${seconds} s`));
    put(box, top);
    const fill = () => {
      if (box.children.length > 1) return;
      const talk = el("div", "talk");
      put(talk, ...talkOf(turns));
      if (error >= 0) put(talk, el("p", "failed", text(error)));
      if (decision) put(talk, decided(decision, answer));
      put(box, talk);
    };
    box.addEventListener("toggle", () => { if (box.open) fill(); });
    if (open) { box.open = true; fill(); }
    return box;
  }
  const ROLES = { answer: "answers", critique: "critiques", judge: "judging", finish: "finish" };
  function talkOf(turns) {
    const parts = [];
    let last = "", group = null;
    const draws = new Set(turns.map(t => t[6])).size > 1;
    for (const t of turns) {
      const role = text(t[1]), key = `${t[2]} ${role}`;
      if (key !== last) {
        group = el("div", "round");
        parts.push(el("h4", "", `Round ${t[2] + 1}, ${ROLES[role] || role}`), group);
        last = key;
      }
      put(group, turn(t, role, draws));
    }
    return parts;
  }
  function turn(t, role, draws) {
    const [speaker, , , said, answer, about, draw, prompt, finish, inTokens, cached, outTokens, queue, service, hit, error] = t;
    const box = el("section", "turn"), top = put(el("div", "top"), el("span", "who", text(speaker)));
    const tag = [about >= 0 ? `${role} of ${text(about)}` : role === "answer" ? "" : role, draws ? `draw ${draw + 1}` : ""];
    put(top, el("span", "tag", tag.filter(Boolean).join(", ")));
    if (error < 0 && (answer >= 0 || role !== "critique")) {
      put(top, el("span", "read" + (answer >= 0 ? "" : " nothing"), answer >= 0 ? text(answer) : "no answer read", { dir: "auto", title: answer >= 0 ? text(answer).slice(0, 300) : "" }));
    }
    put(box, top);
    const words = text(said);
    if (error >= 0) put(box, el("p", "failed", `Failed: ${text(error)}`));
    if (error < 0 || words) {
      const long = words.length > LONG * 1.2;
      const p = el("p", words.trim() ? "said" : "said empty", words.trim() ? (long ? words.slice(0, LONG) + " …" : words) : "(an empty reply)", { dir: "auto" });
      put(box, p);
      if (long) {
        const all = el("button", "all", `Show all ${number(words.length)} characters`, { type: "button" });
        all.addEventListener("click", () => { p.textContent = words; all.remove(); });
        put(box, all);
      }
    }
    const facts = el("p", "facts", [
      `${number(inTokens)} + ${number(outTokens)} tokens` + (cached ? ` (${number(cached)} of the prompt cached)` : ""),
      `${service} s`, queue ? `waited ${queue} s` : "", hit ? "reply from the cache" : "",
    ].filter(Boolean).join(" · "));
    if (finish === "length" || finish === "refused") {
      put(facts, " · ", el("span", "warn", finish === "length" ? "cut at the token limit" : "withheld"));
    }
    put(box, facts);
    if (prompt >= 0) {
      const more = put(el("details"), el("summary", "", "Prompt"));
      more.addEventListener("toggle", () => {
        if (!more.open || more.children.length > 1) return;
        for (const [who, pieces] of D.prompts[prompt]) {
          put(more, put(el("div", "message"), el("b", "", who), el("pre", "", pieces.map(text).join(""), { dir: "auto", tabindex: "0" })));
        }
      });
      put(box, more);
    }
    return box;
  }
  function decided([by, tally, why], answer) {
    const box = put(el("div", "decision"), el("b", "", `Decided by ${by}: `), el("bdi", "", answer >= 0 ? text(answer) : "no answer"));
    if (text(why)) put(box, el("span", "soft", `  (${text(why)})`));
    const list = el("ul", "tally");
    for (const [a, votes] of tally) put(list, put(el("li", "", "", { title: text(a).slice(0, 300) }), el("bdi", "", text(a)), el("span", "soft", `  ×${votes}`)));
    if (tally.length) put(box, list);
    return box;
  }

  function follow(jump) {
    const found = /^#q(\d+)(?:s(\d+))?$/.exec(location.hash);
    if (!found || !D.items[Number(found[1])]) return false;
    show(Number(found[1]), found[2] === undefined ? -1 : Number(found[2]), jump);
    return true;
  }
  addEventListener("hashchange", () => follow(true));
  root.hidden = false;
  filter();
  if (!follow(true)) {
    const first = Math.max(0, D.items.findIndex(differ));
    show(first, D.items[first][SAMPLES].findIndex(Boolean), false);
  }
})();
