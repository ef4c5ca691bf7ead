"""What each lever of decoding is worth: EM and F1 on held-out questions, with 95 % intervals.

`python benchmarks/levers.py [DATA] [--model NAME] [--work DIR]` reads HW7's dev and test parts with the model (mini-zh
by default), fits what is fitted on the dev part, and prints tables for the test part. `--null-model RUN --null-data
DIR` gives the null threshold instead: fitted on DIR/valid.json and measured on DIR/test.json, with a model that was
taught that questions may have no answer. `--selector RUN` gives the choice of the paragraph instead, on ADL 2022's
candidates: by the selector alone, and jointly with the weight fitted on valid.json. `--limit` takes the first questions
of each part there. Scores of tokens are kept in the folder of `--work` and read from there by later runs.

Intervals are bootstrapped over paragraphs (10,000 resamples); differences are paired with the first row.
"""

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qakit.config import DecodingSettings, ReadConfig, WindowSettings
from qakit.data.predictions import PredictedAnswer
from qakit.data.schemas import read_dataset
from qakit.metrics.calibration import expected_calibration_error
from qakit.metrics.intervals import bootstrap
from qakit.metrics.presets import QuestionScore, get_preset
from qakit.runs.predict import predict
from qakit.spans.decoder import Decoder
from qakit.spans.decoding import decode_batch
from qakit.spans.fitting import fit_length_prior, fit_null_threshold, fit_temperature, token_places
from qakit.spans.scores import QuestionScores, read_scores
from qakit.tasks.base import Models
from qakit.tasks.questions.evaluation import References, references_of
from qakit.tasks.questions.tuning import JOINT_WEIGHTS, LENGTH_WEIGHTS
from qakit.tasks.questions.two_stage import Answered, best_jointly, choose_paragraphs, load_models, read_paragraphs
from qakit.tasks.registry import QUESTIONS

DATA = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PLAIN = DecodingSettings(null_threshold=0.0, temperature=1.0, length_weight=0.0)
SHORT = WindowSettings(max_length=192, overlap=96)
NBEST = 5
Answers = Sequence[tuple[PredictedAnswer, ...]]
PerQuestion = list[QuestionScore]


@dataclass(frozen=True)
class Part:
    """Questions with their references and the scores that a model gave their tokens."""

    questions: list[QuestionScores]
    references: References
    metric: str
    max_length: int

    def decoded(self, settings: DecodingSettings, bonus: tuple[float, ...] = ()) -> Answers:
        decoder = Decoder(settings, self.max_length, bonus)
        return list(decoder.answers([one.context for one in self.questions], [one.tokens for one in self.questions]))

    def scored(self, texts: Sequence[str]) -> PerQuestion:
        preset = get_preset(self.metric)
        golds = self.references.golds
        return [preset.score(text, golds[one.id]) for one, text in zip(self.questions, texts, strict=True)]

    def scored_first(self, answers: Answers) -> PerQuestion:
        return self.scored([found[0].text if found else "" for found in answers])

    @property
    def groups(self) -> list[str]:
        return [one.context for one in self.questions]


def read_part(
    name: str,
    file: Path,
    models: Models,
    work: Path,
    *,
    gold: Path | None = None,
    limit: int | None = None,
    **config: object,
) -> Part:
    """The scores of a file's questions, from `work` where they are there."""
    dataset = read_dataset([file], lenient=True)
    references = references_of(dataset, gold)
    records = tuple(record for record in dataset if record.id in references.golds)[:limit]
    scores = work / f"{name}.parquet"
    if not scores.exists():
        work.mkdir(parents=True, exist_ok=True)
        out = work / f"{name}.jsonl"
        predict(QUESTIONS, replace(dataset, records=records), models, ReadConfig(**config), scores=scores, out=out)
    questions, info = read_scores(scores)
    return Part(questions, references, references.default_metric, info.max_answer_length)


def percent(scores: Iterable[float]) -> list[float]:
    return [100.0 * score for score in scores]


def row(name: str, scores: PerQuestion, base: PerQuestion, groups: Sequence[str]) -> str:
    """One line of the table: EM and F1 with intervals, and the paired differences."""
    cells = []
    for metric in ("em", "f1"):
        values = percent(getattr(one, metric) for one in scores)
        plain = percent(getattr(one, metric) for one in base)
        own = bootstrap(values, groups)
        cells.append(f"{own.mean:.2f} ({own.low:.1f} to {own.high:.1f})")
        paired = bootstrap([one - other for one, other in zip(values, plain, strict=True)], groups)
        cells.append("" if scores is base else f"{paired.mean:+.2f} ({paired.low:+.1f} to {paired.high:+.1f})")
    return f"| {name} | {' | '.join(cells)} |"


def header(first: str) -> str:
    return f"\n| {first} | EM | difference | F1 | difference |\n|---|---|---|---|---|"


def greedy(part: Part) -> list[str]:
    """The best start and the best end, each alone; nothing where the end comes before the start."""
    texts = []
    for one in part.questions:
        tokens = one.tokens
        start = int(np.argmax(tokens.start)) if len(tokens.start) else 0
        end = int(np.argmax(tokens.end)) if len(tokens.end) else 0
        texts.append(one.context[tokens.char_start[start] : tokens.char_end[end]] if len(tokens.start) else "")
    return texts


