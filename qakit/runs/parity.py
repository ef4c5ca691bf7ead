"""How far a model that was converted is from the one it was made from, on questions."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from qakit.config import ReadConfig
from qakit.data.records import Dataset, Record
from qakit.metrics.presets import default_preset, evaluate
from qakit.modeling.models import LoadedModel
from qakit.tasks.qa import read_answers
from qakit.tasks.select import score_candidates


class Parity(NamedTuple):
    """What a conversion changed.

    Attributes:
        questions: that were compared.
        logit_difference: the largest difference of a logit, or of a paragraph's log-probability in selection.
        same: share of the questions with the same answer (its characters, by place) or paragraph, in percent.
        before, after: EM and F1 in percent, or accuracy, where the data has answers.
    """

    questions: int
    logit_difference: float
    same: float
    before: Mapping[str, float]
    after: Mapping[str, float]


def compare(original: LoadedModel, converted: LoadedModel, dataset: Dataset, config: ReadConfig) -> Parity:
    """Read the dataset with both models."""
    if original.info.task == "select":
        return _compare_selectors(original, converted, dataset, config)
    answers = [list(read_answers(loaded, dataset.records, config)) for loaded in (original, converted)]
    difference = max(
        float(np.abs(getattr(one, name) - getattr(other, name)).max(initial=0.0))
        for (_, one), (_, other) in zip(*answers, strict=True)
        for name in ("start", "end")
    )
    places = [[tuple((one.start, one.end) for one in found.answers[:1]) for found, _ in read] for read in answers]
    labelled = {record.id: record.references for record in dataset if record.is_labelled}
    scores: list[dict[str, float]] = [{}, {}]
    if labelled:
        for number, read in enumerate(answers):
            texts = {found.id: found.text for found, _ in read if found.id in labelled}
            found_scores = evaluate(texts, labelled, default_preset(dataset))
            scores[number] = {"em": found_scores.em, "f1": found_scores.f1}
    return Parity(len(dataset), difference, _share_of_equals(*places), *scores)


def _compare_selectors(original: LoadedModel, converted: LoadedModel, dataset: Dataset, config: ReadConfig) -> Parity:
    records = [record for record in dataset if len(record.paragraphs) > 1]
    found = [list(score_candidates(loaded, records, config)) for loaded in (original, converted)]
    difference = max((float(np.abs(one - other).max()) for one, other in zip(*found, strict=True)), default=0.0)
    chosen = [[int(scores.argmax()) for scores in read] for read in found]
    return Parity(
        len(records), difference, _share_of_equals(*chosen), *(_accuracy(records, choice) for choice in chosen)
    )


def _accuracy(records: Sequence[Record], chosen: Sequence[int]) -> dict[str, float]:
    right = [
        record.relevant == number for record, number in zip(records, chosen, strict=True) if record.relevant is not None
    ]
    return {"accuracy": 100.0 * sum(right) / len(right)} if right else {}


def _share_of_equals(one: Sequence[Any], other: Sequence[Any]) -> float:
    same = sum(first == second for first, second in zip(one, other, strict=True))
    return 100.0 * same / len(one) if one else 100.0
