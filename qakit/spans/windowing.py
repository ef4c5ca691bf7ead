"""Windows: a question and a part of its paragraph, as four integers that point into texts tokenised once.

Encode texts, cut them into overlapping windows (prediction) or place one window a question (training), and gather them
as arrays. What a window equals, id for id, is the pair that the tokenizer itself makes with `stride` as overlap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.config import DEFAULT_OVERLAP, WindowSettings
from qakit.data.records import Record
from qakit.errors import ConfigError
from qakit.spans.tokenizing import (
    Frame,
    Ints,
    TokenizedTexts,
    paragraph_type,
    probe_frame,
    single_frame,
    token_span,
    tokenize_texts,
)


def match_lengths(question: Ints, paragraph: Ints, limit: int) -> Ints:
    """The exact match feature: the longest run of tokens around each paragraph token that the question has too.

    After DrQA (Chen et al., "Reading Wikipedia to Answer Open-Domain Questions", ACL 2017, arXiv:1704.00051).

    For a question `a b c` and a paragraph `b c x a` that is `2 2 0 1`.

    Args:
        question, paragraph: token ids, shape (question tokens,) and (paragraph tokens,).
        limit: longer runs count as this many tokens; 0 or more.

    Returns:
        0 for a token that the question does not have, otherwise 1 to `limit`, shape (paragraph tokens,).
    """
    found = np.zeros(len(paragraph), dtype=np.int32)
    equal = question[:, None] == paragraph  # shape (question tokens, paragraph tokens)
    runs = equal  # whether the `length` tokens from each place of the question, and of the paragraph, are the same
    for length in range(1, limit + 1):
        starts = np.flatnonzero(runs.any(axis=0))
        if not len(starts):
            break
        # Longer runs come later and overwrite shorter ones, so each token ends with its longest.
        found[starts[:, None] + np.arange(length)] = length
        runs = runs[:-1, :-1] & equal[length:, length:]
    return found


@dataclass(frozen=True)
class EncodedPairs:
    """P pairs of a question and a paragraph, and how much of the paragraph fits beside the question.

    Attributes:
        question_of, paragraph_of: index of each pair's texts, shape (P,).
        question_lengths: tokens kept of each pair's question, shape (P,).
        room: paragraph tokens that one window of the pair holds at most, shape (P,).
        step: tokens from one window's first paragraph token to the next one's, shape (P,).
        match_length: the longest run of tokens that token types tell of; 0 where they tell of none.
        matchable: token ids of `questions`, but -1, which equals no paragraph token, for unknown and special tokens.
    """

    frame: Frame
    questions: TokenizedTexts
    paragraphs: TokenizedTexts
    question_of: Ints
    paragraph_of: Ints
    question_lengths: Ints
    room: Ints
    step: Ints
    match_length: int
    matchable: Ints

    def __len__(self) -> int:
        return len(self.question_of)

    def take(self, keep: NDArray[np.bool_]) -> "EncodedPairs":
        """The pairs at which `keep`, shape (P,), is True, over the same texts."""
        names = ("question_of", "paragraph_of", "question_lengths", "room", "step")
        return replace(self, **{name: getattr(self, name)[keep] for name in names})

    @property
    def paragraph_lengths(self) -> Ints:
        """Tokens of each pair's whole paragraph, shape (P,)."""
        return self.paragraphs.lengths[self.paragraph_of]


@dataclass(frozen=True)
class Windows:
    """W windows.

    Attributes:
        rows: `(question, paragraph, first, end)`, shape (W, 4); `first` and `end` (exclusive) count the paragraph's
            tokens.
        pairs: the pair each window belongs to, ascending, shape (W,).
    """

    rows: Ints
    pairs: Ints

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def paragraph_lengths(self) -> Ints:
        """Paragraph tokens of each window, shape (W,)."""
        return self.rows[:, 3] - self.rows[:, 2]


