"""Traditional and Simplified Chinese, by OpenCC: questions, texts and answers, each answer where it was."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from qakit.data.records import Answer, Paragraph, Record
from qakit.errors import ConfigError, suggestion

Convert = Callable[[str], str]


@cache
def get_converter(name: str, purpose: str) -> Convert:
    """The function that converts a text as one of OpenCC's configurations (`t2s`, `s2tw`, ...) says.

    Args:
        purpose: what it is needed for, for the message where it is missing.

    Raises:
        ConfigError: `opencc` is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise ConfigError(f"{purpose} needs the package opencc: pip install 'qakit[text]'") from None
    convert: Convert = OpenCC(name).convert
    # OpenCC drops the character NUL.
    return lambda text: "\0".join(map(convert, text.split("\0")))


def make_simplifier() -> Convert | None:
    """From Traditional to Simplified, for comparisons; None where `opencc` is not installed.

    By phrases (看著 is 看着, 著名 stays), then character by character until nothing changes any more (薴 is 苧, and
    that is 苎; 乾 in 乾隆 is 干 too), so that a text and its conversion nearly always come out the same.
    """
    try:
        convert = get_converter("t2s", "comparing scripts")
    except ConfigError:
        return None

    @cache
    def simple(character: str) -> str:
        further = convert(character)
        return character if further == character else simple(further)

    return lambda text: "".join(map(simple, convert(text)))


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What a conversion did to answers that are spans.

    `inside` had a border inside a phrase that is converted as a whole; `widened` of them became longer than they were,
    up to the end of the phrase, since its parts do not answer to each other (打印|机 is 印表機).
    """

    answers: int
    inside: int
    widened: int


def convert_records(records: Sequence[Record], name: str) -> tuple[list[Record], ScriptReport]:
    """The records with questions, paragraphs, titles and answers in another script, and what became of the answers.

    Ids stay. Answers are cut from the converted paragraphs, so each is what its paragraph holds at its offset.

    Raises:
        ConfigError: `opencc` is missing, or knows no conversion of this name.
    """
    _check_name(name)
    convert = cache(get_converter(name, f"--script {name}"))
    places = Counter[str]()
    contexts: dict[str, ConvertedText] = {}

    def answer_of(answer: Answer, context: str) -> Answer:
        if answer.start is None or answer.end is None:
            return Answer(convert(answer.text), None)
        if context not in contexts:
            contexts[context] = ConvertedText(context, get_converter(name, f"--script {name}"))
        start, end, how = contexts[context].span(answer.start, answer.end)
        places[how] += 1
        return Answer(contexts[context].target[start:end], start)

    def paragraph_of(paragraph: Paragraph) -> Paragraph:
        return replace(paragraph, text=convert(paragraph.text), title=convert(paragraph.title))

    converted = [
        replace(
            record,
            question=convert(record.question),
            paragraphs=tuple(map(paragraph_of, record.paragraphs)),
            answers=tuple(answer_of(answer, record.context) for answer in record.answers),
        )
        for record in records
    ]
    return converted, ScriptReport(places.total(), places["inside"] + places["widened"], places["widened"])


class ConvertedText:
    """A text in another script, and where its parts have gone, also where phrases change their length.

    A place in the source is a place in the target where the two parts beside it, converted one by one, give the whole.
    Elsewhere it is inside a phrase: between the nearest two such places.
    """

    def __init__(self, source: str, convert: Convert) -> None:
        self.source, self.target = source, convert(source)
        self._convert = convert
        self._cuts: dict[int, int | None] = {0: 0, len(source): len(self.target)}

    def span(self, start: int, end: int) -> tuple[int, int, Literal["apart", "inside", "widened"]]:
        """Where the characters from `start` to `end` (exclusive) are in the target, and how that is known."""
        first, last = self._cut(start), self._cut(end)
        if first is not None and last is not None:
            return first, last, "apart"
        (new_start, moved), (new_end, moved_too) = self._border(start, 0), self._border(end, 1)
        return new_start, new_end, "widened" if moved or moved_too else "inside"

    def _border(self, place: int, side: int) -> tuple[int, bool]:
        """A place of the target, and whether it is but the left (0) or right (1) end of the phrase it is in."""
        exact = self._cut(place)
        if exact is not None:
            return exact, False
        left = next(at for at in range(place - 1, -1, -1) if self._cut(at) is not None)
        right = next(at for at in range(place + 1, len(self.source) + 1) if self._cut(at) is not None)
        ends = self._cuts[left] or 0, self._cuts[right] or 0
        if _letter_by_letter(self.source[left:right], self.target[slice(*ends)]):
            return ends[0] + place - left, False
        return ends[side], True

    def _cut(self, place: int) -> int | None:
        if place not in self._cuts:
            before = self._convert(self.source[:place])
            whole = before + self._convert(self.source[place:])
            self._cuts[place] = len(before) if whole == self.target else None
        return self._cuts[place]


def _letter_by_letter(source: str, target: str) -> bool:
    """Whether each character of the source has become one of the target: both are the same in Simplified script."""
    simplify = get_converter("t2s", "converting scripts")
    return len(source) == len(target) and all(
        simplify(old) == simplify(new) for old, new in zip(source, target, strict=True)
    )


def _check_name(name: str) -> None:
    get_converter("t2s", f"--script {name}")
    from opencc import CONFIGS

    known = sorted(file.removesuffix(".json") for file in CONFIGS)
    if name not in known:
        raise ConfigError(f"--script {name}: unknown{suggestion(name, known)}; OpenCC knows {', '.join(known)}")