def fit_lengths(dev: Part) -> tuple[float, tuple[float, ...]]:
    """The weight of the best EM, then F1, on the dev part, and the log-probabilities of lengths."""
    lengths = []
    for one in dev.questions:
        span = dev.references.records[one.id].span
        if span and span.start is not None and span.end is not None:
            lengths += [last - first + 1 for first, last in token_places(one.tokens, span.start, span.end)[:1]]
    prior = fit_length_prior(lengths, dev.max_length)

    def total(weight: float) -> tuple[float, float, float]:
        scores = dev.scored_first(dev.decoded(PLAIN, bonus_of(weight, prior)))
        return sum(one.em for one in scores), sum(one.f1 for one in scores), -weight

    return max(LENGTH_WEIGHTS, key=total), prior


def bonus_of(weight: float, prior: Sequence[float]) -> tuple[float, ...]:
    return tuple(weight * log for log in prior) if weight else ()


def fit_warmth(dev: Part, bonus: tuple[float, ...]) -> float:
    """The temperature, on the dev part."""
    answers = dev.decoded(PLAIN, bonus)
    right = [one.em for one in dev.scored_first(answers)]
    tokens = [one.tokens for one in dev.questions]
    return fit_temperature(
        tokens, [found[0].score for found in answers], right, max_length=dev.max_length, bonus=bonus
    )[0]


def calibration_error(part: Part, temperature: float, bonus: tuple[float, ...]) -> float:
    answers = part.decoded(PLAIN.model_copy(update={"temperature": temperature}), bonus)
    return expected_calibration_error(
        [found[0].probability for found in answers], [one.em for one in part.scored_first(answers)]
    )


def single_paragraph(data: Path, models: Models, work: Path) -> None:
    """The levers that need one model and one paragraph a question."""
    gold = data / "hw7" / "hw7_test_gold.csv"
    dev = read_part("dev", data / "hw7" / "hw7_dev.json", models, work)
    test = read_part("test", data / "hw7" / "hw7_test.json", models, work, gold=gold)
    weight, prior = fit_lengths(dev)
    bonus = bonus_of(weight, prior)
    plain_temperature, temperature = fit_warmth(dev, ()), fit_warmth(dev, bonus)
    base = test.scored_first(test.decoded(PLAIN))

    def with_(**settings: object) -> PerQuestion:
        return test.scored_first(test.decoded(PLAIN.model_copy(update=settings)))

    def with_lengths(**settings: object) -> PerQuestion:
        return test.scored_first(test.decoded(PLAIN.model_copy(update=settings), bonus))

    print(f"HW7 test part, {len(test.questions)} questions, {len(set(test.groups))} paragraphs")
    print(header("decoding"))
    rows: list[tuple[str, PerQuestion]] = [
        ("exact best span", base),
        ("best start and best end, each alone", test.scored(greedy(test))),
        ("`choose_by=windows`", with_(choose_by="windows")),
        ("`choose_by=text`", with_(choose_by="text")),
        ("`choose_by=f1`", with_(choose_by="f1")),
        (f"`choose_by=f1`, temperature {plain_temperature:.2f}", with_(choose_by="f1", temperature=plain_temperature)),
        ("`repair_brackets`", with_(repair_brackets=True)),
        (f"length prior, weight {weight:g}", with_lengths()),
        ("the same, `choose_by=text`", with_lengths(choose_by="text", temperature=temperature)),
        ("the same, `choose_by=f1`", with_lengths(choose_by="f1", temperature=temperature)),
    ]
    for name, scores in rows:
        print(row(name, scores, base, test.groups))
    short = read_part("test-short", data / "hw7" / "hw7_test.json", models, work, gold=gold, windows=SHORT)
    print(header(f"windows of {SHORT.max_length} tokens, overlap {SHORT.overlap}"))
    short_base = short.scored_first(short.decoded(PLAIN))
    for by in ("score", "windows", "text"):
        scores = short.scored_first(short.decoded(PLAIN.model_copy(update={"choose_by": by})))
        print(row(f"`choose_by={by}`", short_base if by == "score" else scores, short_base, short.groups))
    print(header(f"best of the first {NBEST}"))
    several = {name: best_of(test, name) for name in (False, True)}
    for name, scores in several.items():
        print(row("`distinct`" if name else "as found", scores, several[False], test.groups))
    print("\n| answers by | temperature | ECE on dev | ECE on test |\n|---|---|---|---|")
    for name, value, added in (("exact best span", plain_temperature, ()), ("length prior", temperature, bonus)):
        for used in (1.0, value):
            errors = [f"{calibration_error(part, used, added):.2f}" for part in (dev, test)]
            print(f"| {name} | {used:.3f} | {' | '.join(errors)} |")


