  // Forest plots: all of them are in the page; one is shown
  {
    const tools = byId("forest-tools");
    if (tools) {
      const graph = byId("forest-graph"), reference = byId("forest-reference"), plots = [...document.querySelectorAll(".forest")];
      const show = () => {
        for (const p of plots) p.hidden = p.dataset.graph !== graph.value || p.dataset.reference !== reference.value;
      };
      graph.addEventListener("change", show);
      reference.addEventListener("change", show);
      tools.hidden = false;
      show();
    }
  }
