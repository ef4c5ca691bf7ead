"""Reading and writing the files of the courses, contests and public datasets, each schema known by its content."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qakit.data.formats import adl, cmrc_flat, hw7, squad, tables
from qakit.data.formats.capacity import check_capacity
from qakit.data.formats.documents import Document, detect, load
from qakit.data.formats.source import Journal, Source
from qakit.data.records import Dataset, Record
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem
from qakit.io import file_error

__all__ = ["SCHEMAS", "read_dataset", "write_dataset"]


@dataclass(frozen=True, slots=True)
class _Format:
    """How a schema is read and written, and what it calls the fields of a record."""

    read: Callable[[Document, Source], Iterator[Record]]
    write: Callable[[Sequence[Record], Path], list[Path]]
    names: Mapping[str, str]


def _squad_format(schema: str) -> _Format:
    return _Format(partial(squad.read, schema=schema), partial(squad.write, schema=schema), squad.NAMES)


def _table_format(schema: str) -> _Format:
    return _Format(tables.read, partial(tables.write, schema=schema), tables.NAMES)


_FORMATS: Mapping[str, _Format] = {
    "hw7": _Format(hw7.read, hw7.write, hw7.NAMES),
    "adl2021": _Format(partial(adl.read, schema="adl2021"), partial(adl.write, schema="adl2021"), adl.NAMES_2021),
    "adl2022": _Format(partial(adl.read, schema="adl2022"), partial(adl.write, schema="adl2022"), adl.NAMES),
    **{schema: _squad_format(schema) for schema in ("squad", "squad2", "drcd", "cmrc")},
    "cmrc-flat": _Format(cmrc_flat.read, cmrc_flat.write, cmrc_flat.NAMES),
    **{schema: _table_format(schema) for schema in ("jsonl", "csv", "parquet")},
}

SCHEMAS: tuple[str, ...] = tuple(_FORMATS)


def read_dataset(
    paths: Sequence[Path], *, context: Path | None = None, lenient: bool = False, repair: float | None = None
) -> Dataset:
    """The records of one or more files, whose schemas are told from their content; the dataset's is the first one's.

    The only paragraph of a question is always its relevant one (`relevant` is 0), with or without an answer. Ids must
    differ over all the files; those of hw7, which count from 0 in each file, get the file's name in front where there
    are several. Without `repair` nothing is repaired but the UTF-16 offsets of CMRC 2018. `Dataset.notes` say what was
    done.

    Args:
        context: ADL's list of texts; by default the `context.json` beside each file.
        lenient: leave out bad records, counting them, and accept a byte order mark. What is wrong with a file as a
            whole is still an error.
        repair: put answers that are not where the file says where they stand (`qakit.data.repair.find_answer`, whose
            threshold this is) and list each change in `Dataset.repairs`; what is found nowhere is bad as ever.

    Raises:
        DataError: with all the mistakes of all the files; or no record is left.
        ConfigError: no file, or `context` for a schema that has none.
    """
    if not paths:
        raise ConfigError("no data file was named")
    journal = Journal(lenient=lenient, files=len(paths), repair=repair)
    records: list[Record] = []
    schemas: dict[str, None] = {}
    for path in paths:
        try:
            document = load(path, allow_bom=lenient)
            schema = detect(document)
            schemas[schema] = None
            records += _read(document, schema, journal, context)
        except DataError as error:
            journal.faults += error.problems
    if not records and lenient:
        journal.faults += [*journal.problems, Problem(str(paths[0]), WHOLE_FILE, "records", "none is left")]
    journal.raise_problems()
    mixed = [f"files of several schemas are read as one dataset: {', '.join(schemas)}"] if len(schemas) > 1 else []
    notes = (*mixed, *_unlabelled(records), *(f"{count} {sentence}" for sentence, count in journal.notes.items()))
    return Dataset(tuple(records), next(iter(schemas)), tuple(paths), journal.skipped, notes, tuple(journal.repairs))


def _read(document: Document, schema: str, journal: Journal, context: Path | None) -> list[Record]:
    if context is not None and not schema.startswith("adl"):
        raise ConfigError(f"--context {context} is for ADL files, but {document.path} is {schema}")
    found = len(journal.problems)
    source = Source(document.path, journal, _FORMATS[schema].names, context)
    records = list(_FORMATS[schema].read(document, source))
    if not records and len(journal.problems) == found:
        raise file_error(document.path, "records", f"holds no question ({schema})")
    return records


def _unlabelled(records: Sequence[Record]) -> Iterator[str]:
    """A note where only some of the questions have an answer: often a sign of something lost."""
    missing = sum(not record.is_labelled for record in records)
    if 0 < missing < len(records):
        yield f"{missing} of {len(records)} questions have no answer and are not marked impossible"


def write_dataset(records: Iterable[Record], path: Path, schema: str) -> list[Path]:
    """Write records as the schema was published; reading them back gives equal ones, as far as the schema holds them.

    Titles and ids of paragraphs are dropped where a schema has none. hw7 keeps the first answer only, and numbers the
    questions from 0 unless all ids are decimal numbers. The squad family and cmrc-flat put the questions of a paragraph
    together, in the order of first use. The adl schemas also write `context.json` beside `path`: texts that it already
    holds keep their place, so that several files share it.

    Returns:
        The files written, the data file first. Each is replaced in one step.

    Raises:
        ConfigError: an unknown schema, no records, two with one id, or something that the schema cannot hold.
    """
    if schema not in SCHEMAS:
        raise ConfigError(f"unknown schema {schema!r}; known are {', '.join(SCHEMAS)}")
    listed = list(records)
    if not listed:
        raise ConfigError(f"{path}: there are no records to write")
    repeated = [name for name, count in Counter(record.id for record in listed).items() if count > 1]
    if repeated:
        raise ConfigError(f"{path}: {len(repeated)} ids stand for several records, {repeated[0]!r} for one")
    check_capacity(listed, schema)
    return _FORMATS[schema].write(listed, path)
