// The faces of a benchmark (GALLERY, from gallery-NAME.js) in the order of a method, and one face with all its scores.
"use strict";

const PAGE = 240; // tiles added at a time
const { faces, methods } = GALLERY;
const total = faces.name.length;
const element = (id) => document.getElementById(id);
const [form, list, more, dialog] = ["filters", "faces", "more", "face"].map(element);
const fields = form.elements;
let order = []; // rows of the faces chosen, in their order
let open = 0; // place in it of the face in the dialog

// Scores of each method, ascending, to find ranks in; sorted when first asked for.
const sorted = (method) => (method.sorted ??= Float64Array.from(method.scores).sort());

const firstWhere = (values, test) => {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(values[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
};
const lower = (method, score) => firstWhere(sorted(method), (v) => v >= score);
const higher = (method, score) => total - firstWhere(sorted(method), (v) => v > score);

const short = (number) => number.toPrecision(5);

const describe = (i) =>
  faces.degradation[i] === "none"
    ? `face of subject ${faces.subject[i]}, not degraded`
    : `face of subject ${faces.subject[i]}, ${faces.degradation[i]}, severity ${faces.severity[i]}`;

const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);

const picture = (i, properties) =>
  make("img", "", { ...properties, alt: describe(i), src: `../faces/${faces.picture[i]}.jpg` });

const tile = (place) => {
  const i = order[place];
  const button = make("button", "", { type: "button", title: faces.name[i] });
  if (faces.picture) {
    button.append(picture(i, { loading: "lazy", width: 112, height: 112 }));
  } else {
    button.append(make("b", faces.name[i]));
  }
  button.append(make("span", short(methods[fields.method.value].scores[i])));
  button.addEventListener("click", () => show(place));
  const item = document.createElement("li");
  item.append(button);
  return item;
};

const extend = () => {
  const from = list.children.length;
  const until = Math.min(from + PAGE, order.length);
  for (let place = from; place < until; place++) list.append(tile(place));
  more.hidden = until === order.length;
};

const choose = () => {
  const { scores } = methods[fields.method.value];
  const sign = fields.order.value === "lowest" ? 1 : -1;
  let rows = Array.from(scores.keys());
  if (fields.least) {
    const kinds = new Set(Array.from(form.querySelectorAll("[name=kind]:checked"), (box) => box.value));
    const [least, most] = [Number(fields.least.value), Number(fields.most.value || 1)];
    const within = (s) => s >= least && s <= most;
    rows = rows.filter((i) => kinds.has(faces.degradation[i]) && within(faces.severity[i]));
  }
  order = rows.sort((a, b) => sign * (scores[a] - scores[b]));
  list.replaceChildren();
  extend();
  element("count").textContent = `${order.length.toLocaleString("en")} of ${total.toLocaleString("en")} faces`;
};

const show = (place) => {
  open = place;
  const i = order[place];
  element("face-name").textContent = faces.name[i];
  if (faces.picture) element("portrait").replaceChildren(picture(i, { width: 224, height: 224 }));
  const facts = { subject: faces.subject[i], degradation: faces.degradation[i], severity: faces.severity[i] };
  element("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => [make("dt", name), make("dd", String(value))]),
  );
  const rows = methods.map((method, row) => {
    const score = method.scores[i];
    const percentile = total > 1 ? (100 * lower(method, score)) / (total - 1) : 100;
    const line = make("tr", "", { className: row === Number(fields.method.value) ? "chosen" : "" });
    line.append(make("th", method.label, { scope: "row" }));
    for (const text of [short(score), String(1 + higher(method, score)), percentile.toFixed(1)])
      line.append(make("td", text, { className: "n" }));
    line.lastChild.style.setProperty("--share", `${percentile}%`);
    return line;
  });
  element("scores").replaceChildren(...rows);
  element("previous").disabled = place === 0;
  element("next").disabled = place === order.length - 1;
  if (!dialog.open) dialog.showModal();
};

const step = (by) => order[open + by] !== undefined && show(open + by);
const check = (state) => {
  for (const box of form.querySelectorAll("[name=kind]")) box.checked = state;
  choose();
};

form.addEventListener("change", choose);
form.addEventListener("submit", (event) => event.preventDefault());
element("every")?.addEventListener("click", () => check(true));
element("none")?.addEventListener("click", () => check(false));
more.addEventListener("click", extend);
new IntersectionObserver((seen) => seen[0].isIntersecting && extend(), { rootMargin: "600px" }).observe(more);
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
element("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("keydown", (event) => step({ ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? NaN));
dialog.addEventListener("close", () => list.children[open]?.firstChild.focus());
choose();
