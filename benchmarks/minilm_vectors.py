"""Word vectors in GloVe's form out of MiniLM's own embeddings, for where no GloVe can be had.

    python benchmarks/minilm_vectors.py MINILM_FOLDER vectors.txt ../shared/data/intent/train.json

Words are the whole words of its vocabulary, and those of the data files; a word of several pieces has their mean. All
numbers are times 8, which makes them about as large as GloVe's.
"""

import json
import sys
from pathlib import Path

from transformers import AutoModel, AutoTokenizer

SCALE = 8


def main() -> None:
    folder, out, *files = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    matrix = AutoModel.from_pretrained(folder).embeddings.word_embeddings.weight.detach()
    words = {word: None for word in tokenizer.get_vocab() if word.isalnum() and word.isascii()}
    for file in files:
        for record in json.loads(Path(file).read_text(encoding="utf-8")):
            text = record.get("text") or " ".join(record["tokens"])
            words |= dict.fromkeys(text.lower().replace("'", " ' ").split())
    lines = []
    for word in words:
        if ids := tokenizer(word, add_special_tokens=False)["input_ids"]:
            lines.append(" ".join([word, *(f"{number:.4f}" for number in (SCALE * matrix[ids].mean(0)).tolist())]))
    Path(out).write_text("\n".join(lines) + "\n", encoding="utf-8")


main()
