"""Pages to test with: a plausible one, and one that has the same text wherever it has a text."""

from dataclasses import replace

from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Paragraph
from qakit.metrics.analysis import Slice
from qakit.metrics.calibration import Bin
from qakit.metrics.comparison import Comparison, Difference
from qakit.metrics.intervals import Interval
from qakit.metrics.presets import QuestionScore
from qakit.metrics.questions import QuestionResult, Reading
from qakit.report.error_report import Card, Fact, Page

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0L10 10" stroke="#000"/></svg>'


ASKED = QuestionResult(
    id="q", question="?", references=(), prediction="", em=100.0, f1=100.0, verdict="right", paragraphs=(),
    relevant=None, read=None, gold_spans=(), span=None, reachable=None, reading=None, slices={},
)  # fmt: skip
"""A question without an answer, answered rightly."""


def answer(text: str, start: int, end: int, probability: float) -> PredictedAnswer:
    return PredictedAnswer(text, start, end, 1.0, probability)


def comparison(name: str, answers: dict[str, tuple[str, float]], difference: Difference) -> Comparison:
    """With another system, of whose answers text and EM are given by question."""
    return Comparison(
        name=name,
        missing=0,
        other={},
        differences={"em": difference},
        only_this=0,
        only_other=0,
        mcnemar=1.0,
        predictions={id_: text for id_, (text, _) in answers.items()},
        per_question={id_: QuestionScore(em / 100, em / 100) for id_, (_, em) in answers.items()},
    )


def page_of(text: str) -> Page:
    """A page of every part there is, with `text` in the place of every text but verdicts and the unit of percents."""
    length = len(text)
    half = Interval(50.0, 40.0, 60.0)
    question = replace(
        ASKED,
        id=text,
        question=text,
        references=(text, text),
        prediction=text,
        verdict="boundary",
        em=0.0,
        f1=50.0,
        slices={text: text},
        paragraphs=(Paragraph(text, text, text), Paragraph(text, text, text)),
        read=0,
        relevant=0,
        gold_spans=((0, length),),
        span=(0, length),
        reading=Reading(
            0, text, (answer(text, 0, length, 0.5), answer(text, 0, 0, 0.25)), ((0, length),), selection=(0.75, 0.25)
        ),
    )
    return Page(
        title=text,
        questions=(question,),
        facts=(Fact(text, text),),
        cards=(Card(text, 50.0, half, text, text),),
        overall=half,
        slices=(Slice(text, f"{text} {text}", 0, half, half), Slice(text, text, 1, half, half)),
        curves=SVG,
        reliability=(Bin(0.0, 0.5, 50.0, 0.0, 1),),
        comparisons=(comparison(text, {text: (text, 100.0)}, Difference(half, 0.5)),),
        notes=(text,),
    )


def sample_page(count: int = 300) -> Page:
    """`count` questions on ten paragraphs: one in three right, one at the boundary, one elsewhere."""
    body = "𠮷野家是日本的連鎖店，一八九九年創立於東京。"  # the first character takes two UTF-16 units
    paragraphs = [Paragraph("", f"{body}第{number}段。\u200b完", f"條目{number}") for number in range(10)]
    spans = {"right": (4, 6), "boundary": (4, 7), "wrong span": (11, 16)}
    questions = []
    for number in range(count):
        verdict = tuple(spans)[number % 3]
        start, end = spans[verdict]
        questions.append(
            replace(
                ASKED,
                id=f"q{number}",
                question=f"第{number}題：𠮷野家是哪國的？",
                references=("日本",),
                prediction=body[start:end],
                verdict=verdict,
                em=100.0 * (verdict == "right"),
                f1={"right": 100.0, "boundary": 80.0, "wrong span": 0.0}[verdict],
                slices={"number": ("even", "odd")[number % 2]},
                paragraphs=(paragraphs[number % 10],),
                read=0,
                relevant=0,
                gold_spans=((4, 6),),
                span=(start, end),
                reading=Reading(
                    0,
                    paragraphs[number % 10].text,
                    (
                        answer(body[start:end], start, end, (number * 37 % count) / count),
                        answer(body[:3], 0, 3, 0.25),
                    ),
                    ((0, 20), (10, 28)),
                ),
            )
        )
    even = Slice("number", "even", count // 2, Interval(33.0, 25.0, 41.0), Interval(60.0, 52.0, 68.0))
    odd = Slice("number", "odd", count // 2, Interval(34.0, 26.0, 42.0), Interval(61.0, 53.0, 69.0))
    em = Interval(33.33, 28.0, 38.0)
    return Page(
        title="Error report: sample",
        questions=tuple(questions),
        facts=(Fact("Data", "sample.json"),),
        cards=(Card("EM", 33.33, em, "end to end"),),
        overall=em,
        slices=(even, odd),
        curves=SVG,
        reliability=(Bin(0.0, 0.5, 25.0, 30.0, 150), Bin(0.5, 1.0, 75.0, 40.0, 149)),
    )
