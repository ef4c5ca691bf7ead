"""The recipe of docs/bulk.md for Ray Data, run as the page prints it."""

import json
import re
import runpy
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from qakit.reader import Reader
from tests.modeling.tiny import qa_records
from tests.runs.models import save_reader

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "bulk.md"
COUNT = 40
BAD = {3: {"context": ""}, 17: {"question": None}, 39: {"question": " "}}


def recipe() -> str:
    """The only block of Python on the page that imports ray."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "import ray" in block]
    return block


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    """Two CPUs of this machine, no network, and nothing written outside the tests' folder."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'ray[data]'")
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("home")
    patch.setenv("HOME", str(home))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("RAY_AUTH_MODE", "disabled")
    patch.setenv("PYTHONPATH", ":".join([str(REPOSITORY), *sys.path]))  # for the actors
    options = {"include_dashboard": False, "log_to_driver": False, "object_store_memory": 200 * 2**20}
    ray.init(num_cpus=2, _node_ip_address="127.0.0.1", **options)
    yield ray
    ray.shutdown()
    patch.undo()


@pytest.fixture(scope="module")
def rows():
    asked = [{"id": record.id, "question": record.question, "context": record.context} for record in qa_records(COUNT)]
    return [row | BAD.get(number, {}) for number, row in enumerate(asked)]


@pytest.fixture(scope="module")
def answered(ray, rows, tmp_path_factory):
    """The model, and the rows that the recipe wrote, file by file."""
    folder = tmp_path_factory.mktemp("ray")
    model = save_reader(folder / "model")
    (folder / "questions").mkdir()
    for number in range(4):  # so that the actors take turns
        part = rows[number * COUNT // 4 : (number + 1) * COUNT // 4]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (folder / "questions" / f"{number}.jsonl").write_text(lines, encoding="utf-8")
    script = folder / "ray_answers.py"
    script.write_text(recipe(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), model, str(folder / "questions"), str(folder / "answers"), "2", "0.5"])
        runpy.run_path(str(script), run_name="__main__")
    files = sorted((folder / "answers").glob("*.parquet"))
    return model, [row for file in files for row in pq.read_table(file).to_pylist()]


def test_every_row_comes_out_once_and_in_order(answered, rows):
    assert [{name: row[name] for name in ("id", "question", "context")} for row in answered[1]] == rows


def test_the_answers_are_those_of_the_reader(answered, rows):
    model, found = answered
    good = [number for number in range(COUNT) if number not in BAD]
    expected = Reader(model).batch([(rows[number]["question"], rows[number]["context"]) for number in good])
    for number, (answer, *_) in zip(good, expected, strict=True):
        row = found[number]
        assert (row["answer"], row["start"], row["end"], row["error"]) == (*answer[:3], None)
        assert row["score"] == pytest.approx(answer.score, abs=1e-4)  # other questions beside it in its batch
        assert row["probability"] == pytest.approx(answer.probability, abs=1e-4)


def test_bad_rows_are_reported_and_not_answered(answered):
    reported = {number: row["error"] for number, row in enumerate(answered[1]) if row["error"]}
    assert reported == {
        3: "context: paragraph 'text' is empty",
        17: "question: expected text, found NoneType",
        39: "question: is empty",
    }
    assert {answered[1][number][name] for number in BAD for name in ("answer", "start", "score")} == {None}
