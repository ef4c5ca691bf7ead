"""What a question is to qakit, whatever file it came from: frozen types that are checked when they are built."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol

from typing_extensions import TypeVar

from qakit.errors import RecordError

_SHOWN_CHARACTERS = 40


def shorten(text: str) -> str:
    """`text` quoted for a message, cut to 40 characters."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


class AnyRecord(Protocol):
    """What the records of all tasks have in common."""

    @property
    def id(self) -> str:
        """Unique in its dataset."""
        ...

    @property
    def article(self) -> str:
        """What it shares with the records that stay together with it when data are split."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """All that a model reads of it."""
        ...


R = TypeVar("R", bound=AnyRecord, default="Record")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reference answer.

    `start` is a 0-based offset in characters (code points) into the context. It is None for a reference text that
    annotators wrote freely and that is no span of the context (CMRC 2018 has 193): it counts when answers are scored
    and is never trained on.
    """

    text: str
    start: int | None

    @property
    def end(self) -> int | None:
        """Offset of the character after the last one (exclusive)."""
        return None if self.start is None else self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text that may hold the answer. `id` is the one its file gives it; `title` is its article's."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One question, the paragraphs in which its answer is looked for and, where known, the answer.

    `paragraphs` are the candidates in the order of the file: one for plain question answering. `relevant` is the
    *position* in `paragraphs` (not the id) of the one that holds the answer; None where the file does not tell.
    `answers` belong to that paragraph; several are several annotators' answers. `impossible` marks a question whose
    paragraph holds no answer, which is a label too.

    Raises:
        RecordError: an empty id, question or paragraph, no paragraph, `relevant` outside the paragraphs, an answer that
            is empty, without a relevant paragraph, or not what the paragraph holds at its offset.
    """

    id: str
    question: str
    paragraphs: tuple[Paragraph, ...]
    relevant: int | None = None
    answers: tuple[Answer, ...] = ()
    impossible: bool = False

    def __post_init__(self) -> None:
        if not self.id:
            raise RecordError("id", "is empty")
        if not self.question.strip():
            raise RecordError("question", "is empty")
        if not self.paragraphs:
            raise RecordError("paragraphs", "is empty; expected at least one paragraph")
        for paragraph in self.paragraphs:
            if not paragraph.text.strip():
                raise RecordError("context", f"paragraph {paragraph.id!r} is empty")
        if self.relevant is not None and not 0 <= self.relevant < len(self.paragraphs):
            raise RecordError("relevant", f"{self.relevant} is not a position in {len(self.paragraphs)} paragraphs")
        if self.answers and self.relevant is None:
            raise RecordError("relevant", "is missing, but the record has answers")
        if self.answers and self.impossible:
            raise RecordError("answers", "must be empty for a question marked impossible")
        for answer in self.answers:
            self._check(answer)

    def _check(self, answer: Answer) -> None:
        if not answer.text.strip():
            raise RecordError("answer text", "is empty")
        if answer.start is None:
            return
        context = self.context
        if answer.start < 0:
            raise RecordError("answer start", f"{answer.start} is negative")
        found = context[answer.start : answer.end]
        if found != answer.text:
            raise RecordError(
                "answer start",
                f"the context has {shorten(found)} at {answer.start}, not {shorten(answer.text)}; "
                + _where(answer.text, context),
            )

    @property
    def context(self) -> str:
        """The text of the relevant paragraph, or of the only one.

        Raises:
            RecordError: several paragraphs and no `relevant`.
        """
        if self.relevant is not None:
            return self.paragraphs[self.relevant].text
        if len(self.paragraphs) == 1:
            return self.paragraphs[0].text
        raise RecordError("relevant", f"is missing, and there are {len(self.paragraphs)} paragraphs")

    @property
    def article(self) -> str:
        """The title of the relevant or first paragraph, or the paragraph itself where it has none."""
        paragraph = self.paragraphs[self.relevant or 0]
        return paragraph.title or paragraph.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The question and the paragraphs."""
        return (self.question, *(paragraph.text for paragraph in self.paragraphs))

    @property
    def is_labelled(self) -> bool:
        """True when the answer is known, be it that there is none."""
        return self.impossible or bool(self.answers)

    @property
    def references(self) -> list[str]:
        """The texts that count as right; empty for a question without an answer, and for one without a label."""
        return [answer.text for answer in self.answers]

    @property
    def span(self) -> Answer | None:
        """The first reference answer that is a span of the context: the one to train on."""
        return next((answer for answer in self.answers if answer.start is not None), None)


def _where(text: str, context: str) -> str:
    """Where `text` really is in `context`, for a message."""
    places = list(occurrences(text, context))
    if not places:
        return "the context does not contain it"
    return "the context has it at " + ", ".join(map(str, places[:5])) + (" ..." if len(places) > 5 else "")


def occurrences(text: str, context: str) -> Iterator[int]:
    """Offsets at which `text` stands in `context`, ascending; they may overlap."""
    start = context.find(text)
    while start >= 0:
        yield start
        start = context.find(text, start + 1)


@dataclass(frozen=True, slots=True)
class Repair:
    """One field of one record that a reader changed, and how it knew what to put there."""

    file: str
    record: str
    field: str
    before: int | str
    after: int | str
    how: str

    def __str__(self) -> str:
        shown = (shorten(value) if isinstance(value, str) else str(value) for value in (self.before, self.after))
        return f"{self.file}: {self.record}: {self.field}: {' -> '.join(shown)} ({self.how})"


@dataclass(frozen=True, slots=True)
class Dataset(Generic[R]):
    """The records of one or more files: `Record`s, or those of another task.

    `schema` is the name of the schema they were read from (`qakit.data.formats.SCHEMAS`, or a task's own); `skipped`
    counts the bad records that a lenient reader left out; `notes` say, in sentences for the user, what the reader did
    to the data; `repairs` are all the fields that it changed because it was asked to.
    """

    records: tuple[R, ...]
    schema: str
    files: tuple[Path, ...] = ()
    skipped: int = 0
    notes: tuple[str, ...] = field(default=())
    repairs: tuple[Repair, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[R]:
        return iter(self.records)

    @property
    def texts(self) -> Iterator[str]:
        """All that a model reads of the records, in order."""
        return (text for record in self.records for text in record.texts)
