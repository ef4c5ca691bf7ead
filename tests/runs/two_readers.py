"""What two processes do in `test_processes.py` that have trained nothing before: predict. Run by `torchrun`."""

import os
import sys
from pathlib import Path

from qakit.config import ReadConfig
from qakit.data.formats import read_dataset
from qakit.modeling.processes import leave
from qakit.runs.predict import load_models, predict
from qakit.tasks import qa


def main(model, data, out):
    encode, read = qa.encode_pairs, []

    def counted(tokenizer, texts, *rest):
        read.append(len(texts))
        return encode(tokenizer, texts, *rest)

    qa.encode_pairs = counted
    predict(read_dataset([data]), load_models(str(model), None), ReadConfig(), out=out / "two.csv")
    (out / f"read-{os.environ['RANK']}").write_text(str(sum(read)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave()
