"""Pages to test with: a plausible one, and one that has the same text wherever it has a text."""

from qakit.metrics.calibration import Bin
from qakit.report.page import (
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

HOSTILE = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "</SCRIPT ><script>window.pwned=1</script>",
    "<!--<script>window.pwned=1",
    "--><script>window.pwned=1</script>",
    "<!-- <script> --> </script> <img src=x onerror=window.pwned=1>",
    "]]><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><img src=x onerror=window.pwned=1>',
    "'><img src=x onerror=window.pwned=1>",
    '" onmouseover="window.pwned=1" x="',
    "' onfocus='window.pwned=1' autofocus='",
    "` onclick=window.pwned=1 `",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    "<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "<math><mi xlink:href='javascript:window.pwned=1'>x",
    "<a href='javascript:window.pwned=1'>x</a>",
    "javascript:window.pwned=1",
    "data:text/html,<script>window.pwned=1</script>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<object data='https://example.com/x'></object>",
    "<embed src='https://example.com/x'>",
    "<link rel=stylesheet href=https://example.com/x.css>",
    "<style>@import 'https://example.com/x.css'; * { display: none }</style>",
    "</style><img src=https://example.com/x.png>",
    "</title><script>window.pwned=1</script>",
    "</textarea></select></option><script>window.pwned=1</script>",
    "<meta http-equiv=refresh content='0;url=https://example.com/'>",
    "<base href=https://example.com/>",
    "<form action=https://example.com/><button>x</button></form>",
    "<template><script>window.pwned=1</script></template>",
    "<noscript><img src=x onerror=window.pwned=1></noscript>",
    "<details open ontoggle=window.pwned=1>",
    "<body onload=window.pwned=1>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "&quot; onmouseover=&quot;window.pwned=1",
    "\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    '"}]}; window.pwned=1; //',
    "{{ 7 * 7 }}{% for x in range(9) %}x{% endfor %}",
    "${window.pwned=1}",
    "__proto__",
    "constructor",
    '=HYPERLINK("https://example.com/","x")',
    "+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[31mred\x1b]8;;https://example.com/\x07link\x1b[0m",
    "[bold red]rich[/bold red][link=https://example.com/]x[/link]",
    "\u202egnp.exe\u202c\u2066x\u2069\u200f",
    "zero\u200bwidth\u200d\ufeff\u2060joined\u00ad",
    "\u2028line\u2029separators\x85",
    "nul\x00\x01\x7f\ufffe",
    "𠮷𡘙\U000e0041\U000f0000",
    "lone \ud800 surrogate \udfff",
    "a\ufe0f\U000e0100\u3164\u2800",
)


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
