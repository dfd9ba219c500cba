"use strict";
// Everything from the data becomes text or an image source; nothing is ever parsed as markup.
const rows = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const sheet = byId("sheet");
const SVG = "http://www.w3.org/2000/svg";
const VIEWS = ["image", "outline", "mask", "alpha", "trimap", "prediction", "errors", "classes", "predicted classes"];
const DRAWN = ["outline", "prediction", "errors"];
const FILTERS = ["dataset", "split", "verdict", "source"];
const DATASETS = JSON.parse(byId("datasets").textContent);
const views = VIEWS.filter((name) => name === "image" || rows.some((row) => has(row, name)));
let view = ["errors", "outline"].find((name) => views.includes(name)) || "image";
let isReversed = false;
let opened = null;
let closeView = null; // what the close-up shows
let scale = 0; // of the close-up: pixels of the screen for one of the picture; 0 fits the window
const SCALES = [0, 1, 2, 4];

function has(row, name) {
  const pictures = row.pictures || {};
  return (name === "mask" ? "outline" : name === "errors" ? "missed" : name) in pictures;
}

function make(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function drawn(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const key of Object.keys(attributes)) element.setAttribute(key, attributes[key]);
  return element;
}

function photo(row, name, isWhole) {
  const image = make("img", "picture");
  const small = name in row.pictures ? "data:image/" + (name === "image" ? "webp" : "png") + ";base64," + row.pictures[name] : null;
  image.alt = name + " of " + row.id;
  image.decoding = "async";
  image.src = isWhole ? row.files[name] : small;
  // the file of the dataset is there only where the page still lies beside it, and the browser knows its format
  if (isWhole) image.addEventListener("error", () => {
    byId("close-up-note").textContent = "a small picture: " + row.files[name] + " cannot be shown from here";
    if (small === null) image.replaceWith(vector(row, name));
    else image.src = small;
  }, { once: true });
  return image;
}

function vector(row, name) {
  const { width, height, outline, prediction, extra, missed } = row.pictures;
  const svg = drawn("svg", { class: "picture", viewBox: "-0.5 -0.5 " + width + " " + height, "aria-hidden": "true" });
  const ignored = row.pictures.ignored ? [drawn("path", { class: "ignored", d: row.pictures.ignored })] : [];
  if (name === "mask") {
    svg.append(drawn("rect", { class: "frame", x: -0.5, y: -0.5, width, height }));
    svg.append(drawn("path", { class: "person", d: outline }));
  } else if (name === "errors") {
    svg.append(drawn("path", { class: "extra", d: extra }), drawn("path", { class: "missed", d: missed }));
  } else {
    svg.append(drawn("path", { class: "under", d: outline || "" }), drawn("path", { class: "over", d: outline || "" }));
    if (name === "prediction") svg.append(drawn("path", { class: "under", d: prediction }), drawn("path", { class: "over guess", d: prediction }));
  }
  svg.append(...ignored);
  return svg;
}

function fill(stage, row, name, isLarge) {
  const isWhole = (part) => isLarge && part in row.files;
  if (DRAWN.includes(name) && !has(row, name)) name = "image"; // a background has no outline, and is to be seen all the same
  if (row.problem) return stage.replaceChildren(make("span", "absent broken", row.problem));
  if (!has(row, name)) return stage.replaceChildren(make("span", "absent", "no " + name));
  if (name === "mask" && !isWhole("mask")) return stage.replaceChildren(vector(row, name));
  if (DRAWN.includes(name)) {
    const under = photo(row, "image", isWhole("image"));
    under.classList.toggle("drained", name === "errors");
    return stage.replaceChildren(under, vector(row, name));
  }
  return stage.replaceChildren(photo(row, name, isWhole(name)));
}

const percent = (share) => (share === null ? "area unknown" : (100 * share).toFixed(1) + " %");
const people = (n) => (n === null ? "" : n === 1 ? "1 person" : n + " persons");
const sized = (row) => row.size[0] + " × " + row.size[1];

function line(...parts) {
  const element = make("div", "line");
  element.append(...parts);
  return element;
}

