// Scored photos: the distribution, a threshold to try, and the faces at both ends.
"use strict";

const element = (id) => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const BARS = 60;
const slider = element("rejected");
const field = element("threshold");
let method; // { scores: ascending, names: in their order, lowest, highest: faces }
let ends;

// How many scores are below the threshold.
const below = (threshold) => {
  let [low, high] = [0, method.scores.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (method.scores[middle] < threshold) low = middle + 1;
    else high = middle;
  }
  return low;
};

// Draws the histogram of the method; `ends` are the upper ends of its bars.
const draw = () => {
  const [least, most] = [method.scores[0], method.scores.at(-1)];
  const width = (most - least) / BARS || 1;
  const counts = new Array(BARS).fill(0);
  for (const score of method.scores) counts[Math.min(BARS - 1, Math.floor((score - least) / width))]++;
  const highest = Math.max(...counts);
  ends = counts.map((_, i) => least + (i + 1) * width);
  const bars = counts.map((count, i) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const height = (100 * count) / highest;
    const box = { x: i * 10 + 0.5, y: 100 - height, width: 9, height };
    for (const [name, value] of Object.entries(box)) bar.setAttribute(name, value);
    return bar;
  });
  element("histogram").replaceChildren(...bars);
  element("least").textContent = least.toPrecision(4);
  element("most").textContent = most.toPrecision(4);
};

const reject = (threshold) => {
  const count = below(threshold);
  const total = method.scores.length;
  slider.value = count;
  element("share").textContent =
    `${count.toLocaleString("en")} of ${total.toLocaleString("en")} faces (${((100 * count) / total).toFixed(1)} %) score below ${threshold}`;
  const names = method.names.slice(0, count);
  element("names").value = names.join("\n");
  element("cut").hidden = count <= method.names.length;
  for (const tile of document.querySelectorAll(".faces li")) tile.classList.toggle("rejected", tile.score < threshold);
  ends.forEach((end, i) => element("histogram").children[i].classList.toggle("rejected", end <= threshold));
};

const tile = (face) => {
  const copy = make("button", { type: "button", textContent: "Copy name" });
  copy.addEventListener("click", () => copyText(face.name, copy));
  const picture = face.picture
    ? make("img", { src: face.picture, alt: `Face in ${face.shown}`, width: 112, height: 112 })
    : make("span", { className: "absent", textContent: "photo not found" });
  const text = [`${face.score.toPrecision(5)}${face.percentile === null ? "" : `, percentile ${face.percentile.toFixed(0)}`}`];
  const item = make(
    "li",
    { score: face.score },
    picture,
    make("a", { href: face.link, textContent: face.shown }),
    make("span", { textContent: text }),
    make("em", { textContent: face.hints }),
    copy,
  );
  return item;
};

// In a page that is opened from a file, browsers allow copying only from a selection after a click.
const copyText = (text, button) => {
  const area = make("textarea", { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  button.textContent = done ? "Copied" : "Cannot copy: select the text by hand";
};

const choose = () => {
  method = METHODS[element("method").value];
  slider.max = method.scores.length;
  draw();
  for (const end of ["lowest", "highest"]) element(end).replaceChildren(...method[end].map(tile));
  const threshold = method.scores[Math.floor(method.scores.length / 20)];
  field.value = threshold;
  reject(threshold);
};

slider.addEventListener("input", () => {
  const { scores } = method;
  const count = Number(slider.value);
  const threshold = count < scores.length ? scores[count] : scores.at(-1) + Math.max(1e-6, Math.abs(scores.at(-1)) * 1e-6);
  field.value = threshold;
  reject(threshold);
});
field.addEventListener("input", () => field.value !== "" && reject(Number(field.value)));
element("method").addEventListener("change", choose);
element("copy").addEventListener("click", (event) => copyText(element("names").value, event.target));
choose();
