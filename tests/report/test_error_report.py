"""The error report as a file: whatever its texts are, they are text, and nothing else becomes of them."""

import hashlib
import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qakit.metrics.comparison import Difference
from qakit.metrics.intervals import Interval
from qakit.metrics.verdicts import VERDICTS
from qakit.report.error_report import Page, json_block, page_data, render
from tests.hostile import HOSTILE
from tests.report.pages import SVG, comparison, page_of, sample_page


def as_read(text: str) -> str:
    """Two halves of a character that meet are one once they are read; no reader of files gives them apart."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=40).map(as_read)

# Elements and attributes the page may have; none of the attributes makes a browser run or load anything.
TAGS = """
html head meta title style body a header h1 h2 h3 dl div dt dd main section ul li p span svg rect line g text circle
polyline button img form label input select output noscript table thead tbody tr th td kbd script
"""
ATTRIBUTES = """
lang charset http-equiv content name class id tabindex role hidden type scope alt placeholder autocomplete spellcheck
width height viewbox x y x1 x2 y1 y2 cx cy r points text-anchor data-verdict data-group data-row data-versus
"""


class Parsed(HTMLParser):
    """What a parser finds in a page: its elements, its text, and all that is not allowed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.forbidden: list[str] = []
        self.references: list[str] = []
        self.attributes: Counter[tuple[str, str]] = Counter()
        self.contents: dict[str, list[str]] = {"style": [], "script": [], "title": []}
        self.inside = ""
        self.policy = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.inside = tag
        if tag in self.contents:
            self.contents[tag].append("")
        if tag not in TAGS.split():
            self.forbidden.append(tag)
        for name, value in attrs:
            self.attributes[tag, name] += 1
            is_reference = name in ("href", "src")
            if is_reference:
                self.references.append(value or "")
            elif name not in ATTRIBUTES.split() and not name.startswith("aria-"):
                self.forbidden.append(f"{tag} {name}={value}")
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, text: str) -> None:
        if self.inside in self.contents:
            self.contents[self.inside][-1] += text

    def handle_comment(self, text: str) -> None:
        self.forbidden.append(f"comment {text}")

    def unknown_decl(self, text: str) -> None:
        self.forbidden.append(f"declaration {text}")

    def handle_pi(self, text: str) -> None:
        self.forbidden.append(f"instruction {text}")


def texts_of(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a page, with the name of its field."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, tuple | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(item, name)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts_of(getattr(value, field.name), f"{type(value).__name__}.{field.name}")


def check_inert(page: Page) -> None:
    parsed = Parsed(render(page).encode("utf-8").decode("utf-8"))
    plain = Parsed(render(page_of("plain")))
    curves = f"data:image/svg+xml;base64,{b64encode(SVG.encode()).decode()}"
    assert parsed.forbidden == []
    assert parsed.references == ["#questions", curves]
    boxes = parsed.elements["span"] - plain.elements["span"]
    assert boxes >= 0
    assert parsed.elements - Counter(span=boxes) == plain.elements
    assert parsed.attributes - Counter({("span", "class"): boxes}) == plain.attributes
    assert json.loads(parsed.contents["script"][0]) == page_data(page)
    assert parsed.contents["script"][1] == plain.contents["script"][1]
    assert parsed.contents["style"] == plain.contents["style"]


def test_the_hostile_texts_are_many_and_in_every_text_field_there_is():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 40
    found = dict(texts_of(page_of("mark")))
    assert {name for name, text in found.items() if text != "mark"} == {"Page.curves", "QuestionResult.verdict"}
    assert len(found) == 23


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_in_every_field_leaves_nothing_alive(text: str):
    check_inert(page_of(text))


@settings(max_examples=60)
@given(text=ANY_TEXT)
@example("\ude00\ud83d")
def test_no_text_leaves_anything_alive(text: str):
    check_inert(page_of(text))


@settings(max_examples=60)
@given(parts=st.lists(st.sampled_from(HOSTILE) | ANY_TEXT, min_size=2, max_size=4))
def test_texts_that_follow_one_another_leave_nothing_alive(parts: list[str]):
    check_inert(page_of(as_read("".join(parts))))


@pytest.mark.parametrize("text", ["<b>", '" onclick="x', "<!-- -->", "</script><p>"])
def test_the_check_sees_what_is_alive(text: str):
    html = render(page_of("needle")).replace("needle", text)
    parsed, plain = Parsed(html), Parsed(render(page_of("plain")))
    assert parsed.forbidden or parsed.elements != plain.elements


@given(st.recursive(st.none() | st.booleans() | st.integers() | ANY_TEXT, st.lists, max_leaves=8))
def test_the_json_block_is_equal_when_parsed_and_cannot_end_its_element(value: Any):
    block = json_block(value)
    assert json.loads(block) == value
    assert not re.search("[<>&\u2028\u2029]", block)
    block.encode("utf-8")


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block([float("nan")])


def test_the_policy_lets_nothing_in_but_the_style_and_the_script_of_the_page():
    parsed = Parsed(render(sample_page()))
    rules = dict(rule.split(" ", 1) for rule in parsed.policy.split("; "))

    def source(text: str) -> str:
        return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "script-src": source(parsed.contents["script"][1]),
        "style-src": source(parsed.contents["style"][0]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_in_the_file_names_another_place():
    html = render(sample_page())
    curves = re.search('data:image/svg[^"]*', html)
    assert curves
    names = set(re.findall(r"[a-z]+://[^\s\"']+", html.replace(curves[0], "")))
    assert names == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|url\(", html)


def test_contexts_stand_once():
    html = render(sample_page(300))
    assert html.count("第3段。") == 1


def test_the_same_page_gives_the_same_bytes():
    assert render(sample_page()) == render(sample_page())


def test_characters_that_do_not_show_are_written_out():
    html = render(Page("a\u202eb\u3000c", ()))
    assert "<title>a[U+202E]b\u3000c</title>" in html
    assert '<h1>a<span class="unseen">U+202E</span>b\u3000c</h1>' in html


def test_scores_intervals_and_counts_are_told():
    page = sample_page()
    answers = {question.id: ("日本", 100.0) for question in page.questions}
    other = comparison("b.json", answers, Difference(Interval(-1.25, -3.0, 0.5), 0.0004))
    page = replace(page, comparisons=(other,))
    html = render(page)
    assert page.shared(other) == {"this": 0, "other": 200, "both": 100, "neither": 0}
    for text in (
        "33.33",
        "28.00 to 38.00",
        "−1.25",
        "−3.00 to 0.50",
        "&lt; 0.001",
        "no better and no worse than b.json",
        ">200<",
        "right: 100",
    ):
        assert text in html
    assert page.counts == {"right": 100, "boundary": 100, "wrong span": 100}


def test_parts_that_a_page_does_not_have_are_left_out():
    html = render(Page("empty", ()))
    for heading in ("Scores", "Where the points are lost", "Slices", "Compared on", "Reliability", "Learning curves"):
        assert f">{heading}" not in html.split("</style>")[1].split("<script")[0]


def test_every_verdict_has_its_own_look():
    style = Parsed(render(sample_page())).contents["style"][0]
    for verdict in VERDICTS:
        assert f".v-{verdict.replace(' ', '-')} {{" in style
