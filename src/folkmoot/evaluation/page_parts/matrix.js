  // The matrix: a row per question, a column per system. Only the rows in sight are in the document.
  const ROW = 28, BEYOND = 12;

  function label(D, row) { return row[ID] + (D.draws > 1 ? `, draw ${row[DRAW] + 1}` : ""); }
  function glyph(row, j) { return row[LETTERS][j] === "s" ? String(Math.round(100 * row[PARTIAL][j])) : STATES[row[LETTERS][j]][1]; }
  function cell(row, j, tag) { return el(tag || "span", `cell ${STATES[row[LETTERS][j]][0]}`, glyph(row, j)); }

  function legend(D) {
    const seen = new Set(D.rows.flatMap(row => [...row[LETTERS]])), list = el("ul", "glyphs", null, { "aria-label": "Marks" });
    for (const [letter, [cls, sign, name]] of Object.entries(STATES)) {
      if (seen.has(letter)) put(list, put(el("li"), el("span", `cell ${cls}`, sign, { "aria-hidden": "true" }), el("span", "", name)));
    }
    return list;
  }

  function matrix(D, open) {
    const box = el("div", "matrix", null, { role: "grid", tabindex: "0", "aria-label": "Questions by systems; arrow keys move, Enter opens", "aria-colcount": D.systems.length + 1 });
    const table = el("table", "", null, { role: "presentation" }), head = el("tr", "", null, { role: "row", "aria-rowindex": "1" });
    put(head, el("th", "", "Question", { role: "columnheader" }));
    for (const [name] of D.systems) put(head, put(el("th", "", null, { role: "columnheader", title: name }), el("span", "up", name, { dir: "auto" })));
    const above = el("tbody", "", null, { role: "presentation" }), body = el("tbody", "", null, { role: "rowgroup" }), below = el("tbody", "", null, { role: "presentation" });
    const space = part => { const td = el("td", "", null, { colspan: D.systems.length + 1 }); put(part, put(el("tr", "", null, { role: "presentation" }), td)); return td; };
    const [top, bottom] = [space(above), space(below)];
    put(table, put(el("thead", "", null, { role: "rowgroup" }), head), above, body, below);
    const none = el("p", "nothing-found", "No question is like this.");
    none.hidden = true;
    put(box, table, none);

    let shown = [], from = 0, to = 0, at = { row: 0, column: 0 };
    function line(n) {
      const i = shown[n], row = D.rows[i], tr = el("tr", "", null, { role: "row", "aria-rowindex": n + 2 });
      tr.dataset.row = n;
      const title = `${label(D, row)}: ${row[BEGINNING]}`;
      put(tr, put(el("th", "", null, { role: "rowheader", id: `c${i}-0`, title }), put(el("div"), el("span", "id", label(D, row)), el("span", "", row[BEGINNING], { dir: "auto" }))));
      D.systems.forEach(([name], j) => {
        const td = el("td", "", null, { role: "gridcell", id: `c${i}-${j + 1}`, "aria-label": `${name}: ${STATES[row[LETTERS][j]][2]}${row[LETTERS][j] === "s" ? ` ${glyph(row, j)}` : ""}` });
        put(tr, put(td, cell(row, j)));
      });
      return tr;
    }
    function draw(afresh) {
      const head = table.tHead.offsetHeight, high = box.clientHeight || 400;
      const first = Math.max(0, Math.floor((box.scrollTop - head) / ROW) - BEYOND);
      const last = Math.min(shown.length, Math.ceil((box.scrollTop + high) / ROW) + BEYOND);
      if (!afresh && first === from && last === to) return;
      from = first;
      to = Math.max(first, last);
      body.replaceChildren(...Array.from({ length: to - from }, (_, k) => line(from + k)));
      top.style.height = `${from * ROW}px`;
      bottom.style.height = `${(shown.length - to) * ROW}px`;
      above.hidden = !from;
      below.hidden = to >= shown.length;
      mark();
    }
    function mark() {
      for (const e of body.querySelectorAll(".now")) e.classList.remove("now");
      const id = shown.length ? `c${shown[at.row]}-${at.column}` : "", e = id && byId(id);
      if (e) {
        e.classList.add("now");
        e.parentElement.classList.add("now");
        box.setAttribute("aria-activedescendant", id);
      } else box.removeAttribute("aria-activedescendant");
    }
    function move(row, column) {
      if (!shown.length) return;
      at = { row: Math.min(Math.max(row, 0), shown.length - 1), column: Math.min(Math.max(column, 0), D.systems.length) };
      const head = table.tHead.offsetHeight, y = at.row * ROW, room = box.clientHeight - head - ROW;
      if (y < box.scrollTop) box.scrollTop = y;
      else if (y > box.scrollTop + room) box.scrollTop = y - room;
      draw(false);
      mark();
      const e = byId(`c${shown[at.row]}-${at.column}`), fixed = table.tHead.rows[0].cells[0].offsetWidth;
      if (e && at.column) {
        if (e.offsetLeft - fixed < box.scrollLeft) box.scrollLeft = e.offsetLeft - fixed;
        else if (e.offsetLeft + e.offsetWidth > box.scrollLeft + box.clientWidth) box.scrollLeft = e.offsetLeft + e.offsetWidth - box.clientWidth;
      }
    }
    const page = () => Math.max(1, Math.floor((box.clientHeight - table.tHead.offsetHeight) / ROW) - 1);
    const KEYS = {
      ArrowLeft: () => [at.row, at.column - 1], ArrowRight: () => [at.row, at.column + 1],
      ArrowUp: () => [at.row - 1, at.column], ArrowDown: () => [at.row + 1, at.column],
      PageUp: () => [at.row - page(), at.column], PageDown: () => [at.row + page(), at.column],
      Home: e => [e.ctrlKey ? 0 : at.row, 0], End: e => [e.ctrlKey ? Infinity : at.row, Infinity],
    };
    box.addEventListener("keydown", event => {
      if (event.altKey || event.metaKey) return;
      if (KEYS[event.key]) move(...KEYS[event.key](event));
      else if ((event.key === "Enter" || event.key === " ") && shown.length) open(shown[at.row], at.column - 1);
      else return;
      event.preventDefault();
    });
    box.addEventListener("click", event => {
      const place = event.target.closest("td, th"), tr = place && place.closest("tr[data-row]");
      if (!tr) return;
      at = { row: Number(tr.dataset.row), column: place.cellIndex };
      mark();
      open(shown[at.row], at.column - 1);
    });
    box.addEventListener("scroll", () => draw(false), { passive: true });
    new ResizeObserver(() => draw(false)).observe(box);

    return {
      box,
      list: () => shown,
      go: i => { const n = shown.indexOf(i); if (n >= 0) move(n, at.column); },
      show(rows) {
        shown = rows;
        at = { row: 0, column: at.column };
        box.scrollTop = 0;
        box.setAttribute("aria-rowcount", shown.length + 1);
        none.hidden = shown.length > 0;
        draw(true);
      },
    };
  }