@dataclass(frozen=True)
class GatheredWindows:
    """B windows as arrays a model takes; T is the length of the longest.

    Attributes:
        input_ids, attention_mask, token_type_ids: shape (B, T); `token_type_ids` is None where the model takes none.
        paragraph_offset: index in each window of its first paragraph token, shape (B,).
        paragraph_length: paragraph tokens of each window, shape (B,).
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None
    paragraph_offset: Ints
    paragraph_length: Ints


def encode_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]], settings: WindowSettings) -> EncodedPairs:
    """Tokenise the texts of (question, paragraph) pairs and work out how much of a paragraph each window holds.

    A question longer than `max_question_length` (half of `max_length` when not given) loses its end.

    Raises:
        ConfigError: the window is too short for the special tokens and a question, or `match_length` is given and the
            model takes no token types.
    """
    frame = probe_frame(tokenizer)
    if settings.match_length:
        paragraph_type(tokenizer)
    # Each distinct text is tokenised once: many questions share a paragraph.
    question_of, questions = _distinct(question for question, _ in pairs)
    paragraph_of, paragraphs = _distinct(paragraph for _, paragraph in pairs)
    tokenized = tokenize_texts(tokenizer, questions)
    kept, room = _room(tokenized.lengths[question_of], frame, settings)
    return EncodedPairs(
        frame=frame,
        questions=tokenized,
        paragraphs=tokenize_texts(tokenizer, paragraphs),
        question_of=question_of,
        paragraph_of=paragraph_of,
        question_lengths=kept,
        room=room,
        step=_steps(room, settings),
        match_length=settings.match_length or 0,
        matchable=_matchable(tokenizer, tokenized.ids) if settings.match_length else tokenized.ids,
    )


def refit(pairs: EncodedPairs, settings: WindowSettings) -> EncodedPairs:
    """The same texts for windows of other lengths and overlaps; `match_length` stays as it was encoded."""
    kept, room = _room(pairs.questions.lengths[pairs.question_of], pairs.frame, settings)
    return replace(pairs, question_lengths=kept, room=room, step=_steps(room, settings))


def _room(lengths: Ints, frame: Frame, settings: WindowSettings) -> tuple[Ints, Ints]:
    """Tokens kept of questions of these lengths, and paragraph tokens that fit beside each."""
    kept = np.minimum(lengths, settings.max_question_length or settings.max_length // 2)
    room = settings.max_length - frame.size - kept
    # Told here, before any text is tokenised for nothing: the longest question decides.
    if len(room) and room.min() < 1:
        raise ConfigError(
            f"windows.max_length {settings.max_length} leaves no token for the paragraph beside a question of "
            f"{kept.max()} tokens; raise it or lower windows.max_question_length"
        )
    return kept, np.minimum(room, settings.max_paragraph_length) if settings.max_paragraph_length else room


def _matchable(tokenizer: Any, ids: Ints) -> Ints:
    """The ids, and -1 for unknown and special tokens: two characters that are both unknown may well differ."""
    special = [*tokenizer.all_special_ids, tokenizer.unk_token_id]
    return np.where(np.isin(ids, [number for number in special if number is not None]), np.int32(-1), ids)


def _distinct(texts: Iterable[str]) -> tuple[Ints, list[str]]:
    """The index of each text among the distinct ones, and the distinct ones in order of appearance."""
    numbers: dict[str, int] = {}
    index = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int32)
    return index, list(numbers)


def _steps(room: Ints, settings: WindowSettings) -> Ints:
    """Steps that leave no token uncovered and always advance.

    An overlap that leaves no room to advance becomes half of the room, and so does the default where windows are short.
    """
    if settings.step is not None:
        return np.minimum(settings.step, room)
    if settings.overlap is not None:
        return np.where(settings.overlap < room, room - settings.overlap, np.maximum(1, room // 2)).astype(np.int32)
    return room - np.minimum(DEFAULT_OVERLAP, room // 2)


def describe_windows(pairs: EncodedPairs) -> Iterator[str]:
    """Sentences for the user: questions that lose their end, and what overlap and step come to."""
    cut = int((pairs.questions.lengths[pairs.question_of] > pairs.question_lengths).sum())
    if cut:
        yield f"{cut} questions are longer than {pairs.question_lengths.max()} tokens and lose their end"
    room, step = int(np.median(pairs.room)), int(np.median(pairs.step))
    yield f"a window holds {room} paragraph tokens (median); neighbours share {room - step}, each {step} further on"
    if pairs.match_length:
        yield f"token types tell of runs of up to {pairs.match_length} tokens that the question has too"


def covering_windows(pairs: EncodedPairs) -> Windows:
    """Overlapping windows that cover every paragraph, none of which only repeats what the one before it holds.

    A paragraph without tokens has one empty window.
    """
    lengths = pairs.paragraph_lengths
    surplus = np.maximum(lengths - pairs.room, 0)
    counts = 1 + -(-surplus // pairs.step)  # rounded up: the last window ends with the paragraph
    # The number of each window within its pair: 0, 1, ... from each pair's first window.
    owners = np.repeat(np.arange(len(pairs), dtype=np.int32), counts)  # ascending: a pair's windows are neighbours
    number = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = (number * pairs.step[owners]).astype(np.int32)
    return windows_at(pairs, owners, first)


def reachable(pairs: EncodedPairs, spans: Ints) -> NDArray[np.bool_]:
    """Whether one window can hold each pair's whole answer, shape (P,); True where there is none."""
    return spans[:, 1] - spans[:, 0] < pairs.room


