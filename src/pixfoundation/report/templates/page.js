"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const KEPT_BLOCKS = 60;
const colourOf = (phrase) => data.colours[(phrase ?? 0) % data.colours.length];

// Text from models and files only ever comes in as a property or a text node, never as HTML.
function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// A sample's image and masks are packed at the end of the page and unpacked when it is looked at.
const parsed = new Promise((done) => document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", done) : done());
const blocks = new Map();
function block(sample) {
  const held = blocks.get(sample) ?? unpack(sample);
  blocks.delete(sample);
  blocks.set(sample, held);
  if (blocks.size > KEPT_BLOCKS) blocks.delete(blocks.keys().next().value);
  return held;
}

async function unpack(sample) {
  if (sample.base) return unpackVariant(sample);
  const place = "block-" + data.samples.indexOf(sample);
  if (!$(place)) await parsed;
  const bytes = Uint8Array.from(atob($(place).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const found = await new Response(stream).json(), image = new Image();
  image.src = found.image;
  for (const run of found.runs) for (const drawn of Object.values(run)) for (const candidate of drawn.candidates) candidate.map = drawn.phrases[candidate.phrase]?.map;
  found.picture = await image.decode().then(() => image, () => null);
  return found;
}

// A sample under another prompt: what differs from the sample itself. Protocols that the variant does not change stay.
const under = new Map();
function at(sample, variant) {
  const base = sample.base ?? sample, entry = base.varied?.[variant];
  if (!variant) return base;
  if (!entry) return null;
  const key = base.id + "\n" + variant;
  if (!under.has(key)) under.set(key, { ...base, absent: undefined, ...(entry.size ? {} : { absent: base.absent }), ...entry, base, variant, searched: undefined,
    runs: base.runs.map((run, r) => ({ ...run, ...entry.runs[r] })) });
  return under.get(key);
}

async function unpackVariant(sample) {
  const base = await block(sample.base), own = base.varied[sample.variant];
  const found = { ...base, truth: "truth" in own ? own.truth : base.truth, runs: base.runs.map((run, r) => ({ ...run, ...own.runs[r] })) };
  if (own.change && base.picture) found.picture = changed(base.picture, own.change, sample);
  if ("image" in own) {
    const image = new Image();
    image.src = own.image;
    found.picture = await image.decode().then(() => image, () => null);
  }
  return found;
}

// The change of an image, made on the picture of the sample: a box that stays or is black, a mirror image, a rotation.
function changed(picture, change, sample) {
  const [height, width] = sample.shown, canvas = element("canvas", { width, height }), ink = canvas.getContext("2d");
  const scale = picture.naturalWidth / sample.base.size[1], box = (change.crop ?? change.hide ?? []).map((side) => side * scale);
  if (change.crop) { ink.drawImage(picture, box[0], box[1], box[2] - box[0], box[3] - box[1], 0, 0, width, height); return canvas; }
  if (change.flip) { ink.translate(width, 0); ink.scale(-1, 1); }
  if (change.rotate) { ink.fillRect(0, 0, width, height); ink.translate(width / 2, height / 2); ink.rotate(-change.rotate * Math.PI / 180); ink.translate(-width / 2, -height / 2); }
  ink.drawImage(picture, 0, 0, width, height);
  if (change.hide) ink.fillRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
  return canvas;
}

// COCO's compressed run lengths: 6 bits a character, column-major, from the third run on as differences.
function decode(counts, height, width) {
  const inside = new Uint8Array(height * width), runs = [];
  let at = 0, place = 0;
  while (at < counts.length) {
    let shift = 0, more = true, value = 0;
    while (more) {
      const group = counts.charCodeAt(at++) - 48;
      value |= (group & 31) << shift;
      more = (group & 32) !== 0;
      shift += 5;
      if (!more && group & 16) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    if (runs.length % 2) inside.fill(1, place, place + value);
    runs.push(value);
    place += value;
  }
  return inside;
}

async function draw(canvas, sample, candidate, { most = 960, truth = true, filled = $("fill").checked } = {}) {
  const ticket = (canvas.ticket = {});
  const [height, width] = sample.grid, [shownHeight, shownWidth] = sample.shown;
  const { picture, truth: target } = await block(sample);
  if (canvas.ticket !== ticket) return;
  const wanted = Math.min(canvas.clientWidth * (window.devicePixelRatio || 1), most) || shownWidth;
  canvas.width = Math.round(wanted);
  canvas.height = Math.round(wanted * shownHeight / shownWidth);
  const ink = canvas.getContext("2d"), scale = canvas.width / shownWidth;
  ink.imageSmoothingEnabled = scale < 2;
  if (picture) ink.drawImage(picture, 0, 0, canvas.width, canvas.height);
  else { ink.fillStyle = "#888"; ink.font = "14px sans-serif"; ink.fillText("the image file was not found", 10, 24); }
  if (candidate?.map && $("heat")?.checked) heat(ink, canvas, sample, candidate.map);
  if (candidate) {
    const inside = decode(candidate.counts, height, width), colour = colourOf(candidate.phrase);
    if (filled) tint(ink, canvas, inside, height, width, colour);
    outline(ink, canvas, inside, height, width, colour);
  }
  if (target && truth) outline(ink, canvas, decode(target, height, width), height, width, "#fff", 1.2);
  if (candidate?.point) {
    const [x, y] = [candidate.point[0] * canvas.width / sample.size[1], candidate.point[1] * canvas.height / sample.size[0]];
    ink.beginPath(); ink.arc(x, y, 5, 0, 7); ink.fillStyle = "#111"; ink.fill();
    ink.lineWidth = 2; ink.strokeStyle = "#fff"; ink.stroke();
  }
}

// The attention of a phrase: float16 between the lowest and the highest value, in the colours of the scale.
const RAMP = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
function heat(ink, canvas, sample, map) {
  const layer = element("canvas", { width: map.columns, height: map.rows }), pixels = new ImageData(map.columns, map.rows);
  const raw = Uint8Array.from(atob(map.values), (letter) => letter.charCodeAt(0)), bits = new DataView(raw.buffer);
  for (let k = 0; k < map.rows * map.columns; k++) {
    const word = bits.getUint16(2 * k, true), exponent = (word >> 10) & 31, fraction = word & 1023;
    const share = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024);
    const at = Math.min(share, 1) * (RAMP.length - 1), step = Math.min(Math.floor(at), RAMP.length - 2);
    for (let i = 0; i < 3; i++) pixels.data[4 * k + i] = RAMP[step][i] + (at - step) * (RAMP[step + 1][i] - RAMP[step][i]);
    pixels.data[4 * k + 3] = 165;
  }
  layer.getContext("2d").putImageData(pixels, 0, 0);
  const [sx, sy] = [canvas.width / sample.size[1], canvas.height / sample.size[0]], [x0, y0, x1, y1] = map.box;
  ink.save(); ink.imageSmoothingEnabled = true;
  ink.drawImage(layer, x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
  ink.restore();
}
const number = (value) => (value === 0 ? "0" : value.toPrecision(2));

function tint(ink, canvas, inside, height, width, colour) {
  const layer = element("canvas", { width, height }), pixels = new ImageData(width, height);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const words = new Uint32Array(pixels.data.buffer), word = new Uint32Array(new Uint8ClampedArray([r, g, b, 150]).buffer)[0];
  for (let x = 0, k = 0; x < width; x++) for (let y = 0; y < height; y++, k++) if (inside[k]) words[y * width + x] = word;
  layer.getContext("2d").putImageData(pixels, 0, 0);
  ink.drawImage(layer, 0, 0, canvas.width, canvas.height);
}

// An outline leaves the colours inside as they are: a question may be about them.
function outline(ink, canvas, inside, height, width, colour, thickness = 2.6) {
  const [sx, sy] = [canvas.width / width, canvas.height / height], line = new Path2D();
  for (let x = 0, k = 0; x < width; x++) for (let y = 0; y < height; y++, k++) {
    if (!inside[k]) continue;
    if (x === 0 || !inside[k - height]) { line.moveTo(x * sx, y * sy); line.lineTo(x * sx, (y + 1) * sy); }
    if (x === width - 1 || !inside[k + height]) { line.moveTo((x + 1) * sx, y * sy); line.lineTo((x + 1) * sx, (y + 1) * sy); }
    if (y === 0 || !inside[k - 1]) { line.moveTo(x * sx, y * sy); line.lineTo((x + 1) * sx, y * sy); }
    if (y === height - 1 || !inside[k + 1]) { line.moveTo(x * sx, (y + 1) * sy); line.lineTo((x + 1) * sx, (y + 1) * sy); }
  }
  const unit = Math.max(1, canvas.width / 480);
  ink.lineWidth = (thickness + 1.6) * unit; ink.strokeStyle = "rgb(0 0 0 / 60%)"; ink.stroke(line);
  ink.lineWidth = thickness * unit; ink.strokeStyle = colour; ink.stroke(line);
}

const percent = (value) => (value == null ? "–" : (100 * value).toFixed(0) + " %");
const state = () => Object.fromEntries(["protocol", "run", "variant", "pattern", "vqa", "grounding", "selector", "search", "sort"].map((id) => [id, $(id).value]));
const several = data.runs.length > 1;

// Numbers of the runs that are shown and that the filters are about.
const runsOf = (want) => (want.run === "" ? data.runs.map((_, r) => r) : [Number(want.run)]);

// A run shows its own masks: where it has no such selector, those of the selector that leads it.
function selectorOf(r, want) {
  const { selectors, lead } = data.runs[r];
  return selectors.includes(want.selector) ? want.selector : lead ?? "none";
}

// The mask that a selector shows for an answer; undefined where there is none.
function chosen(drawn, selector) {
  const pick = drawn?.picks[selector];
  return pick == null ? drawn?.masks[selector] : drawn.candidates[pick];
}

function groundingOf(answer, selector) {
  const iou = answer?.ious[selector];
  if (answer?.no_mask) return "none";
  return iou == null ? "" : iou > 0.5 ? "right" : "wrong";
}

// Protocol 3 has no right answer of its own: there the verdicts on the other two count.
function verdictsOf(run, protocol) {
  return (protocol === "3" ? [run[1], run[2]] : [run[protocol]]).map((answer) => answer?.verdict).filter(Boolean);
}

function fits(wanted, kinds) {
  if (wanted !== "differ") return kinds.some((found) => found.includes(wanted));
  return new Set(kinds.map((found) => found.join())).size > 1;
}

function textOf(sample) {
  const said = sample.runs.flatMap((run) => Object.values(run).map((answer) => answer.text));
  sample.searched ??= [sample.id, sample.question, ...sample.options, ...(sample.references ?? []), sample.expression, ...Object.values(sample.tags), ...said].join("\n").toLowerCase();
  return sample.searched;
}

const pool = (want) => (want.variant ? data.samples.map((sample) => at(sample, want.variant)).filter(Boolean) : data.samples);

// Whether the outcome under the variant is another than under the default prompt.
function turned(sample, want, of) {
  return sample.base != null && runsOf(want).some((r) => of(sample.runs[r], r) !== of(sample.base.runs[r], r));
}

function matches(sample, want) {
  if (want.vqa === "turned") return turned(sample, want, (run) => verdictsOf(run, want.protocol).join()) && matches(sample, { ...want, vqa: "" });
  if (want.grounding === "turned") return turned(sample, want, (run, r) => groundingOf(run[want.protocol], selectorOf(r, want))) && matches(sample, { ...want, grounding: "" });
  const runs = runsOf(want).map((r) => sample.runs[r]);
  if (want.pattern && !Object.values(sample.tags).includes(want.pattern)) return false;
  if (want.vqa && !fits(want.vqa, runs.map((run) => verdictsOf(run, want.protocol)))) return false;
  if (want.grounding && !fits(want.grounding, runs.map((run, k) => [groundingOf(run[want.protocol], selectorOf(runsOf(want)[k], want))]))) return false;
  return !want.search || textOf(sample).includes(want.search.toLowerCase());
}

function verdictTags(sample, r, want) {
  const run = sample.runs[r], answer = run[want.protocol], selector = selectorOf(r, want), kind = groundingOf(answer, selector);
  const chance = answer?.ious[data.chance[selector]];
  const tag = (name, text) => element("span", { className: "tag " + name, textContent: text });
  const tags = element("div", { className: "verdicts" });
  for (const protocol of ["1", "2"]) if (run[protocol]?.verdict) tags.append(tag(run[protocol].verdict, `P${protocol} ${run[protocol].verdict}`));
  if (kind) tags.append(tag(kind, kind === "none" ? "the model gave no mask" : `IoU ${percent(answer.ious[selector])}${chance == null ? "" : `, chance ${percent(chance)}`}`));
  if (sample.absent) tags.append(tag("none", "object absent"));
  if (answer?.error) tags.append(tag("wrong", "failed"));
  return tags;
}

// Cards are drawn when they come near, and give their pixels back when they are far away.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) target.paint();
    else { target.ticket = null; target.width = target.height = 0; }
  }
}, { rootMargin: "600px" });

let cards = new Map(), shown = [], built = "";
function refresh() {
  const want = state(), layout = [want.protocol, want.run, want.selector, want.variant].join(), samples = pool(want);
  if (layout !== built) build(want);
  built = layout;
  shown = samples.filter((sample) => matches(sample, want));
  const held = new Set(shown);
  for (const [sample, node] of cards) node.hidden = !held.has(sample);
  arrange(want);
  $("count").textContent = `${shown.length} of ${samples.length} samples${want.variant ? ` under ${want.variant}` : ""}`;
  $("nothing").hidden = shown.length > 0;
}

const meanIou = (sample, want) => {
  const found = runsOf(want).map((r) => sample.runs[r][want.protocol]?.ious[selectorOf(r, want)]).filter((iou) => iou != null);
  return found.length ? found.reduce((sum, iou) => sum + iou, 0) / found.length : null;
};

// Samples without an IoU come last, whichever way the others are sorted.
let arranged = "";
function arrange(want) {
  const sign = { low: 1, high: -1 }[want.sort];
  const samples = pool(want);
  const worth = new Map(sign ? samples.map((sample) => [sample, meanIou(sample, want)]) : []);
  const order = (a, b) => (worth.get(a) == null) - (worth.get(b) == null) || sign * (worth.get(a) - worth.get(b));
  if (sign) shown.sort(order);
  if (arranged === want.sort + built) return;
  arranged = want.sort + built;
  const all = sign ? [...samples].sort(order) : samples;
  $("gallery").append(...all.map((sample) => cards.get(sample)));
}

// The filtered samples as a table; a cell never starts with what a spreadsheet takes for a formula.
function csv() {
  const want = state(), names = data.selectors;
  const cell = (value) => `"${String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
  const rows = [["sample", ...(data.variants ? ["prompt"] : []), "run", "protocol", "expression", "absent", "question", "options", "correct", "answer", "verdict", "error", ...names.map((name) => `iou ${name}`), "tags"]];
  for (const sample of shown) for (const r of runsOf(want)) {
    const answer = sample.runs[r][want.protocol];
    rows.push([sample.id, ...(data.variants ? [want.variant || "default"] : []), data.runs[r].name, want.protocol, sample.expression, sample.absent ? "yes" : "", sample.question, sample.options.join(" | "), sample.answer ?? (sample.references ?? []).join(" | "),
      answer?.text, answer?.verdict, answer?.error, ...names.map((name) => answer?.ious[name]?.toFixed(4)), Object.entries(sample.tags).map((pair) => pair.join("=")).join("; ")]);
  }
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function download() {
  const address = URL.createObjectURL(new Blob(["\ufeff" + csv()], { type: "text/csv" }));
  element("a", { href: address, download: "samples.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// The address of an open sample: it opens again wherever the page lies.
function remember(sample) {
  const want = state(), parts = { sample: sample.id, protocol: want.protocol, selector: want.selector, ...(want.run && { run: want.run }), ...(sample.variant && { variant: sample.variant }) };
  history.replaceState(null, "", "#" + new URLSearchParams(parts));
}

function recall() {
  const wanted = new URLSearchParams(location.hash.slice(1)), id = wanted.get("sample");
  if (id == null) return;
  for (const name of ["protocol", "selector", "run", "variant"]) {
    const field = $(name), value = wanted.get(name);
    if (value != null && [...field.options].some((option) => option.value === value)) field.value = value;
  }
  for (const name of ["pattern", "vqa", "grounding", "search"]) $(name).value = "";
  refresh();
  if (shown.some((sample) => sample.id === id)) open(shown.findIndex((sample) => sample.id === id));
}

function build(want) {
  watcher.disconnect();
  cards = new Map(pool(want).map((sample) => [sample, card(sample, want)]));
  $("gallery").classList.toggle("wide", runsOf(want).length > 1);
  $("gallery").replaceChildren(...cards.values());
}

function card(sample, want) {
  const sides = runsOf(want).map((r) => {
    const answer = sample.runs[r][want.protocol], canvas = element("canvas", { width: 0, height: 0 });
    canvas.style.aspectRatio = sample.shown[1] + " / " + sample.shown[0];
    canvas.paint = async () => {
      const drawn = (await block(sample)).runs[r][want.protocol];
      draw(canvas, sample, chosen(drawn, selectorOf(r, want)), { most: 480 });
    };
    watcher.observe(canvas);
    return element("div", { className: "half" }, canvas, element("div", { className: "text" },
      ...(several && want.run === "" ? [element("div", { className: "run-name", textContent: data.runs[r].name })] : []),
      element("div", { className: "said", textContent: answer ? answer.text.trim() || answer.error || "(empty answer)" : "(not asked)" }),
      verdictTags(sample, r, want)));
  });
  const title = element("div", { className: "expression", textContent: sample.expression ?? "(no expression: nothing is asked to be found)" });
  return element("button", { className: "card", type: "button", onclick: () => open(shown.indexOf(sample)) }, title, element("div", { className: "halves" }, ...sides));
}

let current = 0, views = [], withTruth = true;
let asking = null;
function open(i) {
  if (!shown[i]) return;
  current = i;
  $("previous").disabled = i === 0;
  $("next").disabled = i === shown.length - 1;
  return show(shown[i]);
}

async function show(sample) {
  asking = sample;
  const want = state(), found = await block(sample);
  if (asking !== sample) return;
  $("detail-title").textContent = `${sample.id} · ${sample.expression ?? "no expression"}`;
  const options = sample.options.map((text, k) => {
    const letter = "abcdefghijklmnopqrstuvwxyz"[k], correct = letter === sample.answer;
    return element("li", { className: correct ? "correct" : "", textContent: `(${letter}) ${text}${correct ? " ✓ the correct answer" : ""}` });
  });
  options.push(...(sample.references ?? []).map((text) => element("li", { className: "correct", textContent: `${text} ✓ a correct answer` })));
  remember(sample);
  views = runsOf(want).map((r) => new View(sample, found.runs[r][want.protocol], r, want));
  const slider = document.activeElement?.id === "slider";
  $("detail-body").replaceChildren(
    ...prompts(sample, want),
    element("div", { className: "question" }, element("p", { textContent: sample.question ?? "" }), element("ul", {}, ...options)),
    ...(sample.absent ? [element("p", { className: "absent", textContent: `${sample.expression == null ? "Nothing in this image is evidence" : "The object is not in this image"}: the right mask is an empty one.` })] : []),
    element("div", { className: "sides" }, ...views.map((view) => view.box)));
  if (!$("detail").open) $("detail").showModal();
  if (slider) $("slider").focus();
  else $("detail").scrollTop = 0;
  for (const view of views) view.first();
}

// The slider over the prompts of one sample, and what is asked.
function prompts(sample, want) {
  if (!data.variants) return [];
  const base = sample.base ?? sample, names = ["", ...data.variants.filter((name) => base.varied[name])], place = names.indexOf(sample.variant ?? "");
  const name = (variant) => variant || "default prompt";
  const slider = element("input", { id: "slider", type: "range", min: 0, max: names.length - 1, value: place, ariaLabel: "Prompt", disabled: names.length < 2 });
  slider.setAttribute("aria-valuetext", name(names[place]));
  slider.oninput = () => show(at(base, names[slider.value]));
  const changes = sample.base?.varied[sample.variant], asked = runsOf(want).map((r) => sample.runs[r][want.protocol]?.prompt).find((text) => text);
  const same = changes && !changes.runs.some((run) => run[want.protocol]) ? " (this protocol is asked as by default)" : changes?.unaltered ? " (it leaves this sample as it was)" : "";
  return [element("div", { className: "prompts" }, element("output", { textContent: `${name(names[place])}${same} · ${place + 1} of ${names.length}` }), slider,
    element("p", { className: "asked", textContent: asked ?? "" }))];
}

// One run's answer in the dialog: its masks one at a time, by phrase.
class View {
  constructor(sample, drawn, r, want) {
    const answer = sample.runs[r][want.protocol];
    Object.assign(this, { sample, drawn, answer, selector: selectorOf(r, want), at: -1, buttons: [] });
    this.canvas = element("canvas");
    this.canvas.style.aspectRatio = sample.shown[1] + " / " + sample.shown[0];
    this.caption = element("p", { className: "caption", ariaLive: "polite" });
    this.box = element("div", { className: "side" },
      ...(several ? [element("h3", { textContent: data.runs[r].name })] : []),
      element("div", { className: "view" }, this.canvas), ...this.scale(), this.caption,
      said(answer, drawn, (phrase) => this.show(drawn.candidates.findIndex((c) => c.phrase === phrase))),
      verdictTags(sample, r, want), this.list());
  }

  list() {
    const rows = new Map();
    (this.drawn?.candidates ?? []).forEach((candidate, c) => {
      const name = this.nameOf(candidate);
      if (!rows.has(candidate.phrase)) {
        const label = element("span", { className: "phrase", textContent: name });
        label.style.borderColor = colourOf(candidate.phrase);
        rows.set(candidate.phrase, element("div", { className: "row" }, label));
      }
      const button = element("button", { type: "button", textContent: percent(candidate.iou), ariaLabel: `${name}, mask ${candidate.index + 1}, IoU ${percent(candidate.iou)}`, onclick: () => this.show(c) });
      button.classList.toggle("oracle", this.drawn.picks.oracle === c);
      button.classList.toggle("pick", this.selector !== "oracle" && this.drawn.picks[this.selector] === c);
      this.buttons.push(button);
      rows.get(candidate.phrase).append(button);
    });
    const head = rows.size ? [element("p", { className: "note", textContent: `IoU of ${this.sample.variant ? "the chosen masks" : "every mask"}, by noun phrase; ★ the best one (oracle)${["oracle", "none"].includes(this.selector) ? "" : `, ✓ picked by ${this.selector}`}.` })] : [];
    return element("div", { className: "candidates" }, ...head, ...rows.values());
  }

  // The scale of the attention, under the picture: its colours, its lowest and its highest value.
  scale() {
    if (!data.maps) return [];
    this.bar = element("div", { className: "scale", hidden: true }, element("span"), element("i"), element("span"));
    return [this.bar];
  }

  showScale() {
    if (!this.bar) return;
    const map = this.candidate?.map;
    this.bar.hidden = !map || !$("heat").checked;
    if (!map) return;
    this.bar.firstChild.textContent = number(map.low); this.bar.lastChild.textContent = number(map.high);
    this.bar.title = `Attention of '${this.nameOf(this.candidate)}' to the image, above or below the mean of all tokens`;
  }

  nameOf(candidate) { return this.drawn.phrases[candidate.phrase]?.text ?? "mask of the model"; }

  first() {
    const wanted = chosen(this.drawn, this.selector), place = this.drawn?.candidates.indexOf(wanted) ?? -1;
    if (place >= 0) this.show(place);
    else this.paint(wanted, -1, wanted ? `The mask by ${this.selector}` : this.nothing());
  }

  nothing() {
    const count = this.drawn?.candidates.length ?? 0;
    if (this.answer?.error) return "No mask: this answer failed.";
    if (!count) return "No mask: the answer offers none.";
    if (this.selector === "none") return `Nothing chooses among the ${count} ${count === 1 ? "mask" : "masks"}; they are listed below.`;
    return `${this.selector} picked none of the ${count} ${count === 1 ? "mask" : "masks"}; they are listed below.`;
  }

  show(c) {
    const candidate = this.drawn?.candidates[c];
    if (!candidate) return;
    const score = candidate.score == null ? "" : ` · segmenter's score ${candidate.score.toFixed(2)}`;
    this.paint(candidate, c, `${this.nameOf(candidate)} · mask ${candidate.index + 1} · IoU ${percent(candidate.iou)}${score}`);
  }

  paint(candidate, at, caption) {
    Object.assign(this, { candidate, at });
    this.caption.textContent = caption;
    this.showScale();
    draw(this.canvas, this.sample, candidate, { truth: withTruth });
    this.buttons.forEach((button, b) => button.setAttribute("aria-pressed", String(b === at)));
  }

  step(move) {
    const count = this.buttons.length;
    if (count) this.show(this.at < 0 ? (move > 0 ? 0 : count - 1) : (this.at + move + count) % count);
    this.buttons[this.at]?.scrollIntoView({ block: "nearest" });
  }

  again() { this.showScale(); draw(this.canvas, this.sample, this.candidate, { truth: withTruth }); }
}