function cardOf(row) {
  const card = make("article", "card");
  const stage = make("button", "stage");
  stage.type = "button";
  stage.setAttribute("aria-label", "Open " + row.id);
  stage.addEventListener("click", () => open(row));
  const caption = make("div", "caption");
  const name = make("div", "name", row.id);
  name.title = row.id;
  const meter = make("meter");
  meter.value = row.area || 0;
  meter.setAttribute("aria-label", "person area");
  const origin = [DATASETS.length > 1 && DATASETS[row.dataset], row.source, row.license].filter(Boolean).join(" · ");
  const source = make("span", "", origin);
  source.title = source.textContent;
  const split = row.split ? [make("span", "chip", row.split)] : [];
  const label = row.version ? [make("span", "chip", "label v" + row.version)] : [];
  const score = make("span", "score");
  caption.append(name, meter, line(make("span", "area", percent(row.area)), make("span", "", people(row.persons)), make("span", "", sized(row))));
  caption.append(line(source, ...label, ...split));
  if (row.notes.verdict || row.notes.review) {
    const miou = scoreOf(row, "miou");
    const notes = ["scores", "review", "verdict"].filter((name) => row.notes[name]).map((name) => make("span", "chip " + name, row.notes[name]));
    caption.append(line(make("span", "", miou === null ? "" : "mIoU " + miou.toFixed(3)), ...notes));
  }
  caption.append(score);
  card.append(stage, caption);
  Object.assign(row, { card, stage, score });
  row.text = [row.id, row.source_id, origin, ...Object.values(row.notes)].join(" ").toLowerCase();
  stage.row = row;
  return card;
}

// Images are made when a card comes near the window, and dropped when it is far: a thousand cards stay quick.
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const row = entry.target.row;
    row.isNear = entry.isIntersecting;
    if (row.isNear) fill(row.stage, row, view);
    else row.stage.replaceChildren();
  }
}, { rootMargin: "800px" });

const scoreOf = (row, name) => (Object.hasOwn(row.scores, name) ? row.scores[name] : null);
const ORDERS = new Map([
  ["id", (row) => row.id],
  ["person area", (row) => row.area],
  ["size", (row) => row.size[0] * row.size[1]],
  ["persons", (row) => row.persons],
]);
for (const name of new Set(rows.flatMap((row) => Object.keys(row.scores)))) ORDERS.set(name, (row) => scoreOf(row, name));

function compare(first, second) {
  if (first === null || second === null) return (first === null) - (second === null);
  const sign = isReversed ? -1 : 1;
  return sign * (typeof first === "string" ? first.localeCompare(second, "en", { numeric: true }) : first - second);
}

function order() {
  const name = byId("sort").value;
  const key = ORDERS.get(name);
  rows.sort((one, other) => compare(key(one), key(other)) || one.dataset - other.dataset || compare(one.id, other.id));
  for (const row of rows) row.score.textContent = scoreOf(row, name) === null ? "" : name + " " + scoreOf(row, name);
  sheet.append(...rows.map((row) => row.card));
}

const valueOf = (row, name) => (name === "dataset" ? DATASETS[row.dataset] : row[name] || row.notes[name] || "none");

function filter() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((name) => [name, byId(name).value]).filter(([, value]) => value);
  let shown = 0;
  for (const row of rows) {
    const fits = words.every((word) => row.text.includes(word)) && wanted.every(([name, value]) => valueOf(row, name) === value);
    row.card.hidden = !fits;
    shown += fits;
  }
  byId("shown").textContent = shown === rows.length ? shown + " samples" : shown + " of " + rows.length;
  if (!rows.length) return;
  const sought = [...words.map((word) => "“" + word + "”"), ...wanted.map(([name, value]) => name + " " + value)];
  byId("sought").textContent = "No sample matches " + sought.join(" and ") + ".";
  byId("nothing").hidden = shown > 0;
}

function clear() {
  for (const name of ["find", ...FILTERS]) byId(name).value = "";
  filter();
  byId("find").focus();
}

function look(name) {
  if (!views.includes(name)) return;
  view = name;
  for (const input of byId("views").querySelectorAll("input")) input.checked = input.value === name;
  for (const row of rows) if (row.isNear) fill(row.stage, row, view);
}

function fact(list, name, value) {
  if (value === null || value === "" || value === undefined) return;
  const pair = make("div");
  pair.append(make("dt", "", name), make("dd", "", String(value)));
  list.append(pair);
}

const viewsOf = (row) => (row.problem ? ["image"] : views.filter((name) => has(row, name)));

function show(name) {
  closeView = viewsOf(opened).includes(name) ? name : "image";
  byId("close-up-note").textContent = "";
  fill(byId("close-up-picture"), opened, closeView, true);
  for (const figure of byId("close-up-views").children) figure.classList.toggle("chosen", figure.dataset.view === closeView);
}

// The middle of the window stays the middle of what is seen.
function zoom(to) {
  const frame = byId("close-up-window");
  const picture = byId("close-up-picture");
  const x = (frame.scrollLeft + frame.clientWidth / 2) / frame.scrollWidth;
  const y = (frame.scrollTop + frame.clientHeight / 2) / frame.scrollHeight;
  scale = to;
  byId("close-up").classList.toggle("zoomed", scale > 0); // nothing but the picture then
  const [width, height] = opened.size.map((side) => (side * scale) / devicePixelRatio + "px");
  Object.assign(picture.style, scale ? { width, height } : { width: "", height: "" });
  picture.classList.toggle("large", scale > 0);
  picture.classList.toggle("pixels", scale > 1);
  byId("close-up-zoom").textContent = scale ? scale + ":1" : "fit";
  frame.scrollTo(x * frame.scrollWidth - frame.clientWidth / 2, y * frame.scrollHeight - frame.clientHeight / 2);
}

