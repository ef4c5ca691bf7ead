"""Misplaced answers put back: `python benchmarks/repairs.py [DATA]`.

Every answer of DRCD dev and CMRC 2018 dev that is a span is misplaced in each of the ways that are common in files, and
looked for again; counted is how often it is found at its own place. DATA is the folder with the public datasets, by
default $QAKIT_DATA or `shared/data` beside the repository.
"""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from unicodedata import normalize

from qakit.config import PreprocessConfig
from qakit.data.records import Answer
from qakit.data.schemas import read_dataset
from qakit.data.schemas.source import find_answer

BESIDE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json")
SEED = 0
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
Change = Callable[[str, str, int, Random], tuple[str, int]]
"""From context, answer and start to the text and offset that a careless file has."""


def lose_character(context: str, text: str, start: int, random: Random) -> tuple[str, int]:
    if len(text) < 3:
        return "", start
    place = random.randrange(1, len(text) - 1)
    return text[:place] + text[place + 1 :], start


CHANGES: Mapping[str, Change] = {
    "off by one": lambda context, text, start, random: (text, start + random.choice([-1, 1])),
    "off by 2 to 10": lambda context, text, start, random: (
        text,
        start + random.choice([-1, 1]) * random.randint(2, 10),
    ),
    "counted in UTF-8 bytes": lambda context, text, start, random: (text, len(context[:start].encode())),
    "counted with lines of CRLF": lambda context, text, start, random: (text, start + context[:start].count("\n")),
    "full width": lambda context, text, start, random: (text.translate(FULL_WIDTH), start),
    "NFKC": lambda context, text, start, random: (normalize("NFKC", text), start),
    "spaces inside": lambda context, text, start, random: (" ".join(text), start + 3),
    "an inner character lost": lose_character,
}


def main() -> None:
    """Print, for each file and each way, the answers that it misplaces and those that are found where they were."""
    default = os.environ.get("QAKIT_DATA", str(BESIDE_REPOSITORY))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    threshold = PreprocessConfig().repair_threshold
    for file in FILES:
        records = read_dataset([folder / file]).records
        spans = [
            (record.context, answer) for record in records for answer in record.answers if answer.start is not None
        ]
        print(f"{file}: {len(spans)} answers")
        for name, change in CHANGES.items():
            print(f"  {name:<28}", *counts(spans, change, threshold))


def counts(spans: list[tuple[str, Answer]], change: Change, threshold: float) -> list[str]:
    """How many answers a change misplaces, and where they are found."""
    random = Random(SEED)
    misplaced = right = lost = 0
    for context, answer in spans:
        start, end = answer.start or 0, answer.end or 0
        text, stated = change(context, answer.text, start, random)
        if not text.strip() or (stated >= 0 and context.startswith(text, stated)):
            continue
        misplaced += 1
        place = find_answer(text, context, stated, threshold=threshold)
        lost += place is None
        right += place is not None and (place.start, place.end) == (start, end)
    return [
        f"misplaced {misplaced:>6}",
        f"back {right:>6}",
        f"elsewhere {misplaced - right - lost:>5}",
        f"not found {lost:>5}",
    ]


if __name__ == "__main__":
    main()
