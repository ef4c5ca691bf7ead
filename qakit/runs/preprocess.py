"""`preprocess`: check files, say what is in them, convert between schemas, split by article, add candidates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from qakit.config import ClozeSettings, PreprocessConfig, WindowSettings
from qakit.data.character_tokenizer import build_tokenizer, write_tokenizer
from qakit.data.cloze import cloze_records, noisy_copies
from qakit.data.leakage import Leak, find_leaks
from qakit.data.negatives import add_candidates
from qakit.data.predictions import CONTESTS, write_predictions
from qakit.data.records import Dataset, Record, Repair
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.data.schemas.hw7 import is_decimal
from qakit.data.schemas.known import check_capacity
from qakit.data.script import convert_records, make_simplifier
from qakit.data.splits import split_by_article
from qakit.data.texts import Texts, chinese_share, read_texts
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import check_outputs, write_jsonl
from qakit.modeling.loading import BUNDLED_MODEL
from qakit.report.style import can_show, picture_files
from qakit.spans.window_coverage import Reach


@dataclass(frozen=True)
class PreprocessResult:
    """Result of `preprocess`.

    Attributes:
        report: numbers on each part of the data.
        files: those written.
        notes: sentences on what the readers did.
        repairs: every field that was changed.
        leaks: what each two parts share.
        reach: what windows hold and cost, by part, where it was asked for.
    """

    report: Mapping[str, Mapping[str, Any]]
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    repairs: tuple[Repair, ...] = ()
    leaks: tuple[Leak, ...] = ()
    reach: Mapping[str, tuple[Reach, ...]] = field(default_factory=dict)


_PARTS = {"hw7": ("hw7_train", "hw7_dev", "hw7_test"), "adl2021": ("train", "public", "private")}
_SCRIPTS_APART = "what parts share was looked for within each script of Chinese: pip install 'qakit[text]' for both"
_UNREAD = "{}: no windows to tell of: it does not tell which paragraphs hold the answers"
_REPAIRS = "repairs.jsonl"
_ADL_PARTS = ("train", "valid", "test")


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
    simplify = make_simplifier()
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
        records = add_candidates(records, count=config.candidates, method=config.negatives, seed=config.seed)
    return replace(part, records=tuple(records), notes=notes)


def _hides(name: str, config: PreprocessConfig, schema: str) -> bool:
    """Whether a part is the test part of a contest, whose answers its contestants do not get."""
    return config.split is not None and schema in CONTESTS and name == _PARTS.get(schema, _ADL_PARTS)[-1]


def _output(name: str, part: Dataset, config: PreprocessConfig, folder: Path) -> _Output:
    schema = config.to or part.schema
    path = folder / (name + SCHEMAS[schema].suffix)
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


MADE = ("cloze", "tokenizer")
_CLOZE_FILE, _CLOZE_SCHEMA = "cloze.json", "squad"
_TOKENIZER = "tokenizer"
_LITTLE_CHINESE = 0.5  # of the letters; in paragraphs of DRCD and CMRC nearly all are
_APART = ("split", "candidates", "tokenizer", "repair", "script", "reachability")


def make(
    inputs: Sequence[Path], config: PreprocessConfig, *, context: Path | None, lenient: bool, out: Path | None
) -> PreprocessResult:
    """Write `cloze.json`, or the folder `tokenizer`, into the folder `out`.

    Raises:
        DataError: a file that cannot be read.
        ConfigError: no `out`, settings that belong to schemas, or a package that is missing.
    """
    if out is None:
        raise ConfigError(f"--to {config.to} makes files: give --out, the folder for them")
    apart = [f"--{name}" for name in _APART if getattr(config, name)]
    if apart:
        raise ConfigError(f"--to {config.to} does not go with {', '.join(apart)}: use a second command")
    check_outputs([out / _CLOZE_FILE], inputs)
    texts = read_texts(inputs, context=context, lenient=lenient)
    return _make_tokenizer(texts, config, out) if config.to == "tokenizer" else _make_cloze(texts, config, out)


def _make_cloze(texts: Texts, config: PreprocessConfig, out: Path) -> PreprocessResult:
    records = list(cloze_records(texts.paragraphs, config.cloze, seed=config.seed))
    records += noisy_copies(texts.records, config.cloze, seed=config.seed)
    if not records and not config.cloze.questions:
        raise ConfigError("cloze.questions is 0, and no labelled question is there to be copied (cloze.copies)")
    if not records:
        raise ConfigError(
            "the texts hold nothing that a question could ask for; are they Chinese sentences, and long enough for "
            "cloze.kinds, shortest_answer and longest_answer?"
        )
    report = {"schema": _CLOZE_SCHEMA, **summarise(records)}
    files = write_dataset(records, out / _CLOZE_FILE, _CLOZE_SCHEMA)
    return PreprocessResult({"cloze": report}, tuple(files), (*texts.notes, *_doubts(texts, config.cloze)))


def _doubts(texts: Texts, cloze: ClozeSettings) -> Iterator[str]:
    """Notes where most of what is asked about can be no Chinese, and where there is nothing to copy."""
    if cloze.copies and not any(record.is_labelled for record in texts.records):
        yield f"cloze.copies ({cloze.copies}) makes nothing of these texts, which have no labelled questions"
    share = chinese_share(paragraph.text for paragraph in texts.paragraphs)
    if share < _LITTLE_CHINESE:
        yield (
            f"{share:.0%} of the letters in these texts are Chinese characters: cloze questions are for Chinese, and "
            "make little sense of other languages"
        )


def _make_tokenizer(texts: Texts, config: PreprocessConfig, out: Path) -> PreprocessResult:
    paragraphs = (paragraph.text for paragraph in texts.paragraphs)
    questions = (record.question for record in texts.records)
    tokenizer = build_tokenizer(chain(paragraphs, questions), size=config.vocabulary)
    report = {"paragraphs": len(texts.paragraphs), "entries": tokenizer.get_vocab_size()}
    return PreprocessResult({_TOKENIZER: report}, tuple(write_tokenizer(tokenizer, out / _TOKENIZER)), texts.notes)


PICTURE = "reachability"


def window_report(records: Sequence[Record], tokenizer: str, settings: WindowSettings) -> dict[str, Any]:
    """Windows a question at the given settings, and the share of answers, in percent, that one window holds whole."""
    from qakit.modeling.loading import load_tokenizer
    from qakit.spans.windowing import answer_spans, covering_windows, encode_pairs, held_whole

    known = [record for record in records if record.relevant is not None or len(record.paragraphs) == 1]
    pairs = encode_pairs(load_tokenizer(tokenizer), [(record.question, record.context) for record in known], settings)
    windows = covering_windows(pairs)
    spans = answer_spans(pairs, range(len(pairs)), known)
    answered = spans[:, 0] >= 0
    held = held_whole(windows, spans)
    return {
        "max_length": settings.max_length,
        "per_question": round(len(windows) / max(len(pairs), 1), 2),
        "longest_answer": int((spans[answered, 1] - spans[answered, 0]).max()) + 1 if answered.any() else None,
        "answers_in_reach": round(100 * float(held[answered].mean()), 2) if answered.any() else None,
    }


def reach_of(parts: Mapping[str, Dataset], config: PreprocessConfig) -> dict[str, tuple[Reach, ...]]:
    """Coverage and cost of windows by part, if asked for; parts without anything to measure are left out.

    Raises:
        CheckpointError: no such tokenizer.
    """
    if not config.reachability:
        return {}
    from qakit.modeling.loading import load_tokenizer
    from qakit.spans.window_coverage import measure_reach

    tokenizer = load_tokenizer(config.tokenizer or BUNDLED_MODEL)
    found = {
        name: measure_reach(tokenizer, part.records, config.lengths, config.overlaps) for name, part in parts.items()
    }
    return {name: reaches for name, reaches in found.items() if reaches}


def draw(reach: Mapping[str, Sequence[Reach]], out: Path, tokenizer: str | None) -> tuple[Path, ...]:
    """Draw it into the folder `out`, if there is anything; names that a picture cannot have become numbers."""
    if not reach:
        return ()
    from qakit.report.pictures import draw_reach

    named = {name if can_show(name) else f"part {number}": reach[name] for number, name in enumerate(reach, 1)}
    shown = Path(tokenizer or BUNDLED_MODEL).name
    return draw_reach(named, out / PICTURE, title=f"Windows in tokens of {shown}" if can_show(shown) else "")


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """Count the records of a part of the data, and their lengths, as JSON.

    `repeated_answers` is the percentage of answers whose text occurs more than once in its paragraph, so that searching
    for the text may find the wrong place.
    """
    spans = [(record.span, record.context) for record in records if record.span is not None]
    paragraphs = {paragraph.text for record in records for paragraph in record.paragraphs}
    titles = {paragraph.title for record in records for paragraph in record.paragraphs if paragraph.title}
    repeated = sum(context.count(answer.text) > 1 for answer, context in spans if answer)
    return {
        "questions": len(records),
        "paragraphs": len(paragraphs),
        "articles": len(titles) if titles else None,
        "candidates": _range([len(record.paragraphs) for record in records]),
        "unlabelled": sum(not record.is_labelled for record in records),
        "impossible": sum(record.impossible for record in records),
        "question_length": _lengths([record.question for record in records]),
        "paragraph_length": _lengths(list(paragraphs)),
        "answer_length": _lengths([answer.text for answer, _ in spans if answer]),
        "repeated_answers": round(100 * repeated / len(spans), 1) if spans else None,
    }


def _range(values: Sequence[int]) -> str:
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low}-{high}"


def _lengths(texts: Sequence[str]) -> dict[str, float | None]:
    lengths = [len(text) for text in texts]
    return {"median": median(lengths) if lengths else None, "max": max(lengths, default=None)}
