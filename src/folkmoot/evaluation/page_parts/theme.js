  // Colours: as the system has them, dark, or light
  {
    const button = byId("theme"), order = ["auto", "dark", "light"], root = document.documentElement;
    // Files opened from a disk may have no storage; the choice then lasts as long as the page
    const stored = { get() { try { return localStorage.getItem("folkmoot-theme"); } catch { return null; } },
      set(value) { try { localStorage.setItem("folkmoot-theme", value); } catch { /* kept for this page only */ } } };
    const show = theme => {
      if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
      button.textContent = `Colours: ${theme === "auto" ? "as the system" : theme}`;
    };
    let theme = order.includes(stored.get()) ? stored.get() : "auto";
    button.addEventListener("click", () => {
      theme = order[(order.indexOf(theme) + 1) % order.length];
      stored.set(theme);
      show(theme);
    });
    show(theme);
    button.hidden = false;
  }
