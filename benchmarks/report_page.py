"""The error report of many questions in a real browser: size of the file, time until it is usable, errors, requests.

`python benchmarks/report_page.py [DATA] [--questions N ...] [--keep DIR]` makes predictions for DRCD's dev file out of
its references (half of them right, the others moved, cut or taken from elsewhere), writes the report, and opens it in
headless Chromium, `--rounds` times. More questions than the file has are its own again, with new ids. `--page FILE`
opens a report of `qakit evaluate --report` instead. Needs selenium, chromium and its driver.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Record
from qakit.data.schemas import read_dataset
from qakit.metrics.analysis import Slice
from qakit.metrics.calibration import reliability_curve
from qakit.metrics.comparison import Comparison, Difference
from qakit.metrics.intervals import Interval
from qakit.metrics.presets import QuestionScore, get_preset
from qakit.metrics.questions import QuestionResult, Reading
from qakit.report.error_report import Card, Fact, Page, render

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the browser of the tests

from tests.report.browser import Tab, start_browser

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
NBEST = 10
LENGTHS = {"1 to 2": (1, 2), "3 to 4": (3, 4), "5 to 8": (5, 8), "9 to 16": (9, 16), "17 and more": (17, 10**6)}
WORDS = ("誰", "哪", "何", "什麼", "多少", "幾")
VIEWS = {"wide": (1280, 900), "phone": (390, 844)}


def moved(record: Record, random_: random.Random) -> tuple[int, int]:
    """A span near or far from the reference."""
    span, length = record.span, len(record.context)
    start, end = span.start, span.end
    kind = random_.random()
    if kind < 0.5:
        return start, end
    if kind < 0.75:
        start = max(0, start + random_.randint(-3, 2))
        return start, min(length, max(start + 1, end + random_.randint(-1, 4)))
    start = random_.randrange(length)
    return start, min(length, start + random_.randint(1, 12))


def question_of(record: Record, number: int, random_: random.Random) -> QuestionResult:
    context = record.context
    spans = [moved(record, random_) for _ in range(NBEST)]
    weights = sorted((random_.random() ** 4 for _ in spans), reverse=True)
    answers = tuple(
        PredictedAnswer(context[start:end], start, end, weight, round(weight / sum(weights), 4))
        for (start, end), weight in zip(spans, weights, strict=True)
    )
    (start, end), text = spans[0], answers[0].text
    score = get_preset("drcd").score(text, record.references)
    gold = record.span
    is_near = start < gold.end and gold.start < end
    windows = tuple((first, min(first + 384, len(context))) for first in range(0, max(1, len(context) - 128), 256))
    slices = {"length_of_the_answer": next(name for name, (_, most) in LENGTHS.items() if len(gold.text) <= most)}
    if word := next((word for word in WORDS if word in record.question), None):
        slices["question_word"] = word
    return QuestionResult(
        id=f"{record.id}-{number}" if number else record.id,
        question=record.question,
        references=tuple(record.references),
        prediction=text,
        em=100 * score.em,
        f1=100 * score.f1,
        verdict="right" if score.em else "boundary" if is_near else "wrong span",
        paragraphs=record.paragraphs,
        relevant=0,
        read=0,
        gold_spans=tuple((answer.start, answer.end) for answer in record.answers),
        span=(start, end),
        reachable=True,
        reading=Reading(0, context, answers, windows),
        slices=slices,
    )


def slices_of(dimension: str, labels: Iterable[str], questions: list[QuestionResult]) -> Iterator[Slice]:
    for label in labels:
        inside = [question for question in questions if question.slices.get(dimension) == label]
        em = statistics.fmean(question.em for question in inside)
        spread = 98 * (em / 100 * (1 - em / 100) / len(inside)) ** 0.5 * 2
        f1 = statistics.fmean(question.f1 for question in inside)
        around = Interval(em, max(0, em - spread), min(100, em + spread))
        yield Slice(dimension, label, len(inside), around, Interval(f1, f1, f1))


def comparison_of(questions: list[QuestionResult], random_: random.Random) -> Comparison:
    """With a system that gets 55 % right."""
    right = {question.id: random_.random() < 0.55 for question in questions}
    return Comparison(
        name="other.json",
        missing=0,
        other={},
        differences={"em": Difference(Interval(1.2, -0.4, 2.9), 0.14)},
        only_this=0,
        only_other=0,
        mcnemar=0.14,
        predictions={question.id: question.references[0] if right[question.id] else "" for question in questions},
        per_question={id_: QuestionScore(float(is_right), float(is_right)) for id_, is_right in right.items()},
    )


def page_of(records: tuple[Record, ...], count: int, curves: str | None) -> Page:
    random_ = random.Random(1)
    questions = [
        question_of(records[number % len(records)], number // len(records), random_) for number in range(count)
    ]
    em = statistics.fmean(question.em for question in questions)
    f1 = statistics.fmean(question.f1 for question in questions)
    right = [question.em / 100 for question in questions]
    return Page(
        title="Error report: DRCD_dev.json",
        questions=tuple(questions),
        facts=(Fact("Data", "DRCD_dev.json"), Fact("Model", "none: references, perturbed"), Fact("Metric", "drcd")),
        cards=(
            Card("EM", em, Interval(em, em - 1.6, em + 1.7), "end to end"),
            Card("F1", f1, Interval(f1, f1 - 1.4, f1 + 1.5), "end to end"),
            Card("Human agreement", 84.2, Interval(84.2, 82.9, 85.4), "each annotator against the others"),
            Card("ECE", 12.34, note="15 bins"),
        ),
        overall=Interval(em, em - 1.6, em + 1.7),
        slices=(
            *slices_of("length_of_the_answer", LENGTHS, questions),
            *slices_of("question_word", WORDS, questions),
        ),
        curves=curves,
        reliability=tuple(reliability_curve([one.probability or 0.0 for one in questions], right)),
        comparisons=(comparison_of(questions, random_),),
        notes=("Intervals: 95 %, bootstrap over paragraphs.",),
    )


def open_page(tab: Tab) -> tuple[float, int, int]:
    """Milliseconds from navigation until the table can be used, console messages, and requests beside the page."""
    tab.open()
    usable = tab.do("return performance.getEntriesByName('usable')[0].startTime")
    return usable, len(tab.complaints()), len(tab.requests())


def take_pictures(tab: Tab, folder: Path) -> None:
    for name, (width, height) in VIEWS.items():
        for scheme in ("light", "dark"):
            tab.screen(width, height, scheme=scheme, mobile=name == "phone")
            time.sleep(0.2)
            tab.browser.save_screenshot(str(folder / f"{name}-{scheme}.png"))


def measure(tab: Tab, rounds: int) -> str:
    opened = [open_page(tab) for _ in range(rounds)]
    times = [usable for usable, _, _ in opened]
    questions, contexts = tab.do("return [data.questions.length, data.contexts.length]")
    return (
        f"{questions} questions, {contexts} contexts: {tab.file.stat().st_size / 1e6:.2f} MB; usable after "
        f"{statistics.median(times):.0f} ms (at most {max(times):.0f}); "
        f"{sum(messages for _, messages, _ in opened)} console messages, {sum(sent for _, _, sent in opened)} requests"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--questions", type=int, nargs="+", default=[3524, 5000])
    parser.add_argument("--page", type=Path, help="a report that is there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--curves", type=Path, help="an SVG of learning curves to put in")
    parser.add_argument("--keep", type=Path, help="folder to keep the pages in, with screenshots")
    arguments = parser.parse_args()
    browser = start_browser()
    with TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.page:
            tab = Tab(browser, arguments.page.resolve())
            print(measure(tab, arguments.rounds))
        else:
            records = read_dataset([arguments.data / "drcd" / "DRCD_dev.json"]).records
            curves = arguments.curves.read_text(encoding="utf-8") if arguments.curves else None
            for count in arguments.questions:
                page, file = page_of(records, count, curves), folder / f"{count}.html"
                began = time.perf_counter()
                file.write_text(render(page), encoding="utf-8")
                written = time.perf_counter() - began
                tab = Tab(browser, file)
                print(f"{measure(tab, arguments.rounds)}; written in {written:.1f} s", flush=True)
        if arguments.keep:
            take_pictures(tab, folder)
    browser.quit()


if __name__ == "__main__":
    main()
