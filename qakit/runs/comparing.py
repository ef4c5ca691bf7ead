"""`evaluate --compare`: what was scored beside other predictions or scores files of the same questions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from qakit.data.predictions import read_predictions
from qakit.io import file_error
from qakit.metrics.analysis import Analysis
from qakit.metrics.comparing import Comparison, compare
from qakit.metrics.presets import evaluate
from qakit.runs.references import References
from qakit.spans.ensembling import decode_scores
from qakit.spans.label_scores import is_label_scores_file
from qakit.spans.scores import is_scores_file, read_scores


def compare_with(path: Path, analysis: Analysis, references: References) -> Comparison:
    """Compare what was scored with another file, by the same preset.

    Raises:
        DataError: the file cannot be read, or shares no id with the references.
    """
    texts = _predicted(path)
    check_ids(texts, references, path)
    other = evaluate(texts, references.golds, analysis.metric)
    ids = [question.id for question in analysis.questions]
    mine, others = (
        {name: [getattr(scores[id_], name) for id_ in ids] for name in ("em", "f1")}
        for scores in (analysis.scores.per_question, other.per_question)
    )
    comparison = compare(str(path), mine, others, analysis.groups, missing=other.missing)
    return replace(comparison, predictions=texts, per_question=other.per_question)


def check_compared(paths: Iterable[Path]) -> None:
    """Make sure that files to compare with are there, before anything is answered or kept.

    Raises:
        DataError: one is not.
    """
    for path in paths:
        if not path.is_file():
            raise file_error(path, "file", "No such file")


def _predicted(path: Path) -> Mapping[str, str]:
    if is_label_scores_file(path):
        raise file_error(path, "file", "has scores of intents or slots, and the data are questions")
    if not is_scores_file(path):
        return read_predictions(path)
    questions, info = read_scores(path)
    return {question.id: decode_scores(question, info, 1).text for question in questions}


def check_ids(predictions: Mapping[str, object], references: References, file: Path) -> None:
    """Make sure that predictions are of these questions.

    Raises:
        DataError: no predicted id is one of the references'; `file` names the culprit.
    """
    if not predictions.keys() & references.golds.keys():
        some = next(iter(predictions), None), next(iter(references.golds))
        raise file_error(file, "id", f"no id is one of the data's: it has {some[0]!r}, the data {some[1]!r}")
