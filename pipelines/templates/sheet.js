"use strict";
/* The contact sheet: records filtered and sorted here, drawn a screenful at a time; a record leads to its findings and back. */
(() => {
  const { element } = page;
  const data = page.read("sheet");
  const at = (id) => document.getElementById(id);
  const sheet = at("sheet"), status = at("sheet-status"), more = at("more");
  if (!sheet) return;
  const records = data.records.map(([id, facets, kinds, measures, worst, card, files], index) => ({
    index, id, facets, kinds, measures, worst, card: card < 0 ? null : data.cards[card], files,
    text: (id + " " + (card < 0 ? "" : data.cards[card].told.map((told) => told[1]).join(" "))).toLowerCase(),
  }));
  const byId = new Map(records.map((record) => [record.id, record]).reverse());
  const facets = Object.keys(data.facets);
  const CHUNK = 24;
  let visible = [], drawn = 0;

  /* Pictures */
  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const layerOf = (layer, figure) => {
    const nodes = [];
    if (layer.source) nodes.push(element("img", { class: "layer", "data-layer": layer.name, "data-space": layer.space, src: layer.source, alt: "" }));
    if (layer.outlines.length || layer.points.length) {
      const lines = layer.outlines.flatMap((one) => [svg("path", { class: "halo", d: one.path }), svg("path", { class: "c" + one.colour, d: one.path })]);
      const radius = Math.max(figure.width, figure.height) / 90;
      const points = layer.points.map((one) => svg("circle", { cx: one.x, cy: one.y, r: radius, "data-tip": one.label }));
      nodes.push(svg("svg", { class: "layer", "data-layer": layer.name, viewBox: `0 0 ${figure.width} ${figure.height}`, "aria-hidden": "true" }, ...lines, ...points));
    }
    return nodes;
  };
  const stack = (figure, large) => {
    if (figure.error) return element("span", { class: "nothing", text: `${figure.title}: ${figure.error}` });
    const image = element("img", { src: large && figure.large ? figure.large : figure.source, alt: figure.title, width: figure.width || null, height: figure.height || null, loading: large ? "eager" : "lazy", decoding: "async" });
    return element("span", { class: "stack" }, image, ...(figure.layers || []).flatMap((layer) => layerOf(layer, figure)));
  };
  const figuresOf = (record) => record.card ? record.card.figures : record.files.map(([title, source]) => ({ title, source, large: source, main: true }));
  const chip = (kind) => element("a", { class: "chip " + data.kinds[kind].severity, href: "#" + data.kinds[kind].anchor, text: data.kinds[kind].name });

  /* Cards */
  let shown = new Set(data.shown);
  const card = (record) => {
    const main = figuresOf(record).filter((figure) => figure.main);
    const button = element("button", { type: "button", class: "enlarge", "aria-label": "Open " + record.id }, ...main.map((figure) => stack(figure, false)));
    if (!main.length) button.append(element("span", { class: "nothing", text: "no picture on this page" }));
    button.addEventListener("click", () => open(record, button));
    const words = facets.filter((name) => name !== "paired").map((name) => data.facets[name][record.facets[facets.indexOf(name)]]).filter(Boolean);
    const text = element("div", { class: "text" }, element("div", { class: "id", text: record.id }),
      element("div", { class: "more-facts", text: [record.card && record.card.facts, ...words].filter(Boolean).join(" · ") }));
    if (record.kinds.length) text.append(element("div", { class: "chips" }, ...record.kinds.map(chip)));
    if (record.card && record.card.changed.length) text.append(element("div", { class: "chips" }, ...record.card.changed.map((word) => element("span", { class: "chip note", text: word }))));
    const item = element("li", { class: "card" }, button, text);
    page.show(item, shown);
    return item;
  };
  const draw = () => {
    const next = visible.slice(drawn, drawn + CHUNK);
    drawn += next.length;
    sheet.append(...next.map(card));
    more.hidden = drawn >= visible.length;
  };
  more.addEventListener("click", draw);

  /* Filters */
  const selects = [...document.querySelectorAll("[data-facet]")];
  const value = (id) => at(id) ? at(id).value : "";
  const number = (id) => value(id) === "" ? null : Number(value(id));
  const test = () => {
    const text = value("filter-text").trim().toLowerCase(), kind = value("filter-kind"), measure = value("filter-measure");
    const chosen = selects.filter((select) => select.value !== "").map((select) => [facets.indexOf(select.dataset.facet), Number(select.value)]);
    const low = number("filter-low"), high = number("filter-high"), pictured = at("filter-pictured") && at("filter-pictured").checked;
    return (record) => {
      if (pictured && !record.card && !record.files.length) return false;
      if (text && !record.text.includes(text)) return false;
      if (kind === "any" ? !record.kinds.length : kind === "none" ? record.kinds.length : kind !== "" && !record.kinds.includes(Number(kind))) return false;
      if (measure !== "") {
        const measured = record.measures[Number(measure)];
        if (measured === null || (low !== null && measured < low) || (high !== null && measured > high)) return false;
      }
      return chosen.every(([facet, one]) => record.facets[facet] === one);
    };
  };
  const order = () => {
    const by = value("sort");
    if (by === "worst") return (a, b) => b.worst - a.worst || a.index - b.index;
    if (by === "id") return (a, b) => (a.id > b.id) - (a.id < b.id) || a.index - b.index;
    const measure = Math.abs(Number(by)), sign = by.startsWith("-") ? -1 : 1;
    return (a, b) => {
      const x = a.measures[measure], y = b.measures[measure];
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      return (x - y) * sign || a.index - b.index;
    };
  };
  const count = (n) => n.toLocaleString("en");
  const update = () => {
    const range = document.querySelector(".range");
    if (range) range.hidden = value("filter-measure") === "";
    visible = records.filter(test()).sort(order());
    drawn = 0;
    sheet.replaceChildren();
    draw();
    const without = records.filter((record) => !record.card && !record.files.length).length;
    const note = without ? ` The page holds pictures of ${count(records.length - without)}, the others are listed.` : "";
    const all = data.total > records.length ? ` of ${count(data.total)} in the build` : "";
    status.textContent = `${count(visible.length)} of ${count(records.length)} records${all}.${note}`;
  };
  const form = document.querySelector(".filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));

  /* A record by itself */
  const pairs = (rows) => element("dl", {}, ...rows.flatMap(([name, text]) => [element("dt", { text: name }), element("dd", { text })]));
  const details = (record) => {
    const measured = data.measures.map((name, i) => [name.replaceAll("_", " "), record.measures[i]]).filter(([, one]) => one !== null);
    const words = facets.map((name, i) => [name.replaceAll("_", " "), data.facets[name][record.facets[i]]]).filter(([, one]) => one);
    const first = element("div", {}, element("h3", { text: "Record" }), pairs([...words, ...(record.card ? [["facts", record.card.facts], ...record.card.told.map(([name, text]) => [name.replaceAll("_", " "), text])] : [])]));
    if (record.kinds.length) {
      const said = record.card ? record.card.findings : record.kinds.map((kind) => [kind, ""]);
      first.append(element("h3", { text: "Findings" }), element("ul", {}, ...said.map(([kind, detail]) => element("li", {}, chip(kind), " " + detail))));
    }
    if (record.card && record.card.labels.length) first.append(element("h3", { text: "Labels of the parse" }), element("p", { text: record.card.labels.map(([label, share]) => `${label} ${share} %`).join(", ") }));
    const parts = [first];
    if (measured.length) parts.push(element("div", {}, element("h3", { text: "Quality" }), pairs(measured.map(([name, one]) => [name, String(one)]))));
    if (record.card && record.card.provenance.length) {
      const head = element("tr", {}, ...["column", "from", "what was done"].map((text) => element("th", { scope: "col", text })));
      const rows = record.card.provenance.map((row) => element("tr", {}, ...row.map((text) => element("td", { text }))));
      parts.push(element("div", {}, element("h3", { text: "Provenance" }), element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Provenance" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)))));
    }
    return element("div", { class: "record" }, ...parts);
  };
  const slide = (record) => {
    const all = figuresOf(record), main = all.filter((figure) => figure.main);
    const shownOf = (list) => list.map((figure) => {
      const caption = element("figcaption", { text: figure.title + " " }, element("span", { class: "muted", text: figure.note || "" }));
      return element("figure", { class: figure.main ? (main.length > 1 ? "several" : "") : "small" }, stack(figure, true), caption);
    });
    const beside = all.filter((figure) => !figure.main);
    const figures = [element("div", { class: "together" }, ...shownOf(main))];
    if (beside.length) figures.push(element("div", { class: "together" }, ...shownOf(beside)));
    if (!all.length) figures[0].append(element("p", { class: "muted", text: "The pictures of this record aren't on this page; --pictures folder writes those of all records." }));
    return { title: record.id, figures, details: details(record) };
  };
  const open = (record, from) => {
    const list = visible.includes(record) ? visible : records;
    const note = (i) => { try { history.replaceState(null, "", "#record=" + encodeURIComponent(list[i].id)); } catch { /* a page in a frame */ } };
    page.open({
      count: () => list.length,
      slide: (i) => { note(i); return slide(list[i]); },
      closed: () => { try { history.replaceState(null, "", "#records"); } catch { /* as above */ } },
    }, list.indexOf(record), shown, from);
  };
  const follow = () => {
    const [, id] = /^#record=(.*)$/.exec(location.hash) || [];
    if (id === undefined) return;
    let record;
    try { record = byId.get(decodeURIComponent(id)); } catch { record = undefined; }
    if (record) open(record);
  };
  addEventListener("hashchange", follow);
  at("viewer").addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    page.leave();
    go(link.getAttribute("href"));
  });
  const go = (address) => {
    const target = at(address.slice(1));
    if (!target) return;
    if ("open" in target) target.open = true;
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#record=']");
    if (link && byId.has(decodeURIComponent(link.getAttribute("href").slice(8)))) {
      event.preventDefault();
      open(byId.get(decodeURIComponent(link.getAttribute("href").slice(8))), link);
    }
    const chipped = event.target.closest(".card a.chip");
    if (chipped) { event.preventDefault(); go(chipped.getAttribute("href")); }
    const button = event.target.closest("[data-show-kind]");
    if (button) {
      form.reset();
      setTimeout(() => {
        at("filter-kind").value = button.dataset.showKind;
        if (at("filter-pictured")) at("filter-pictured").checked = false;
        update();
        go("#records");
      });
    }
  });
  for (const place of document.querySelectorAll(".thumb")) {
    const record = byId.get(place.dataset.record);
    const figures = record ? figuresOf(record).filter((figure) => figure.main && figure.source) : [];
    const figure = figures.find((one) => one.title === place.dataset.column) || figures[0];
    if (figure) place.append(element("img", { src: figure.source, alt: "", loading: "lazy", width: 66, height: 88 }));
  }

  const layers = [...new Set(data.cards.flatMap((one) => one.figures.filter((figure) => figure.main).flatMap((figure) => (figure.layers || []).map((layer) => layer.name))))];
  shown = new Set(data.shown.filter((name) => layers.includes(name)));
  page.toggles(at("sheet-toggles"), layers, shown, (now) => { shown = now; page.show(sheet, shown); });
  update();
  follow();
})();
