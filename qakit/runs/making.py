"""`preprocess --to cloze` and `--to tokenizer`: what is made from texts alone."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from qakit.config import ClozeSettings, PreprocessConfig
from qakit.data.cloze import cloze_records, noisy_copies
from qakit.data.formats import write_dataset
from qakit.data.summary import summarise
from qakit.data.texts import Texts, chinese_share, read_texts
from qakit.data.vocabulary import build_tokenizer, write_tokenizer
from qakit.errors import ConfigError
from qakit.runs.outputs import PreprocessResult, check_outputs

MADE = ("cloze", "tokenizer")
_CLOZE_FILE, _CLOZE_SCHEMA = "cloze.json", "squad"
_TOKENIZER = "tokenizer"
_LITTLE_CHINESE = 0.5  # of the letters; in paragraphs of DRCD and CMRC nearly all are
_APART = ("split", "candidates", "tokenizer", "repair", "script", "reachability")


def make(
    inputs: Sequence[Path], config: PreprocessConfig, *, context: Path | None, lenient: bool, out: Path | None
) -> PreprocessResult:
    """Write `cloze.json`, or the folder `tokenizer`, into the folder `out`.

    Raises:
        DataError: a file that cannot be read.
        ConfigError: no `out`, settings that belong to schemas, or a package that is missing.
    """
    if out is None:
        raise ConfigError(f"--to {config.to} makes files: give --out, the folder for them")
    apart = [f"--{name}" for name in _APART if getattr(config, name)]
    if apart:
        raise ConfigError(f"--to {config.to} does not go with {', '.join(apart)}: use a second command")
    check_outputs([out / _CLOZE_FILE], inputs)
    texts = read_texts(inputs, context=context, lenient=lenient)
    return _make_tokenizer(texts, config, out) if config.to == "tokenizer" else _make_cloze(texts, config, out)


def _make_cloze(texts: Texts, config: PreprocessConfig, out: Path) -> PreprocessResult:
    records = list(cloze_records(texts.paragraphs, config.cloze, seed=config.seed))
    records += noisy_copies(texts.records, config.cloze, seed=config.seed)
    if not records and not config.cloze.questions:
        raise ConfigError("cloze.questions is 0, and no labelled question is there to be copied (cloze.copies)")
    if not records:
        raise ConfigError(
            "the texts hold nothing that a question could ask for; are they Chinese sentences, and long enough for "
            "cloze.kinds, shortest_answer and longest_answer?"
        )
    report = {"schema": _CLOZE_SCHEMA, **summarise(records)}
    files = write_dataset(records, out / _CLOZE_FILE, _CLOZE_SCHEMA)
    return PreprocessResult({"cloze": report}, tuple(files), (*texts.notes, *_doubts(texts, config.cloze)))


def _doubts(texts: Texts, cloze: ClozeSettings) -> Iterator[str]:
    """Notes where most of what is asked about can be no Chinese, and where there is nothing to copy."""
    if cloze.copies and not any(record.is_labelled for record in texts.records):
        yield f"cloze.copies ({cloze.copies}) makes nothing of these texts, which have no labelled questions"
    share = chinese_share(paragraph.text for paragraph in texts.paragraphs)
    if share < _LITTLE_CHINESE:
        yield (
            f"{share:.0%} of the letters in these texts are Chinese characters: cloze questions are for Chinese, and "
            "make little sense of other languages"
        )


def _make_tokenizer(texts: Texts, config: PreprocessConfig, out: Path) -> PreprocessResult:
    paragraphs = (paragraph.text for paragraph in texts.paragraphs)
    questions = (record.question for record in texts.records)
    tokenizer = build_tokenizer(chain(paragraphs, questions), size=config.vocabulary)
    report = {"paragraphs": len(texts.paragraphs), "entries": tokenizer.get_vocab_size()}
    return PreprocessResult({_TOKENIZER: report}, tuple(write_tokenizer(tokenizer, out / _TOKENIZER)), texts.notes)
