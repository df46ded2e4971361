  // Nodes and texts. Texts of models are only ever set as textContent; sizes and places through properties of style.
  const byId = id => document.getElementById(id);
  function el(tag, cls, content, attributes) {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (content !== undefined && content !== null) e.textContent = content;
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    return e;
  }
  const put = (parent, ...children) => { parent.append(...children.filter(Boolean)); return parent; };
  const number = x => x.toLocaleString("en-US");
  const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
  const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

  const parsed = new Promise(done => {
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", done, { once: true });
    else done();
  });
  // What page_data.pack packed: base64, zlib, JSON
  async function unpack(id) {
    if (!byId(id)) await parsed;
    const binary = atob(byId(id).textContent.trim()), bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
