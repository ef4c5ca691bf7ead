"""Answers that take all of the words they begin and end in, where words are apart."""

import unicodedata

# Scripts that put no space between words: an answer may begin at any character.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the rest of the words that it begins and ends in, where the script parts words by spaces."""
    while start > 0 and _in_one_word(text[start - 1], text[start]):
        start -= 1
    while end < len(text) and _in_one_word(text[end - 1], text[end]):
        end += 1
    return start, end


def _in_one_word(left: str, right: str) -> bool:
    return _of_a_word(left) and _of_a_word(right)


def _of_a_word(character: str) -> bool:
    """As BERT parts words, for scripts that have spaces: at white space, punctuation and ASCII symbols."""
    parts = unicodedata.category(character)[0] in "ZCP" or (character.isascii() and not character.isalnum())
    return not parts and not unicodedata.name(character, "").startswith(_UNSPACED)
