"use strict";
const value = (row, column) => {
  const cell = row.cells[column], before = row.cells[column - 1];
  const text = (cell.querySelector("svg") && before ? before : cell).textContent.trim();
  if (/^\d+(:\d\d)+$/.test(text)) return text.split(":").reduce((sum, part) => 60 * sum + +part, 0);
  const number = parseFloat(text.replace(/,/g, "").replace(/^</, ""));
  return Number.isNaN(number) ? text : number;
};
const compare = (x, y) =>
  typeof x === "number" && typeof y === "number" ? x - y : typeof x === "number" ? -1 : typeof y === "number" ? 1 : x.localeCompare(y);
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], grouped = table.classList.contains("rows");
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const items = grouped ? [...table.tBodies] : [...table.tBodies[0].rows], home = grouped ? table : table.tBodies[0];
      const keyed = items.map(item => [value(grouped ? item.rows[0] : item, column), item]);
      keyed.sort((a, b) => (up ? compare(a[0], b[0]) : compare(b[0], a[0])));
      home.append(...keyed.map(pair => pair[1]));
    });
  });
}
for (const body of document.querySelectorAll("table.rows > tbody")) {
  const [row, runs] = body.rows, details = runs && runs.querySelector("details");
  if (!details) continue;
  const button = document.createElement("button"), cell = row.cells[0];
  button.type = "button";
  button.className = "open";
  button.textContent = cell.textContent;
  const set = open => {
    runs.hidden = !open;
    details.open = open;
    button.setAttribute("aria-expanded", open);
    button.title = (open ? "Close: " : "Open: ") + details.firstElementChild.textContent;
  };
  set(false);
  cell.replaceChildren(button);
  details.addEventListener("toggle", () => { if (details.open === runs.hidden) set(details.open); });
  row.addEventListener("click", event => {
    if (!event.target.closest("a") && !String(getSelection())) set(runs.hidden);
  });
}
const form = document.getElementById("filters");
if (form) {
  const boards = [...document.querySelectorAll("section.board")], literature = [...document.querySelectorAll("section.literature")];
  const bodies = boards.flatMap(board => [...board.querySelectorAll("table.rows > tbody")]);
  const option = (select, text) => select.append(new Option(text, text));
  for (const name of ["task", "split", "preset"]) [...new Set(boards.map(board => board.dataset[name]))].forEach(text => option(form[name], text));
  for (const name of ["model", "method"]) [...new Set(bodies.map(body => body.dataset[name]))].sort().forEach(text => option(form[name], text));
  const words = new Map(bodies.map(body => [body, body.textContent.toLowerCase()]));
  const wanted = (element, names) => names.every(name => !form[name].value || element.dataset[name] === form[name].value);
  const filter = () => {
    const sought = form.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const narrow = sought.length || form.model.value || form.method.value;
    let count = 0;
    for (const board of boards) {
      let here = 0;
      for (const body of board.querySelectorAll("table.rows > tbody")) {
        const kept = wanted(body, ["model", "method"]) && sought.every(word => words.get(body).includes(word));
        body.hidden = !kept;
        here += kept;
      }
      board.hidden = !wanted(board, ["task", "split", "preset"]) || (narrow && !here);
      count += board.hidden ? 0 : here;
    }
    literature.forEach(section => { section.hidden = !wanted(section, ["task"]); });
    document.getElementById("found").value = `${count} of ${bodies.length} rows`;
  };
  const columns = document.getElementById("columns"), heads = [...document.querySelectorAll("table.rows > thead > tr > th")];
  const show = (name, shown) => heads.filter(head => head.textContent === name).forEach(head => {
    for (const row of head.closest("table").querySelectorAll(":scope > thead > tr, :scope > tbody > tr:not(.runs)"))
      row.cells[head.cellIndex].classList.toggle("gone", !shown);
  });
  for (const name of new Set(heads.map(head => head.textContent))) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = box.defaultChecked = true;
    box.name = `column ${name}`;
    box.addEventListener("change", () => show(name, box.checked));
    label.append(box, name);
    columns.append(label);
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    columns.querySelectorAll("input").forEach(box => show(box.parentElement.textContent, true));
    filter();
  }));
  form.hidden = false;
  filter();
}
const reveal = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true; // its row follows
};
addEventListener("hashchange", reveal);
reveal();
