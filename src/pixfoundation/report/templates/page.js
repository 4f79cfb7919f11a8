"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLOURS = ["#e4572e", "#2e86ab", "#8fb339", "#a23b90", "#f3a712", "#3bb273", "#7768ae", "#e15554", "#4d9de0", "#b8860b"];
const colourOf = (phrase) => COLOURS[(phrase ?? 0) % COLOURS.length];

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// COCO's compressed run lengths: 6 bits a character, column-major, from the third run on as differences.
function decode(counts, height, width) {
  const inside = new Uint8Array(height * width), runs = [];
  let at = 0, place = 0, value = 0;
  while (at < counts.length) {
    let shift = 0, more = true;
    value = 0;
    while (more) {
      const group = counts.charCodeAt(at++) - 48;
      value |= (group & 31) << shift;
      more = (group & 32) !== 0;
      shift += 5;
      if (!more && group & 16) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  runs.forEach((run, i) => {
    if (i % 2) for (let k = place; k < place + run; k++) inside[(k % height) * width + Math.floor(k / height)] = 1;
    place += run;
  });
  return inside;
}

const pictures = new Map();
function picture(sample) {
  if (!pictures.has(sample.id)) {
    pictures.set(sample.id, new Promise((done) => {
      const image = new Image();
      image.onload = () => done(image);
      image.onerror = () => done(null);
      image.src = sample.image;
    }));
  }
  return pictures.get(sample.id);
}

async function draw(canvas, sample, candidate, colour) {
  const [height, width] = sample.size, [shownHeight, shownWidth] = sample.shown;
  const scale = Math.max(1, Math.round(460 / shownWidth));
  canvas.width = shownWidth * scale;
  canvas.height = shownHeight * scale;
  const ink = canvas.getContext("2d"), image = await picture(sample);
  ink.imageSmoothingEnabled = scale < 2;
  if (image) ink.drawImage(image, 0, 0, canvas.width, canvas.height);
  else { ink.fillStyle = "#888"; ink.fillText("the image file was not found", 10, 20); }
  if (candidate) tint(ink, canvas, decode(candidate.counts, height, width), height, width, colour);
  if (sample.truth) outline(ink, canvas, decode(sample.truth, height, width), height, width);
  if (candidate && candidate.point) {
    const [x, y] = [candidate.point[0] * canvas.width / width, candidate.point[1] * canvas.height / height];
    ink.beginPath(); ink.arc(x, y, 5, 0, 7); ink.fillStyle = "#111"; ink.fill();
    ink.lineWidth = 2; ink.strokeStyle = "#fff"; ink.stroke();
  }
}

function tint(ink, canvas, inside, height, width, colour) {
  const layer = element("canvas", { width, height }), pixels = new ImageData(width, height);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  for (let i = 0; i < inside.length; i++) if (inside[i]) pixels.data.set([r, g, b, 150], 4 * i);
  layer.getContext("2d").putImageData(pixels, 0, 0);
  ink.drawImage(layer, 0, 0, canvas.width, canvas.height);
}

function outline(ink, canvas, inside, height, width) {
  const [sx, sy] = [canvas.width / width, canvas.height / height];
  ink.beginPath();
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    if (!inside[y * width + x]) continue;
    const edge = (dx, dy, x0, y0, x1, y1) => {
      const [nx, ny] = [x + dx, y + dy];
      if (nx >= 0 && ny >= 0 && nx < width && ny < height && inside[ny * width + nx]) return;
      ink.moveTo(x0 * sx, y0 * sy); ink.lineTo(x1 * sx, y1 * sy);
    };
    edge(-1, 0, x, y, x, y + 1); edge(1, 0, x + 1, y, x + 1, y + 1);
    edge(0, -1, x, y, x + 1, y); edge(0, 1, x, y + 1, x + 1, y + 1);
  }
  ink.lineWidth = 3; ink.strokeStyle = "rgb(0 0 0 / 55%)"; ink.stroke();
  ink.lineWidth = 1.5; ink.strokeStyle = "#fff"; ink.stroke();
}

const percent = (value) => (value == null ? "–" : (100 * value).toFixed(0) + " %");
const state = () => ({ run: $("run").value, protocol: $("protocol").value, pattern: $("pattern").value, vqa: $("vqa").value, grounding: $("grounding").value, selector: $("selector").value, search: $("search").value.toLowerCase() });

// The mask that a selector shows for an answer; undefined where there is none.
function chosen(answer, selector) {
  const pick = answer?.picks?.[selector];
  return pick == null ? answer?.masks?.[selector] : answer.candidates[pick];
}

function groundingOf(answer, selector) {
  const pick = answer?.ious?.[selector];
  if (answer?.no_mask) return "none";
  return pick == null ? "" : pick > 0.5 ? "right" : "wrong";
}

// Protocol 3 has no right answer of its own: there the verdicts on the other two count.
function answersOf(run, protocol) {
  return (protocol === "3" ? [run[1], run[2]] : [run[protocol]]).filter(Boolean);
}

function matches(sample, want) {
  if (want.pattern && !Object.values(sample.tags).includes(want.pattern)) return false;
  const runs = want.run === "" ? sample.runs : [sample.runs[want.run]];
  const answers = runs.map((run) => run[want.protocol]).filter(Boolean);
  if (want.vqa && !runs.some((run) => answersOf(run, want.protocol).some((a) => a.verdict === want.vqa))) return false;
  if (want.grounding && !answers.some((answer) => groundingOf(answer, want.selector) === want.grounding)) return false;
  if (!want.search) return true;
  const text = [sample.id, sample.question, sample.expression, ...Object.values(sample.tags), ...runs.flatMap((run) => Object.values(run).map((a) => a.text))];
  return text.join("\n").toLowerCase().includes(want.search);
}

function verdictTags(sample, want) {
  const tags = element("div", { className: "verdicts" });
  sample.runs.forEach((run, i) => {
    const mark = sample.runs.length > 1 ? data.runs[i].name + " " : "";
    for (const protocol of ["1", "2"]) {
      const verdict = run[protocol]?.verdict;
      if (verdict) tags.append(element("span", { className: "tag " + verdict, textContent: `${mark}P${protocol} ${verdict}` }));
    }
    const answer = run[want.protocol], kind = groundingOf(answer, want.selector);
    if (kind) tags.append(element("span", { className: "tag " + kind, textContent: kind === "none" ? mark + "no mask" : `${mark}IoU ${percent(answer.ious[want.selector])}` }));
    if (answer?.error) tags.append(element("span", { className: "tag wrong", textContent: mark + "failed" }));
  });
  return tags;
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); entry.target.paint(); }
}, { rootMargin: "400px" });

