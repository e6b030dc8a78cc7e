"use strict";
/* Pages: sorted tables, overlays, the viewer, charts. Text from data reaches the page by textContent alone. */
const page = (() => {
  const read = (name) => JSON.parse(document.getElementById("data-" + name).textContent);
  const labels = read("labels");
  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") node.textContent = value;
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };

  /* Tables */
  const valueOf = (cell) => cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  const sortBy = (table, column, head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => order(valueOf(a.cells[column]), valueOf(b.cells[column])) * (down ? -1 : 1));
    table.tBodies[0].append(...rows);
  };
  const sortable = (table) => [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button", { type: "button", text: head.textContent });
    head.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, column, head));
  });

  /* Overlays */
  const show = (place, layers) => {
    for (const layer of place.querySelectorAll(".layer")) layer.toggleAttribute("hidden", !layers.has(layer.dataset.layer));
  };
  const toggled = (group) => new Set([...group.querySelectorAll("input:checked")].map((box) => box.dataset.toggle));
  const toggles = (group, names, shown, change) => {
    group.replaceChildren(...names.map((name) => {
      const box = element("input", { type: "checkbox", "data-toggle": name });
      box.checked = shown.has(name);
      return element("label", {}, box, name);
    }));
    group.hidden = names.length === 0;
    group.onchange = () => change(toggled(group));
  };

  /* The viewer: slides are {title, figures, details}; figures are clones of what the page shows. */
  const dialog = document.getElementById("viewer");
  const part = (name) => dialog.querySelector(".viewer-" + name);
  let slides = null, at = 0, chosen = null, opener = null;
  const layersIn = (place) => [...new Set([...place.querySelectorAll(".layer")].map((layer) => layer.dataset.layer))];
  const draw = () => {
    const slide = slides.slide(at);
    part("head").querySelector("h2").textContent = slide.title;
    part("place").textContent = slides.count() > 1 ? `${at + 1} of ${slides.count()}` : "";
    part("back").disabled = at === 0;
    part("on").disabled = at >= slides.count() - 1;
    const pictures = part("pictures");
    pictures.replaceChildren(...slide.figures);
    part("details").replaceChildren(...(slide.details ? [slide.details] : []));
    const names = layersIn(pictures);
    toggles(part("toggles"), names, chosen, (layers) => {
      for (const name of names) layers.has(name) ? chosen.add(name) : chosen.delete(name);
      show(pictures, chosen);
    });
    show(pictures, chosen);
    dialog.scrollTop = 0;
  };
  const go = (step) => {
    if (at + step < 0 || at + step >= slides.count()) return;
    at += step;
    draw();
  };
  const open = (provider, index, shown, from) => {
    slides = provider; at = index; chosen = new Set(shown); opener = from || document.activeElement;
    draw();
    if (!dialog.open) dialog.showModal();
    part("head").querySelector("h2").focus();
  };
  const leave = () => { opener = null; dialog.close(); };
  part("back").addEventListener("click", () => go(-1));
  part("on").addEventListener("click", () => go(1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (opener && opener.isConnected) opener.focus(); slides && slides.closed && slides.closed(at); });
  dialog.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input[type=range], select, textarea")) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); go(step); }
    const box = /^[1-9]$/.test(event.key) && part("toggles").querySelectorAll("input")[event.key - 1];
    if (box) box.click();
  });
  const enlarged = (button) => {
    const figure = element("figure");
    const stack = button.querySelector(".stack").cloneNode(true);
    if (button.dataset.large) stack.firstElementChild.src = button.dataset.large;
    for (const image of stack.querySelectorAll("img")) image.loading = "eager";
    figure.append(stack);
    const caption = button.parentElement.querySelector("figcaption");
    if (caption) figure.append(caption.cloneNode(true));
    return figure;
  };
  const titleOf = (button) => {
    const row = button.closest(".row");
    return [row && row.querySelector("h3"), button.parentElement.querySelector("figcaption")].filter(Boolean).map((node) => node.textContent).join(" · ");
  };
  const gallery = (place) => {
    const group = place.querySelector(".toggles");
    if (group) group.addEventListener("change", () => show(place, toggled(group)));
    place.addEventListener("click", (event) => {
      const button = event.target.closest(".enlarge");
      if (!button) return;
      const buttons = [...place.querySelectorAll(".enlarge")];
      const provider = { count: () => buttons.length, slide: (i) => ({ title: titleOf(buttons[i]), figures: [enlarged(buttons[i])] }) };
      open(provider, buttons.indexOf(button), group ? toggled(group) : new Set(), button);
    });
  };

  /* What the pointer is over: a joint, a bar, a label of a map. */
  const tip = document.getElementById("tip");
  const grids = new WeakMap();
  const grid = (image) => {
    if (!grids.has(image) && image.naturalWidth) {
      const canvas = element("canvas");
      canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      try { grids.set(image, context.getImageData(0, 0, canvas.width, canvas.height)); } catch { grids.set(image, null); }
    }
    return grids.get(image);
  };
  const hex = (number) => number.toString(16).padStart(2, "0");
  const labelAt = (image, x, y) => {
    const box = image.getBoundingClientRect(), pixels = grid(image);
    if (!pixels || !box.width) return "";
    const column = Math.floor((x - box.left) / box.width * pixels.width), row = Math.floor((y - box.top) / box.height * pixels.height);
    if (column < 0 || row < 0 || column >= pixels.width || row >= pixels.height) return "";
    const [r, g, b, alpha] = pixels.data.subarray(4 * (row * pixels.width + column), 4 * (row * pixels.width + column) + 4);
    return alpha ? (labels[image.dataset.space] || {})["#" + hex(r) + hex(g) + hex(b)] || "" : "";
  };
  const told = (event) => {
    const named = event.target.closest("[data-tip]");
    if (named) return named.dataset.tip;
    const stack = event.target.closest(".stack, .enlarge");
    const maps = stack ? [...stack.querySelectorAll("img.layer[data-space]:not([hidden])")] : [];
    return maps.map((image) => labelAt(image, event.clientX, event.clientY)).filter(Boolean).join(" · ");
  };
  const tell = (text, x, y) => {
    tip.hidden = !text;
    tip.textContent = text;
    (dialog.open ? dialog : document.body).append(tip);
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.max(4, y + 16 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 8 : y + 16) + "px";
  };
  document.addEventListener("pointermove", (event) => { if (event.target.closest && !event.target.closest("svg.lines")) tell(told(event), event.clientX, event.clientY); });

  /* Line charts */
  const smoothed = (points, smoothing) => {
    let mean = 0, weight = 0;
    return points.map(([x, y]) => {
      mean = smoothing * mean + (1 - smoothing) * y;
      weight = smoothing * weight + 1 - smoothing;
      return [x, mean / weight];
    });
  };
  const lines = (chart) => {
    const [x0, x1, y0, y1] = JSON.parse(chart.dataset.scale), log = "log" in chart.dataset;
    const cross = chart.querySelector(".cross"), top = Number(cross.getAttribute("y1")), bottom = Number(cross.getAttribute("y2"));
    const axis = chart.querySelector(".grid"), left = axis ? Number(axis.getAttribute("x1")) : 56, right = axis ? Number(axis.getAttribute("x2")) : 628;
    const curves = [...chart.querySelectorAll(".curve")].map((curve) => ({ name: curve.dataset.name, points: JSON.parse(curve.dataset.points), path: curve.querySelector(".smooth") }));
    const across = (x) => left + (x - x0) / (x1 - x0) * (right - left);
    const up = (y) => bottom - ((log ? Math.log10(y) : y) - y0) / (y1 - y0) * (bottom - top);
    const range = chart.parentElement.querySelector("input[type=range]");
    if (range) range.addEventListener("input", () => curves.forEach((curve) => {
      const places = smoothed(curve.points, Number(range.value)).map(([x, y]) => across(x).toFixed(1) + " " + up(y).toFixed(1));
      curve.path.setAttribute("d", places.length ? "M" + places.join("L") : "");
    }));
    chart.addEventListener("pointermove", (event) => {
      const box = chart.getBoundingClientRect(), x = x0 + ((event.clientX - box.left) / box.width * chart.viewBox.baseVal.width - left) / (right - left) * (x1 - x0);
      const near = curves.filter((curve) => curve.points.length).map((curve) => [curve.name, curve.points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a)]);
      if (!near.length) return;
      cross.setAttribute("visibility", "visible");
      cross.setAttribute("x1", across(near[0][1][0])); cross.setAttribute("x2", across(near[0][1][0]));
      tell(near.map(([name, point]) => `${name}: ${Number(point[1].toPrecision(5))} (${chart.dataset.x} ${point[0]})`).join(" · "), event.clientX, event.clientY);
    });
    chart.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); tell("", 0, 0); });
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const text = button.previousElementSibling.textContent;
    const done = () => { button.textContent = "copied"; setTimeout(() => { button.textContent = "copy"; }, 1500); };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => getSelection().selectAllChildren(button.previousElementSibling));
    else getSelection().selectAllChildren(button.previousElementSibling);
  });
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll(".gallery").forEach(gallery);
  document.querySelectorAll("svg.lines").forEach(lines);
  return { read, element, show, toggles, toggled, open, leave, tell, layersIn };
})();
