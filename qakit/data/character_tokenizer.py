"""A character-level WordPiece tokenizer made from texts, in which both scripts of Chinese share their token ids.

BERT's rules for words, and two steps more in the normaliser: compatibility forms become plain ones (NFKD), and each
Traditional character becomes its Simplified one. Offsets are those of the text as it was given.
"""

import io
import string
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.errors import ConfigError
from qakit.io import write_json, write_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer

DEFAULT_SIZE = 8000
MAX_LENGTH = 512
"""The window length, in tokens, that a written tokenizer tells its model to have."""

_PAD, _UNKNOWN, _CLS, _SEP, _MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_CONTINUES = "##"
_LETTER = "a"
_HAN = ((0x3400, 0x4DC0), (0x4E00, 0xA000))
"""Extension A and the basic block of Chinese characters, half-open; the compatibility forms are NFKD's."""
_SIGNS = string.punctuation + "。、「」『』《》〈〉【】〔〕“”‘’—–·・•〇°"
_ERRORS = 2
"""The level from which sentencepiece logs."""
_BYTES = 2
"""The protobuf wire type of byte strings and nested messages."""
_NORMALIZER_SPEC, _PRECOMPILED_CHARSMAP = 3, 2
"""Field numbers in sentencepiece's ModelProto and in its NormalizerSpec."""
_GB2312_ROWS, _GB2312_CELLS = range(16, 88), range(1, 95)


def build_tokenizer(texts: Iterable[str], *, size: int = DEFAULT_SIZE) -> "Tokenizer":
    """A tokenizer whose tokens are single characters, with at most `size` of them.

    In the order of their ids: the special tokens ([PAD] is 0); digits, Latin letters and common punctuation; the
    characters of `texts`, most frequent first, then by code point; the 6,763 characters of GB2312, common ones first,
    so that texts not seen here have few unknown tokens. A character that may stand inside a word, such as a letter, a
    digit or a kana, has two tokens: `x` and `##x`. What does not fit in `size` is left out from the end.

    Raises:
        ConfigError: opencc or sentencepiece is missing, no text has a character, or `size` is too small.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({_UNKNOWN: 0}, unk_token=_UNKNOWN, continuing_subword_prefix=_CONTINUES))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ids = {token: number for number, token in enumerate(_vocabulary(tokenizer, texts, size))}
    tokenizer.model = models.WordPiece(ids, unk_token=_UNKNOWN, continuing_subword_prefix=_CONTINUES)
    tokenizer.post_processor = processors.BertProcessing((_SEP, ids[_SEP]), (_CLS, ids[_CLS]))
    tokenizer.decoder = decoders.WordPiece(prefix=_CONTINUES, cleanup=False)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


def write_tokenizer(tokenizer: "Tokenizer", folder: Path) -> list[Path]:
    """Write a tokenizer as a folder that transformers loads as a fast one, and give its files."""
    files = [folder / "tokenizer.json", folder / "tokenizer_config.json"]
    write_text(files[0], tokenizer.to_str(pretty=True))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": MAX_LENGTH,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **dict(zip(_ROLES, SPECIAL_TOKENS, strict=True)),
    }
    write_json(files[1], settings)
    return files


def _vocabulary(tokenizer: "Tokenizer", texts: Iterable[str], size: int) -> list[str]:
    """The tokens in the order of their ids, each once."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)  # normalising each distinct character once is much faster than normalising the texts
    seen: Counter[str] = Counter()
    for raw, count in counts.items():
        for character in _characters(tokenizer, raw):
            seen[character] += count
    if not seen:
        raise ConfigError("a vocabulary needs texts with characters in them, and there are none")
    always = [*SPECIAL_TOKENS, *_tokens(tokenizer, string.digits + string.ascii_lowercase + _SIGNS)]
    if size < len(always):
        raise ConfigError(
            f"size {size}: expected at least {len(always)}, for the special tokens, digits, letters and punctuation"
        )
    by_frequency = sorted(seen, key=lambda character: (-seen[character], character))
    more = _tokens(tokenizer, chain(by_frequency, _gb2312()))
    return list(islice(dict.fromkeys(chain(always, more)), size))


