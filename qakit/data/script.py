"""Conversion between Traditional and Simplified Chinese, by OpenCC, with answers kept at their places."""

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
    """Get the function that converts texts by one of OpenCC's configurations (`t2s`, `s2tw`, ...).

    Args:
        purpose: what the conversion is for; the error message names it if OpenCC is missing.

    Raises:
        ConfigError: `opencc` is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise ConfigError(f"{purpose} needs the package opencc: pip install 'qakit[text]'") from None
    convert: Convert = OpenCC(name).convert
    # OpenCC drops the NUL character, so the text between NULs is converted.
    return lambda text: "\0".join(map(convert, text.split("\0")))


def make_simplifier() -> Convert | None:
    """Make a function from Traditional to Simplified for comparisons; None without `opencc`.

    It converts by phrases (看著 becomes 看着, 著名 stays), then by characters until nothing changes any more (薴
    becomes 苧, which becomes 苎; 乾 in 乾隆 becomes 干 too). So a text and its conversion nearly always give the same
    result.
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
    """Counts of converted answers.

    Attributes:
        answers: all that are spans.
        inside: those with a border inside a phrase that is converted as a whole.
        widened: those of them that were extended to the end of the phrase, whose parts do not correspond
            (打印|机 becomes 印表機).
    """

    answers: int
    inside: int
    widened: int


def convert_records(records: Sequence[Record], name: str) -> tuple[list[Record], ScriptReport]:
    """Convert the questions, paragraphs, titles and answers of records to another script; ids stay.

    Answers are cut from the converted paragraphs, so that each equals its paragraph at its offset.

    Args:
        name: one of OpenCC's configurations, such as `s2tw`.

    Raises:
        ConfigError: `opencc` is missing, or has no configuration of this name.
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
    """A text in another script, with a map from places in the source to places in the target.

    A place is a cut if the texts left and right of it, converted one by one, give the converted whole. Any other place
    is inside a phrase, between the nearest two cuts. So no table of phrases is needed, and phrases may change length.
    """

    def __init__(self, source: str, convert: Convert) -> None:
        self.source, self.target = source, convert(source)
        self._convert = convert
        self._cuts: dict[int, int | None] = {0: 0, len(source): len(self.target)}

    def span(self, start: int, end: int) -> tuple[int, int, Literal["apart", "inside", "widened"]]:
        """The place in the target of `start` to `end` (exclusive), and how it was found (see `ScriptReport`)."""
        first, last = self._cut(start), self._cut(end)
        if first is not None and last is not None:
            return first, last, "apart"
        (new_start, moved), (new_end, moved_too) = self._border(start, 0), self._border(end, 1)
        return new_start, new_end, "widened" if moved or moved_too else "inside"

    def _border(self, place: int, side: int) -> tuple[int, bool]:
        """A place in the target, and whether it had to move to the left (side 0) or right (1) end of its phrase."""
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
        """The place in the target if `place` is a cut, else None."""
        if place not in self._cuts:
            before = self._convert(self.source[:place])
            whole = before + self._convert(self.source[place:])
            self._cuts[place] = len(before) if whole == self.target else None
        return self._cuts[place]


def _letter_by_letter(source: str, target: str) -> bool:
    """Whether each character of the source became one of the target: their Simplified forms are equal."""
    simplify = get_converter("t2s", "converting scripts")
    return len(source) == len(target) and all(
        simplify(old) == simplify(new) for old, new in zip(source, target, strict=True)
    )


def _check_name(name: str) -> None:
    get_converter("t2s", f"--script {name}")
    from opencc import CONFIGS

    known = sorted(file.removesuffix(".json") for file in CONFIGS)
    if name not in known:
        raise ConfigError(f"--script {name}: unknown{suggestion(name, known)}; expected one of {', '.join(known)}")
