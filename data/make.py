"""Make the sample data from its source: `.venv/bin/python data/make.py`.

`source.json` holds the articles, written for this project. The contest files and the tokenizer are made from it.
"""

from pathlib import Path

from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertTokenizer

from qakit.config import PreprocessConfig
from qakit.data.schemas import read_dataset
from qakit.runs.preprocess import preprocess

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source.json"
SPLIT = (0.7, 0.15, 0.15)
SEED = 7


def make_contest_files(out: Path) -> None:
    """The files of both courses: articles split three ways, and for ADL three more paragraphs a question."""
    preprocess([SOURCE], PreprocessConfig(to="hw7", split=SPLIT, seed=SEED), out=out / "hw7")
    adl = PreprocessConfig(to="adl2022", split=SPLIT, seed=SEED, candidates=4, negatives="article")
    preprocess([SOURCE], adl, out=out / "adl")


def make_tokenizer(out: Path) -> None:
    """A WordPiece tokenizer with BERT's rules: every character of the articles, and the commonest pieces of words."""
    records = read_dataset([SOURCE]).records
    texts = sorted({text for record in records for text in (record.question, record.context)})
    trainer = BertWordPieceTokenizer()
    trainer.train_from_iterator(texts, vocab_size=3000, min_frequency=2, limit_alphabet=2500, show_progress=False)
    vocabulary = trainer.get_vocab()
    BertTokenizer(vocab=vocabulary, model_max_length=512).save_pretrained(out / "tokenizer")


if __name__ == "__main__":
    make_contest_files(HERE)
    make_tokenizer(HERE)