def _tokens(tokenizer: "Tokenizer", characters: Iterable[str]) -> Iterator[str]:
    """The token or the two tokens of each character, after normalisation."""
    for raw in characters:
        for character in _characters(tokenizer, raw):
            yield character
            # Asked of the tokenizer itself: a form that BERT's rules never make would be a dead entry.
            if _words(tokenizer, _LETTER + character) == [_LETTER + character]:
                yield _CONTINUES + character


def _characters(tokenizer: "Tokenizer", raw: str) -> str:
    """What normalisation makes of a character, without white space: often one, none, or several (㈱ is (株))."""
    return "".join(_words(tokenizer, raw))


def _words(tokenizer: "Tokenizer", text: str) -> list[str]:
    normalized = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


def _gb2312() -> Iterator[str]:
    """The Chinese characters of GB2312 in its own order: the 3,755 common ones by pronunciation, then the rest."""
    for row in _GB2312_ROWS:
        for cell in _GB2312_CELLS:
            yield bytes([0xA0 + row, 0xA0 + cell]).decode("gb2312", errors="ignore")


def _normalizer() -> "Normalizer":
    """NFKD, BERT's normaliser, then Simplified characters for Traditional ones; each step keeps the offsets.

    BERT's comes before the last step because it puts spaces around Chinese characters: without a neighbour each is a
    unit of its own for the character map. It takes accents off, so NFKC would give the same text, but with offsets that
    are one character off where an accent follows a form such as ﬁ.
    """
    from tokenizers import normalizers

    steps = [normalizers.NFKD(), normalizers.BertNormalizer(), normalizers.Precompiled(_character_map())]
    return normalizers.Sequence(steps)


def _character_map() -> bytes:
    """The map from Traditional to Simplified characters in the compiled form that sentencepiece and tokenizers share.

    One pass over the text looks up all of its characters; several thousand replacements after each other would be slow.
    """
    trainer = _optional("sentencepiece").SentencePieceTrainer
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        lines = (f"{ord(traditional):X}\t{ord(simplified):X}\n" for traditional, simplified in _simplified().items())
        rules.write_text("".join(lines), encoding="ascii")
        # Only a model that was trained holds the map in every version, so one is, on a single letter.
        trainer.train(
            sentence_iterator=iter([_LETTER]),
            model_writer=model,
            model_type="char",
            hard_vocab_limit=False,
            normalization_rule_tsv=str(rules),
            minloglevel=_ERRORS,
        )
    return _field(_field(model.getvalue(), _NORMALIZER_SPEC), _PRECOMPILED_CHARSMAP)


def _field(message: bytes, wanted: int) -> bytes:
    """The value of one field of a serialised protobuf message that holds numbers and byte strings.

    By hand, since sentencepiece's message classes cannot be loaded beside the copy of them in transformers.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        value, place = _varint(message, place)
        if key & 0b111 == _BYTES:
            if key >> 3 == wanted:
                return message[place : place + value]
            place += value
    return b""


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, low ones first, and the place after its last byte, which has no high bit."""
    number = shift = 0
    while message[place] & 0x80:
        number |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return number | message[place] << shift, place + 1


def _simplified() -> dict[str, str]:
    """The Simplified character of each Traditional one that differs from it."""
    convert = _optional("opencc").OpenCC("t2s").convert
    found = {}
    for character in (chr(code) for first, end in _HAN for code in range(first, end)):
        simplified = convert(character)
        while (further := convert(simplified)) != simplified:  # 薴 is 苧, and that is 苎: all three are one
            simplified = further
        if simplified != character:
            found[character] = simplified
    return found


def _optional(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"making a tokenizer needs opencc and sentencepiece ({error}): pip install 'qakit[text]'"
        ) from None