let shown = [];
function refresh() {
  const want = state();
  shown = data.samples.filter((sample) => matches(sample, want));
  $("count").textContent = `${shown.length} of ${data.samples.length} samples`;
  watcher.disconnect();
  $("gallery").replaceChildren(...shown.map((sample, i) => card(sample, i, want)));
}

function card(sample, i, want) {
  const answer = sample.runs[want.run || 0][want.protocol], pick = chosen(answer, want.selector);
  const canvas = element("canvas", { width: sample.shown[1], height: sample.shown[0] });
  canvas.paint = () => draw(canvas, sample, pick, colourOf(pick?.phrase));
  watcher.observe(canvas);
  const text = element("div", { className: "text" },
    element("div", { className: "expression", textContent: sample.expression ?? "(nothing to find)" }),
    element("div", { className: "said", textContent: answer ? answer.text || answer.error || "(empty answer)" : "(not asked)" }),
    verdictTags(sample, want));
  return element("button", { className: "card", type: "button", onclick: () => open(i) }, canvas, text);
}

let current = 0, steps = [], step = 0;
function open(i) {
  if (!shown[i]) return;
  current = i;
  const sample = shown[i], want = state();
  $("detail-title").textContent = `${sample.id} · ${sample.expression ?? "nothing to find"}`;
  steps = [];
  const sides = element("div", { className: "sides" }, ...sample.runs.map((run, r) => side(sample, run, r, want)));
  const options = sample.options.map((text, k) => `(${"abcdefghij"[k]}) ${text}`).join(" ");
  const question = sample.question ? `${sample.question} ${options} — right: (${sample.answer})` : "";
  $("detail-body").replaceChildren(element("p", { className: "question", textContent: question }), sides);
  step = 0;
  if (!$("detail").open) $("detail").showModal();
}

