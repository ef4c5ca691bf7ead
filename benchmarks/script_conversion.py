"""Data in the other script: `python benchmarks/script_conversion.py [DATA]`.

All of DRCD dev and CMRC 2018 dev are converted by OpenCC. Counted are answers that their paragraph does not hold at
their offset (none may be), those with a border inside a converted phrase, and texts and answers that come
back as they were. DATA is the folder with the public datasets, by default $QAKIT_DATA or `shared/data` beside the
repository.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qakit.data.records import Answer, Record
from qakit.data.schemas import read_dataset
from qakit.data.script import convert_records

BESIDE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"
CONVERSIONS = (
    ("drcd/DRCD_dev.json", "t2s", "s2t"),
    ("drcd/DRCD_dev.json", "tw2s", "s2tw"),
    ("drcd/DRCD_dev.json", "tw2sp", "s2twp"),
    ("cmrc2018/cmrc2018_dev.json", "s2t", "t2s"),
    ("cmrc2018/cmrc2018_dev.json", "s2tw", "tw2s"),
    ("cmrc2018/cmrc2018_dev.json", "s2hk", "hk2s"),
    ("cmrc2018/cmrc2018_dev.json", "s2twp", "tw2sp"),
)


def main() -> None:
    """Print a line for each file and conversion."""
    default = os.environ.get("QAKIT_DATA", str(BESIDE_REPOSITORY))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    for file, there, back in CONVERSIONS:
        records = read_dataset([folder / file]).records
        converted, report = convert_records(records, there)
        returned, _ = convert_records(converted, back)
        invalid = sum(context[start:end] != text for context, text, start, end in spans(converted))
        lengths = sum(len(a.context) != len(b.context) for a, b in zip(records, converted, strict=True))
        print(
            f"{file} {there}: {invalid} of {report.answers} answers invalid, {report.inside} with a border inside a "
            f"phrase, {report.widened} of them widened; {lengths} of {len(records)} contexts of another length; "
            f"{there} and {back}: {same(answers(records), answers(returned))} answers, "
            f"{same([r.question for r in records], [r.question for r in returned])} questions, "
            f"{same(contexts(records), contexts(returned))} contexts come back"
        )


def spans(records: list[Record]) -> list[tuple[str, str, int, int]]:
    placed = [(record.context, answer) for record in records for answer in record.answers]
    return [(context, a.text, a.start, a.end) for context, a in placed if a.start is not None and a.end is not None]


def answers(records: Sequence[Record]) -> list[Answer]:
    return [answer for record in records for answer in record.answers if answer.start is not None]


def contexts(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.context for record in records))


def same(old: Sequence[object], new: Sequence[object]) -> str:
    return f"{100 * sum(a == b for a, b in zip(old, new, strict=False)) / len(old):.2f} %"


if __name__ == "__main__":
    main()
