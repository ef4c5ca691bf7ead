"""`qakit evaluate`, `predict` and `ensemble` of intents and slots, which the data, a model or scores files tell."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from qakit.cli.console import emit, emit_json, emit_line, say, say_if_remote
from qakit.cli.options import Asked, Wanted
from qakit.cli.printing import comparison_lines, show_files, show_report, told_of
from qakit.cli.terminal import read_given
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.config import EnsembleConfig, ReadConfig
    from qakit.data.labels import LabelPrediction, Schema
    from qakit.runs.ensemble_labels import LabelEnsembleResult
    from qakit.runs.ensemble_weights import EnsembleRequest
    from qakit.tasks.labels.base import LabelPredictions
    from qakit.tasks.labels.evaluation import LabelResult

_SHOWN = 10  # confusions
_TUNABLE = "oos"
OPTIONS_OF_QUESTIONS = ("max_answer_length", "joint_paragraphs", "joint_weight")
"""Parameters of `predict` and `evaluate` that say how answers are found."""


def schema_asked(asked: Asked, model: str | None = None, *, interactive: bool = False) -> "Schema | None":
    """The schema of the data where it is of intents or slots; of a text alone, the task of its model."""
    from qakit.data.labels import schema_of

    if asked.data:
        return schema_of(asked.data)
    is_alone = asked.text is not None and asked.question is None and not (asked.corpus or interactive)
    return _task_of(model) if is_alone and model else None


def _task_of(model: str) -> "Schema | None":
    """The task of a model where it is one of these two."""
    from qakit.modeling.info import read_info
    from qakit.modeling.loading import bundled_folder, model_folder

    info = None if bundled_folder(model) else read_info(model_folder(model))
    return info.task if info and info.task in ("intent", "slots") else None  # type: ignore[return-value]


def tunes_scope(tune: list[str] | None) -> bool:
    """Whether a threshold for texts out of scope is asked for.

    Raises:
        ConfigError: something else is to be tuned.
    """
    for name in tune or ():
        if name != _TUNABLE:
            raise ConfigError(f"--tune {name}: is for questions; intents have --tune {_TUNABLE}")
    return bool(tune)


def evaluate(schema: "Schema", given: Mapping[str, Any], settings: "ReadConfig") -> None:
    """Score what the parameters of `qakit evaluate` name; show the scores, and what is confused most.

    Raises:
        ConfigError: something that only questions have is asked for.
    """
    from qakit.tasks.labels.base import refuse_what_questions_have
    from qakit.tasks.labels.evaluation import LabelRequest, evaluate_labels
    from qakit.tasks.labels.scores import is_label_scores_file

    of_questions = {name: given[name] for name in ("scores", "selector", "gold", "context", "metric", "slices")}
    of_questions |= {name: given["flags"][f"decoding.{name}"] for name in OPTIONS_OF_QUESTIONS}
    if given["scores"] and is_label_scores_file(given["scores"]):
        file = given["scores"]
        raise ConfigError(
            f"--scores {file}: qakit ensemble {file} --data {given['data']} tells what such a file scores, and with "
            "--out it writes predictions for --pred"
        )
    refuse_what_questions_have(
        {name.replace("_", "-"): value for name, value in of_questions.items()}, settings.decoding
    )
    request = LabelRequest(
        data=given["data"],
        schema=schema,
        pred=given["pred"],
        model=given["model"],
        compare=tuple(given["compare"] or ()),
        details=given["details"],
        report=given["report"],
        tune_scope=tunes_scope(given["tune"]),
        lenient=given["lenient"],
    )
    quiet = given["quiet"]
    say_if_remote(*([] if quiet else [request.model]))
    result = evaluate_labels(request, settings)
    if given["json"]:
        emit_json(result.summary())
    else:
        for line in _lines(result):
            emit_line(line)
    for note in () if quiet else result.notes:
        say(note)
    show_files([] if quiet else [*filter(None, [request.details]), *result.files])


def _lines(result: "LabelResult") -> Iterator[str]:
    from qakit.metrics.confusion import confusions

    if result.scope:
        scope = result.scope
        yield f"out of scope below a probability of {scope.threshold:.4g}, kept with the model: accuracy " + (
            f"{scope.before:.2f} without, {scope.after:.2f} with; {scope.outside} of {scope.total} texts are outside"
        )
    unknown = f", {result.unknown} predictions for other records" if result.unknown else ""
    yield f"{result.source}, {len(result.rows)} records, {result.missing} without a prediction{unknown}"
    width = max(map(len, result.scores))
    for number, (name, value) in enumerate(result.scores.items()):
        interval = "" if number else f"  95 % interval {result.main.low:.2f} to {result.main.high:.2f}"
        yield f"{name.replace('_', ' '):<{width}}  {value:7.3f}{interval}"
    if pairs := confusions(result.counts):
        wrong = sum(one.times for one in pairs)
        yield f"most confused ({wrong} errors in {len(pairs)} pairs):"
        names = [f"{one.gold} as {one.predicted}" for one in pairs[:_SHOWN]]
        for name, one in zip(names, pairs, strict=False):
            yield f"  {name:<{max(map(len, names))}}  {one.times} of {one.total}"
    for comparison in result.comparisons:
        yield from comparison_lines(comparison)


def predict(schema: "Schema", model: str | None, asked: Asked, wanted: Wanted, settings: "ReadConfig") -> None:
    """Predict the labels of a file, or of one text, and write or show them.

    Raises:
        ConfigError: no model is given, or something that only questions have.
    """
    from qakit.data.labels import SlotRecord, read_labelled, single_record
    from qakit.tasks.labels.base import load_labeller, predict_labels, refuse_what_questions_have

    others = {"question": asked.question, "corpus": asked.corpus, "context": asked.context}
    refuse_what_questions_have({**others, "format": wanted.format}, settings.decoding)
    if model is None:
        raise ConfigError(f"--model: give a model that was trained with train-{schema}")
    if asked.data:
        dataset = read_labelled([asked.data], schema, lenient=asked.lenient)
    else:
        dataset = single_record(read_given(asked.text or "")[0], schema)
    say_if_remote(*([] if wanted.quiet else [model]))
    loaded = load_labeller(model, schema, settings)
    result = predict_labels(dataset, loaded, settings, out=wanted.out, nbest_out=wanted.nbest_out, scores=wanted.scores)
    words = {record.id: record.words for record in dataset if isinstance(record, SlotRecord)}
    _show_predictions(result, json=wanted.json, is_alone=asked.data is None, words=words)
    if not wanted.quiet and asked.data:
        say(f"{len(result.predictions)} records labelled")
        show_files(result.files)


def ensemble(request: "EnsembleRequest", settings: "EnsembleConfig", wanted: Wanted) -> None:
    """Combine scores files of intents or slots, and write or show the labels and what each member adds."""
    from qakit.runs.ensemble_labels import ensemble_labels
    from qakit.tasks.labels.base import refuse_what_questions_have

    refuse_what_questions_have({"format": wanted.format})
    result = ensemble_labels(request, settings, out=wanted.out, nbest_out=wanted.nbest_out)
    told = told_of(result.report, result.weights)
    _show_predictions(result, json=wanted.json, told=told)
    if not wanted.quiet:
        say(f"{len(result.predictions)} records labelled")
        show_files(result.files)
    show_report(result.report, result.weights, wanted, has_files=bool(result.files))


def _show_predictions(
    result: "LabelPredictions | LabelEnsembleResult",
    *,
    json: bool,
    is_alone: bool = False,
    words: Mapping[str, Sequence[str]] | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Show predictions where no file was asked for them.

    Args:
        is_alone: there is one, for people.
        words: of each sentence by its id, where these are known.
        told: more for the JSON document.
    """
    from qakit.data.labels import render_labels

    words = words or {}
    if json:
        labels = {one.id: _as_json(one, words.get(one.id)) for one in result.predictions}
        emit_json({"files": list(map(str, result.files)), "labels": labels} | dict(told or {}))
    elif is_alone and not result.files:
        (one,) = result.predictions
        for line in _lines_of(one, words.get(one.id)):
            emit_line(line)
    elif not result.files:
        emit(render_labels(result.predictions, result.schema))


def _lines_of(one: "LabelPrediction", words: Sequence[str] | None) -> Iterator[str]:
    """An intent and the likeliest ones with their probabilities; or the words of a sentence, each with its tag."""
    if words is None:
        yield one.label
        yield from (f"  {name}  {probability:.4f}" for name, probability in one.ranked)
        return
    width = max(map(cell_len, words))
    for word, tag in zip(words, one.label.split(" "), strict=True):
        yield f"{word}{' ' * (width - cell_len(word))}  {tag}"
    yield f"  probability of all these tags:  {one.probability:.4f}"


def _as_json(one: "LabelPrediction", words: Sequence[str] | None) -> dict[str, Any]:
    from qakit.data.labels import ranked_intents
    from qakit.metrics.slots import tagged_spans

    row: dict[str, Any] = {"label": one.label, "probability": one.probability, "ranked": ranked_intents(one)}
    return row if words is None else row | {"words": list(words), "spans": tagged_spans(one.label.split(" "), words)}
