"""Divide DRCD's dev file by article into the parts that mini-zh was trained, chosen and scored on.

`python data/drcd_dev_parts.py DRCD_dev.json OUT` writes train.json, dev.json and test.json, in DRCD's own form, with
the articles that drcd-dev-parts.json lists by their ids, in its order.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Write the files."""
    file, out = map(Path, sys.argv[1:])
    drcd = json.loads(file.read_text(encoding="utf-8"))
    articles = {article.get("id"): article for article in drcd.get("data", ())}
    parts = json.loads(Path(__file__).with_name("drcd-dev-parts.json").read_text(encoding="utf-8"))
    if articles.keys() != {name for names in parts.values() for name in names}:
        sys.exit(f"{file}: has other articles than DRCD's dev file (DRCD_dev.json, 383 articles)")
    out.mkdir(parents=True, exist_ok=True)
    for part, names in parts.items():
        text = json.dumps({**drcd, "data": [articles[name] for name in names]}, ensure_ascii=False)
        (out / f"{part}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
