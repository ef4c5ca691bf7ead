"""The error report in a real browser: opened, filtered, searched, unfolded, by mouse and keyboard, on every screen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qakit.data.records import Paragraph
from qakit.metrics.comparison import Difference
from qakit.metrics.intervals import Interval
from qakit.metrics.presets import QuestionScore
from qakit.metrics.questions import Reading
from qakit.report.error_report import Page, render
from tests.hostile import HOSTILE
from tests.report.browser import Tab, start_browser
from tests.report.pages import ASKED, answer, comparison, page_of, sample_page

COUNT = 300
CONTRAST = 4.5  # WCAG 2.1, level AA, for text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    browser = start_browser()
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(sample_page(COUNT), tmp_path_factory.mktemp("report") / "sample.html")


@pytest.fixture
def tab(browser: Any, file: Path) -> Iterator[Tab]:
    """The sample page; whatever a test does to it, the console stays silent and nothing is asked for."""
    tab = Tab(browser, file)
    yield tab
    assert tab.complaints() == []
    assert tab.requests() == []


def written(page: Page, file: Path) -> Path:
    file.write_text(render(page), encoding="utf-8")
    return file


def test_it_opens_with_its_charts_and_the_first_rows(tab: Tab):
    assert tab.count == "300 questions"
    assert 60 <= len(tab.all("tr.question")) < COUNT
    assert tab.do("return performance.getEntriesByName('usable').length") == 1
    assert tab.do("return document.querySelector('img.curves').naturalWidth") > 0
    assert tab.do("return document.documentElement.lang") == "en"
    assert tab.texts("#table th > *") == ["Verdict", "Question", "Reference", "Prediction", "EM", "F1", "Conf."]


def test_further_rows_are_made_when_the_end_comes_near_down_to_the_last(tab: Tab):
    made = len(tab.all("tr.question"))
    for _ in range(10):
        tab.do("scrollTo(0, document.body.scrollHeight)")
        tab.do("return new Promise(done => requestAnimationFrame(() => setTimeout(done, 60)))")
    assert made < len(tab.all("tr.question")) == COUNT
    assert tab.texts(".id") == [f"q{number}" for number in range(COUNT)]


def test_search_looks_in_question_answers_and_id_whatever_case_and_width(tab: Tab):
    search = tab.one("#search")
    for text, count in (
        ("Q17", "11 of 300 questions"),
        ("ｑ299", "1 of 300 questions"),
        ("第12題", "1 of 300 questions"),
    ):
        search.clear()
        search.send_keys(text)
        assert tab.count == count
    assert tab.hash == "#q=第12題"
    search.clear()
    search.send_keys("nowhere")
    assert tab.count == "0 of 300 questions"
    assert tab.all("tr.question") == []


def test_verdict_and_slice_filter_from_lists_and_charts(tab: Tab):
    tab.choose("verdict", "boundary")
    assert tab.count == "100 of 300 questions"
    assert set(tab.texts("#rows .badge")) == {"boundary"}
    tab.one('.slice[data-row="1"]').click()
    assert tab.count == "50 of 300 questions"
    assert tab.texts(".chip") == ["Number: odd×"]
    assert tab.hash == "#verdict=boundary&slice=0.1"
    assert tab.one('.slice[data-row="1"]').get_attribute("aria-pressed") == "true"
    tab.one(".chip").click()
    tab.one('.pick[data-verdict="right"]').click()
    assert tab.count == "100 of 300 questions"
    tab.one('.pick[data-verdict="right"]').click()
    tab.choose("slice", "0.0")
    assert tab.count == "150 of 300 questions"
    tab.one("#reset").click()
    assert tab.count == "300 questions"
    assert tab.hash == ""


def test_sorting_by_list_and_by_heading(tab: Tab):
    tab.choose("sort", "confidence-up")
    shown = [float(text) for text in tab.texts("td.confidence .number")]
    assert shown == sorted(shown)
    tab.one('th button[data-sort="f1"]').click()
    assert set(tab.texts("td.f1")) == {"100.0"}
    assert tab.texts(".id")[:2] == ["q0", "q3"]
    assert tab.one('th[aria-sort="descending"]').text.startswith("F1")
    tab.one('th button[data-sort="f1"]').click()
    assert tab.texts("td.f1")[0] == "0.0"
    tab.one('th button[data-sort="f1"]').click()
    assert tab.texts(".id")[:2] == ["q0", "q1"]


def test_a_row_opens_to_its_paragraph_with_both_spans_counted_in_code_points(tab: Tab):
    tab.all("button.open")[1].click()
    assert tab.texts("tr.details .context mark") == ["日本", "的"]
    assert tab.texts("tr.details mark.gold") == ["日本"]
    assert tab.texts("tr.details mark.gold.predicted") == ["日本"]
    assert tab.texts("tr.details .context .unseen") == ["U+200B"]
    styles = "const style = getComputedStyle(document.querySelector(arguments[0])); return style[arguments[1]]"
    assert tab.do(styles, "tr.details mark.gold", "textDecorationLine") == "underline"
    assert tab.do(styles, "tr.details mark.predicted:not(.gold)", "borderBottomStyle") == "dashed"
    assert tab.do(styles, "tr.details mark.predicted:not(.gold)", "textDecorationLine") == "none"
    assert len(tab.all("tr.details rect.window")) == 2
    assert "read in 2 windows: characters 0–20, 10–28" in tab.one("tr.details").text
    assert tab.hash == "#open=q1"
    tab.all("button.open")[1].click()
    assert tab.all("tr.details") == []


def test_an_answer_of_the_list_is_shown_where_it_stands(tab: Tab):
    tab.all("button.open")[1].click()
    assert tab.texts(".answer .text") == ["日本的", "𠮷野家"]
    tab.all(".answer")[1].click()
    assert tab.texts("mark.picked") == ["𠮷野家"]
    tab.all(".answer")[1].click()
    assert tab.all("mark.picked") == []


def test_the_keyboard_is_enough(tab: Tab):
    from selenium.webdriver.common.keys import Keys

    tab.press("j")
    assert tab.focused == tab.texts("button.open")[0]
    tab.press("j", Keys.ARROW_DOWN, "k")
    assert tab.focused == tab.texts("button.open")[1]
    assert tab.do("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press(Keys.ENTER)
    assert tab.one("button.open[aria-expanded=true]").get_attribute("aria-controls") == tab.one(
        "tr.details"
    ).get_attribute("id")
    tab.press(Keys.TAB)
    assert tab.do("return document.activeElement.matches('.answer')")
    tab.press(Keys.ESCAPE)
    assert tab.all("tr.details") == []
    assert tab.focused == tab.texts("button.open")[1]
    tab.press("/", "q", "7")
    assert tab.one("#search").get_attribute("value") == "q7"
    tab.press("j", Keys.BACKSPACE)
    assert tab.count == "11 of 300 questions"
    tab.press(Keys.ESCAPE, Keys.ESCAPE)
    assert tab.count == "300 questions"
    for _ in range(70):
        tab.press("j")
    assert tab.focused == tab.texts("button.open")[69]
    assert len(tab.all('button.open[tabindex="0"]')) == 1


def test_a_link_brings_the_state_back(tab: Tab):
    tab.open("#q=%E7%AC%AC&verdict=wrong+span&slice=0.1&sort=confidence-down&open=q299")
    assert tab.one("#search").get_attribute("value") == "第"
    assert tab.count == "50 of 300 questions"
    assert tab.one("#verdict").get_attribute("value") == "wrong span"
    assert tab.one("tr.details").get_attribute("id") == "detail-299"
    assert tab.focused.startswith("第299題")
    tab.do("location.hash = '#verdict=right'")
    assert tab.count == "100 of 300 questions"


@pytest.mark.parametrize(
    "hash_", ["#questions", "#x=y", "#verdict=__proto__&sort=constructor&slice=9.9,a,0", "#%", "#=&=", "#open="]
)
def test_a_hash_that_says_nothing_known_shows_all(tab: Tab, hash_: str):
    tab.open(hash_)
    assert tab.count == "300 questions"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_it_fits_every_screen_and_can_be_read(tab: Tab, tmp_path: Path, width: int, scheme: str):
    tab.screen(width, 844, scheme=scheme, mobile=width < 500)
    tab.open("#open=q1")
    assert tab.do("return document.documentElement.scrollWidth") <= width
    assert tab.do(LEAST_CONTRAST) >= CONTRAST
    assert tab.browser.save_screenshot(str(tmp_path / f"{width}-{scheme}.png"))


def test_printing_shows_the_rows_that_pass_and_not_the_tools(tab: Tab):
    tab.open("#verdict=right")
    assert len(tab.all("tr.question")) < 100
    tab.browser.execute_cdp_cmd("Page.printToPDF", {})
    assert len(tab.all("tr.question")) == 100
    tab.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not tab.one("#tools").is_displayed()
    assert tab.one(".cards").is_displayed()
    size = {"width": 718, "height": 1000, "deviceScaleFactor": 1, "mobile": False}  # of A4; no page for phones
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert tab.do("return getComputedStyle(document.querySelector('tr.question')).display") == "table-row"


def test_questions_that_are_compared_can_be_told_apart(browser: Any, tmp_path: Path):
    asked = replace(ASKED, references=("a",), prediction="a")
    wrong = replace(asked, id="r", verdict="wrong span", em=0.0, f1=0.0, prediction="c")
    same = Difference(Interval(0.0, -1.0, 1.0), 1.0)
    b = comparison("b.json", dict.fromkeys("qr", ("b", 0.0)), same)
    c = comparison("c.json", dict.fromkeys("qr", ("a", 100.0)), same)
    tab = Tab(browser, written(Page("x", (asked, wrong), comparisons=(b, c)), tmp_path / "x.html"))
    tab.one('[data-versus="0.this"]').click()
    assert tab.texts(".id") == ["q"]
    tab.choose("versus", "0.neither")
    assert tab.texts(".id") == ["r"]
    assert tab.hash == "#versus=0.neither"
    tab.choose("versus", "1.other")
    assert tab.texts(".id") == ["r"]
    tab.one("button.open").click()
    assert "b.json\nb\nc.json\na" in tab.one("tr.details").text


def test_of_several_paragraphs_those_that_matter_are_unfolded(browser: Any, tmp_path: Path):
    texts = {"一": "丙丁", "二": "甲乙", "三": "甲乙"}
    answers = (answer("甲", 0, 1, 0.5), answer("甲乙", 0, 2, 0.1))
    question = replace(
        ASKED,
        references=("乙",), prediction="甲", verdict="selection", em=0.0, f1=0.0,
        paragraphs=tuple(Paragraph("", text, title) for title, text in texts.items()), read=1, relevant=2,
        gold_spans=((1, 2),), span=(0, 1), reading=Reading(1, "甲乙", answers, ((0, 2),), (0.1, 0.7, 0.2)),
    )  # fmt: skip
    tab = Tab(browser, written(Page("x", (question,)), tmp_path / "x.html"))
    tab.one("button.open").click()
    assert tab.do("return [...document.querySelectorAll('details')].map(one => one.open)") == [False, True, True]
    assert tab.texts("summary .tag") == ["read", "relevant"]
    assert tab.texts("mark.predicted") == ["prediction", "both", "甲"][2:] or tab.texts("details mark.predicted") == [
        "甲"
    ]
    assert tab.texts("details mark.gold") == ["乙"]
    tab.all(".answer")[1].click()
    assert tab.texts("details mark.picked") == ["甲", "乙"]


def test_hostile_texts_are_shown_and_do_nothing(browser: Any, tmp_path: Path):
    tab = Tab(browser, written(hostile_page(), tmp_path / "hostile.html"))
    tab.do("for (const one of document.querySelectorAll('button.open')) one.click()")
    tab.do("for (const one of document.querySelectorAll('details')) one.open = true")
    assert len(tab.all("tr.details")) == len(HOSTILE)
    assert tab.do(LIVE) == []
    for button in range(len(HOSTILE)):
        tab.do("document.querySelectorAll('.slice')[arguments[0]].click()", button)
        assert tab.count == f"1 of {len(HOSTILE)} questions"
        shown = tab.do("return document.querySelector('.context').textContent")
        expected = "".join(f"U+{ord(c):04X}" if is_boxed(c) else c for c in HOSTILE[button])
        assert shown == expected
    assert tab.do(LIVE) == []
    assert tab.do("return window.pwned") is None
    assert tab.complaints() == []
    assert tab.requests() == []


def hostile_page() -> Page:
    """A question for each hostile text, and all of them wherever the page has texts of its own."""
    questions = tuple(replace(page_of(text).questions[0], slices={"text": text}) for text in HOSTILE)
    everything = page_of("".join(HOSTILE))
    (other,) = everything.comparisons
    return replace(
        everything,
        questions=questions,
        slices=tuple(replace(everything.slices[0], dimension="text", label=text) for text in HOSTILE),
        comparisons=(
            replace(
                other,
                predictions={text: text for text in HOSTILE},
                per_question={text: QuestionScore(1.0, 1.0) for text in HOSTILE},
            ),
        ),
    )


def is_boxed(character: str) -> bool:
    from qakit.report.error_report import _is_invisible

    return _is_invisible(character) and character not in "\n\t"


LIVE = """
const allowed = new Set(("HTML HEAD META TITLE STYLE BODY A HEADER H1 H2 H3 H4 DL DIV DT DD MAIN SECTION UL OL LI P "
  + "SPAN BUTTON IMG FORM LABEL INPUT SELECT OPTGROUP OPTION OUTPUT NOSCRIPT TABLE THEAD TBODY TR TH TD KBD SCRIPT "
  + "MARK DETAILS SUMMARY svg rect line g text circle polyline title").split(" "));
return [...document.querySelectorAll("*")].filter(one => !allowed.has(one.tagName)
  || [...one.attributes].some(({ name, value }) => name.startsWith("on") || name === "style"
    || (name === "href" && value !== "#questions")
    || (name === "src" && !value.startsWith("data:image/svg+xml;base64,"))
    || /javascript:/i.test(value) && !["aria-label", "label"].includes(name)))
  .concat([...document.scripts].slice(2)).map(one => one.outerHTML);
"""

# The least contrast of a text with the background behind it, over all that is shown.
LEAST_CONTRAST = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const paint = (colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (rgb) => rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
let least = 21;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  if (element.closest("script, svg, select, [hidden], .skip")) continue;
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.unshift(getComputedStyle(one).backgroundColor);
  const behind = paint(layers), ink = paint([...layers, getComputedStyle(element).color]);
  const [dark, bright] = [light(behind), light(ink)].sort((a, b) => a - b);
  least = Math.min(least, (bright + 0.05) / (dark + 0.05));
}
return least;
"""
