// Tables that a reader can sort and search. Without this script they are simply tables.
//
// Sorted: <table class="sortable">, and every table in an element of class "sortable" or in a cell
// tagged "sortable". Searched: every table in an element with data-filter="label of the field", or
// in a cell tagged "filter". A header with data-sort="none" stays as it is.
(() => {
  "use strict";
  const SORTED = "table.sortable, .sortable table, .tag_sortable table";
  const SEARCHED = "[data-filter], .tag_filter";
  const texts = new Intl.Collator("en", { numeric: true });

  const make = (name) => document.createElement(name);
  const plain = (text) => text.replace(/[\u2010\u2011]/g, "-").replace(/\s+/g, " ").trim();
  const blank = (text) => ["", "-", "–", "—"].includes(text);
  const number = (text) => Number(text.replace(/[,%\s]/g, "").replace("\u2212", "-"));
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell ? (cell.dataset.value ?? plain(cell.textContent)) : "";
  };

  // Rows with the same value keep their order; those without one come last in both directions.
  function sort(table, header, column) {
    const turn = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
    const filled = rows.filter(([text]) => !blank(text));
    const numbers = filled.every(([text]) => Number.isFinite(number(text)));
    const compare = numbers ? (a, b) => number(a) - number(b) : texts.compare;
    filled.sort(([a], [b]) => turn * compare(a, b));
    const last = rows.filter(([text]) => blank(text));
    table.tBodies[0].append(...[...filled, ...last].map(([, row]) => row));
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
  }

  function makeSortable(table, place) {
    const headers = table.tHead?.rows[0]?.cells ?? [];
    [...headers].forEach((header, column) => {
      if (header.dataset.sort === "none" || blank(plain(header.textContent))) return;
      const button = make("button");
      button.type = "button";
      button.className = "sort-button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header, column));
      header.append(button);
    });
    let region = table.closest(".table-scroll, .pst-scrollable-table-container");
    if (!region) {
      region = make("div");
      table.replaceWith(region);
      region.append(table);
    }
    region.classList.add("table-scroll");
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    if (!region.hasAttribute("aria-label")) region.setAttribute("aria-label", `Table ${place + 1}`);
  }

  function makeSearchable(part) {
    const rows = [...part.querySelectorAll("tbody > tr")].map((row) => [
      row, plain(row.textContent).toLowerCase(),
    ]);
    if (!rows.length) return;
    const [line, label, field, count] = ["p", "label", "input", "span"].map(make);
    line.className = "table-filter";
    field.type = "search";
    count.setAttribute("aria-live", "polite");
    label.append(`${part.dataset.filter || "Find rows"} `, field);
    line.append(label, " ", count);
    const show = () => {
      const words = plain(field.value).toLowerCase().split(" ");
      for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
      count.textContent = `${rows.filter(([row]) => !row.hidden).length} of ${rows.length}`;
    };
    field.addEventListener("input", show);
    // In a cell of the book below its code, which may be folded.
    (part.querySelector(":scope > .cell_output") ?? part).prepend(line);
    show();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(SORTED).forEach(makeSortable);
    document.querySelectorAll(SEARCHED).forEach(makeSearchable);
  });
})();
