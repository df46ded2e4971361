  // Put the explorer together
  async function start(root) {
    if (typeof DecompressionStream === "undefined") {
      root.firstElementChild.textContent = "This browser cannot unpack the discussions (it has no DecompressionStream). All tables and drawings are complete without them.";
      return;
    }
    const D = await unpack("matrix");
    let talks = null;
    const grid = matrix(D, (i, j) => talks.show(i, j)), { tools, apply } = filters(D, rows => grid.show(rows));
    talks = transcripts(D, grid);
    root.replaceChildren(tools, legend(D), grid.box, talks.dialog);
    apply();
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("matrix")));
    await parsed;
    talks.follow();
    addEventListener("hashchange", talks.follow);
  }
  if (byId("explorer")) start(byId("explorer"));
