"""The presets against the rules of the official scripts, on what a trained model predicts and on texts made to be hard.

`python benchmarks/official_parity.py [DATA] [--pred FILE --data FILE [--gold FILE]]...` scores predictions of the
model in the box on HW7's test part (DRCD) and CMRC's dev file, or the files given, and 3,000 fuzzed ones (1,000 made
of the answers of each of three datasets), by every preset and by `tests/metrics/official.py`, and prints the largest
differences of EM and F1, of single questions and of whole files. The model takes some minutes.
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # the rules are with the tests

from qakit.config import ReadConfig  # noqa: E402
from qakit.data.predictions import read_predictions  # noqa: E402
from qakit.data.schemas import read_dataset  # noqa: E402
from qakit.metrics.presets import PRESETS, evaluate  # noqa: E402
from qakit.runs.predict import predict  # noqa: E402
from qakit.tasks.questions.evaluation import references_of  # noqa: E402
from qakit.tasks.questions.two_stage import load_models  # noqa: E402
from qakit.tasks.registry import QUESTIONS  # noqa: E402
from tests.metrics.official import RULES, file_scores  # noqa: E402
from tests.metrics.test_official_rules import FILES, SEED, make_pairs, read_questions  # noqa: E402

REAL = (("hw7/hw7_test.json", "hw7/hw7_test_gold.csv"), ("cmrc2018/cmrc2018_dev.json", None))
Golds = Mapping[str, Sequence[str]]


def real_predictions(data: Path, pred: Path | None, gold: Path | None) -> tuple[Mapping[str, str], Golds]:
    """Predictions of a file, or of the model in the box where there is none, and the references."""
    dataset = read_dataset([data])
    references = references_of(dataset, gold)
    if pred:
        return read_predictions(pred), references.golds
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "p.jsonl"
        predict(QUESTIONS, dataset, load_models("mini-zh", None), ReadConfig(), out=out)
        return read_predictions(out), references.golds


def fuzzed(folder: Path) -> tuple[Mapping[str, str], Golds]:
    generator = random.Random(SEED)
    pairs = [pair for file in FILES for pair in make_pairs(read_questions(folder / file), generator)]
    return (
        {str(number): pair.prediction for number, pair in enumerate(pairs)},
        {str(number): pair.golds for number, pair in enumerate(pairs)},
    )


def sets(
    folder: Path, given: Sequence[tuple[Path, Path | None, Path | None]]
) -> Iterator[tuple[str, Mapping[str, str], Golds]]:
    for data, pred, gold in given:
        yield (data.name, *real_predictions(data, pred, gold))
    yield ("fuzzed", *fuzzed(folder))


def main() -> None:
    parser = argparse.ArgumentParser()
    beside = REPOSITORY.parent / "shared" / "data"
    parser.add_argument("folder", nargs="?", type=Path, default=Path(os.environ.get("QAKIT_DATA", beside)))
    for name in ("--pred", "--data", "--gold"):
        parser.add_argument(name, type=Path, action="append", default=[])
    asked = parser.parse_args()
    golds = [*asked.gold, *[None] * (len(asked.data) - len(asked.gold))]
    given = list(zip(asked.data, asked.pred, golds, strict=True)) or [
        (asked.folder / data, None, asked.folder / gold if gold else None) for data, gold in REAL
    ]
    worst = 0.0
    for name, predictions, references in sets(asked.folder, given):
        print(f"{name}: {len(references)} questions, {len(predictions)} predictions")
        for preset in PRESETS:
            scores = evaluate(predictions, references, preset)
            single = max(
                max(abs(one - other) for one, other in zip(scores.per_question[id_], wanted, strict=True))
                for id_, texts in references.items()
                if id_ in predictions
                for wanted in [RULES[preset](predictions[id_], list(texts))]
            )
            em, f1, _ = file_scores(RULES[preset], predictions, {id_: list(texts) for id_, texts in references.items()})
            whole = max(abs(scores.em - em), abs(scores.f1 - f1))
            worst = max(worst, single)
            print(
                f"  {preset:8} EM {scores.em:7.3f}  F1 {scores.f1:7.3f}  "
                f"largest difference: a question {single}, the file {whole:.1e}"
            )
    print(f"largest difference of a question: {worst}")


if __name__ == "__main__":
    main()
