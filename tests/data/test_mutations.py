"""Mistakes that happen in practice, made one at a time in a small valid file of every schema.

Each must be refused with a message that names the file, the record and the field.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qakit.data.schemas import SCHEMAS, read_dataset
from qakit.errors import WHOLE_FILE, DataError
from tests.data.layouts import JSON_LAYOUTS, TABLE_FILES, Files, Layout, write
from tests.data.mutations import (
    Mutation,
    byte_mutations,
    context_mutations,
    field_mutations,
    record_mutations,
    text_mutations,
    top_level_mutations,
)
from tests.data.schema_mutations import SPECIAL
from tests.data.table_mutations import csv_mutations, parquet_mutations


def mutations(schema: str) -> tuple[Files, str, list[Mutation]]:
    """The valid files of a schema, a pattern for the labels of problems, and all mutations."""
    if schema in TABLE_FILES:
        found = list(csv_mutations() if schema == "csv" else parquet_mutations())
        return TABLE_FILES[schema], r"line \d|row \d", found
    layout = next(layout for layout in JSON_LAYOUTS if layout.schema == schema)
    found = [mutation for make in (field_mutations, context_mutations, record_mutations) for mutation in make(layout)]
    found += [*text_mutations(layout), *byte_mutations(layout.name)]
    if schema != "jsonl":
        found += top_level_mutations(layout)
    found += [mutation for make in SPECIAL[schema] for mutation in make(layout)]
    return layout.files, rf"(texts)?({layout.record})|data\[0\]", found


CASES = [
    pytest.param(files, pattern, mutation, id=f"{schema}: {mutation.name}")
    for schema in SCHEMAS
    for files, pattern, found in [mutations(schema)]
    for mutation in found
]


def mutated(files: Files, mutation: Mutation) -> Files:
    files = copy.deepcopy(files)
    raw = mutation.change(files)
    return files | {next(iter(files)): raw} if isinstance(raw, bytes) else files


@pytest.mark.parametrize("schema", SCHEMAS)
def test_unchanged_files_are_read(schema: str, tmp_path: Path) -> None:
    dataset = read_dataset([write(mutations(schema)[0], tmp_path)])
    assert dataset.schema == schema
    assert [record.span.text for record in dataset if record.span] == ["印度", "歐洲"]
    assert dataset.notes == ()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_there_are_enough_mutations(schema: str) -> None:
    names = [mutation.name for mutation in mutations(schema)[2]]
    assert len(names) == len(set(names)) >= 25


@pytest.mark.parametrize(("files", "pattern", "mutation"), CASES)
def test_mutation_is_refused(files: Files, pattern: str, mutation: Mutation, tmp_path: Path) -> None:
    path = write(mutated(files, mutation), tmp_path)
    with pytest.raises(DataError) as caught:
        read_dataset([path])
    problems = caught.value.problems
    for problem in problems:
        assert Path(problem.file).parent == tmp_path
        assert problem.record
        assert problem.field
        str(problem).encode()  # can be printed
    first = problems[0]
    assert re.search(mutation.message, first.message, re.DOTALL), str(first)
    assert any(first.field.endswith(part) or re.fullmatch(part, first.field) for part in mutation.fields), str(first)
    if mutation.whole_file:
        assert [problem.record for problem in problems] == [WHOLE_FILE]
    else:
        assert all(re.match(pattern, problem.record) for problem in problems)


@pytest.mark.parametrize(("files", "pattern", "mutation"), CASES)
def test_lenient_skips_bad_records_only(files: Files, pattern: str, mutation: Mutation, tmp_path: Path) -> None:
    path = write(mutated(files, mutation), tmp_path)
    try:
        dataset = read_dataset([path], lenient=True)
    except DataError as error:
        # Nothing could be read: the file as a whole is at fault, or no record is left.
        assert any(problem.record == WHOLE_FILE for problem in error.problems)
        return
    if mutation.name == "bytes byte order mark":
        assert (len(dataset), dataset.skipped) == (2, 0)
    else:
        assert not mutation.whole_file
        assert len(dataset) >= 1
        assert dataset.skipped >= 1


SCRAPS = st.sampled_from(
    [None, True, 0, -1, 3, 10**25, 1.5, float("nan"), "", "x", "3", "\ud800", [], {}, [[]], [{}], {"text": "x"}, ["x"]]
)


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from nodes(value[key])


@pytest.mark.parametrize("layout", JSON_LAYOUTS, ids=lambda layout: layout.schema)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data(), lenient=st.booleans())
def test_any_damage_is_read_or_explained(layout: Layout, data: st.DataObject, lenient: bool, tmp_path: Path) -> None:
    files = copy.deepcopy(layout.files)
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(nodes(files))
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()) and container is not files:
            del container[key]
        else:
            container[key] = copy.deepcopy(data.draw(SCRAPS))
    for name, value in files.items():
        lines = (
            "\n".join(map(json.dumps, value)) if name.endswith("l") and isinstance(value, list) else json.dumps(value)
        )
        (tmp_path / name).write_text(lines, encoding="utf-8")
    try:
        dataset = read_dataset([tmp_path / layout.name], lenient=lenient)
    except DataError as error:
        assert error.problems
        assert all(problem.file and problem.record and problem.field for problem in error.problems)
        str(error).encode()
    else:
        assert len(dataset) > 0
