"""Records: a question with its paragraphs and answers, as frozen types that are checked when they are built."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol

from typing_extensions import TypeVar

from qakit.errors import RecordError


@dataclass(frozen=True, slots=True)
class Answer:
    """A reference answer.

    `start` is a 0-based offset in characters (code points) into the context. It is None for a text that annotators
    wrote freely and that is no span of the context (CMRC 2018 has 193): it counts in scoring, and is never trained on.
    """

    text: str
    start: int | None

    @property
    def end(self) -> int | None:
        """Offset of the end, exclusive."""
        return None if self.start is None else self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text that may hold the answer. `id` comes from its file; `title` is that of its article."""

    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One question, its candidate paragraphs and, if known, its answers.

    Attributes:
        paragraphs: the candidates in the order of the file; a single one for plain question answering.
        relevant: the *position* in `paragraphs` (not the id) of the one with the answer; None if unknown.
        answers: spans of the relevant paragraph; several come from several annotators.
        impossible: the paragraph holds no answer, which is a label too.

    Raises:
        RecordError: an empty id, question or paragraph; no paragraph; `relevant` outside the paragraphs; an answer that
            is empty, has no relevant paragraph, or differs from the paragraph at its offset.
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
            raise RecordError(
                "relevant", f"{self.relevant} is not a position in {len(self.paragraphs)} paragraphs, counted from 0"
            )
        if self.answers and self.relevant is None:
            raise RecordError(
                "relevant", "is missing, but the record has answers; expected the paragraph that they are in"
            )
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
            raise RecordError(
                "answer start", f"{answer.start} is negative; expected an offset in characters, counted from 0"
            )
        found = context[answer.start : answer.end]
        if found != answer.text:
            raise RecordError(
                "answer start",
                f"the context has {shorten(found)} at {answer.start}, not {shorten(answer.text)}; "
                + _actual_places(answer.text, context),
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
        raise RecordError("relevant", f"is missing, so none of the {len(self.paragraphs)} paragraphs is the context")

    @property
    def article(self) -> str:
        """The title of the relevant or first paragraph; without a title the paragraph itself."""
        paragraph = self.paragraphs[self.relevant or 0]
        return paragraph.title or paragraph.text

    @property
    def texts(self) -> tuple[str, ...]:
        """The question and the paragraphs."""
        return (self.question, *(paragraph.text for paragraph in self.paragraphs))

    @property
    def is_labelled(self) -> bool:
        """Whether the answer is known, including that there is none."""
        return self.impossible or bool(self.answers)

    @property
    def references(self) -> list[str]:
        """The texts that count as right; empty for impossible and for unlabelled questions."""
        return [answer.text for answer in self.answers]

    @property
    def span(self) -> Answer | None:
        """The first answer that is a span of the context: the one to train on."""
        return next((answer for answer in self.answers if answer.start is not None), None)


def _actual_places(text: str, context: str) -> str:
    """Say where `text` really is in `context`, for a message."""
    places = list(occurrences(text, context))
    if not places:
        return "the context does not contain it"
    return "the context has it at " + ", ".join(map(str, places[:5])) + (" ..." if len(places) > 5 else "")


class AnyRecord(Protocol):
    """The properties that records of all tasks share."""

    @property
    def id(self) -> str:
        """Unique in its dataset."""
        ...

    @property
    def article(self) -> str:
        """The group of the record: records of one article stay together when data are split."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that a model reads of it."""
        ...


R = TypeVar("R", bound=AnyRecord, default="Record")


def occurrences(text: str, context: str) -> Iterator[int]:
    """Offsets at which `text` occurs in `context`, ascending; occurrences may overlap."""
    start = context.find(text)
    while start >= 0:
        yield start
        start = context.find(text, start + 1)


_SHOWN_CHARACTERS = 40


def shorten(text: str) -> str:
    """Quote a text for a message, cut to 40 characters."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


@dataclass(frozen=True, slots=True)
class Repair:
    """One field of one record that a reader repaired, with the reason for the new value."""

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

    Attributes:
        schema: the name of the schema they were read from (`qakit.data.schemas.SCHEMAS`, or a task's own).
        skipped: bad records that a lenient reader left out.
        notes: sentences for the user on what the reader did to the data.
        repairs: the fields that it changed on request.
    """

    records: tuple[R, ...]
    schema: str
    files: tuple[Path, ...] = ()
    skipped: int = 0
    notes: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[R]:
        return iter(self.records)

    @property
    def texts(self) -> Iterator[str]:
        """All texts that a model reads of the records, in order."""
        return (text for record in self.records for text in record.texts)
