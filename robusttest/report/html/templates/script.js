"use strict";
(() => {
  const root = document.documentElement;
  const stored = (value) => {
    try {
      if (value !== undefined) localStorage.setItem("robusttest-theme", value);
      return localStorage.getItem("robusttest-theme");
    } catch {
      return null; // a browser that keeps nothing for files
    }
  };
  const saved = stored();
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  function theme() {
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      stored(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  function sorting(table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = element("button", "", head.textContent);
      button.type = "button";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => {
          const cell = row.cells[column];
          if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
          return cell.classList.contains("n") ? null : cell.textContent.trim();
        };
        const rows = [...body.rows].map((row) => [key(row), row]);
        rows.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null); // without a value: last either way
          const order = typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
          return up ? order : -order;
        });
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // The dots of a plot are one stop of the Tab key; arrow keys go from dot to dot, from left to right.
  function plot(svg) {
    const dots = [...svg.querySelectorAll(".pt")];
    if (!dots.length) return;
    const across = (dot) => Number(dot.querySelector(".at").getAttribute("cx"));
    dots.sort((a, b) => across(a) - across(b));
    dots[0].tabIndex = 0;
    const tip = svg.parentElement.querySelector(".tip");
    const tell = (dot) => { tip.textContent = dot ? dot.getAttribute("aria-label") : ""; };
    dots.forEach((dot, i) => {
      dot.querySelector("title").remove(); // the line below says it at once
      dot.addEventListener("pointerenter", () => tell(dot));
      dot.addEventListener("pointerleave", () => tell(svg.querySelector(".pt:focus")));
      dot.addEventListener("focus", () => tell(dot));
      dot.addEventListener("blur", () => tell(null));
      dot.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = dots[(i + step + dots.length) % dots.length];
        dot.tabIndex = -1;
        next.tabIndex = 0;
        next.focus();
      });
    });
  }

  const PAGE = 20;

  function explorer() {
    const form = document.getElementById("filters");
    if (!form) return;
    const data = JSON.parse(document.getElementById("data").textContent);
    const rows = data.rows.map((values) => {
      const row = Object.fromEntries(data.fields.map((name, i) => [name, values[i]]));
      const cell = data.cells[row.cell];
      row.task = cell.task;
      row.model = cell.model;
      row.command = cell.command && `${cell.command} --robust-case=${row.name}`;
      row.family = row.perturbation.split(":")[0];
      return row;
    });
    const list = document.getElementById("list");
    const found = document.getElementById("found");
    const more = document.getElementById("more");
    const fields = form.elements;
    const options = (name, values) => {
      for (const value of [...new Set(values)].filter(Boolean).sort()) fields[name].append(new Option(value, value));
    };
    options("task", rows.map((r) => r.task));
    options("model", rows.map((r) => r.model));
    options("perturbation", rows.flatMap((r) => [r.perturbation, r.family]));
    const wholeText = (row) => {
      const without = (side) => row.diff.filter((_, i) => i % 3 !== side).join("");
      row.search ??= [
        `${row.case}::${row.variant}`, without(2), without(1), row.answer, row.reference_answer, row.target, row.reply, row.reason,
      ].filter((x) => x !== null).join("\n").toLowerCase();
      return row.search;
    };
    const outcomes = {
      failing: (r) => r.score < 1,
      broken: (r) => r.score < 1 && r.reference_score !== null && r.reference_score > r.score,
      unread: (r) => r.status !== "ok",
      passing: (r) => r.score >= 1,
    };
    const matching = () => {
      const search = fields.search.value.trim().toLowerCase();
      const wanted = (name, row) => !fields[name].value || row[name] === fields[name].value;
      const perturbation = fields.perturbation.value;
      return rows.filter((row) =>
        wanted("task", row) && wanted("model", row) &&
        (!perturbation || row.perturbation === perturbation || row.family === perturbation) &&
        (!fields.outcome.value || outcomes[fields.outcome.value](row)) &&
        (!fields.flipped.value || row.flipped === (fields.flipped.value === "yes")) &&
        (!search || wholeText(row).includes(search)));
    };
    let hits = [];
    let shown = 0;
    const page = () => {
      list.append(...hits.slice(shown, shown + PAGE).map(article));
      shown = Math.min(hits.length, shown + PAGE);
      more.hidden = shown >= hits.length;
      const of = hits.length === 1 ? "1 variant" : `${hits.length.toLocaleString("en")} variants`;
      found.textContent = hits.length ? `${of}${shown < hits.length ? `, the first ${shown} shown` : ""}` : "No variant matches these filters.";
    };
    const update = () => {
      hits = matching();
      shown = 0;
      list.replaceChildren();
      page();
    };
    let waiting;
    form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(update, 60); });
    form.addEventListener("reset", () => setTimeout(update));
    form.addEventListener("submit", (event) => event.preventDefault());
    more.addEventListener("click", () => {
      const next = shown;
      page();
      list.children[next]?.querySelector("h3").focus();
    });
    for (const link of document.querySelectorAll("a[data-perturbation]")) {
      link.addEventListener("click", () => {
        form.reset();
        const cell = data.cells[Number(link.dataset.cell)];
        fields.task.value = cell.task;
        fields.model.value = cell.model;
        fields.perturbation.value = link.dataset.perturbation;
        if (fields.perturbation.value !== link.dataset.perturbation) fields.perturbation.value = "";
        setTimeout(update);
      });
    }
    form.hidden = false;
    if (!rows.some(outcomes.failing)) fields.outcome.options[0].defaultSelected = true;
    form.reset();
    update();
  }

  function marked(parts) {
    const box = element("p", "diff");
    box.dir = "auto";
    parts.forEach((part, i) => {
      if (part) box.append(i % 3 === 0 ? part : element(i % 3 === 1 ? "del" : "ins", "", part));
    });
    return box;
  }

  function article(row) {
    const box = element("article", "case");
    const head = element("h3");
    head.tabIndex = -1;
    head.append(element("code", "", row.variant ? `${row.case}::${row.variant}` : row.case));
    head.append(element("span", "i", [row.task, row.model].filter(Boolean).join(" · ")));
    const passed = row.score >= 1;
    head.append(element("span", `badge ${passed ? "passed" : "failed"}`,
      passed ? "✓ right" : row.status !== "ok" ? `✗ ${row.status}` : row.score > 0 ? `✗ score ${row.score.toFixed(3)}` : "✗ wrong"));
    if (row.flipped) head.append(element("span", "badge inconclusive", "flipped"));
    box.append(head);
    if (row.diff.length) box.append(marked(row.diff));
    if (row.shrunk) box.append(element("p", "hint", "smallest change that still fails:"), marked(row.shrunk));
    const facts = element("dl");
    const fact = (name, value, className) => {
      if (value === null || value === undefined) return;
      const said = element("dd", className, value);
      said.dir = "auto";
      facts.append(element("dt", "", name), said);
    };
    const grade = (score) => (score === null ? "" : score >= 1 ? "right" : "wrong");
    if (row.variant) fact("unperturbed", row.reference_answer ?? (row.reference_score === null ? "no reply" : "no answer read"), grade(row.reference_score));
    fact(row.variant ? "perturbed" : "answer", row.answer ?? "no answer read", grade(row.score));
    fact("target", row.target);
    if (row.reply && row.reply.trim().toLowerCase() !== (row.answer ?? "").toLowerCase()) fact("reply", row.reply);
    fact("reason", row.reason);
    box.append(facts);
    if (row.command) {
      const replay = element("div", "replay");
      const copy = element("button", "quiet", "Copy");
      copy.type = "button";
      copy.setAttribute("aria-label", "Copy the replay command");
      copy.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(row.command);
          copy.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren(replay.firstChild);
        }
      });
      replay.append(element("code", "", row.command), copy);
      box.append(replay);
    }
    return box;
  }

  const DRAWN = [
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "opacity", "display",
    "font-family", "font-size", "font-weight", "text-anchor",
  ];

  // SVG's name, which a page that asks nobody for anything does not spell out.
  const space = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;

  const drawn = (tag, attributes, ...inner) => {
    const made = document.createElementNS(space, tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...inner);
    return made;
  };

  // A plot by itself: what the style sheet gives stands at each element.
  function plain(svg) {
    const copy = svg.cloneNode(true);
    const old = [...svg.querySelectorAll("*")];
    [...copy.querySelectorAll("*")].forEach((part, i) => {
      const style = getComputedStyle(old[i]);
      DRAWN.forEach((name) => part.setAttribute(name, style.getPropertyValue(name)));
      ["class", "tabindex"].forEach((name) => part.removeAttribute(name));
    });
    ["class", "tabindex", "role", "aria-hidden", "aria-label"].forEach((name) => copy.removeAttribute(name));
    copy.setAttribute("overflow", "visible");
    return copy;
  }

  const MARGIN = 10;
  const ROW = 22;
  const measure = document.createElement("canvas").getContext("2d");

  // Lines of words, in the page's font and colour; `bold` for names.
  function written(text, x, y, { bold = false, soft = false, end = false } = {}) {
    const style = getComputedStyle(root);
    const made = drawn("text", {
      x, y, fill: getComputedStyle(document.querySelector(soft ? ".hint, footer" : "main")).color,
      "font-family": style.fontFamily, "font-size": 12, "font-weight": bold ? 600 : 400, "text-anchor": end ? "end" : "start",
    });
    made.textContent = text;
    return made;
  }

  function broad(text, bold = false) {
    measure.font = `${bold ? 600 : 400} 12px ${getComputedStyle(root).fontFamily}`;
    return measure.measureText(text).width;
  }

  function whole(title, width, height, parts) {
    const wide = Math.ceil(Math.max(width, broad(title, true)) + 2 * MARGIN);
    const high = Math.ceil(height + 2 * MARGIN);
    const back = getComputedStyle(document.querySelector(".scroll, .panel")).backgroundColor;
    const svg = drawn("svg", { xmlns: space, width: wide, height: high, viewBox: `0 0 ${wide} ${high}` },
      drawn("rect", { width: wide, height: high, fill: back }), written(title, MARGIN, MARGIN + 12, { bold: true }), ...parts);
    return { text: new XMLSerializer().serializeToString(svg), width: wide, height: high };
  }

  // Items of legends, one under another from `y` on; and how wide and how far down they are.
  function legend(items, y) {
    const parts = [];
    let most = 0;
    let at = y;
    items.forEach((item) => {
      at += 18;
      const [line, dot] = [item.querySelector("svg"), item.querySelector(".dot")];
      const mark = line ? plain(line) : drawn("circle", { cx: MARGIN + 13, cy: at - 4, r: dot ? 4.5 : 0, fill: dot ? getComputedStyle(dot).backgroundColor : "none" });
      if (line) Object.entries({ x: MARGIN, y: at - 8 }).forEach(([name, value]) => mark.setAttribute(name, value));
      const text = item.textContent.replace(/\s+/g, " ").trim();
      parts.push(mark, written(text, MARGIN + 34, at, { soft: true }));
      most = Math.max(most, 34 + broad(text));
    });
    return { parts, most, at };
  }

  // A figure with its title and its legend, on the ground that it has on the page.
  function standing(svg) {
    const figure = svg.closest("figure");
    const panels = figure.parentElement.matches(".panels") ? figure.parentElement.parentElement : null;
    const items = [...figure.querySelectorAll(".legend li"), ...(panels ? panels.querySelectorAll(":scope > .legend li") : [])];
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const copy = plain(svg);
    Object.entries({ x: MARGIN, y: MARGIN + ROW, width, height }).forEach(([name, value]) => copy.setAttribute(name, value));
    const { parts, most, at } = legend(items, MARGIN + ROW + height + 6);
    return whole(svg.getAttribute("aria-label"), Math.max(width, most), at - MARGIN, [copy, ...parts]);
  }

  // A table with what is drawn in it: a line for each row, a place for each column.
  function tabled(table) {
    const rows = [table.tHead.rows[0], ...[...table.tBodies[0].rows].filter((row) => !row.classList.contains("note"))];
    const words = (cell) => [...cell.childNodes].filter((n) => !n.classList?.contains("sr")).map((n) => n.textContent).join("").replace(/\s+/g, " ").trim();
    const cells = rows.map((row) => [...row.cells].map((cell) => ({ cell, svg: cell.querySelector("svg"), text: words(cell) })));
    const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => {
      const { cell, svg, text } = row[i];
      return svg ? Number(svg.getAttribute("width")) : broad(text, cell.tagName === "TH");
    })));
    const starts = widths.map((_, i) => MARGIN + widths.slice(0, i).reduce((sum, w) => sum + w + 16, 0));
    const parts = [];
    cells.forEach((row, j) => row.forEach(({ cell, svg, text }, i) => {
      const y = MARGIN + ROW * (j + 1) + 8;
      const end = cell.classList.contains("n");
      if (!svg) return parts.push(written(text, starts[i] + (end ? widths[i] : 0), y + 15, { bold: j > 0 && cell.tagName === "TH", soft: j === 0, end }));
      const copy = plain(svg);
      Object.entries({ x: starts[i], y: y + (ROW - Number(svg.getAttribute("height"))) / 2 }).forEach(([name, value]) => copy.setAttribute(name, value));
      return parts.push(copy);
    }));
    const before = table.parentElement.previousElementSibling;
    const { parts: told, most, at } = legend(before?.matches(".legend") ? [...before.children] : [], MARGIN + ROW * (rows.length + 1) + 8);
    const label = table.parentElement.getAttribute("aria-label");
    return whole(label, Math.max(starts.at(-1) + widths.at(-1) - MARGIN, most), at - MARGIN, [...parts, ...told]);
  }

  function offer(blob, name) {
    const link = element("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function save({ text, width, height }, name, kind) {
    if (kind === "svg") return offer(new Blob([text], { type: "image/svg+xml" }), `${name}.svg`);
    const image = new Image();
    image.onload = () => {
      const canvas = element("canvas");
      [canvas.width, canvas.height] = [3 * width, 3 * height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => offer(blob, `${name}.png`), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    return undefined;
  }

  function saving(label, drawing) {
    const name = label.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 80) || "figure";
    const row = element("p", "save");
    ["svg", "png"].forEach((kind) => {
      const button = element("button", "quiet", kind);
      button.type = "button";
      button.setAttribute("aria-label", `Save as ${kind}: ${label}`);
      button.addEventListener("click", () => save(drawing(), name, kind));
      row.append(button);
    });
    return row;
  }

  function savings() {
    document.querySelectorAll("figure > svg").forEach((svg) => {
      svg.parentElement.append(saving(svg.getAttribute("aria-label"), () => standing(svg)));
    });
    document.querySelectorAll(".scroll > table").forEach((table) => {
      if (!table.querySelector("td.plot svg")) return;
      table.parentElement.after(saving(table.parentElement.getAttribute("aria-label"), () => tabled(table)));
    });
  }

  function printing() {
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      closed.forEach((d) => { d.open = true; });
    });
    addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));
  }

  addEventListener("DOMContentLoaded", () => {
    theme();
    document.querySelectorAll("table.sortable").forEach(sorting);
    document.querySelectorAll(".plot-svg").forEach(plot);
    savings();
    explorer();
    printing();
  });
})();
