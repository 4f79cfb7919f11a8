"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const LEADING = "the leading selector", EVERY = "every selector", ALL = "all datasets";
  const datasets = [...new Set(data.lines.map((line) => line.dataset))].sort();
  const selectors = [...new Set(data.lines.map((line) => line.selector))].filter(Boolean);
  const state = { sort: "S", down: true };

  function fill(select, values) {
    for (const value of values) {
      const option = document.createElement("option");
      option.textContent = value;
      option.value = value;
      select.append(option);
    }
  }

  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function shown() {
    const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const dataset = at("dataset").value, selector = at("selector").value;
    const figure = at("figure").value, least = parseFloat(at("least").value);
    return data.lines.filter((line) => {
      const text = `${line.run} ${line.dataset} ${line.selector}`.toLowerCase();
      const value = line.figures[figure];
      return words.every((word) => text.includes(word))
        && (dataset === ALL || line.dataset === dataset)
        && (selector === EVERY || (selector === LEADING ? line.leads : line.selector === selector))
        && (Number.isNaN(least) || (value !== null && value.value >= least))
        && (!at("complete").checked || !line.state);
    });
  }

  function key(line) {
    if (data.figures.includes(state.sort)) return line.figures[state.sort]?.value ?? null;
    return line[state.sort];
  }

  function compare(one, other) {
    const a = key(one), b = key(other);
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return (state.down ? -order : order) || one.run.localeCompare(other.run);
  }

  function nearBest(lines) {
    if (!data.figures.includes(state.sort) || !state.down) return new Set();
    const own = lines.filter((line) => !line.bound && !line.state && line.figures[state.sort]);
    const datasets = new Set(own.map((line) => line.dataset));
    const bounds = (line) => line.figures[state.sort].interval;  // null where one pair was scored
    if (own.length < 2 || datasets.size > 1 || !bounds(own[0])) return new Set();
    const low = bounds(own[0])[0];
    return new Set(own.filter((line) => bounds(line) && bounds(line)[1] >= low));
  }

  function figureCell(line, name, near) {
    const cell = element("td"), figure = line.figures[name];
    if (figure === null) {
      cell.textContent = "–";
      return cell;
    }
    cell.title = `n = ${figure.n}`;
    cell.append(element("span", figure.value.toFixed(1), near ? "near" : ""));
    const bar = element("span", undefined, "bar");
    if (figure.interval) {
      const [low, high] = figure.interval;
      cell.append(element("span", `[${low.toFixed(0)}, ${high.toFixed(0)}]`, "bounds"));
      const range = element("i");
      range.style.left = `${low}%`;
      range.style.width = `${Math.max(high - low, 0.5)}%`;
      bar.append(range);
    }
    const mark = element("b");
    mark.style.left = `${figure.value}%`;
    bar.append(mark);
    cell.append(bar);
    if (line.chance[name] !== undefined && line.chance[name] !== null) {
      cell.append(element("span", `by chance ${line.chance[name].toFixed(1)}`, "chance"));
    }
    return cell;
  }

  function row(line, number, near) {
    const made = element("tr", undefined, line.bound ? "bound" : "");
    made.append(element("td", line.bound ? "" : String(number)));
    const name = element("td");
    if (line.link) {
      const link = element("a", line.run);
      link.href = line.link;
      name.append(link);
    } else name.textContent = line.run;
    made.append(name, element("td", line.dataset), element("td", line.selector || "–"));
    for (const figure of data.figures) {
      made.append(figureCell(line, figure, figure === state.sort && near.has(line)));
    }
    made.append(element("td", String(line.samples)), element("td", line.state, "state"));
    return made;
  }

  function draw() {
    const lines = shown().sort(compare), near = nearBest(lines);
    let number = 0;
    at("board").tBodies[0].replaceChildren(
      ...lines.map((line) => row(line, line.bound ? number : ++number, near)));
    at("count").textContent = `${lines.length} of ${data.lines.length} lines`;
    for (const button of document.querySelectorAll("#board thead button")) {
      const head = button.closest("th");
      if (button.dataset.sort === state.sort) {
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      } else head.removeAttribute("aria-sort");
    }
  }

  function keep() {
    const query = new URLSearchParams({ sort: state.sort, down: state.down ? "1" : "0" });
    for (const id of ["search", "dataset", "selector", "figure", "least"]) {
      if (at(id).value) query.set(id, at(id).value);
    }
    if (at("complete").checked) query.set("complete", "1");
    history.replaceState(null, "", `#${query}`);
  }

  function restore() {
    const query = new URLSearchParams(location.hash.slice(1));
    for (const id of ["search", "dataset", "selector", "figure", "least"]) {
      const value = query.get(id);
      const known = at(id).options && [...at(id).options].some((option) => option.value === value);
      if (value !== null && (known || !at(id).options)) at(id).value = value;
    }
    at("complete").checked = query.get("complete") === "1";
    const sort = query.get("sort");
    const heads = [...document.querySelectorAll("#board thead button")];
    if (heads.some((button) => button.dataset.sort === sort)) {
      state.sort = sort;
      state.down = query.get("down") !== "0";
    }
  }

  fill(at("dataset"), datasets.length > 1 ? [...datasets, ALL] : datasets);
  fill(at("selector"), [LEADING, ...selectors, EVERY]);
  restore();
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("input", () => { draw(); keep(); });
  for (const button of document.querySelectorAll("#board thead button")) {
    button.addEventListener("click", () => {
      const text = ["run", "dataset", "selector"].includes(button.dataset.sort);
      state.down = state.sort === button.dataset.sort ? !state.down : !text;
      state.sort = button.dataset.sort;
      draw();
      keep();
    });
  }
  draw();
})();
