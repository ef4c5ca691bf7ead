"""What two processes do in `test_processes.py` that have trained nothing before: predict, and read alone.

Run by `torchrun`.
"""

import json
import os
import sys
from pathlib import Path

from qakit.config import ReadConfig
from qakit.data.schemas import read_dataset
from qakit.modeling.processes import leave_process_group
from qakit.reader import Reader
from qakit.tasks.questions import reading
from qakit.tasks.questions.two_stage import load_models
from tests.runs.questions import predict


def main(model, data, out):
    encode, read = reading.encode_pairs, []

    def counted(tokenizer, texts, *rest):
        read.append(len(texts))
        return encode(tokenizer, texts, *rest)

    reading.encode_pairs = counted
    predict(read_dataset([data]), load_models(str(model), None), ReadConfig(), out=out / "two.csv")
    rank = os.environ["RANK"]
    (out / f"read-{rank}").write_text(str(sum(read)))
    if rank == "1":  # alone, which must wait for nobody
        reader = Reader(str(model), device="cpu")
        found = [answers[0].text for answers in reader.batch((r.question, r.context) for r in read_dataset([data]))]
        (out / "own").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave_process_group()
