  // The discussions of one question, systems side by side. Layout of samples and turns: _sample and _turn of page_data.py.
  const LONG = 1500, KEPT = 4;
  const ROLES = { answer: "answers", critique: "critiques", judge: "judging", finish: "finish", route: "routing", confidence: "confidence" };

  function blocks(D) {
    const kept = new Map();
    return async ordinal => {
      let n = 0;
      while (n + 1 < D.starts.length && D.starts[n + 1] <= ordinal) n++;
      const block = kept.get(n) || unpack(`block${n}`);
      kept.delete(n);
      kept.set(n, block);
      if (kept.size > KEPT) kept.delete(kept.keys().next().value);
      const { texts, prompts, samples } = await block;
      return { text: i => (i < 0 ? null : texts[i]), prompts, sample: samples[ordinal - D.starts[n]] };
    };
  }

  function turn(t, block, draws) {
    const text = block.text, [speaker, role, , said, answer, mark, about, draw, prompt, finish, asked, cached, made, queue, service, hit, error] = t;
    const box = el("section", "turn"), top = put(el("div", "top"), el("bdi", "who", text(speaker))), name = text(role), words = text(said);
    const tag = [about >= 0 ? `${name} of ${text(about)}` : name === "answer" ? "" : name, draws ? `draw ${draw + 1}` : ""];
    put(top, el("bdi", "tag", tag.filter(Boolean).join(", ")));
    if (error < 0 && (answer >= 0 || ["answer", "judge", "finish"].includes(name))) {
      const read = el("span", "read" + (answer >= 0 ? "" : " nothing"));
      put(read, el("bdi", "", answer >= 0 ? short(text(answer), 200) : "no answer read", { title: answer >= 0 ? short(text(answer), 300) : "" }));
      if (mark !== null) put(read, el("span", `cell small ${mark >= 1 ? "right" : mark > 0 ? "some" : "wrong"}`, mark >= 1 ? "✓" : mark > 0 ? String(Math.round(100 * mark)) : "×", { role: "img", "aria-label": mark >= 1 ? "right" : mark > 0 ? "partly right" : "wrong" }));
      put(top, read);
    }
    put(box, top);
    if (error >= 0) put(box, el("p", "failed", `Failed: ${text(error)}`));
    if (error < 0 || words) {
      const long = words.length > LONG * 1.2;
      const p = el("p", words.trim() ? "said" : "said empty", words.trim() ? (long ? words.slice(0, LONG) + " …" : words) : "(an empty reply)", { dir: "auto" });
      put(box, p);
      if (long) {
        const all = el("button", "all", `Show all ${number(words.length)} characters`, { type: "button" });
        all.addEventListener("click", () => { p.textContent = words; p.tabIndex = -1; p.focus({ preventScroll: true }); all.remove(); });
        put(box, all);
      }
    }
    const facts = el("p", "facts", [
      `${number(asked)} + ${number(made)} tokens` + (cached ? ` (${number(cached)} of the prompt cached)` : ""),
      `${service} s`, queue ? `waited ${queue} s` : "", hit ? "reply from the cache" : "",
    ].filter(Boolean).join(" · "));
    if (finish === "length" || finish === "refused") put(facts, " · ", el("span", "warn", finish === "length" ? "cut at the token limit" : "withheld"));
    put(box, facts);
    if (prompt >= 0) {
      const more = put(el("details"), el("summary", "", "Prompt"));
      more.addEventListener("toggle", () => {
        if (!more.open || more.children.length > 1) return;
        for (const [who, pieces] of block.prompts[prompt]) {
          put(more, put(el("div", "message"), el("b", "", who), el("pre", "", pieces.map(text).join(""), { dir: "auto", tabindex: "0" })));
        }
      });
      put(box, more);
    }
    return box;
  }

  function talk(turns, led, block) {
    const parts = [], draws = new Set(turns.map(t => t[7])).size > 1;
    let last = "";
    turns.forEach((t, i) => {
      const role = block.text(t[1]), key = `${t[2]} ${role}`;
      if (key !== last) parts.push(el("h4", "", `Round ${t[2] + 1}, ${Object.hasOwn(ROLES, role) ? ROLES[role] : role}`));
      last = key;
      const box = turn(t, block, draws);
      if (led.includes(i)) box.classList.add("led");
      parts.push(box);
    });
    return parts;
  }

  function decided([by, tally, why], answer, text) {
    const box = put(el("div", "decision"), el("b", "", "Decided by "), el("bdi", "", text(by)), el("b", "", ": "), el("bdi", "", answer >= 0 ? short(text(answer), 2000) : "no answer"));
    if (text(why)) put(box, el("span", "soft", `  (${text(why)})`));
    const list = el("ul", "tally");
    for (const [a, votes] of tally) put(list, put(el("li", "", "", { title: short(text(a), 300) }), el("bdi", "", short(text(a), 300)), el("span", "soft", `  ×${votes}`)));
    if (tally.length) put(box, list);
    return box;
  }

  function judged(judgements, text) {
    const words = x => (x === null ? "unread" : x >= 1 ? "this reply" : x <= 0 ? "the other" : "neither");
    const box = put(el("div", "decision"), el("b", "", "Judgements"));
    for (const [judge, against, first, second, points, flipped, length, other] of judgements) {
      put(box, put(el("p", ""), el("bdi", "", text(judge)), ` against `, el("bdi", "", text(against)),
        `: shown first, ${words(first)}; shown second, ${words(second)}; score ${points}${flipped ? "; the verdict changed with the order" : ""}. ${plural(length, "word")} against ${number(other)}.`));
    }
    return box;
  }

  function column(D, row, j, block) {
    const [, , , , answer, seconds, error, decision, turns, judgements, origin, led] = block.sample, text = block.text, made = turns.reduce((sum, t) => sum + t[12], 0);
    const box = el("section", "column", null, { "aria-label": D.systems[j][0] }), top = el("header");
    put(top, put(el("h3"), cell(row, j), el("bdi", "", D.systems[j][0])),
      put(el("p", "reply"), el("span", "soft", answer >= 0 ? "answered " : STATES[row[LETTERS][j]][2]), answer >= 0 && el("bdi", "", short(text(answer), 300))),
      el("p", "facts", `${plural(turns.length, "call")} · ${number(made)} completion tokens · ${seconds} s`));
    put(box, top, ...talk(turns, led, block));
    if (error >= 0) put(box, el("p", "failed", text(error)));
    if (decision) put(box, decided(decision, answer, text));
    if (origin >= 0 && text(origin)) put(box, put(el("p", "origin"), el("b", "", "From "), el("bdi", "", text(origin))));
    if (judgements.length) put(box, judged(judgements, text));
    return box;
  }

  function transcripts(D, grid) {
    const load = blocks(D), kinds = D.systems.map(s => s[1]);
    const dialog = el("dialog", "transcript", null, { "aria-labelledby": "t-title" });
    const title = el("h2", "", "", { id: "t-title", tabindex: "-1" }), bar = el("header", "bar"), body = el("div", "inside");
    const button = (text, id, act) => { const b = el("button", "", text, { type: "button", id }); b.addEventListener("click", act); return b; };
    const back = button("← Previous", "t-back", () => walk(-1)), forth = button("Next →", "t-next", () => walk(1));
    const position = el("span", "soft", "", { "aria-live": "polite" });
    put(bar, title, position, put(el("span", "buttons"), back, forth, button("Close", "t-close", () => dialog.close())));
    put(dialog, bar, body);
    let now = -1, chosen = [], latest = 0;

    function partner(row, j) {
      // Beside a graph its reference, beside anything else a graph
      const order = kinds[j] === "graph" ? ["monolith", "baseline", "member", "graph"] : ["graph", "monolith", "baseline", "member"];
      for (const kind of order) {
        const found = kinds.findIndex((k, i) => k === kind && i !== j && there(row, i));
        if (found >= 0) return found;
      }
      return -1;
    }
    function chips(row) {
      const set = put(el("fieldset", "chips"), el("legend", "", "Side by side"));
      D.systems.forEach(([name], j) => {
        if (!there(row, j)) return;
        const box = el("input", "", null, { type: "checkbox", id: `t-s${j}` });
        box.checked = chosen.includes(j);
        box.addEventListener("change", async () => {
          chosen = (box.checked ? [...chosen, j] : chosen.filter(k => k !== j)).sort((a, b) => a - b);
          await columns(row);
          address();
        });
        put(set, put(el("label", "chip"), box, cell(row, j), el("bdi", "", name)));
      });
      return set;
    }
    async function columns(row) {
      const mine = ++latest, found = [];
      for (const j of chosen) if (there(row, j)) found.push([j, await load(row[SAMPLES][j])]);
      if (mine !== latest) return;
      const old = body.querySelector(".columns"), all = el("div", "columns", null, { tabindex: "0", role: "region", "aria-label": "Discussions side by side" });
      all.style.setProperty("--columns", found.length);
      put(all, ...found.map(([j, block]) => column(D, row, j, block)));
      if (!found.length) put(all, el("p", "soft", "Choose a system above."));
      if (old) old.replaceWith(all); else body.append(all);
    }
    async function show(i, j) {
      const row = D.rows[i], mine = ++latest;
      now = i;
      if (j >= 0 && there(row, j) && !chosen.includes(j)) chosen = [j, partner(row, j)].filter(k => k >= 0).sort((a, b) => a - b);
      if (!chosen.some(k => there(row, k))) {
        const first = [...row[LETTERS]].findIndex((_, k) => there(row, k) && kinds[k] === "graph"), any = [...row[LETTERS]].findIndex((_, k) => there(row, k));
        chosen = [first >= 0 ? first : any, partner(row, first >= 0 ? first : any)].filter(k => k >= 0).sort((a, b) => a - b);
      }
      title.replaceChildren(el("bdi", "", label(D, row)), el("bdi", "soft", D.tasks.length > 1 ? ` ${D.tasks[row[TASK]]}` : ""));
      const list = grid.list(), at = list.indexOf(i);
      position.textContent = at >= 0 ? `${number(at + 1)} of ${number(list.length)}` : "";
      back.disabled = at <= 0;
      forth.disabled = at < 0 || at === list.length - 1;
      if (!dialog.open) dialog.showModal();
      const block = await load(row[SAMPLES].find(n => n >= 0)), text = block.text;
      if (mine !== latest) return;
      const gold = put(el("p", "gold"), "Accepted: ", el("b", "", block.sample[1].map(text).join("  or  ") || "nothing noted", { dir: "auto" }));
      body.replaceChildren(el("div", "question", text(block.sample[0]), { dir: "auto" }), gold, chips(row));
      body.scrollTop = 0;
      await columns(row);
      address();
    }
    function address() { try { history.replaceState(null, "", `#q${now}s${chosen.join("-")}`); } catch { /* the address stays */ } }
    function walk(step) {
      const list = grid.list(), to = list[list.indexOf(now) + step];
      if (to === undefined) return;
      grid.go(to);
      show(to, -1);
      if (document.activeElement === document.body || document.activeElement.disabled) title.focus();
    }
    dialog.addEventListener("close", () => {
      latest++;
      try { history.replaceState(null, "", "#questions"); } catch { /* the address stays */ }
      grid.box.focus({ preventScroll: true });
    });
    dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
    function follow() {
      const found = /^#q(\d+)s(\d+(?:-\d+)*)?$/.exec(location.hash);
      if (!found || !D.rows[Number(found[1])]) return;
      chosen = (found[2] || "").split("-").filter(Boolean).map(Number).filter(j => D.systems[j]);
      grid.go(Number(found[1]));
      show(Number(found[1]), -1);
    }
    return { dialog, show, follow };
  }
