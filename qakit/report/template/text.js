"use strict";
// Text on the page: only ever made of text nodes, with what does not show made visible, and counted in code points.

// Control and format characters, private and unassigned ones, odd spaces, fillers. Line feeds and tabs are laid out.
const UNSEEN = /(?![\n\t \u3000])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** An element with a class, and children that are elements or texts. */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) {
    if (typeof child === "string") addText(element, child);
    else if (child) element.append(child);
  }
  return element;
}

/** Adds `text` to `parent`, with a box such as U+202E in the place of each character that does not show. */
function addText(parent, text) {
  let end = 0;
  for (const match of text.matchAll(UNSEEN)) {
    parent.append(text.slice(end, match.index), unseenBox(match[0]));
    end = match.index + match[0].length;
  }
  parent.append(text.slice(end));
}

function unseenBox(character) {
  const box = document.createElement("span");
  box.className = "unseen";
  box.textContent = "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return box;
}

/** An SVG element; lengths are attributes, which the content security policy lets pass. */
function makeSvg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const charactersOf = new Map();

/** The code points of a context. Offsets count these, while a JavaScript string counts UTF-16 units. */
function characters(context) {
  if (!charactersOf.has(context)) charactersOf.set(context, Array.from(data.contexts[context].text));
  return charactersOf.get(context);
}

/** The text of a span of a context, offsets in code points. */
function cut(context, start, end) {
  return characters(context).slice(start, end).join("");
}

/** What search compares: without case, full-width forms as their plain ones. */
function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

const percent = (value) => value.toFixed(1);
const grouped = (count) => count.toLocaleString("en");