def windows_at(pairs: EncodedPairs, owners: Ints, first: Ints) -> Windows:
    """The windows of pairs `owners` that begin with paragraph tokens `first`, each as long as it can be."""
    end = np.minimum(first + pairs.room[owners], pairs.paragraph_lengths[owners])
    rows = np.stack([pairs.question_of[owners], pairs.paragraph_of[owners], first, end], axis=1).astype(np.int32)
    return Windows(rows=rows, pairs=owners)


def answer_spans(pairs: EncodedPairs, numbers: Iterable[int], records: Sequence[Record]) -> Ints:
    """First and last (inclusive) paragraph token of each record's answer, -1 twice where there is none.

    Args:
        numbers: the pair of each record's relevant paragraph.

    Returns:
        Shape (records, 2).
    """
    spans = np.full((len(records), 2), -1, dtype=np.int32)
    for row, (number, record) in enumerate(zip(numbers, records, strict=True)):
        answer = record.span
        if answer is not None and answer.start is not None and answer.end is not None:
            spans[row] = token_span(pairs.paragraphs, pairs.paragraph_of[number], answer.start, answer.end)
    return spans


def held_whole(windows: Windows, spans: Ints) -> NDArray[np.bool_]:
    """Whether some window of each pair holds its whole answer, shape (P,); False where there is none."""
    span = spans[windows.pairs]
    # Each window against the answer of its pair, shape (W,).
    holds = (span[:, 0] >= 0) & (windows.rows[:, 2] <= span[:, 0]) & (span[:, 1] < windows.rows[:, 3])
    held = np.zeros(len(spans), dtype=np.bool_)
    held[windows.pairs[holds]] = True
    return held


def gather_windows(pairs: EncodedPairs, windows: Windows, index: Sequence[int], pad_id: int) -> GatheredWindows:
    """Copy windows out of the flat arrays, padded on the right to the longest of them.

    With `match_length` the type of a paragraph token is that of the tokenizer plus its `match_lengths`: what the kept
    part of the question shares with the paragraph part of this window.
    """
    rows = windows.rows[index]
    question_lengths = pairs.question_lengths[windows.pairs[index]]
    paragraph_lengths = windows.paragraph_lengths[index]
    lengths = paragraph_lengths + question_lengths + pairs.frame.size
    shape = (len(rows), int(lengths.max()))
    # Padding on the right, whatever the tokenizer's side: offsets into a window are then those of its tokens.
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    type_ids = np.zeros(shape, dtype=np.int64) if pairs.frame.type_ids is not None else None
    for number, (row, question_length) in enumerate(zip(rows, question_lengths.tolist(), strict=True)):
        input_ids[number, : lengths[number]] = _window_ids(pairs, row, question_length)
        if type_ids is not None:
            type_ids[number, : lengths[number]] = _type_ids(pairs, row, question_length)
    return GatheredWindows(
        input_ids=input_ids,
        attention_mask=(np.arange(shape[1]) < lengths[:, None]).astype(np.int64),
        token_type_ids=type_ids,
        paragraph_offset=len(pairs.frame.prefix) + question_lengths + len(pairs.frame.middle),
        paragraph_length=paragraph_lengths,
    )


def _window_ids(pairs: EncodedPairs, row: Ints, question_length: int) -> Ints:
    question, paragraph = _slices(pairs, row, question_length)
    frame = pairs.frame
    # Special tokens stand as they were read off the tokenizer: no id is written down anywhere.
    parts = (frame.prefix, pairs.questions.ids[question], frame.middle, pairs.paragraphs.ids[paragraph], frame.suffix)
    return np.concatenate([np.asarray(part, dtype=np.int32) for part in parts])


def _type_ids(pairs: EncodedPairs, row: Ints, question_length: int) -> Ints:
    prefix, of_question, middle, of_paragraph, suffix = pairs.frame.type_ids or ((),) * 5
    before = prefix + of_question * question_length + middle
    types = np.array(before + of_paragraph * int(row[3] - row[2]) + suffix, dtype=np.int32)
    if pairs.match_length:
        question, paragraph = _slices(pairs, row, question_length)
        found = match_lengths(pairs.matchable[question], pairs.paragraphs.ids[paragraph], pairs.match_length)
        types[len(before) : len(before) + len(found)] += found
    return types


def _slices(pairs: EncodedPairs, row: Ints, question_length: int) -> tuple[slice, slice]:
    """Slices of the flat arrays of texts: the window's question, and its part of the paragraph."""
    question, paragraph, first, end = row.tolist()
    question_first, paragraph_first = int(pairs.questions.bounds[question]), int(pairs.paragraphs.bounds[paragraph])
    return (
        slice(question_first, question_first + question_length),
        slice(paragraph_first + first, paragraph_first + end),
    )