// The answer with its phrases in the colour of their masks. Spans count code points, as Python does.
function said(answer, drawn, choose) {
  const box = element("div", { className: "answer" });
  if (!answer) { box.textContent = "(not asked)"; return box; }
  if (answer.error) { box.textContent = answer.error; return box; }
  const letters = Array.from(answer.text);
  let at = 0;
  drawn.phrases.forEach((phrase, p) => {
    const [start, end] = phrase.span;
    if (start < at) return;
    const mark = element("mark", { textContent: letters.slice(start, end).join(""), tabIndex: 0, role: "button", title: "Show its masks", onclick: () => choose(p) });
    mark.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(p); } };
    mark.style.background = colourOf(p) + "44";
    mark.style.borderColor = colourOf(p);
    box.append(letters.slice(at, start).join(""), mark);
    at = end;
  });
  box.append(letters.slice(at).join(""));
  if (answer.ended) box.append(element("small", { textContent: ` (ended: ${answer.ended})` }));
  if (drawn.thoughts) {
    const thoughts = element("details", {}, element("summary", { textContent: "Thoughts" }));
    thoughts.append(drawn.thoughts);
    box.append(thoughts);
  }
  return box;
}

const KEYS = {
  ArrowRight: () => views.forEach((view) => view.step(1)),
  ArrowLeft: () => views.forEach((view) => view.step(-1)),
  j: () => open(current + 1),
  k: () => open(current - 1),
  t: () => { withTruth = !withTruth; views.forEach((view) => view.again()); },
  a: () => { if ($("heat")) { $("heat").checked = !$("heat").checked; repaint(); } },
  f: () => { $("fill").checked = !$("fill").checked; repaint(); },
};
function repaint() {
  views.forEach((view) => view.again());
  for (const canvas of document.querySelectorAll("#gallery canvas")) if (canvas.width) canvas.paint();
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("zoom").open) return;
  if (!$("detail").open) {
    if (event.key === "/" && event.target.tagName !== "INPUT") { event.preventDefault(); $("search").focus(); }
    return;
  }
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (event.target.id === "slider" && event.key.startsWith("Arrow")) return;
  if (act) { event.preventDefault(); act(); }
});

