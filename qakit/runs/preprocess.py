"""`preprocess`: check files, say what is in them, convert between schemas, split by article, add candidates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from qakit.config import PreprocessConfig
from qakit.data.formats import SCHEMAS, read_dataset, write_dataset
from qakit.data.formats.capacity import check_capacity
from qakit.data.formats.hw7 import is_decimal
from qakit.data.leakage import find_leaks
from qakit.data.negatives import with_candidates
from qakit.data.predictions import CONTESTS, write_predictions
from qakit.data.records import Dataset, Record
from qakit.data.script import convert_records, simplifier
from qakit.data.splits import split_by_article
from qakit.data.summary import summarise
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import write_jsonl
from qakit.report.style import picture_files
from qakit.runs.making import MADE, make
from qakit.runs.outputs import PreprocessResult, check_outputs
from qakit.runs.reachability import PICTURE, draw, reach_of, window_report

_PARTS = {"hw7": ("hw7_train", "hw7_dev", "hw7_test"), "adl2021": ("train", "public", "private")}
_SCRIPTS_APART = "what parts share was looked for within each script of Chinese: pip install 'qakit[text]' for both"
_UNREAD = "{}: no windows to tell of: it does not tell which paragraphs hold the answers"
_REPAIRS = "repairs.jsonl"
_ADL_PARTS = ("train", "valid", "test")
_SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet"}


@dataclass(frozen=True)
class _Output:
    """One file to write, and where its answers go to a file of their own, that and the answers by id."""

    path: Path
    schema: str
    records: tuple[Record, ...]
    gold_path: Path | None = None
    gold: Mapping[str, str] | None = None


def preprocess(
    inputs: Sequence[Path],
    config: PreprocessConfig,
    *,
    context: Path | None = None,
    lenient: bool = False,
    out: Path | None = None,
) -> PreprocessResult:
    """Read files of any schema and write what is asked for into the folder `out`; without it, only report.

    With a split, all inputs are one dataset. The test part of a contest schema is written without its answers, which go
    to a file of that name and `_gold.csv`; nothing is written when any input is bad or does not fit the schema.

    Raises:
        DataError: all mistakes of all inputs.
        ConfigError: an unknown schema, or data that the schema cannot hold.
    """
    if config.to in MADE:
        return make(inputs, config, context=context, lenient=lenient, out=out)
    if config.to and config.to not in SCHEMAS:
        raise ConfigError(f"--to {config.to}: expected one of {', '.join((*SCHEMAS, *MADE))}")
    threshold = config.repair_threshold if config.repair else None
    read = partial(read_dataset, context=context, lenient=lenient, repair=threshold)
    parts = _split(read(inputs), config) if config.split else _each(inputs, read, out)
    parts = {name: _changed(name, part, config) for name, part in parts.items()}
    outputs = _planned(parts, inputs, config, out) if out else []
    simplify = simplifier()
    apart = [_SCRIPTS_APART] if len(parts) > 1 and simplify is None else []
    reach = reach_of(parts, config)
    unread = [_UNREAD.format(name) for name in parts if config.reachability and name not in reach]
    result = PreprocessResult(
        report={name: {"schema": part.schema, **_report(part, config)} for name, part in parts.items()},
        files=(),
        notes=(*dict.fromkeys(note for part in parts.values() for note in _notes(part)), *apart, *unread),
        repairs=tuple(dict.fromkeys(repair for part in parts.values() for repair in part.repairs)),
        leaks=find_leaks({name: part.records for name, part in parts.items()}, simplify=simplify),
        reach=reach,
    )
    return replace(result, files=_written(outputs, result, config, out)) if out else result


def _planned(
    parts: Mapping[str, Dataset], inputs: Sequence[Path], config: PreprocessConfig, out: Path
) -> list[_Output]:
    """The data files to write; before any work is done it is sure that they can be, and all beside them."""
    outputs = [_output(name, part, config, out) for name, part in parts.items()]
    paths = [path for output in outputs for path in (output.path, output.gold_path)]
    paths += [out / _REPAIRS] if config.repair else []
    paths += picture_files(out / PICTURE) if config.reachability else []
    check_outputs(paths, inputs)
    for output in outputs:
        check_capacity(output.records, output.schema)
    return outputs


def _written(
    outputs: Sequence[_Output], result: PreprocessResult, config: PreprocessConfig, out: Path
) -> tuple[Path, ...]:
    """Write everything; gives the files."""
    files = [file for output in outputs for file in _write(output)]
    if config.repair:
        write_jsonl(out / _REPAIRS, map(asdict, result.repairs))
        files.append(out / _REPAIRS)
    return tuple(dict.fromkeys([*files, *draw(result.reach, out, config.tokenizer)]))


def _each(inputs: Sequence[Path], read: Callable[[Sequence[Path]], Dataset], out: Path | None) -> dict[str, Dataset]:
    names = _part_names(inputs)
    if out and any("/" in name for name in names):
        raise ConfigError("two inputs have the same name, and their outputs would too: " + ", ".join(map(str, inputs)))
    parts: dict[str, Dataset] = {}
    problems: list[Problem] = []
    for name, path in zip(names, inputs, strict=True):
        try:
            parts[name] = read([path])
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return parts


def _part_names(inputs: Sequence[Path]) -> list[str]:
    """The files' names without endings, with as many of their folders as it takes to tell them apart.

    Raises:
        ConfigError: the same file twice.
    """
    paths = [path.absolute().with_suffix("") for path in inputs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ConfigError("an input is given twice: " + ", ".join(map(str, inputs)))


def _split(dataset: Dataset, config: PreprocessConfig) -> dict[str, Dataset]:
    shares = config.split or (0.8, 0.1, 0.1)
    parts = split_by_article(dataset.records, shares, seed=config.seed)
    names = _PARTS.get(config.to or dataset.schema, _ADL_PARTS)
    return {name: replace(dataset, records=tuple(part)) for name, part in zip(names, parts, strict=True)}


def _changed(name: str, part: Dataset, config: PreprocessConfig) -> Dataset:
    """The part as the settings want it, with notes on what that did."""
    records: Sequence[Record] = part.records
    notes = part.notes
    if config.script:
        records, done = convert_records(records, config.script)
        notes += (
            f"{name}, {config.script}: all {done.answers} answers stand where they say; {done.inside} began or ended "
            f"inside a phrase that is converted as a whole, {done.widened} of these now take in all of it",
        )
    if config.first_answer:
        records = [replace(record, answers=record.answers[:1]) for record in records]
    if config.candidates:
        records = with_candidates(records, count=config.candidates, method=config.negatives, seed=config.seed)
    return replace(part, records=tuple(records), notes=notes)


def _hides(name: str, config: PreprocessConfig, schema: str) -> bool:
    """Whether a part is the test part of a contest, whose answers its contestants do not get."""
    return config.split is not None and schema in CONTESTS and name == _PARTS.get(schema, _ADL_PARTS)[-1]


def _output(name: str, part: Dataset, config: PreprocessConfig, folder: Path) -> _Output:
    schema = config.to or part.schema
    path = folder / (name + _SUFFIXES.get(schema, ".json"))
    records = _numbered(part.records) if schema == "hw7" else part.records
    if not _hides(name, config, schema):
        return _Output(path, schema, records)
    gold = {record.id: _gold_text(record) for record in records}
    return _Output(path, schema, tuple(map(_unlabelled, records)), folder / f"{name}_gold.csv", gold)


def _write(output: _Output) -> list[Path]:
    written = write_dataset(output.records, output.path, output.schema)
    if output.gold is None or output.gold_path is None:
        return written
    write_predictions(output.gold, output.gold_path, "hw7" if output.schema == "hw7" else "adl2022")
    return [*written, output.gold_path]


def _numbered(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """The records with ids that HW7 can hold, so that its questions and their answers file have the same."""
    if all(is_decimal(record.id) for record in records):
        return records
    return tuple(replace(record, id=str(number)) for number, record in enumerate(records))


def _unlabelled(record: Record) -> Record:
    return replace(
        record, relevant=None if len(record.paragraphs) > 1 else record.relevant, answers=(), impossible=False
    )


def _gold_text(record: Record) -> str:
    return next(iter(record.references), "")


def _notes(part: Dataset) -> list[str]:
    skipped = [f"{part.skipped} bad records skipped"] if part.skipped else []
    return [*skipped, *part.notes]


def _report(part: Dataset, config: PreprocessConfig) -> dict[str, Any]:
    report = summarise(part.records)
    if config.tokenizer:
        report["windows"] = window_report(part.records, config.tokenizer, config.windows)
    return report
