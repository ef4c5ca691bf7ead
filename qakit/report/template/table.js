// The table. Rows are made a batch at a time, as they come near the window, so the number of questions costs nothing.

const BATCH = 60;
const COLUMNS = [
  { name: "", label: "Verdict" },
  { name: "Question" },
  { name: "Reference" },
  { name: "Prediction" },
  { name: "EM", sort: "em" },
  { name: "F1", sort: "f1" },
  { name: "Conf.", label: "Confidence", sort: "confidence" },
];

const rows = document.getElementById("rows");
const more = document.getElementById("more");
const table = document.getElementById("table");

/** The row of a question; its button is what the keyboard moves over and what opens it. */
function makeRow(question, place) {
  const row = make("tr", "question");
  row.dataset.index = question.index;
  setAttributes(row, { role: "row", "aria-rowindex": place + 2 });
  const badge = make("span", `badge ${verdictClass(question.verdict)}`, question.verdict);
  const button = make("button", "open text", question.question || question.id);
  button.type = "button";
  button.tabIndex = place === 0 ? 0 : -1; // one stop for the tab key; arrows do the rest
  setAttributes(button, { "aria-expanded": "false" });
  const references = distinct(question.references);
  const cells = [
    cell("verdict", badge),
    cell("asked", button, make("span", "id text", question.id)),
    cell("reference", answerText(references[0] ?? ""), references.length > 1 ? make("span", "others", `+${references.length - 1}`) : null),
    cell("prediction", question.prediction === null ? make("span", "none", "missing") : answerText(question.prediction)),
    cell("number em", percent(question.em)),
    cell("number f1", percent(question.f1)),
    cell("confidence", question.confidence === null ? make("span", "none", "–") : makeShare(question.confidence)),
  ];
  cells.forEach((one, number) => (one.dataset.column = COLUMNS[number].label ?? COLUMNS[number].name));
  row.append(...cells);
  return row;
}

function cell(className, ...children) {
  const one = make("td", className, ...children);
  one.setAttribute("role", "cell");
  return one;
}

const answerText = (text) => (text ? make("span", "text", text) : make("span", "none", "no answer"));
const verdictClass = (verdict) => "v-" + verdict.replaceAll(" ", "-");

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

/** Makes the rows up to the `count`-th of those that pass the filters. */
function fillRows(count) {
  const end = Math.min(count, state.shown.length);
  const batch = document.createDocumentFragment();
  for (let place = madeRows(); place < end; place++) {
    const question = state.shown[place];
    const row = makeRow(question, place);
    batch.append(row);
    if (state.open.has(question.index)) batch.append(openRow(row));
  }
  rows.append(batch);
  const left = state.shown.length - madeRows();
  more.hidden = left <= 0;
  more.textContent = left > 0 ? `${grouped(left)} more below` : "";
}

const madeRows = () => rows.querySelectorAll("tr.question").length;

/** Makes the table anew, after filters or order have changed. */
function refill() {
  rows.replaceChildren();
  fillRows(BATCH);
  table.setAttribute("aria-rowcount", state.shown.length + 1);
}

/** Says that a row is open, and gives the row with its details, to be put behind it. */
function openRow(row) {
  const question = data.questions[row.dataset.index];
  const inner = cell("", makeDetail(question));
  inner.colSpan = COLUMNS.length;
  const detail = make("tr", "details", inner);
  detail.id = `detail-${question.index}`;
  detail.setAttribute("role", "row");
  row.classList.add("is-open");
  setAttributes(row.querySelector("button.open"), { "aria-expanded": "true", "aria-controls": detail.id });
  return detail;
}

function toggle(row) {
  const index = Number(row.dataset.index);
  if (state.open.delete(index)) {
    row.nextElementSibling.remove();
    row.classList.remove("is-open");
    const button = row.querySelector("button.open");
    button.setAttribute("aria-expanded", "false");
    button.removeAttribute("aria-controls");
  } else {
    state.open.add(index);
    row.after(openRow(row));
    for (const text of row.nextElementSibling.querySelectorAll(".long")) showMark(text);
  }
  keepHash();
}

/** Scrolls a long paragraph, not the page, to its first mark. */
function showMark(text) {
  const mark = text.querySelector("mark");
  if (mark) text.scrollTop = mark.offsetTop - text.offsetTop - text.clientHeight / 3;
}

/** The question row that an element belongs to, itself or through the details behind it. */
function rowOf(element) {
  const row = element?.closest?.("#rows > tr");
  return row?.classList.contains("details") ? row.previousElementSibling : row ?? null;
}

/** Moves the focus to a question's row; the one tab stop of the table moves with it. */
function focusRow(row) {
  if (!row) return;
  for (const button of rows.querySelectorAll('button.open[tabindex="0"]')) button.tabIndex = -1;
  const button = row.querySelector("button.open");
  button.tabIndex = 0;
  button.focus();
  row.scrollIntoView({ block: "nearest" });
}

/** From the row in focus to the next (1) or the one before (-1); to the first where none is in focus. */
function move(by) {
  const current = rowOf(document.activeElement);
  const all = [...rows.querySelectorAll("tr.question")];
  const place = current ? all.indexOf(current) + by : 0;
  if (place >= all.length) fillRows(place + BATCH);
  focusRow(rows.querySelectorAll("tr.question")[Math.max(place, 0)]);
}