const resize = (by) => zoom(SCALES[Math.min(SCALES.length - 1, Math.max(0, SCALES.indexOf(scale) + by))]);

function open(row) {
  opened = row;
  byId("close-up-name").textContent = row.id;
  byId("close-up-views").replaceChildren(...viewsOf(row).map((name) => {
    const figure = make("figure");
    const stage = make("button", "stage");
    stage.type = "button";
    stage.setAttribute("aria-label", "Show " + name);
    stage.addEventListener("click", () => show(name));
    fill(stage, row, name);
    figure.dataset.view = name;
    figure.append(stage, make("figcaption", "", name));
    return figure;
  }));
  show(closeView || view);
  const facts = byId("close-up-facts");
  facts.replaceChildren();
  fact(facts, "person area", percent(row.area));
  fact(facts, "persons", row.persons);
  fact(facts, "size", sized(row));
  if (DATASETS.length > 1) fact(facts, "dataset", DATASETS[row.dataset]);
  fact(facts, "source", row.source);
  fact(facts, "source id", row.source_id);
  fact(facts, "split", row.split);
  fact(facts, "licence", row.license);
  fact(facts, "label version", row.version);
  for (const name of Object.keys(row.notes)) fact(facts, name.replace("_", " "), row.notes[name]);
  for (const name of Object.keys(row.scores)) fact(facts, name, row.scores[name]);
  if (!byId("close-up").open) byId("close-up").showModal();
  zoom(scale);
}

function closeUpKey(key) {
  const frame = byId("close-up-window");
  const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key] || [0, 0];
  if (key === "n" || (!scale && right > 0)) step(1);
  else if (key === "p" || (!scale && right < 0)) step(-1);
  else if (right || down) frame.scrollBy(right * frame.clientWidth / 4, down * frame.clientHeight / 4);
  else if (key === "z") zoom(scale ? 0 : 1);
  else if (key === "+" || key === "=") resize(1);
  else if (key === "-") resize(-1);
  else if (VIEWS[key - 1]) show(VIEWS[key - 1]);
  else return false;
  return true;
}

function step(by) {
  const shown = rows.filter((row) => !row.card.hidden);
  const next = shown[shown.indexOf(opened) + by];
  if (next) open(next);
}

function choices(select, names) {
  for (const [value, text] of names) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
}

views.forEach((name) => {
  const label = make("label");
  const input = make("input");
  Object.assign(input, { type: "radio", name: "view", value: name });
  input.addEventListener("change", () => look(name));
  label.append(input, make("span", "", name[0].toUpperCase() + name.slice(1)));
  byId("views").append(label);
});
choices(byId("sort"), [...ORDERS.keys()].map((name) => [name, name]));
if (ORDERS.has("hard_rank")) byId("sort").value = "hard_rank";
for (const name of FILTERS) {
  const values = [...new Set(rows.map((row) => valueOf(row, name)))].sort();
  choices(byId(name), [["", "all"], ...values.map((value) => [value, value])]);
  byId(name).parentElement.hidden = values.length < 2;
  byId(name).addEventListener("change", filter);
}
if (rows.length) byId("clear").addEventListener("click", clear);
byId("find").addEventListener("input", filter);
byId("sort").addEventListener("change", () => {
  isReversed = byId("sort").value === "person area";
  byId("direction").textContent = isReversed ? "↓" : "↑";
  order();
});
byId("direction").addEventListener("click", () => {
  isReversed = !isReversed;
  byId("direction").textContent = isReversed ? "↓" : "↑";
  order();
});
byId("close-up-picture").addEventListener("click", () => zoom(scale ? 0 : 1));
byId("close-up-zoom").addEventListener("click", () => zoom(scale ? 0 : 1));
byId("zoom").addEventListener("input", () => document.documentElement.style.setProperty("--tile", byId("zoom").value + "px"));
document.addEventListener("keydown", (event) => {
  if (byId("close-up").open) {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && closeUpKey(event.key)) event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName) && event.target.type !== "radio") return;
  if (event.key === "/") { event.preventDefault(); byId("find").focus(); }
  else if (VIEWS[event.key - 1]) look(VIEWS[event.key - 1]);
});
sheet.append(...rows.map(cardOf));
order();
look(view);
filter();
for (const row of rows) watcher.observe(row.stage);