_PLACEMENT, _NEGATIVES = 1, 2  # keep the draws apart from other draws of the same seed and epoch


def training_windows(pairs: EncodedPairs, spans: Ints, *, seed: int, epoch: int) -> Windows:
    """One window a pair, at a place drawn from (seed, epoch, pair) among those that hold the whole answer.

    Every place at which the window is full, or holds the whole paragraph, is equally likely, so the answer stands
    anywhere in its window. A pair without an answer (a row of -1) gets a window anywhere. An answer longer than the
    window has no such place: see `qakit.spans.windowing.reachable`.

    Args:
        spans: first and last (inclusive) paragraph token of each pair's answer, or -1 twice, shape (P, 2).
    """
    # Contest solutions centre the answer; then a model learns where in a window to look, and most of what more overlap
    # gains at prediction repairs that bias.
    last_place = np.maximum(pairs.paragraph_lengths - pairs.room, 0)
    answered = spans[:, 0] >= 0
    # A window from `low` ends with the answer's last token, one from `high` starts with its first.
    low = np.where(answered, np.clip(spans[:, 1] + 1 - pairs.room, 0, last_place), 0)
    high = np.where(answered, np.minimum(spans[:, 0], last_place), last_place)
    # All draws at once from (seed, epoch): resuming needs no state of a generator.
    draws = np.random.default_rng([seed, epoch, _PLACEMENT]).random(len(pairs))
    first = (low + np.floor(draws * (np.maximum(high, low) - low + 1))).astype(np.int32)
    return windows_at(pairs, np.arange(len(pairs), dtype=np.int32), first)


def negative_windows(pairs: EncodedPairs, spans: Ints, count: int, *, seed: int, epoch: int) -> Windows:
    """Windows without a token of the answer, of `count` different pairs among those that have one, drawn at random.

    Every place that is clear of the answer is equally likely. Windows are in the order of their pairs.
    """
    generator = np.random.default_rng([seed, epoch, _NEGATIVES])
    owners = np.sort(generator.choice(np.flatnonzero(has_negatives(pairs, spans)), count, replace=False))
    # One draw over the places before and behind the answer together: each is equally likely.
    before, after = _clear_places(pairs, spans)
    drawn = np.floor(generator.random(count) * (before + after)[owners]).astype(np.int32)
    behind = drawn >= before[owners]
    first = np.where(behind, spans[owners, 1] + 1 + drawn - before[owners], drawn).astype(np.int32)
    return windows_at(pairs, owners.astype(np.int32), first)


def has_negatives(pairs: EncodedPairs, spans: Ints) -> NDArray[np.bool_]:
    """Whether each pair has an answer and a full window without a token of it, shape (P,)."""
    before, after = _clear_places(pairs, spans)
    return (spans[:, 0] >= 0) & (before + after > 0)


def _clear_places(pairs: EncodedPairs, spans: Ints) -> tuple[Ints, Ints]:
    """Numbers of full windows that end before each answer, and that begin after it, shapes (P,)."""
    last_place = pairs.paragraph_lengths - pairs.room
    before = np.maximum(spans[:, 0] - pairs.room + 1, 0)
    return before, np.maximum(last_place - spans[:, 1], 0)


def encode_texts(tokenizer: Any, texts: Sequence[str], settings: WindowSettings) -> EncodedPairs:
    """Tokenise texts and work out how much of one each window holds; pair number i is text number i.

    Windows equal, id for id, what the tokenizer gives for the text alone with `stride=overlap` and
    `return_overflowing_tokens=True`.

    Raises:
        ConfigError: the window is too short for the special tokens, or `match_length` is given: there is no question.
    """
    if settings.match_length:
        raise ConfigError("windows.match_length tells what a question and its paragraph share; leave it out")
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    # A text stands in the place of a paragraph, beside a question of no tokens, so that windows, batches and the loop
    # without gradients are those of questions.
    none = np.zeros(len(texts), dtype=np.int32)
    questions = tokenize_texts(tokenizer, [""])
    pairs = EncodedPairs(
        frame=single_frame(tokenizer),
        questions=questions,
        paragraphs=tokenize_texts(tokenizer, list(distinct)),
        question_of=none,
        paragraph_of=np.array([distinct[text] for text in texts], dtype=np.int32),
        question_lengths=none,
        room=none,
        step=none,
        match_length=0,
        matchable=questions.ids,
    )
    return refit(pairs, settings)
