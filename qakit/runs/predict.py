"""`predict`: predictions, n-best lists and scores files of any task, and answers from a corpus.

With `--part-size` a table of any size is answered part by part, and a stopped run goes on where it was.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from qakit.config import Precision, ReadConfig
from qakit.data.corpus import Corpus, read_corpus_questions
from qakit.data.predictions import PredictedAnswer, Prediction, choose_format, write_outputs
from qakit.data.records import Dataset
from qakit.data.schemas.parts import Part, nonempty_tables, read_parts
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import check_outputs, parse_json, sha256_of, surrogate_fault, write_json, write_jsonl, write_parquet
from qakit.modeling.loading import model_folder
from qakit.modeling.models import LoadedModel
from qakit.modeling.precision import compute_precision
from qakit.modeling.processes import is_main_process
from qakit.runs.fingerprint import differences
from qakit.runs.folder import lock_folder
from qakit.tasks.base import Models, Predicted, Task
from qakit.tasks.questions.base import read_questions
from qakit.tasks.questions.search import Found, search
from qakit.tasks.questions.two_stage import answer_dataset, checked_reader
from qakit.training.device import return_freed_memory

FORMATS = ("jsonl", "parquet")
SKIPPED_FILE = "skipped.jsonl"
_STATE = "parts.json"
_PART = re.compile(r"part-(\d+)\.")
_TRIM_EVERY = 512  # answers: a trim takes milliseconds
_NO_ANSWER = PredictedAnswer("", 0, 0, 0.0, 0.0)
_WEIGHTS = {"torch": ("*.safetensors", "*.bin"), "onnx": ("model.onnx*",), "int8": ("model.int8.onnx*",)}
_BESIDE = ("qakit.json", "config.json", "tokenizer*.json", "*vocab*", "*.model", "merges.txt", "*_tokens*.json")


@dataclass(frozen=True)
class PredictResult:
    """The predictions, in the order of the data, the files that were written, and sentences on how they came about."""

    predictions: tuple[Any, ...]
    format: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def predict(
    task: Task,
    dataset: Dataset[Any],
    models: Models,
    config: ReadConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    scores: Path | None = None,
    nbest_out: Path | None = None,
    progress: Callable[[Iterable[Predicted]], Iterable[Predicted]] = iter,
) -> PredictResult:
    """Predict a dataset and write what is asked for.

    Args:
        out: predictions, in `format` (by default what the data and the file's name ask for).
        scores: a scores file, for `ensemble`.
        nbest_out: the n-best lists, one JSON object.
        progress: wraps the predictions on their way, for a progress bar.

    Raises:
        ConfigError: an unknown format, before any record is read; or the models cannot do what is asked for.
    """
    chosen = task.prediction_format(format, dataset.schema, out, nbest_out)
    check_outputs([out, scores, nbest_out], dataset.files)
    predictions: list[Any] = []
    rows: list[Any] = []
    for predicted in progress(task.predict(dataset, models, config)):
        predictions.append(predicted.prediction)
        if scores:
            rows.append(task.scores_row(predicted))
    if not is_main_process():
        return PredictResult(tuple(predictions), chosen, (), ())
    files = task.write_predictions(predictions, out=out, format=chosen, nbest_out=nbest_out)
    if scores:
        task.write_scores(scores, rows, dataset, models, config)
        files += (scores,)
    return PredictResult(tuple(predictions), chosen, files, tuple(task.notes_on_reading(dataset, models, config)))


@dataclass(frozen=True)
class CorpusResult:
    """As `PredictResult`; `found` has the answers of each question with the passages that they stand in."""

    predictions: tuple[Prediction, ...]
    found: tuple[tuple[Found, ...], ...]
    format: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def answers(self) -> dict[str, list[dict[str, Any]]]:
        """All answers by the id of their question, as JSON."""
        pairs = zip(self.predictions, self.found, strict=True)
        return {prediction.id: list(map(_described, found)) for prediction, found in pairs}


def _described(found: Found) -> dict[str, Any]:
    passage = found.passage
    place = {
        "document": passage.document,
        "file": str(passage.file) if passage.file else None,
        "passage": passage.paragraph.id,
        "context": passage.text,
    }
    return found.answer._asdict() | (place if found.answer.text else dict.fromkeys(place))


def questions_for(
    data: Path | None, question: str | None, *, context: Path | None = None, lenient: bool = False
) -> Dataset:
    """The questions of a file, which need no text to look in, or one question.

    Raises:
        ConfigError: neither, or both.
        DataError: mistakes in the file, or a question that is empty or was no UTF-8.
    """
    if data is not None and question is None:
        return read_corpus_questions(data, context=context, lenient=lenient)
    if data is not None or question is None:
        raise ConfigError("--corpus: give --data FILE, or --question, to ask it something")
    return read_questions(None, question=question, text="-")


def predict_from_corpus(
    dataset: Dataset,
    corpus: Corpus,
    models: Models,
    config: ReadConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    nbest_out: Path | None = None,
    progress: Callable[[Iterable[tuple[Found, ...]]], Iterable[tuple[Found, ...]]] = iter,
) -> CorpusResult:
    """Answer the questions of a dataset from a corpus, and write what is asked for, as `predict` does.

    Args:
        nbest_out: the n-best lists, one JSON object; each answer with document, file, passage and its text.

    Raises:
        ConfigError: an unknown format, before any question is answered; no reader, or a null threshold for one that
            was trained without questions that have no answer.
    """
    reader = checked_reader(models, config)
    chosen = choose_format(format, dataset.schema, out)
    check_outputs([out, nbest_out], [*dataset.files, *corpus.files])
    answers = tuple(progress(search(dataset, corpus, reader, config, selector=models.selector)))
    predictions = tuple(
        Prediction(record.id, 0, tuple(item.answer for item in found))
        for record, found in zip(dataset, answers, strict=True)
    )
    skipped = (f"{dataset.skipped} bad records skipped",) if dataset.skipped else ()
    read = f"read through {reader.windows_with(config.windows).description}"
    result = CorpusResult(predictions, answers, chosen, (), (*corpus.notes, *dataset.notes, *skipped, read))
    if not is_main_process():
        return result
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=None)
    if nbest_out:
        write_json(nbest_out, result.answers)
        files += (nbest_out,)
    return CorpusResult(predictions, answers, chosen, files, result.notes)


class PartsResult(NamedTuple):
    """Result of a run: parts answered now and before, questions answered now, and the folder.

    `skipped` counts the records left out, now and before, which `skipped_file` lists where there are any.
    """

    folder: Path
    parts: int
    kept: int
    questions: int
    skipped: int
    skipped_file: Path | None = None


def predict_parts(
    data: Path,
    models: Models,
    config: ReadConfig,
    *,
    out: Path,
    size: int,
    format: str | None = None,
    lenient: bool = False,
    progress: Callable[[Sequence[Prediction]], None] = lambda answers: None,
) -> PartsResult:
    """Answer the questions of a file or a folder of files into `out`, `size` of them at a time.

    Each part becomes a file `part-00000.jsonl` (or parquet), whole or not at all, a line for each question in the order
    of the data: `id`, `answer`, `start`, `end`, `score`, `probability`; with n-best lists also `nbest`. Parts that are
    there are kept when data, models and settings are those of the run that wrote them. Memory holds one part.

    Args:
        format: `jsonl`, the default, or `parquet`.
        lenient: leave out bad records, and list them in `skipped.jsonl`: the `file`, the `record` and its `fault`.
        progress: is given the answers of every part, when it is written.

    Raises:
        ConfigError: data that is no table, an unknown format, or `out` holds something else or parts of other settings.
        DataError: no data, or mistakes in a part; those before it are written.
    """
    if (format or "jsonl") not in FORMATS:
        raise ConfigError(f"--format {format}: parts are {' or '.join(FORMATS)}")
    files, writes = nonempty_tables(data), is_main_process()
    state = _state(files, models, config, size, format or "jsonl")
    skipped = SkippedRecords(out)
    with lock_folder(out) if writes else nullcontext():
        done = _done(out, state)
        if writes:
            _begin(out, state)
            skipped.keep(done)
        questions = parts = 0
        for part in _missing(files, size, done, lenient=lenient):
            answers = _answers(_dataset(part, files), models, config)
            if writes:
                skipped.add(part)
                _write(out / _name(part.number, format or "jsonl"), answers, nbest=config.decoding.nbest > 1)
            parts, questions = parts + 1, questions + len(answers)
            progress(answers)
        if writes:
            write_json(out / _STATE, {**state, "finished": True})
    listed = skipped.file if skipped.count else None
    return PartsResult(out, parts + len(done), len(done), questions, skipped.count, listed)


def _state(files: Sequence[Path], models: Models, config: ReadConfig, size: int, format: str) -> dict[str, Any]:
    """All that decides what the parts hold, as JSON."""
    loaded = {"model": models.reader, "selector": models.selector}
    return {
        "data": {file.name: sha256_of(file) for file in files},
        "part_size": size,
        "format": format,
        "windows": config.windows.model_dump(mode="json", exclude_unset=True) if config.windows else None,
        "decoding": config.decoding.model_dump(mode="json"),
        **{name: _identity(model, config.inference.precision) for name, model in loaded.items() if model},
    }


def _identity(loaded: LoadedModel, precision: Precision | None) -> dict[str, str]:
    """All that decides a model's answers: backend, precision, and the hashes of its files.

    Of the hub the name and the commit stand for the files.
    """
    computed = {"backend": loaded.backend}
    if loaded.backend == "torch":
        computed["precision"] = compute_precision(loaded.model, precision)
    folder = Path(model_folder(loaded.source))
    if not folder.is_dir():
        return {**computed, "name": loaded.source, "commit": str(getattr(loaded.model.config, "_commit_hash", None))}
    found = {
        file for pattern in (*_WEIGHTS[loaded.backend], *_BESIDE) for file in folder.glob(pattern) if file.is_file()
    }
    return {**computed, **{file.name: sha256_of(file) for file in sorted(found)}}


def _done(out: Path, state: dict[str, Any]) -> set[int]:
    """The numbers of the parts that an earlier run of the same wrote.

    Raises:
        ConfigError: the folder holds something else.
    """
    file = out / _STATE
    visible = [path for path in out.iterdir() if not path.name.startswith(".")] if out.is_dir() else []
    if not file.is_file():
        if visible:
            raise ConfigError(f"{out}: is not empty and holds no parts; choose another --out")
        return set()
    earlier = parse_json(file.read_text(encoding="utf-8", errors="replace"), file)
    earlier = {**(earlier if isinstance(earlier, dict) else {}), "finished": False}
    state = {**state, "finished": False}
    if changed := differences(earlier, json.loads(json.dumps(state))):
        raise ConfigError(
            "\n".join(
                [f"{out}: holds parts of a run with other data, models or settings; choose another --out", *changed]
            )
        )
    numbers = {int(part[1]) for part in (_PART.match(path.name) for path in visible) if part}
    names = {path.name for path in visible}  # and nothing that only looks like one
    return {number for number in numbers if _name(number, state["format"]) in names}


def _begin(out: Path, state: dict[str, Any]) -> None:
    """Write down what the parts will be of, and remove what a killed run left half written."""
    for file in (*out.glob(".part-*.tmp-*"), *out.glob(f".{SKIPPED_FILE}.tmp-*")):
        file.unlink(missing_ok=True)
    write_json(out / _STATE, {**state, "finished": False})


def _missing(files: Sequence[Path], size: int, done: set[int], *, lenient: bool) -> Iterator[Part]:
    """The parts that are not done; those that are cost no parsing where they come first."""
    first = next(number for number in range(len(done) + 1) if number not in done)
    return (part for part in read_parts(files, size, first=first, lenient=lenient) if part.number not in done)


def _answers(dataset: Dataset, models: Models, config: ReadConfig) -> list[Prediction]:
    """The answers to a part; memory that batches of ever new shapes left in pieces goes back on the way."""
    answers: list[Prediction] = []
    for answered in answer_dataset(dataset, models, config):
        if len(answers) % _TRIM_EVERY == 0:
            return_freed_memory()
        answers.append(answered.prediction)
    return answers


def _dataset(part: Part, files: Sequence[Path]) -> Dataset:
    return Dataset(part.records, "jsonl", tuple(files), part.skipped, part.notes)


def _name(number: int, format: str) -> str:
    return f"part-{number:05}.{format}"


def _write(file: Path, predictions: Sequence[Prediction], *, nbest: bool) -> None:
    rows = []
    for prediction in predictions:
        best = (prediction.answers or (_NO_ANSWER,))[0]
        row = {"id": prediction.id, "answer": best.text, "start": best.start, "end": best.end}
        row |= {"score": best.score, "probability": best.probability}
        rows.append(row | ({"nbest": [answer._asdict() for answer in prediction.answers]} if nbest else {}))
    if file.suffix == ".parquet":
        write_parquet(file, {name: [row[name] for row in rows] for name in (rows[0] if rows else ())})
    else:
        write_jsonl(file, rows)


class SkippedRecords:
    """`skipped.jsonl`: a line for each record left out, with its `part`, `file`, `record` and `fault`.

    The lines of a part are written before the part, so that none is lost; those of a part that is not there after all
    go when the next run begins, so that none stands twice.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / SKIPPED_FILE
        self.count = 0

    def keep(self, done: Collection[int]) -> None:
        """Keep the lines of parts that are done, and no others."""
        if not self.file.is_file():
            return
        kept = [row for row in read_skipped(self.file) if row["part"] in done]
        self.count = len(kept)
        if kept:
            write_jsonl(self.file, kept)
        else:
            self.file.unlink()

    def add(self, part: Part) -> None:
        """Add those of a part that is about to be written."""
        rows = list(_rows(part))
        if not rows:
            return
        with open(self.file, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
        self.count += len(rows)


def read_skipped(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of a `skipped.jsonl`, but for the last where a killed run left half of it.

    Raises:
        DataError: a line is no such row.
    """
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                continue
            row = parse_json(line, file, f"line {number}")
            fields = row if isinstance(row, dict) else {}
            for name, kind in _KINDS.items():
                value = fields.get(name)
                if type(value) is not kind:
                    raise _damaged(file, number, name, f"{value!r}: expected {'a number' if kind is int else 'text'}")
                if isinstance(value, str) and surrogate_fault(value):
                    raise _damaged(file, number, name, f"{value!r}: is no UTF-8 text")
            yield {name: fields[name] for name in _KINDS}


_KINDS: dict[str, type] = {"part": int, "file": str, "record": str, "fault": str}


def _damaged(file: Path, number: int, field: str, fault: str) -> DataError:
    return DataError([Problem(str(file), f"line {number}", field, f"{fault}; delete the damaged file")])


def _rows(part: Part) -> Iterator[dict[str, Any]]:
    faults: dict[tuple[str, str], list[str]] = {}
    for problem in part.problems:
        faults.setdefault((problem.file, problem.record), []).append(f"{problem.field}: {problem.message}")
    for (file, record), found in faults.items():
        texts = {"file": file, "record": record, "fault": "; ".join(found)}
        yield {"part": part.number, **{name: _written_out(text) for name, text in texts.items()}}


def _written_out(text: str) -> str:
    """The text with what UTF-8 cannot hold, such as the bytes of a file's name that were none, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
