// Controls: each changes the state, then the page is brought up to it.

const tools = Object.fromEntries(
  ["search", "verdict", "slice", "versus", "sort", "reset", "count", "chips", "head"].map((id) => [id, document.getElementById(id)]),
);

function option(value, label) {
  const one = make("option", "", label);
  one.value = value;
  return one;
}

function optionGroup(label, options) {
  const group = document.createElement("optgroup");
  group.label = label;
  group.append(...options);
  return group;
}

function fillControls() {
  tools.verdict.append(option("", "all"), ...data.verdicts.map((verdict) => option(verdict, verdict)));
  tools.versus.append(option("", "all"));
  data.others.forEach((other, number) => {
    const values = versusValues().filter(([, , of]) => of === number);
    tools.versus.append(optionGroup(other, values.map(([value, label]) => option(value, label))));
  });
  tools.sort.append(...Object.entries(SORTS).map(([key, { label }]) => option(key, label)));
  tools.slice.append(option("", "add …"));
  data.slices.forEach((group, number) => {
    tools.slice.append(optionGroup(group.name, group.rows.map((row, place) => option(`${number}.${place}`, row))));
  });
}

function fillHead() {
  for (const { name, label, sort } of COLUMNS) {
    const head = make("th", sort ? "sortable" : "");
    setAttributes(head, { role: "columnheader", scope: "col" });
    if (sort) {
      const button = make("button", "", name);
      button.type = "button";
      button.dataset.sort = sort;
      button.title = `Sort by ${label ?? name}`;
      head.append(button);
    } else head.append(make("span", name ? "" : "hidden", name || label));
    tools.head.append(head);
  }
}

/** Brings filters, chips, counts and table up to the state. */
function update() {
  choose();
  if (tools.search.value !== state.q) tools.search.value = state.q;
  tools.verdict.value = state.verdict;
  tools.versus.value = state.versus;
  tools.sort.value = state.sort;
  tools.slice.value = "";
  const [all, shown] = [data.questions.length, state.shown.length];
  tools.count.textContent = shown === all ? `${grouped(all)} questions` : `${grouped(shown)} of ${grouped(all)} questions`;
  tools.chips.replaceChildren(...[...state.slices].map(([group, row]) => makeChip(group, row)));
  showPressed();
  showSorted();
  refill();
}

function change(changes) {
  Object.assign(state, changes);
  update();
  keepHash();
}

/** A slice that is filtered by, with a button that takes it away. */
function makeChip(group, row) {
  const button = make("button", "chip", sliceName(group, row), make("span", "cross", "×"));
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${sliceName(group, row)}`);
  button.addEventListener("click", () => toggleSlice(group, row));
  return button;
}

function toggleSlice(group, row) {
  const slices = new Map(state.slices);
  if (slices.get(group) === row) slices.delete(group);
  else slices.set(group, row);
  change({ slices });
}

const isPressed = {
  verdict: ({ verdict }) => state.verdict === verdict,
  versus: ({ versus }) => state.versus === versus,
  row: ({ group, row }) => state.slices.get(Number(group)) === Number(row),
};

/** Shows on the buttons of the charts which of them the table is filtered by. */
function showPressed() {
  for (const button of document.querySelectorAll("button.pick")) {
    const kind = Object.keys(isPressed).find((name) => name in button.dataset);
    button.setAttribute("aria-pressed", String(isPressed[kind](button.dataset)));
  }
}

/** A press on a button of a chart: it filters, or no longer does, and the table comes into view. */
function press({ dataset }) {
  if ("row" in dataset) toggleSlice(Number(dataset.group), Number(dataset.row));
  else if ("verdict" in dataset) change({ verdict: isPressed.verdict(dataset) ? "" : dataset.verdict });
  else change({ versus: isPressed.versus(dataset) ? "" : dataset.versus });
}

function showSorted() {
  for (const head of tools.head.children) {
    const sort = head.querySelector("button")?.dataset.sort;
    if (!sort) continue;
    const [by, way] = state.sort.split("-");
    if (by === sort) head.setAttribute("aria-sort", way === "up" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

function pressHead(sort) {
  const next = { [`${sort}-down`]: `${sort}-up`, [`${sort}-up`]: "order" };
  change({ sort: next[state.sort] ?? `${sort}-down` });
}

/** Keys outside of fields: / searches, j and k move, arrows too once in the table, Escape closes. */
function pressKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inTable = rows.contains(event.target);
  if (event.target.matches("input, select")) {
    if (event.key === "Escape" && event.target === tools.search) leaveSearch();
    return;
  }
  const inLong = event.target.matches(".long");
  const actions = {
    "/": () => tools.search.focus(),
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: inTable && !inLong ? () => move(1) : null,
    ArrowUp: inTable && !inLong ? () => move(-1) : null,
    Escape: inTable ? closeCurrent : null,
  };
  const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
  if (!action) return;
  event.preventDefault();
  action();
}

function leaveSearch() {
  if (state.q) change({ q: "" });
  else tools.search.blur();
}

function closeCurrent() {
  const row = rowOf(document.activeElement);
  if (!row) return;
  if (row.classList.contains("is-open")) toggle(row);
  focusRow(row);
}

function listen() {
  tools.search.addEventListener("input", () => change({ q: tools.search.value }));
  for (const name of ["verdict", "versus", "sort"]) {
    tools[name].addEventListener("change", () => change({ [name]: tools[name].value }));
  }
  tools.slice.addEventListener("change", () => {
    if (tools.slice.value) toggleSlice(...tools.slice.value.split(".").map(Number));
  });
  tools.reset.addEventListener("click", () => {
    change({ q: "", verdict: "", versus: "", slices: new Map(), sort: "order", open: new Set() });
  });
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", pressKey);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches(".pick")) press(button);
    else if (button?.dataset.sort) pressHead(button.dataset.sort);
    else if (button?.matches(".open")) {
      focusRow(rowOf(button));
      toggle(rowOf(button));
    }
  });
  watchEnd();
  addEventListener("beforeprint", () => fillRows(state.shown.length));
  addEventListener("hashchange", () => {
    if (hash() || !location.hash) follow(hash());
  });
}

/** Makes further rows when the end of those there are comes near. */
function watchEnd() {
  const end = document.querySelector(".keys");
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.at(-1).isIntersecting || madeRows() >= state.shown.length) return;
      fillRows(madeRows() + BATCH);
      // An observer tells of changes only: watched anew, an end that is still near is told again.
      observer.unobserve(end);
      observer.observe(end);
    },
    { rootMargin: "1200px" },
  );
  observer.observe(end);
}

/** What the URL says of the state. A hash without a key, such as #questions, is a place of the page and says nothing. */
function hash() {
  const text = location.hash.slice(1);
  return text.includes("=") ? text : "";
}

function follow(text) {
  readHash(text);
  update();
  showOpened();
}

/** Brings the question that a link opens into view, wherever it stands in the table. */
function showOpened() {
  const [open] = state.open;
  const place = state.shown.findIndex((question) => question.index === open);
  if (place < 0) return;
  fillRows(place + BATCH);
  focusRow(rows.querySelectorAll("tr.question")[place]);
}

fillControls();
fillHead();
listen();
follow(hash());
performance.mark("usable");