const option = (value, text) => element("option", { value, textContent: text });
$("protocol").append(...data.protocols.map((p) => option(p, ["", "1 question", "2 letter", "3 expression"][p])));
$("protocol").value = data.protocols.includes(3) ? "3" : data.protocols[0];
for (const name of data.variants ?? []) $("variant").append(option(name, name));
if (data.variants) {
  $("variant-label").hidden = false;
  for (const id of ["vqa", "grounding"]) $(id).append(option("turned", "other than by default"));
}
$("run").append(...data.runs.map((run, r) => option(r, run.name)));
// Where nothing leads, nothing is shown as chosen: an oracle or chance must be asked for.
if (data.first === "none" && data.selectors.length) $("selector").append(option("none", "none: nothing chooses"));
$("selector").append(...data.selectors.map((name) => option(name, name)));
$("selector").value = data.first;
$("pattern").append(...data.patterns.map((name) => option(name, name)));
if (several) {
  $("run-label").hidden = false;
  for (const id of ["vqa", "grounding"]) $(id).append(option("differ", "models differ"));
}
$("filters").onsubmit = () => false;
$("previous").onclick = KEYS.k;
$("next").onclick = KEYS.j;
$("close").onclick = () => $("detail").close();
$("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
$("detail").addEventListener("close", () => { views = []; history.replaceState(null, "", location.pathname + location.search); cards.get(shown[current])?.focus(); });
$("reset").onclick = () => { for (const id of ["pattern", "vqa", "grounding", "search"]) $(id).value = ""; refresh(); };
for (const id of ["protocol", "run", "variant", "pattern", "vqa", "grounding", "selector", "sort"]) $(id).addEventListener("change", refresh);
$("fill").addEventListener("change", repaint);
$("heat")?.addEventListener("change", repaint);
$("csv").onclick = download;
for (const picture of document.querySelectorAll("figure button")) picture.onclick = () => {
  $("zoom").querySelector("img").src = picture.querySelector("img").src;
  $("zoom").querySelector("img").alt = picture.querySelector("img").alt;
  $("zoom").showModal();
};
$("zoom").onclick = () => $("zoom").close();
addEventListener("hashchange", recall);
$("search").addEventListener("input", refresh);
refresh();
recall();
