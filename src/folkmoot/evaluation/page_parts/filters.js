  // Which questions are shown. A row: [task, id, draw, beginning of the question, letters, numbers of samples, partial scores]
  const [TASK, ID, DRAW, BEGINNING, LETTERS, SAMPLES, PARTIAL] = [0, 1, 2, 3, 4, 5, 6];
  const STATES = {
    r: ["right", "✓", "right"], w: ["wrong", "×", "wrong"], s: ["some", "½", "partly right (score in percent)"],
    u: ["unparsed", "?", "unparsed"], t: ["truncated", "…", "truncated"], f: ["refused", "R", "refused"],
    l: ["limit", "L", "over the context limit"], e: ["error", "!", "error"], ".": ["none", "·", "not here"],
  };
  const score = (row, j) => (row[LETTERS][j] === "r" ? 1 : row[LETTERS][j] === "s" ? row[PARTIAL][j] : 0);
  const there = (row, j) => row[LETTERS][j] !== ".";

  // Name, test of a row: `of` are the systems asked about, `kinds` the kind of every system
  const FILTERS = {
    all: ["all questions", () => true],
    disagree: ["disagreements", (row, of) => {
      const present = [...row[LETTERS]].map((_, j) => j).filter(j => there(row, j));
      return of.some(i => there(row, i) && present.some(j => score(row, j) !== score(row, i)));
    }],
    only: ["only the graph right", (row, of, kinds, one) => {
      const on = one ? of : of.filter(j => kinds[j] === "graph");
      return on.some(j => score(row, j) >= 1) && kinds.every((kind, j) => on.includes(j) || kind === "bound" || score(row, j) < 1);
    }],
    collapsed: ["collapsed: a member alone was right", (row, of, kinds, one) =>
      kinds.some((kind, j) => kind === "member" && score(row, j) >= 1)
      && of.some(j => (one || kinds[j] === "graph") && there(row, j) && score(row, j) < 1)],
    nobody: ["nobody right", row => ![...row[LETTERS]].some((_, j) => score(row, j) > 0)],
    everybody: ["everybody right", row => [...row[LETTERS]].every((_, j) => !there(row, j) || score(row, j) >= 1)],
    right: ["right", (row, of) => of.some(j => row[LETTERS][j] === "r")],
    wrong: ["wrong", (row, of) => of.some(j => row[LETTERS][j] === "w")],
    unparsed: ["unparsed", (row, of) => of.some(j => row[LETTERS][j] === "u")],
    truncated: ["truncated", (row, of) => of.some(j => row[LETTERS][j] === "t")],
    failed: ["error, refused or over the limit", (row, of) => of.some(j => "efl".includes(row[LETTERS][j]))],
  };

  function filters(D, changed) {
    const kinds = D.systems.map(s => s[1]), tools = el("div", "tools", null, { role: "search", "aria-label": "Filter the questions" });
    const choice = (name, id, options) => {
      const select = el("select", "", null, { id });
      for (const [value, text] of options) put(select, el("option", "", short(text, 48), { value }));
      put(tools, put(el("label", "", name), select));
      select.addEventListener("change", apply);
      return select;
    };
    const kind = choice("Show", "filter", Object.entries(FILTERS).map(([key, [name]]) => [key, name]));
    const system = choice("of", "system", [["", "any system"], ...D.systems.map(([name], j) => [j, name])]);
    const task = choice("in", "task", [["", "all tasks"], ...D.tasks.map((name, i) => [i, name])]);
    task.parentElement.hidden = D.tasks.length < 2;
    const find = el("input", "", null, { type: "search", id: "search", placeholder: "question or id" });
    put(tools, put(el("label", "", "Find"), find));
    const clear = el("button", "", "Clear", { type: "button", id: "clear" });
    const count = el("output", "count", "", { id: "count", "aria-live": "polite" });
    put(tools, clear, count);

    let texts = null, loading = null;
    function words() {
      // The whole questions are unpacked at the first search; until then there are their beginnings
      if (!loading) loading = unpack("whole").then(all => { texts = all.map((t, i) => `${D.rows[i][ID]}\n${t}`.toLowerCase()); apply(); });
      return texts || D.rows.map(row => `${row[ID]}\n${row[BEGINNING]}`.toLowerCase());
    }
    function apply() {
      const wanted = find.value.trim().toLowerCase(), all = wanted ? words() : [];
      const one = system.value !== "", of = one ? [Number(system.value)] : kinds.map((_, j) => j);
      const test = FILTERS[kind.value][1], shown = [];
      D.rows.forEach((row, i) => {
        if (task.value !== "" && row[TASK] !== Number(task.value)) return;
        if (wanted && !all[i].includes(wanted)) return;
        if (test(row, of, kinds, one)) shown.push(i);
      });
      count.textContent = `${number(shown.length)} of ${plural(D.rows.length, "question")}`;
      clear.disabled = !wanted && !one && kind.value === "all" && task.value === "";
      changed(shown);
    }
    find.addEventListener("input", apply);
    clear.addEventListener("click", () => { kind.value = "all"; system.value = task.value = find.value = ""; apply(); kind.focus(); });
    return { tools, apply };
  }
