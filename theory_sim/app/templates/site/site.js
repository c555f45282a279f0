"use strict";
(() => {
  const root = document.currentScript.dataset.root;
  const html = document.documentElement;

  // Theme: that of the system, or the one chosen, which is remembered where the browser allows it.
  const THEMES = ["auto", "light", "dark"];
  const kept = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* not remembered */ } },
  };
  const theme = (name) => {
    if (name === "auto") delete html.dataset.theme; else html.dataset.theme = name;
    const shown = document.getElementById("theme-name");
    if (!shown) return;
    shown.textContent = name;
    shown.parentElement.setAttribute("aria-label", `Theme: ${name}`);
  };
  let chosen = THEMES.includes(kept.get()) ? kept.get() : "auto";
  theme(chosen);

  // Search over assets/search.js, which is loaded on first use and sets window.SEARCH to rows of
  // kind, name, address, status, text.
  const indexed = () => window.SEARCH ? Promise.resolve() : new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = `${root}assets/search.js`;
    script.onload = done;
    script.onerror = fail;
    document.head.append(script);
  });
  const search = (text) => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const row of window.SEARCH) {
      const name = row[1].toLowerCase(), all = `${row[0]} ${name} ${row[3]} ${row[4].toLowerCase()}`.toLowerCase();
      if (!words.every((word) => all.includes(word))) continue;
      const first = words[0];
      found.push([name === first ? 0 : name.startsWith(first) ? 1 : name.includes(first) ? 2 : 3, row]);
    }
    return found.sort((a, b) => a[0] - b[0]).map((one) => one[1]);
  };
  const element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const show = (box, rows) => {
    const list = element("ul");
    for (const [kind, name, address, status, text] of rows.slice(0, 30)) {
      const link = element("a", "", { href: root + address });
      link.append(element("strong", name), ` ${kind}${status ? `, ${status}` : ""}`, element("span", text));
      const item = element("li");
      item.append(link);
      list.append(item);
    }
    const said = rows.length > 30 ? `${rows.length} found, the first 30:` : `${rows.length || "Nothing"} found`;
    box.replaceChildren(element("p", said, { role: "status" }), list);
    box.hidden = false;
  };

  const startSearch = () => {
    const input = document.getElementById("search"), box = document.getElementById("results");
    const update = async () => {
      if (!input.value.trim()) { box.hidden = true; return; }
      await indexed();
      show(box, search(input.value));
    };
    input.addEventListener("input", update);
    input.addEventListener("focus", () => { indexed(); update(); });
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); input.focus(); }
      if (event.key === "Escape" && !box.hidden) { box.hidden = true; input.focus(); box.hidden = true; }
      if (!["ArrowDown", "ArrowUp", "Enter"].includes(event.key) || box.hidden) return;
      const links = [...box.querySelectorAll("a")], at = links.indexOf(document.activeElement);
      if (event.key === "Enter") { if (document.activeElement === input && links[0]) location.href = links[0].href; return; }
      if (at < 0 && document.activeElement !== input) return;
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (next < 0 ? input : links[Math.min(next, links.length - 1)])?.focus();
    });
    document.addEventListener("pointerdown", (event) => { if (!event.target.closest("search")) box.hidden = true; });
  };

  // The filters of claims.html; their state is in the address, so that a selection can be sent.
  const startFilters = () => {
    const form = document.getElementById("filters");
    if (!form) return;
    const rows = [...document.querySelectorAll("#claims tbody tr")], shown = document.getElementById("shown");
    const texts = rows.map((row) => row.textContent.toLowerCase());
    for (const [name, value] of new URLSearchParams(location.search)) if (form.elements[name]) form.elements[name].value = value;
    const apply = () => {
      const { text, ...fields } = Object.fromEntries(new FormData(form));
      const words = text.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word)) || Object.entries(fields).some(([name, value]) => value && row.dataset[name] !== value);
        count += !row.hidden;
      });
      shown.textContent = count === rows.length ? `${count} claims` : `${count} of ${rows.length} claims`;
      const state = new URLSearchParams(Object.entries({ text, ...fields }).filter((one) => one[1]));
      try { history.replaceState(null, "", state.size ? `?${state}` : location.pathname); } catch { /* no permalink */ }
    };
    form.addEventListener("input", apply);
    form.addEventListener("reset", () => setTimeout(apply));
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  };

  document.addEventListener("DOMContentLoaded", () => {
    theme(chosen);
    document.getElementById("theme").addEventListener("click", () => {
      chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
      theme(chosen);
      kept.set(chosen);
    });
    startSearch();
    startFilters();
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", async () => {
        try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = "Copied"; } catch { button.textContent = "Select it"; }
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
    }
    // A table that scrolls sideways must be reachable by keyboard.
    const reach = () => {
      for (const box of document.querySelectorAll(".scroll, pre")) if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0; else box.removeAttribute("tabindex");
    };
    reach();
    addEventListener("resize", reach);
  });
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")]; for (const one of opened) one.open = true; });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
})();
