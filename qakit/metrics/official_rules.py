"""String rules of the official scripts: normalisation, segmentation, and counts of shared segments."""

import re
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

DRCD_PUNCTUATION = string.punctuation + "《》？，。、；："
# The script also lists "……", which it compares with single characters, so that "…" stays.
CMRC_DELETED = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"

_ENGLISH_TABLE = str.maketrans("", "", string.punctuation)
_DRCD_TABLE = str.maketrans("", "", DRCD_PUNCTUATION)
_CMRC_TABLE = str.maketrans("", "", CMRC_DELETED)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CMRC_PIECES = re.compile(r"[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


def unchanged(text: str) -> str:
    """The text itself."""
    return text


def without_commas(text: str) -> str:
    """The text without ASCII commas."""
    return text.replace(",", "")


def without_punctuation(text: str) -> str:
    """The text without whitespace and without the characters of the Unicode categories P*.

    Stands for the token filter of the ADL 2021 eval.py, which drops the spaCy tokens that are punctuation as a whole:
    punctuation inside a word (the point of "3.5") is kept there and deleted here.
    """
    return "".join(char for char in text if not char.isspace() and not unicodedata.category(char).startswith("P"))


def squad_english(text: str) -> str:
    """`normalize_answer` of SQuAD's evaluate-v1.1.py and evaluate-v2.0.py.

    Lower case; ASCII punctuation out; the words a, an and the out; runs of whitespace made one space, none at the ends.
    """
    return _without_articles(text.lower().translate(_ENGLISH_TABLE))


def squad_drcd(text: str) -> str:
    """`squad_english` that takes out 《》？，。、；： too: DRCD issue #6, where 「」 are not in the list."""
    return _without_articles(text.lower().translate(_DRCD_TABLE))


def _without_articles(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text).split())


def cmrc_text(text: str) -> str:
    """`remove_punctuation` of cmrc2018_evaluate.py: lower case, stripped, then `CMRC_DELETED` out.

    In that order: a space that stood inside a deleted mark at the edge stays.
    """
    return text.lower().strip().translate(_CMRC_TABLE)


def cmrc_segments(text: str) -> list[str]:
    """`mixed_segmentation` of cmrc2018_evaluate.py, for a text that went through `cmrc_text`.

    Segments are the characters U+4E00..U+9FA5 and the words of the runs between them; a deleted mark does not end a
    run. The script cuts runs with `nltk.word_tokenize`, which first splits sentences with a model that nltk downloads.
    Here runs go to its word tokenizer at once: other segments come out only where a run holds several sentences.

    Example:
        >>> cmrc_segments("iphone 4s手机")
        ['iphone', '4s', '手', '机']
    """
    segments: list[str] = []
    for piece in _CMRC_PIECES.findall(text):
        if "\u4e00" <= piece[0] <= "\u9fa5":
            segments.append(piece)
        else:
            segments.extend(_words(piece))
    return segments


@lru_cache(maxsize=2**14)
def _words(run: str) -> tuple[str, ...]:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return tuple(NLTKWordTokenizer().tokenize(run))


def bag(predicted: Sequence[str], gold: Sequence[str]) -> int:
    """Number of shared segments, as multisets: each counts as often as both have it."""
    return sum((Counter(predicted) & Counter(gold)).values())


def longest_run(predicted: Sequence[str], gold: Sequence[str]) -> int:
    """The length of the longest contiguous run of segments that both have (`find_lcs` of cmrc2018_evaluate.py)."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for position, segment in enumerate(gold):
        places[segment].append(position)
    longest = 0
    lengths: dict[int, int] = {}  # by position in gold: the run that ends there and at the segment in hand
    for segment in predicted:
        lengths = {position: lengths.get(position - 1, 0) + 1 for position in places.get(segment, ())}
        longest = max(longest, *lengths.values()) if lengths else longest
    return longest