def best_of(part: Part, distinct: bool) -> PerQuestion:
    """The best score that one of the first answers has: what a person sees who reads them all."""
    answers = part.decoded(PLAIN.model_copy(update={"nbest": NBEST, "distinct": distinct}))
    ranked = [[found[place].text if place < len(found) else "" for found in answers] for place in range(NBEST)]
    scored = [part.scored(texts) for texts in ranked]
    return [QuestionScore(max(one.em for one in row), max(one.f1 for one in row)) for row in zip(*scored, strict=True)]


def null_threshold(data: Path, models: Models, work: Path, limit: int | None) -> None:
    """The null threshold, fitted on one part and measured on another."""
    parts = {
        name: read_part(f"null-{name}", data / f"{name}.json", models, work, limit=limit) for name in ("valid", "test")
    }
    read = {}
    for name, part in parts.items():
        spans = decode_batch([one.tokens for one in part.questions], max_length=part.max_length)
        answered = [
            one.context[found.start[0] : found.end[0]] for one, found in zip(part.questions, spans, strict=True)
        ]
        leads = [
            (one.tokens.null or 0.0) - float(found.score[0]) for one, found in zip(part.questions, spans, strict=True)
        ]
        read[name] = leads, answered
    valid, test = parts["valid"], parts["test"]
    leads, answered = read["valid"]
    threshold = fit_null_threshold(leads, valid.scored(answered), valid.scored([""] * len(answered)))
    leads, answered = read["test"]

    def with_threshold(value: float) -> PerQuestion:
        return test.scored(["" if lead > value else text for lead, text in zip(leads, answered, strict=True)])

    base = with_threshold(0.0)
    empty = sum(not test.references.golds[one.id] for one in test.questions)
    print(f"SQuAD 2.0 zh, {len(test.questions)} questions, {empty} of them without an answer; trained threshold: 0")
    print(header("null answer"))
    for name, value in (
        ("threshold 0", 0.0),
        (f"threshold {threshold:.2f}, fitted", threshold),
        ("never none", np.inf),
        ("always none", -np.inf),
    ):
        print(row(name, base if value == 0 else with_threshold(value), base, test.groups))


def joint(data: Path, models: Models, limit: int | None, paragraphs: int) -> None:
    """The choice of the paragraph by the selector alone, and jointly."""
    if models.reader is None or models.selector is None:
        raise SystemExit("a reader and a selector are needed")
    config, preset = ReadConfig(decoding=PLAIN), get_preset("adl")
    source = read_dataset([data / "hw7" / "hw7_test.json"])  # of the same questions, which tells their paragraph
    own = {record.question: record.context for record in source}
    read: dict[str, tuple[list[list[Answered]], Mapping[str, Sequence[str]]]] = {}
    for name, gold in (("valid", None), ("test", data / "adl2022" / "test_gold.csv")):
        dataset = read_dataset([data / "adl2022" / f"{name}.json"])
        records = dataset.records[:limit]
        selections = choose_paragraphs(records, models.selector, config)
        options = list(read_paragraphs(records, selections, models.reader, config, count=paragraphs))
        read[name] = options, references_of(dataset, gold).golds

    def chosen(name: str, weight: float) -> tuple[list[Answered], PerQuestion]:
        options, golds = read[name]
        best = [best_jointly(group, weight) if np.isfinite(weight) else group[0] for group in options]
        return best, [preset.score(item.prediction.text, golds[item.record.id]) for item in best]

    def total(weight: float) -> tuple[float, float, float]:
        scores = chosen("valid", weight)[1]
        return sum(one.em for one in scores), sum(one.f1 for one in scores), weight

    weight = max(JOINT_WEIGHTS, key=total)
    found, base = chosen("test", np.inf)
    groups = [own[item.record.question] for item in found]
    print(f"ADL 2022 test part, {len(base)} questions, end to end; {len(read['valid'][0])} to fit the weight on")
    print(header("paragraph"))
    for value in dict.fromkeys((np.inf, weight, 1.0, 0.0)):
        found, scores = chosen("test", value)
        right = [
            item.record.paragraphs[item.prediction.candidate].text == group
            for item, group in zip(found, groups, strict=True)
        ]
        name = "the selector's" if value == np.inf else f"joint, {paragraphs} read, weight {value:g}"
        name += ", fitted" if value == weight else ""
        print(row(f"{name} (right: {100 * np.mean(right):.1f} %)", base if value == np.inf else scores, base, groups))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--model", default="mini-zh")
    parser.add_argument("--null-model")
    parser.add_argument("--null-data", type=Path, help="a folder of valid.json and test.json")
    parser.add_argument("--selector")
    parser.add_argument("--paragraphs", type=int, default=4)
    parser.add_argument("--limit", type=int, help="questions of each part, of --null-model and --selector")
    parser.add_argument("--work", type=Path, default=Path("runs/levers"))
    options = parser.parse_args()
    if options.null_model and options.null_data:
        models = load_models(options.null_model, None)
        null_threshold(options.null_data, models, options.work, options.limit)
    elif options.selector:
        joint(options.data, load_models(options.model, options.selector), options.limit, options.paragraphs)
    else:
        single_paragraph(options.data, load_models(options.model, None), options.work)


if __name__ == "__main__":
    main()
