"""Questions without a text to look in: what is asked of a corpus."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qakit.data.formats import read_dataset
from qakit.data.formats.load import Document, Row, load
from qakit.data.formats.shapes import Id, Shape, Text, keys_in_use, parse
from qakit.data.formats.source import Journal, Source, label
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import DataError
from qakit.io import file_error

_NUMBERED = "questions have no id: the file has no such column, and the number of the row stands for it"


class _Row(Shape):
    id: Id = ""
    question: Text


def read_bare_questions(path: Path, *, context: Path | None = None, lenient: bool = False) -> Dataset:
    """The questions of a file, in any schema; a table (JSON lines, CSV, parquet) needs no column but `question`.

    Of a table only `id` and `question` are looked at, and each record's only paragraph is the question itself: it
    stands there until the corpus has something better.

    Args:
        context: ADL's list of texts, for files that have one.
        lenient: leave out bad records, and count them.

    Raises:
        DataError: with all the mistakes of the file.
        ConfigError: `context` for a schema that has none.
    """
    document = load(path, allow_bom=lenient)
    rows = _question_rows(document)
    if context is not None or not rows:
        return read_dataset([path], context=context, lenient=lenient)
    journal = Journal(lenient=lenient)
    records = tuple(_read(rows, Source(path, journal, {})))
    journal.raise_problems()
    if not records:
        raise DataError([*journal.problems, *file_error(path, "records", "none is left").problems])
    schema = "jsonl" if document.kind == "json" else document.kind
    notes = tuple(f"{count} {sentence}" for sentence, count in journal.notes.items())
    return Dataset(records, schema, (path,), journal.skipped, notes)


def _question_rows(document: Document) -> Sequence[Row]:
    """The rows of a table of questions; none where the file is something else."""
    rows = (Row("line 1", document.value),) if document.kind == "json" else document.rows
    return rows if any(isinstance(row.value, dict) and "question" in row.value for row in rows) else ()


def _read(rows: Sequence[Row], source: Source) -> Iterator[Record]:
    required = keys_in_use((row.value for row in rows), ("id",))
    for number, row in enumerate(rows):
        if row.problem:
            source.reject(row.label, [(row.problem.field, row.problem.message)])
            continue
        record = source.record(label(row.label, row.value), partial(_build, row.value, required, number))
        if record is not None:
            source.note(_NUMBERED, "id" not in required)
            yield record


def _build(value: Any, required: frozenset[str], number: int) -> Record:
    row = parse(_Row, value, required=required)
    stand_in = Paragraph("question", row.question)
    return Record(row.id if "id" in required else str(number), row.question, (stand_in,), relevant=0)
