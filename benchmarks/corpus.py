"""What a whole corpus costs against being given the paragraph, and how much BM25 should weigh beside the reader.

`python benchmarks/corpus.py [DATA] [--part dev] [--every 3] [--model mini-zh]` looks for the answers to DRCD's
questions in all 1,000 paragraphs of its dev file. First how often BM25 has the right paragraph among its first 1, 5
and 10, over all questions of DRCD and of CMRC 2018 dev; then EM and F1 (DRCD's rules, both annotators) on every third
question of a part of HW7 (`dev`, `test`), of which neither was trained on: the first 1 to 10 passages read, BM25's
log-probability with several weights beside the score of the span.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
DEPTHS = (1, 3, 5, 10)


def show_recall(file: Path) -> None:
    from qakit.data.corpus import Corpus
    from qakit.data.schemas import read_dataset

    corpus, dataset = Corpus.read(file), read_dataset([file])
    found = [[passage.text for passage, _ in corpus.shortlist(record.question, 10)] for record in dataset]
    shares = {
        depth: 100 * sum(record.context in texts[:depth] for record, texts in zip(dataset, found, strict=True))
        for depth in (1, 5, 10)
    }
    recall = "  ".join(f"@{depth} {share / len(dataset):.2f}" for depth, share in shares.items())
    print(f"{file.name}, {len(corpus.passages)} passages, {len(dataset)} questions: recall {recall}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--part", choices=("dev", "test"), default="dev")
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--model", default="mini-zh")
    arguments = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", ACCELERATE_USE_CPU="true")
    from qakit.data.schemas import read_dataset

    drcd = arguments.data / "drcd" / "DRCD_dev.json"
    for file in (drcd, arguments.data / "cmrc2018" / "cmrc2018_dev.json"):
        show_recall(file)
    part = json.loads((arguments.data / "hw7" / f"hw7_{arguments.part}.json").read_text(encoding="utf-8"))
    inside = set(part["paragraphs"])
    records = [record for record in read_dataset([drcd]) if record.context in inside][:: arguments.every]
    show_answers(records, drcd, arguments.model)


def show_answers(records: Sequence, file: Path, model: str) -> None:
    from qakit.config import ReadConfig
    from qakit.data.corpus import Corpus
    from qakit.data.records import Record
    from qakit.metrics.presets import evaluate
    from qakit.tasks.questions.search import log_softmax
    from qakit.tasks.questions.two_stage import best_jointly, load_models, read_paragraphs

    corpus, reader = Corpus.read(file), load_models(model, None).reader
    golds = {record.id: record.references for record in records}
    options = {}
    for record in records:  # one after the other: memory holds one shortlist's scores
        shortlist = corpus.shortlist(record.question, max(DEPTHS))
        asked = Record(record.id, record.question, tuple(passage.paragraph for passage, _ in shortlist))
        selection = log_softmax([score for _, score in shortlist])
        (options[record.id],) = read_paragraphs([asked], [selection], reader, ReadConfig(), count=len(shortlist))
    for depth in DEPTHS:
        for weight in WEIGHTS if depth > 1 else (0.0,):
            best = {name: best_jointly(group[:depth], weight) for name, group in options.items()}
            scores = evaluate({name: item.prediction.text for name, item in best.items()}, golds, "drcd")
            right = [
                item.record.paragraphs[item.prediction.candidate].text == record.context
                for record in records
                for item in [best[record.id]]
            ]
            print(
                f"{depth:2} passages, weight {weight:<3g}  EM {scores.em:.2f}  F1 {scores.f1:.2f}  "
                f"right passage {100 * sum(right) / len(right):.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
