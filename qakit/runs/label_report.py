"""`evaluate --report` of intents and slots: the page, and the picture of confusions beside it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from qakit import __version__
from qakit.io import write_text
from qakit.metrics.confusion import confusions
from qakit.report.confusion import MOST_CLASSES, draw_confusion
from qakit.report.labels import LabelPage, WrongRecord, WrongWord, render_labels
from qakit.runs.labelled import LabelResult

_LISTED = 30  # confusions
_NAMES = {"intent": "Intents", "slots": "Slots"}


def write_label_report(result: LabelResult, path: Path, *, facts: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write the page, and where something is confused its picture as `NAME.confusion.svg` and `.png`.

    Args:
        facts: what was given, for the page's head; those without a value are left out.
    """
    picture, files = "", tuple[Path, ...]()
    pairs = confusions(result.counts)
    if pairs and all(name.isascii() for pair in result.counts for name in pair):  # the font of pictures has no Chinese
        files = draw_confusion(result.counts, path.with_suffix(".confusion"))
        picture = files[0].read_text(encoding="utf-8")
    wrong = tuple(_wrong(result))
    page = LabelPage(
        title=f"{_NAMES[result.schema]}: {len(result.rows) - len(wrong):,} of {len(result.rows):,} right",
        facts=[
            *((name, str(value)) for name, value in facts.items() if value),
            ("Date", str(datetime.now().astimezone().date())),
            ("qakit", __version__),
        ],
        scores=[(name.replace("_", " "), value) for name, value in result.scores.items()],
        note=f"The first score has the 95 % interval {result.main.low:.2f} to {result.main.high:.2f}. "
        f"{''.join(f'It is {one.sentence}. ' for one in result.comparisons)}"
        f"The picture shows at most {MOST_CLASSES} classes, the list {_LISTED} pairs.",
        picture=picture,
        confusions=pairs[:_LISTED],
        records=wrong,
    )
    write_text(path, render_labels(page))
    return (path, *files)


def _wrong(result: LabelResult) -> Iterator[WrongRecord]:
    for row in result.rows:
        if row["right"]:
            continue
        predicted = row["predicted"] or ""
        words: tuple[WrongWord, ...] = ()
        if result.schema == "slots" and predicted:
            parts = zip(row["words"], row["gold"].split(" "), predicted.split(" "), strict=True)
            words = tuple(WrongWord(word, gold, tag if tag != gold else None) for word, gold, tag in parts)
        yield WrongRecord(row["id"], row["text"], row["gold"], predicted, row.get("probability"), words)
