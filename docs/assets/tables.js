// Tables sorted by their headings, and rows chosen by the form above them.
"use strict";

{ // the theme has names of its own
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent;
    const number = Number(text);
    return text === "" || Number.isNaN(number) ? text : number;
  };

  const compare = (a, b, sign) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is missing comes last either way
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en"));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    for (const heading of table.tHead.rows[0].cells) {
      heading.firstElementChild.addEventListener("click", () => {
        const direction = heading.ariaSort === "ascending" ? "descending" : "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", direction);
        const keyed = Array.from(body.rows, (row) => [key(row, heading.cellIndex), row]);
        keyed.sort((a, b) => compare(a[0], b[0], direction === "ascending" ? 1 : -1));
        body.append(...keyed.map(([, row]) => row));
      });
    }
  }

  const filters = document.querySelector("form.filters");
  if (filters) {
    const rows = document.querySelectorAll("#results tbody tr");
    const choose = () => {
      let shown = 0;
      for (const row of rows) {
        row.hidden = Array.from(filters.elements).some((e) => e.name && e.value && row.dataset[e.name] !== e.value);
        shown += !row.hidden;
      }
      document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
    };
    filters.addEventListener("change", choose);
    filters.addEventListener("submit", (event) => event.preventDefault());
    choose();
  }
}
