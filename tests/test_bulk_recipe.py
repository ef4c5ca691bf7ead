"""The recipe of docs/bulk.md for a stream in Python, run as the page prints it."""

import json
import re
from pathlib import Path

from qakit.reader import Reader
from tests.modeling.tiny import qa_records

PAGE = Path(__file__).resolve().parents[1] / "docs" / "bulk.md"
BAD = {
    "{": "pair: expected (question, context), found JSONDecodeError",
    '{"question": "河？"}': "pair: expected (question, context), found KeyError",
    "3": "pair: expected (question, context), found TypeError",
    '{"question": "河？", "context": ""}': "context: paragraph 'text' is empty",
}


def recipe() -> str:
    """The only block of Python on the page that streams lines."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "def pair_of" in block]
    return block


def test_a_bad_line_is_told_of_in_its_place_and_the_others_are_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = qa_records(3)
    good = [json.dumps({"question": record.question, "context": record.context}) for record in records]
    Path("questions.jsonl").write_text("\n".join([*good, *BAD, *good]) + "\n", encoding="utf-8")
    exec(recipe(), {})
    written = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [Reader()(record.question, record.context).text for record in records]
    assert written == [*answers, *BAD.values(), *answers]
