"""Chinese text as words with their parts of speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from qakit.data.script import get_converter
from qakit.errors import ConfigError

_OPENING, _CLOSING, _PARTING = "《「『“（(〈【", "》」』”）)〉】", "，。！？；：、,!?;:\n"
_PURPOSE = "telling scripts apart"
_NOUNS = frozenset(["n", "nr", "nrt", "ns", "nt", "nz", "ng", "eng"])


@dataclass(frozen=True, slots=True)
class Word:
    """A word: its text, its first character in the text it is from and the one after its last, its part of speech.

    Parts of speech are those of jieba: `n` noun, `nr` person, `ns` place, `nt` organisation, `nz` other name, `m`
    number, `q` measure, `t` time, `v` verb, `p` preposition, `x` punctuation, `eng` Latin letters.
    """

    text: str
    start: int
    end: int
    tag: str

    @property
    def opens(self) -> bool:
        """Whether it is an opening bracket or quotation mark."""
        return self.text in _OPENING

    @property
    def closes(self) -> bool:
        """Whether it is a closing one."""
        return self.text in _CLOSING

    @property
    def parts(self) -> bool:
        """Whether it ends a clause."""
        return self.text in _PARTING

    def joins(self, following: "Word") -> bool:
        """Whether the word and the one behind it are one name: two nouns, or parts of a foreign name."""
        return "·" in (self.text, following.text) or {self.tag, following.tag} <= _NOUNS


@lru_cache(maxsize=4096)
def segment(text: str) -> Sequence[Word]:
    """The words of a text; together they are the whole text.

    Raises:
        ConfigError: `rjieba` or `opencc` is not installed.
    """
    simplified = get_converter("t2s", _PURPOSE)(text)
    words, start = [], 0
    # The dictionary is of Simplified words; where a conversion moves characters, the text has to do as it is.
    for word, tag in _segmenter().tag(simplified if len(simplified) == len(text) else text):
        words.append(Word(text[start : start + len(word)], start, start + len(word), tag))
        start += len(word)
    return words


@lru_cache(maxsize=4096)
def is_traditional(text: str) -> bool:
    """Whether a text has characters that Simplified Chinese writes otherwise."""
    return get_converter("t2s", _PURPOSE)(text) != text


@cache
def to_traditional(phrase: str) -> str:
    """A Simplified phrase in Traditional characters, in the forms that Taiwan uses (`為`, `裡`)."""
    return get_converter("s2tw", _PURPOSE)(phrase)


def is_word(text: str) -> bool:
    """Whether any character is a letter, a digit or a Chinese character."""
    return any(character.isalnum() for character in text)


@cache
def _segmenter() -> Any:
    try:
        import rjieba
    except ImportError:
        raise ConfigError("finding words needs the package rjieba: pip install 'qakit[text]'") from None
    return rjieba
