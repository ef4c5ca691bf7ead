"""Divide XQuAD and CMRC's training part for the training of the model in the box.

`python data/box_parts.py DATA OUT` reads xquad/xquad.zh.json, xquad/xquad.en.json and cmrc2018/cmrc2018_train.json in
DATA. Of XQuAD, whose languages say the same in the same places, it writes xquad.LANGUAGE.train.json and .held.json: the
40 paragraphs that xquad-held-out.json lists, in both languages. Of CMRC it writes cmrc_train_0.json and
cmrc_train_1.json, every other article each, so that one half can be turned to Traditional.
"""

import json
import sys
from pathlib import Path
from typing import Any

PARAGRAPHS = 240


def main() -> None:
    """Write the files."""
    data, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).with_name("xquad-held-out.json")
    held = {(article, paragraph) for article, paragraph in read(here)["paragraphs"]}
    asked = []
    for language in ("zh", "en"):
        file = data / "xquad" / f"xquad.{language}.json"
        xquad = read(file)
        asked.append([question["id"] for _, paragraph in places(xquad) for question in paragraph["qas"]])
        if len(list(places(xquad))) != PARAGRAPHS or asked[0] != asked[-1]:
            sys.exit(f"{file}: has other paragraphs or questions than XQuAD's Chinese part ({PARAGRAPHS}, 1,190)")
        if language != "zh":  # files that are read as one data set must not share ids
            for _, paragraph in places(xquad):
                paragraph["qas"] = [{**question, "id": f"{language}-{question['id']}"} for question in paragraph["qas"]]
        for part, is_held in (("train", False), ("held", True)):
            write(out / f"xquad.{language}.{part}.json", part_of(xquad, held, is_held))
    cmrc = read(data / "cmrc2018" / "cmrc2018_train.json")
    for half in range(2):
        write(out / f"cmrc_train_{half}.json", {**cmrc, "data": cmrc["data"][half::2]})


def places(squad: Any) -> list[tuple[tuple[int, int], Any]]:
    """The paragraphs of a file, each with its article's number and its own."""
    articles = enumerate(squad["data"])
    return [((at, place), part) for at, article in articles for place, part in enumerate(article["paragraphs"])]


def part_of(squad: Any, held: set[tuple[int, int]], is_held: bool) -> Any:
    """The paragraphs that are held out, or the others; no article stays empty."""
    kept = [
        {
            **article,
            "paragraphs": [
                paragraph for place, paragraph in enumerate(article["paragraphs"]) if ((at, place) in held) == is_held
            ],
        }
        for at, article in enumerate(squad["data"])
    ]
    return {**squad, "data": [article for article in kept if article["paragraphs"]]}


def read(file: Path) -> Any:
    """A JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write(file: Path, value: Any) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
