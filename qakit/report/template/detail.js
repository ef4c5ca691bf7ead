// What an open row shows: answers, paragraphs with their spans, windows, and the n-best list.

const MARKS = { gold: "reference", predicted: "prediction", picked: "from the list" };
const LONG = 1500; // characters from which on a paragraph scrolls

/** The details of a question. */
function makeDetail(question) {
  const parts = details(question);
  const paragraphs = make("div", "paragraphs");
  const show = (picked) => paragraphs.replaceChildren(...makeParagraphs(question, parts, picked));
  show(null);
  const places = parts.candidates.length ? make("div", "places", makeKey(), paragraphs) : null;
  const ranked = parts.ranked.length ? makeRanked(question, parts, show) : null;
  return make("div", "detail", makeFacts(question), make("div", "columns", places, ranked));
}

function makeFacts(question) {
  const facts = [
    ["id", question.id],
    ["Reference", question.references.length ? distinct(question.references) : "no answer"],
    ["Prediction", predicted(question.prediction)],
    ["EM, F1", `${percent(question.em)}, ${percent(question.f1)}`],
  ];
  if (question.confidence !== null) facts.push(["Confidence", question.confidence.toFixed(3)]);
  question.others.forEach(({ prediction }, number) => facts.push([data.others[number], predicted(prediction)]));
  const slices = question.slices.flatMap((row, group) => (row === null ? [] : [sliceName(group, row)]));
  if (slices.length) facts.push(["Slices", slices]);
  const list = make("dl", "facts");
  for (const [name, value] of facts) {
    const values = Array.isArray(value) ? value : [value];
    list.append(make("div", "", make("dt", "", name), ...values.map((one) => make("dd", "text", one))));
  }
  return list;
}

const predicted = (prediction) => (prediction === null ? "missing" : prediction || "no answer");
const distinct = (texts) => [...new Set(texts)];
const sliceName = (group, row) => `${data.slices[group].name}: ${data.slices[group].rows[row]}`;

function makeKey() {
  const key = make("p", "key");
  for (const kind of ["gold", "predicted"]) key.append(make("span", `mark ${kind}`, MARKS[kind]));
  key.append(make("span", "mark gold predicted", "both"));
  return key;
}

/** The paragraphs, one behind the other; of several only those that matter are unfolded. */
function makeParagraphs(question, { candidates }, picked) {
  return candidates.map((candidate, place) => {
    const { context } = candidate;
    const windows = place === question.read && question.windows.length ? makeWindows(question, context, place) : null;
    const body = make("div", "paragraph", windows, makeText(question, context, place, picked));
    const { title } = data.contexts[context];
    if (candidates.length === 1) return make("div", "", title ? make("p", "title text", title) : null, body);
    const fold = make("details", "", makeSummary(question, place, title, candidate), body);
    fold.open = place === question.read || place === question.relevant;
    return fold;
  });
}

function makeSummary(question, place, title, { id, probability }) {
  return make(
    "summary", "",
    `Paragraph ${place + 1}`,
    id ? make("span", "note text", id) : null,
    title ? make("span", "title text", title) : null,
    place === question.read ? make("span", "tag read", "read") : null,
    place === question.relevant ? make("span", "tag relevant", "relevant") : null,
    probability === null ? null : make("span", "selected", "selector", makeShare(probability)),
  );
}

/** Spans of a candidate as [kind, start, end]. */
function spansOf(question, place, picked) {
  const spans = place === question.relevant ? question.gold_spans.map((span) => ["gold", ...span]) : [];
  if (place === question.read && question.span) spans.push(["predicted", ...question.span]);
  if (place === question.read && picked) spans.push(["picked", picked.start, picked.end]);
  return spans;
}

/** A paragraph, cut where a span begins or ends; each piece carries the marks of all spans that cover it. */
function makeText(question, context, place, picked) {
  const all = characters(context);
  const spans = spansOf(question, place, picked);
  const edges = new Set([0, all.length]);
  for (const [, start, end] of spans) edges.add(start).add(end);
  const cuts = [...edges].filter((edge) => edge >= 0 && edge <= all.length).sort((a, b) => a - b);
  const text = make("p", all.length > LONG ? "context text long" : "context text");
  if (all.length > LONG) text.tabIndex = 0; // so that the arrow keys can scroll it
  for (let piece = 0; piece + 1 < cuts.length; piece++) {
    const [start, end] = [cuts[piece], cuts[piece + 1]];
    const marks = distinct(spans.filter(([, from, to]) => from <= start && end <= to).map(([kind]) => kind));
    const words = all.slice(start, end).join("");
    if (!marks.length) addText(text, words);
    else text.append(markPiece(marks, words));
  }
  return text;
}

function markPiece(marks, words) {
  const piece = make("mark", `mark ${marks.join(" ")}`, words);
  piece.title = marks.map((kind) => MARKS[kind]).join(" and ");
  return piece;
}

/** Bars that show which characters were read at once, and where reference and prediction are among them. */
function makeWindows(question, context, place) {
  const { windows } = question;
  const length = Math.max(characters(context).length, 1);
  const at = (position) => `${(100 * position) / length}%`;
  const row = 7;
  const picture = makeSvg("svg", { class: "windows", width: "100%", height: row * windows.length + 8, role: "img" });
  const ranges = windows.map(([start, end]) => `${start}–${end}`).join(", ");
  const words = `read in ${windows.length} ${windows.length === 1 ? "window" : "windows"}: characters ${ranges}`;
  picture.setAttribute("aria-label", words);
  windows.forEach(([start, end], number) => {
    const bar = { x: at(start), width: at(end - start), y: row * number + 6, height: 4, rx: 2, class: "window" };
    picture.append(makeSvg("rect", bar));
  });
  for (const [kind, start, end] of spansOf(question, place, null)) {
    const bar = { x: at(start), width: at(Math.max(end - start, 1)), y: kind === "gold" ? 0 : 2.5, height: 2, class: `place ${kind}` };
    picture.append(makeSvg("rect", bar));
  }
  return make("div", "", picture, make("p", "note", words));
}

/** The n-best list. Pressing an answer marks its place in the paragraph. */
function makeRanked(question, { candidates, ranked }, show) {
  const context = candidates[question.read]?.context;
  const list = make("ol", "ranked");
  ranked.forEach((answer, number) => {
    const words = answer.text ?? (context === undefined ? "" : cut(context, answer.start, answer.end));
    const button = make(
      "button", "answer",
      make("span", "number", String(number + 1)),
      make("span", "text", words || "no answer"),
      answer.probability === null ? make("span") : makeShare(answer.probability),
      make("span", "number place", `${answer.start}–${answer.end}`),
    );
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => pressAnswer(list, button, answer, show));
    list.append(make("li", "", button));
  });
  return make("div", "", make("h4", "", ranked.length === 1 ? "The answer" : `The best ${ranked.length}`), list);
}

function pressAnswer(list, button, answer, show) {
  const wasPressed = button.getAttribute("aria-pressed") === "true";
  for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-pressed", String(!wasPressed));
  show(wasPressed ? null : answer);
}

/** A probability as a number and a small bar. */
function makeShare(share) {
  const width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  const track = makeSvg("rect", { width: "100%", height: 6, class: "track" });
  const fill = makeSvg("rect", { width, height: 6, class: "fill" });
  const bar = makeSvg("svg", { class: "share", width: "100%", height: 6, "aria-hidden": "true" }, track, fill);
  return make("span", "probability", make("span", "number", share.toFixed(3)), bar);
}
