"""Question files in, records out, and back: the schemas of courses, contests and public datasets.

`read_dataset` tells the schema of each file from its content; `write_dataset` writes the one that it is given.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qakit.data.records import Dataset, Record
from qakit.data.schemas import adl, cmrc_flat, hw7, squad, tables
from qakit.data.schemas.file_content import FileContent, detect_schema, load_content
from qakit.data.schemas.known import SCHEMAS, check_capacity
from qakit.data.schemas.source import ReadLog, Source
from qakit.errors import WHOLE_FILE, ConfigError, DataError, Problem, suggestion
from qakit.io import file_error

__all__ = ["SCHEMAS", "read_dataset", "write_dataset"]


@dataclass(frozen=True, slots=True)
class _Files:
    """Reader and writer of a schema's files, and their names for the fields of a record."""

    read: Callable[[FileContent, Source], Iterator[Record]]
    write: Callable[[Sequence[Record], Path], list[Path]]
    names: Mapping[str, str]


def _squad_files(schema: str) -> _Files:
    return _Files(partial(squad.read, schema=schema), partial(squad.write, schema=schema), squad.NAMES)


def _table_files(schema: str) -> _Files:
    return _Files(tables.read, partial(tables.write, schema=schema), tables.NAMES)


_FILES: Mapping[str, _Files] = {
    "hw7": _Files(hw7.read, hw7.write, hw7.NAMES),
    "adl2021": _Files(partial(adl.read, schema="adl2021"), partial(adl.write, schema="adl2021"), adl.NAMES_2021),
    "adl2022": _Files(partial(adl.read, schema="adl2022"), partial(adl.write, schema="adl2022"), adl.NAMES),
    **{schema: _squad_files(schema) for schema in ("squad", "squad2", "drcd", "cmrc")},
    "cmrc-flat": _Files(cmrc_flat.read, cmrc_flat.write, cmrc_flat.NAMES),
    **{schema: _table_files(schema) for schema in ("jsonl", "csv", "parquet")},
}


def read_dataset(
    paths: Sequence[Path], *, context: Path | None = None, lenient: bool = False, repair: float | None = None
) -> Dataset:
    """Read the records of one or more files; their schemas are told from their content.

    `Dataset.schema` is that of the first file. If a question has one paragraph only, it is the relevant one
    (`relevant` is 0), with or without an answer. Ids must differ over all files; those of hw7, which count from 0 in
    each file, get the file's name in front where there are several files. Without `repair`, only the UTF-16 offsets of
    CMRC 2018 are corrected. `Dataset.notes` say what was done.

    Args:
        context: ADL's list of texts; by default the `context.json` beside each file.
        lenient: leave out and count bad records, and accept a byte order mark. Mistakes of a file as a whole are still
            errors.
        repair: move answers that are not where the file says, if they are found with at least this similarity in
            percent (`qakit.data.schemas.source.find_answer`), and list each change in `Dataset.repairs`.

    Raises:
        DataError: with all the mistakes of all the files; or no record is left.
        ConfigError: no file, or `context` for a schema that has none.
    """
    if not paths:
        raise ConfigError("no data file is given")
    log = ReadLog(lenient=lenient, files=len(paths), repair=repair)
    records: list[Record] = []
    schemas: dict[str, None] = {}
    for path in paths:
        try:
            content = load_content(path, allow_bom=lenient)
            schema = detect_schema(content)
            schemas[schema] = None
            records += _read(content, schema, log, context)
        except DataError as error:
            log.faults += error.problems
    if not records and lenient:
        log.faults += [
            *log.problems,
            Problem(str(paths[0]), WHOLE_FILE, "records", "no valid record is left"),
        ]
    log.raise_problems()
    mixed = [f"files of several schemas are read as one dataset: {', '.join(schemas)}"] if len(schemas) > 1 else []
    notes = (*mixed, *_unlabelled(records), *log.sentences())
    return Dataset(tuple(records), next(iter(schemas)), tuple(paths), log.skipped, notes, tuple(log.repairs))


def _read(content: FileContent, schema: str, log: ReadLog, context: Path | None) -> list[Record]:
    if context is not None and not schema.startswith("adl"):
        raise ConfigError(f"--context {context} is for ADL files, but {content.path} is {schema}: leave it out")
    found = len(log.problems)
    source = Source(content.path, log, _FILES[schema].names, context)
    records = list(_FILES[schema].read(content, source))
    if not records and len(log.problems) == found:
        raise file_error(content.path, "records", f"has no questions ({schema})")
    return records


def _unlabelled(records: Sequence[Record]) -> Iterator[str]:
    """A note if some questions have no answer and others do: often a sign that labels were lost."""
    missing = sum(not record.is_labelled for record in records)
    if 0 < missing < len(records):
        yield f"{missing} of {len(records)} questions have no answer and are not marked impossible"


def write_dataset(records: Iterable[Record], path: Path, schema: str) -> list[Path]:
    """Write records in a schema, laid out as published; reading them back gives equal records.

    A schema without titles or ids of paragraphs drops them. hw7 keeps the first answer only, and numbers the questions
    from 0 unless all ids are decimal numbers. The squad family and cmrc-flat group the questions by paragraph, in the
    order of first use. The adl schemas also write `context.json` beside `path`: texts that it already holds keep their
    index, so that several files share it.

    Returns:
        The files written, the data file first. Each is replaced atomically.

    Raises:
        ConfigError: an unknown schema, no records, an id that occurs twice, or something that the schema cannot hold.
    """
    if schema not in SCHEMAS:
        raise ConfigError(
            f"unknown schema {schema!r}{suggestion(schema, SCHEMAS)}; expected one of {', '.join(SCHEMAS)}"
        )
    listed = list(records)
    if not listed:
        raise ConfigError(f"{path}: no records to write")
    repeated = [name for name, count in Counter(record.id for record in listed).items() if count > 1]
    if repeated:
        raise ConfigError(f"{path}: {len(repeated)} ids occur more than once, such as {repeated[0]!r}; ids must differ")
    check_capacity(listed, schema)
    return _FILES[schema].write(listed, path)
