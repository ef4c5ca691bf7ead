"""Pages to test with: a plausible one, and one that has the same text wherever it has a text."""

from qakit.metrics.calibration import Bin
from qakit.report.error_report import (
    Candidate,
    Card,
    Comparison,
    Context,
    Difference,
    Estimate,
    Fact,
    Other,
    Page,
    Question,
    Ranked,
    SliceGroup,
    SliceRow,
)

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0L10 10" stroke="#000"/></svg>'


def page_of(text: str) -> Page:
    """A page of every part there is, with `text` in the place of every text but verdicts and the unit of percents."""
    length = len(text)
    half = Estimate(50.0, 40.0, 60.0)
    question = Question(
        id=text,
        question=text,
        references=(text, text),
        prediction=text,
        verdict="boundary",
        em=0.0,
        f1=50.0,
        confidence=0.5,
        slices=(0,),
        candidates=(Candidate(0, 0.75, text), Candidate(0, 0.25, text)),
        read=0,
        relevant=0,
        gold_spans=((0, length),),
        span=(0, length),
        ranked=(Ranked(0, length, 0.5, text), Ranked(0, length, 0.25)),
        windows=((0, length),),
        others=(Other(text, 100.0),),
    )
    return Page(
        title=text,
        questions=(question,),
        contexts=(Context(text, text),),
        facts=(Fact(text, text),),
        cards=(Card(text, half, text, text),),
        overall=half,
        slices=(SliceGroup(text, (SliceRow(text, 1, half, 50.0),)),),
        curves=SVG,
        reliability=(Bin(0.0, 0.5, 50.0, 0.0, 1),),
        comparisons=(Comparison(text, (Difference(text, half, 0.5),), text),),
        notes=(text,),
    )


def sample_page(count: int = 300) -> Page:
    """`count` questions on ten paragraphs: one in three right, one at the boundary, one elsewhere."""
    body = "𠮷野家是日本的連鎖店，一八九九年創立於東京。"  # the first character takes two UTF-16 units
    contexts = tuple(Context(f"{body}第{number}段。\u200b完", f"條目{number}") for number in range(10))
    spans = {"right": (4, 6), "boundary": (4, 7), "wrong span": (11, 16)}
    questions = []
    for number in range(count):
        verdict = tuple(spans)[number % 3]
        start, end = spans[verdict]
        questions.append(
            Question(
                id=f"q{number}",
                question=f"第{number}題：𠮷野家是哪國的？",
                references=("日本",),
                prediction=body[start:end],
                verdict=verdict,
                em=100.0 * (verdict == "right"),
                f1={"right": 100.0, "boundary": 80.0, "wrong span": 0.0}[verdict],
                confidence=(number * 37 % count) / count,
                slices=(number % 2,),
                candidates=(Candidate(number % 10),),
                read=0,
                relevant=0,
                gold_spans=((4, 6),),
                span=(start, end),
                ranked=(Ranked(start, end, 0.5), Ranked(0, 3, 0.25)),
                windows=((0, 20), (10, 28)),
            )
        )
    even = SliceRow("even", count // 2, Estimate(33.0, 25.0, 41.0), 60.0)
    odd = SliceRow("odd", count // 2, Estimate(34.0, 26.0, 42.0), 61.0)
    return Page(
        title="Error report: sample",
        questions=tuple(questions),
        contexts=contexts,
        facts=(Fact("Data", "sample.json"),),
        cards=(Card("EM", Estimate(33.33, 28.0, 38.0), "end to end"),),
        overall=Estimate(33.33, 28.0, 38.0),
        slices=(SliceGroup("Number", (even, odd)),),
        curves=SVG,
        reliability=(Bin(0.0, 0.5, 25.0, 30.0, 150), Bin(0.5, 1.0, 75.0, 40.0, 149)),
    )
