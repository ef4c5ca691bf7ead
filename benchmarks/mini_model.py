"""What the model in the box can do, and what it takes.

`python benchmarks/mini_model.py [DATA] [--model NAME]` scores a model on what the bundled one was not trained on: the
test part of HW7 (articles of DRCD), with the answers of both annotators and of the first, as it is and turned to
Simplified; and the tenth of CMRC 2018 dev's articles that `data/mini-zh.sh` holds out; and as a selector, by the score
of each candidate's best span, on the candidates of ADL 2022's validation part (articles of HW7's dev part, by which the
best weights were chosen). Then, in processes of their own and on one core: the time from `Reader()`, and from its
import, to the first answer, and how much of it is the import of RoFormer's classes alone, the least that it can take;
answers per second, and peak memory. With `--speed-only` nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
STARTS = 5
FIRST_ANSWER = """
import time
began = time.perf_counter()
from qakit import Reader
imported = time.perf_counter()
reader = Reader({model!r})
answer = reader("學校在哪裡？", "這所學校位於臺北市，創立於1928年。")
print(time.perf_counter() - began, time.perf_counter() - imported)
"""
BARE_IMPORTS = """
import time
began = time.perf_counter()
import torch
from transformers import PreTrainedTokenizerFast, RoFormerForQuestionAnswering
print(time.perf_counter() - began)
"""
MANY_ANSWERS = """
import resource, sys, time, torch
from pathlib import Path
from qakit import Reader
from qakit.data.schemas import read_dataset
torch.set_num_threads(1)
reader = Reader({model!r})
pairs = [(record.question, record.context) for record in read_dataset([Path({file!r})])]
list(reader.batch(pairs[:64]))
began = time.perf_counter()
count = sum(1 for _ in reader.batch(pairs))
print(count / (time.perf_counter() - began), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
SELECTION = """
from pathlib import Path
from qakit import Reader
from qakit.data.schemas import read_dataset
reader = Reader({model!r})
records = list(read_dataset([Path({file!r})]))
pairs = [(record.question, paragraph.text) for record in records for paragraph in record.paragraphs]
scores = iter([answers[0].score for answers in reader.batch(pairs)])
chosen = [max((next(scores), -number) for number in range(len(record.paragraphs))) for record in records]
right = sum(record.relevant == -number for record, (_, number) in zip(records, chosen, strict=True))
print(100 * right / len(records), len(records))
"""


def qakit(*arguments: str | Path) -> str:
    done = subprocess.run([sys.executable, "-m", "qakit", *map(str, arguments)], capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return done.stdout.decode()


def python(code: str, **values: str | Path) -> list[float]:
    """The numbers that a program prints."""
    values = {name: str(value) for name, value in values.items()}
    done = subprocess.run([sys.executable, "-c", code.format(**values)], capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return list(map(float, done.stdout.split()))


def show_scores(name: str, model: str, file: Path, metric: str, *more: str | Path) -> None:
    report = qakit("evaluate", "--model", model, "--data", file, "--metric", metric, "--json", "--quiet", *more)
    scores = json.loads(report)
    print(f"{name:34}  EM {scores['em']:.2f}  F1 {scores['f1']:.2f}  ({scores['total']} questions)", flush=True)


def write_both_annotators(data: Path, out: Path) -> None:
    """The part of DRCD's dev file that HW7's test part is made of; HW7 has the first annotator's answers only."""
    held_out = set(json.loads((data / "hw7" / "hw7_test.json").read_text(encoding="utf-8"))["paragraphs"])
    drcd = json.loads((data / "drcd" / "DRCD_dev.json").read_text(encoding="utf-8"))
    for article in drcd["data"]:
        article["paragraphs"] = [part for part in article["paragraphs"] if part["context"] in held_out]
    drcd["data"] = [article for article in drcd["data"] if article["paragraphs"]]
    out.write_text(json.dumps(drcd, ensure_ascii=False), encoding="utf-8")


def show_all_scores(data: Path, model: str, folder: Path) -> None:
    from opencc import OpenCC

    converter = OpenCC("t2s")
    test, gold = data / "hw7" / "hw7_test.json", data / "hw7" / "hw7_test_gold.csv"
    for source in (test, gold):  # the answers are cut out of the converted texts, so offsets need no care
        (folder / source.name).write_text(converter.convert(source.read_text(encoding="utf-8")), encoding="utf-8")
    cmrc = ("preprocess", data / "cmrc2018" / "cmrc2018_dev.json", "--split", "0.85,0.05,0.1", "--to", "cmrc")
    qakit(*cmrc, "--out", folder, "--quiet")
    write_both_annotators(data, folder / "drcd.json")
    show_scores("DRCD, held out, both annotators", model, folder / "drcd.json", "drcd")
    show_scores("the same, the first annotator", model, test, "drcd", "--gold", gold)
    show_scores("the first annotator, in Simplified", model, folder / test.name, "drcd", "--gold", folder / gold.name)
    show_scores("CMRC, held out", model, folder / "test.json", "cmrc")
    accuracy, count = python(SELECTION, model=model, file=data / "adl2022" / "valid.json")
    print(f"{'ADL candidates by best span':34}  accuracy {accuracy:.2f}  ({count:.0f} questions)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--model", default="mini-zh")
    parser.add_argument("--speed-only", action="store_true", help="leave out the scores")
    arguments = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", ACCELERATE_USE_CPU="true")
    if not arguments.speed_only:
        with TemporaryDirectory() as folder:
            show_all_scores(arguments.data, arguments.model, Path(folder))
    os.environ["OMP_NUM_THREADS"] = "1"
    starts = [python(FIRST_ANSWER, model=arguments.model) + python(BARE_IMPORTS) for _ in range(STARTS)]
    whole, own, bare = map(median, zip(*starts, strict=True))
    print(
        f"to the first answer: {own:.2f} s from Reader(), {whole:.2f} s with its import, of which {bare:.2f} s are "
        f"importing torch and the classes of transformers (medians of {STARTS})",
        flush=True,
    )
    speed, memory = python(MANY_ANSWERS, model=arguments.model, file=arguments.data / "hw7" / "hw7_test.json")
    print(f"one core: {speed:.1f} answers a second, {memory:.0f} MB at the peak")


if __name__ == "__main__":
    main()