function side(sample, run, r, want) {
  const box = element("div", { className: "side" }), answer = run[want.protocol];
  if (data.runs.length > 1) box.append(element("h3", { textContent: data.runs[r].name }));
  const canvas = element("canvas"), list = element("div", { className: "candidates" });
  const show = (candidate) => {
    draw(canvas, sample, candidate, colourOf(candidate?.phrase));
    for (const button of list.children) button.setAttribute("aria-pressed", String(button.candidate === candidate));
  };
  const candidates = answer?.candidates ?? [];
  candidates.forEach((candidate, c) => {
    const button = element("button", { type: "button", textContent: `${answer.phrases[candidate.phrase]?.text ?? "mask"} ${candidate.index + 1} · IoU ${percent(candidate.iou)}` });
    button.style.borderLeftColor = colourOf(candidate.phrase);
    button.candidate = candidate;
    button.classList.toggle("oracle", answer.picks.oracle === c);
    button.classList.toggle("pick", want.selector !== "oracle" && answer.picks[want.selector] === c);
    button.onclick = () => { step = c; show(candidate); };
    list.append(button);
  });
  steps.push({ candidates, show });
  box.append(element("div", { className: "view" }, canvas), said(answer, (phrase) => show(candidates.find((c) => c.phrase === phrase))), verdictTags({ ...sample, runs: [run] }, want), list);
  show(chosen(answer, want.selector) ?? candidates[0]);
  return box;
}

// The answer with its phrases in the colour of their masks; only ever set as text, never as HTML.
function said(answer, choose) {
  const box = element("div", { className: "answer" });
  if (!answer) { box.textContent = "(not asked)"; return box; }
  if (answer.error) { box.textContent = answer.error; return box; }
  const letters = Array.from(answer.text);
  let at = 0;
  answer.phrases.forEach((phrase, p) => {
    const [start, end] = phrase.span;
    if (start < at) return;
    const mark = element("mark", { textContent: letters.slice(start, end).join(""), onclick: () => choose(p) });
    mark.style.background = colourOf(p) + "55";
    box.append(letters.slice(at, start).join(""), mark);
    at = end;
  });
  box.append(letters.slice(at).join(""));
  return box;
}

document.addEventListener("keydown", (event) => {
  if (!$("detail").open || event.target.tagName === "INPUT") return;
  const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (move) {
    step += move;
    for (const { candidates, show } of steps) if (candidates.length) show(candidates[((step % candidates.length) + candidates.length) % candidates.length]);
    event.preventDefault();
  }
  if (event.key === "j" || event.key === "J") open(Math.min(current + 1, shown.length - 1));
  if (event.key === "k" || event.key === "K") open(Math.max(current - 1, 0));
});

$("run").append(...data.runs.map((run, r) => element("option", { value: r, textContent: run.name })));
$("protocol").append(...data.protocols.map((p) => element("option", { value: p, textContent: ["", "1 question", "2 letter", "3 expression"][p] })));
$("protocol").value = data.protocols.includes(3) ? "3" : data.protocols[0];
$("selector").append(...data.selectors.map((name) => element("option", { value: name, textContent: name })));
$("selector").value = data.selectors.find((name) => !name.includes("random")) ?? data.selectors[0];
$("pattern").append(...data.patterns.map((name) => element("option", { value: name, textContent: name })));
$("close").onclick = () => $("detail").close();
for (const id of ["run", "protocol", "pattern", "vqa", "grounding", "selector"]) $(id).addEventListener("change", refresh);
$("search").addEventListener("input", refresh);
refresh();
