// The data of the page, and which of its questions are shown: filters, order, and the URL hash that tells them.

const data = readData();

/** What is shown. `slices` maps a group's number to a row's; `versus` is a comparison's number with a name in VERSUS, or "". */
const state = { q: "", verdict: "", versus: "", slices: new Map(), sort: "order", open: new Set(), shown: [] };

const SORTS = {
  order: { label: "as in the file" },
  "confidence-down": { label: "confidence, high first", value: (question) => question.confidence, sign: -1 },
  "confidence-up": { label: "confidence, low first", value: (question) => question.confidence, sign: 1 },
  "em-down": { label: "EM, high first", value: (question) => question.em, sign: -1 },
  "em-up": { label: "EM, low first", value: (question) => question.em, sign: 1 },
  "f1-down": { label: "F1, high first", value: (question) => question.f1, sign: -1 },
  "f1-up": { label: "F1, low first", value: (question) => question.f1, sign: 1 },
};

const VERSUS = { this: "right here only", other: "right there only", both: "right in both", neither: "right in neither" };

/** The JSON block, its lists turned into objects by the names in `fields`. */
function readData() {
  const raw = JSON.parse(document.getElementById("data").textContent);
  const named = (kind) => (values) => Object.fromEntries(raw.fields[kind].map((name, place) => [name, values[place]]));
  const questions = raw.questions.map(named("question"));
  questions.forEach((question, index) => {
    question.index = index;
    question.others = question.others.map(named("other"));
  });
  return { ...raw, named, contexts: raw.contexts.map(named("context")), questions };
}

/** A question's parts that only its details show; made into objects when it is opened. */
function details(question) {
  return { candidates: question.candidates.map(data.named("candidate")), ranked: question.ranked.map(data.named("ranked")) };
}

function haystack(question) {
  question.haystack ??= folded(
    [question.id, question.question, question.prediction ?? "", ...question.references].join("\n"),
  );
  return question.haystack;
}

/** How a question stands in a comparison: a name in VERSUS. */
function versusOf(question, number) {
  const here = question.em >= 100, there = question.others[number].em >= 100;
  return here ? (there ? "both" : "this") : there ? "other" : "neither";
}

/** The values of `state.versus`, with what they say. */
function versusValues() {
  return data.others.flatMap((_, number) => Object.entries(VERSUS).map(([key, label]) => [`${number}.${key}`, label, number]));
}

/** Works out `state.shown`: the questions that pass all filters, in the order asked for; equal ones as in the file. */
function choose() {
  const needle = folded(state.q.trim());
  const slices = [...state.slices];
  const [number, versus] = state.versus.split(".");
  state.shown = data.questions.filter(
    (question) =>
      (!state.verdict || question.verdict === state.verdict) &&
      (!versus || versusOf(question, number) === versus) &&
      slices.every(([group, row]) => question.slices[group] === row) &&
      (!needle || haystack(question).includes(needle)),
  );
  const { value, sign } = SORTS[state.sort];
  if (!value) return;
  // A question without the value comes last, whichever way the others are sorted.
  const key = (question) => (value(question) === null ? Infinity : sign * value(question));
  state.shown.sort((a, b) => {
    const left = key(a), right = key(b);
    return left === right ? 0 : left < right ? -1 : 1;
  });
}

/** The hash that leads back to this state; the last question opened is in it. */
function hashOf() {
  const entries = new URLSearchParams();
  if (state.q) entries.set("q", state.q);
  if (state.verdict) entries.set("verdict", state.verdict);
  if (state.versus) entries.set("versus", state.versus);
  if (state.slices.size) entries.set("slice", [...state.slices].map((pair) => pair.join(".")).join(","));
  if (state.sort !== "order") entries.set("sort", state.sort);
  const open = [...state.open].at(-1);
  if (open !== undefined) entries.set("open", data.questions[open].id);
  return entries.toString();
}

/** Takes over what a hash says, as far as the page has it; other keys and values are passed over. */
function readHash(hash) {
  const entries = new URLSearchParams(hash);
  const known = (name, values, otherwise) => (values.includes(entries.get(name)) ? entries.get(name) : otherwise);
  state.q = entries.get("q") ?? "";
  state.verdict = known("verdict", data.verdicts, "");
  state.versus = known("versus", versusValues().map(([value]) => value), "");
  state.sort = known("sort", Object.keys(SORTS), "order");
  state.slices = new Map();
  for (const pair of (entries.get("slice") ?? "").split(",")) {
    const [group, row] = pair.split(".").map(Number);
    if (data.slices[group]?.rows[row] !== undefined) state.slices.set(group, row);
  }
  const open = entries.has("open") ? data.questions.findIndex((question) => question.id === entries.get("open")) : -1;
  state.open = new Set(open < 0 ? [] : [open]);
}

function keepHash() {
  const hash = hashOf();
  history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
}
