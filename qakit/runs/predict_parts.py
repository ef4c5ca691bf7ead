"""`predict --part-size`: a table of any size, answered part by part; a stopped run goes on where it was."""

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from qakit.config import Precision, ReadConfig
from qakit.data.formats.parts import Part, nonempty_tables, read_parts
from qakit.data.predictions import PredictedAnswer, Prediction
from qakit.data.records import Dataset
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import parse_json, sha256_of, surrogate_fault, write_json, write_jsonl, write_parquet
from qakit.modeling.loading import model_folder
from qakit.modeling.models import LoadedModel
from qakit.modeling.precision import compute_precision
from qakit.modeling.processes import is_main_process
from qakit.runs.fingerprint import differences
from qakit.runs.folder import lock_folder
from qakit.tasks.base import Models
from qakit.tasks.questions.two_stage import answer_dataset
from qakit.training.device import return_freed_memory

FORMATS = ("jsonl", "parquet")


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


SKIPPED_FILE = "skipped.jsonl"
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


_STATE = "parts.json"
_PART = re.compile(r"part-(\d+)\.")
_TRIM_EVERY = 512  # answers: a trim takes milliseconds
_NO_ANSWER = PredictedAnswer("", 0, 0, 0.0, 0.0)
_WEIGHTS = {"torch": ("*.safetensors", "*.bin"), "onnx": ("model.onnx*",), "int8": ("model.int8.onnx*",)}
_BESIDE = ("qakit.json", "config.json", "tokenizer*.json", "*vocab*", "*.model", "merges.txt", "*_tokens*.json")
