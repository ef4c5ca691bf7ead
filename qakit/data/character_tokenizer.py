"""A character-level WordPiece tokenizer built from texts, in which Traditional and Simplified share their token ids.

It follows BERT's rules, with two more steps in the normaliser: compatibility forms are decomposed (NFKD), and each
Traditional character becomes its Simplified one. Offsets are those of the original text.
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
"""The window length in tokens (`model_max_length`) of a written tokenizer."""

_PAD, _UNKNOWN, _CLS, _SEP, _MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROLES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
_CONTINUES = "##"
_LETTER = "a"
_HAN = ((0x3400, 0x4DC0), (0x4E00, 0xA000))
"""Extension A and the basic block of Chinese characters, half-open; NFKD maps compatibility forms into them."""
_SIGNS = string.punctuation + "。、「」『』《》〈〉【】〔〕“”‘’—–·・•〇°"


def build_tokenizer(texts: Iterable[str], *, size: int = DEFAULT_SIZE) -> "Tokenizer":
    """Build a tokenizer whose tokens are single characters, at most `size` of them.

    In the order of their ids: the special tokens ([PAD] is 0); digits, Latin letters and common punctuation; the
    characters of `texts`, most frequent first, then by code point; the 6,763 characters of GB2312, common ones first,
    so that other texts have few unknown tokens. A character that can be inside a word, such as a letter, a digit or a
    kana, has two tokens: `x` and `##x`. Tokens beyond `size` are dropped from the end.

    Raises:
        ConfigError: opencc or sentencepiece is missing, the texts have no characters, or `size` is too small.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    # Normaliser and pre-tokenizer first: the vocabulary is counted in the characters that they produce.
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
    """Write a tokenizer as a folder that transformers loads as a fast tokenizer; returns the files."""
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
    """The tokens in the order of their ids, each once.

    Counted here, since `WordPieceTrainer` merges characters into words (354 on our sample), and numbers the characters
    by code point instead of frequency.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)  # to normalise each distinct character once, which is much faster than all the texts
    seen: Counter[str] = Counter()
    for raw, count in counts.items():
        for character in _characters(tokenizer, raw):
            seen[character] += count
    if not seen:
        raise ConfigError("a vocabulary needs texts with characters, but these texts have none")
    always = [*SPECIAL_TOKENS, *_tokens(tokenizer, string.digits + string.ascii_lowercase + _SIGNS)]
    if size < len(always):
        raise ConfigError(
            f"size {size} is too small: expected at least {len(always)}, for special tokens, digits, letters and "
            "punctuation"
        )
    by_frequency = sorted(seen, key=lambda character: (-seen[character], character))
    more = _tokens(tokenizer, chain(by_frequency, _gb2312()))
    return list(islice(dict.fromkeys(chain(always, more)), size))


def _tokens(tokenizer: "Tokenizer", characters: Iterable[str]) -> Iterator[str]:
    """The one or two tokens of each character, after normalisation."""
    for raw in characters:
        for character in _characters(tokenizer, raw):
            yield character
            # The tokenizer itself decides: a form that BERT's rules never produce would be a dead entry.
            if _pre_tokenize(tokenizer, _LETTER + character) == [_LETTER + character]:
                yield _CONTINUES + character


def _characters(tokenizer: "Tokenizer", raw: str) -> str:
    """The normalised form of a character, without white space: one character, none, or several (㈱ is (株))."""
    return "".join(_pre_tokenize(tokenizer, raw))


def _pre_tokenize(tokenizer: "Tokenizer", text: str) -> list[str]:
    normalized = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


_GB2312_ROWS, _GB2312_CELLS = range(16, 88), range(1, 95)


def _gb2312() -> Iterator[str]:
    """The Chinese characters of GB2312 in its own order: the 3,755 common ones by pronunciation, then the rest."""
    for row in _GB2312_ROWS:
        for cell in _GB2312_CELLS:
            yield bytes([0xA0 + row, 0xA0 + cell]).decode("gb2312", errors="ignore")


def _normalizer() -> "Normalizer":
    """NFKD, BERT's normaliser, then Traditional to Simplified characters; each step keeps the offsets.

    BERT's comes before the last step because it puts spaces around Chinese characters, so that the character map sees
    each on its own. It removes accents, so NFKC would give the same text, but with offsets that are wrong by one where
    an accent follows a form such as ﬁ.
    """
    from tokenizers import normalizers

    steps = [normalizers.NFKD(), normalizers.BertNormalizer(), normalizers.Precompiled(_character_map())]
    return normalizers.Sequence(steps)


_LOG_ERRORS = 2
"""The level from which sentencepiece logs."""


def _character_map() -> bytes:
    """The map from Traditional to Simplified characters, compiled in the format of sentencepiece and tokenizers.

    It looks up all characters in one pass over the text; several thousand replacements in a row would be slow.
    """
    trainer = _optional("sentencepiece").SentencePieceTrainer
    model = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        lines = (f"{ord(traditional):X}\t{ord(simplified):X}\n" for traditional, simplified in _simplified().items())
        rules.write_text("".join(lines), encoding="ascii")
        # All versions of sentencepiece store the map in a trained model, so one is trained on a single letter.
        trainer.train(
            sentence_iterator=iter([_LETTER]),
            model_writer=model,
            model_type="char",
            hard_vocab_limit=False,
            normalization_rule_tsv=str(rules),
            minloglevel=_LOG_ERRORS,
        )
    return _protobuf_field(_protobuf_field(model.getvalue(), _NORMALIZER_SPEC), _PRECOMPILED_CHARSMAP)


_WIRE_TYPE_BYTES = 2
"""The protobuf wire type of byte strings and nested messages."""
_NORMALIZER_SPEC, _PRECOMPILED_CHARSMAP = 3, 2
"""Field numbers in sentencepiece's ModelProto and NormalizerSpec."""


def _protobuf_field(message: bytes, wanted: int) -> bytes:
    """The value of one field of a serialised protobuf message of numbers and byte strings.

    Parsed by hand: sentencepiece's message classes cannot be loaded together with their copy in transformers.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        value, place = _varint(message, place)  # a number itself, or the length of a byte string
        # The low three bits of a key are the wire type, the rest is the field number.
        if key & 0b111 == _WIRE_TYPE_BYTES:
            if key >> 3 == wanted:
                return message[place : place + value]
            place += value
    return b""


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number in 7 bits per byte, low bits first, and the place after its last byte, the one without the high bit."""
    number = shift = 0
    while message[place] & 0x80:
        number |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return number | message[place] << shift, place + 1


def _simplified() -> dict[str, str]:
    """The Simplified form of each character that has another one."""
    convert = _optional("opencc").OpenCC("t2s").convert
    found = {}
    for character in (chr(code) for first, end in _HAN for code in range(first, end)):
        simplified = convert(character)
        while (further := convert(simplified)) != simplified:  # 薴 becomes 苧, which becomes 苎: all three share one id
            simplified = further
        if simplified != character:
            found[character] = simplified
    return found


def _optional(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"building a tokenizer needs opencc and sentencepiece ({error}): pip install 'qakit[text]'"
        ) from None
