"""`predict` at the terminal: read the text, answer, show answers in their context, question after question."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from qakit.cli.console import emit, emit_line, plain, report, say, show, shows_styles, stderr
from qakit.cli.printing import Output, show_predictions
from qakit.errors import ConfigError, DataError
from qakit.io import file_error, read_text

if TYPE_CHECKING:
    from qakit.config import ReadConfig
    from qakit.data.corpus import Corpus
    from qakit.data.predictions import PredictedAnswer
    from qakit.tasks.base import Models, Task
    from qakit.tasks.questions.search import Found
    from qakit.tasks.requests import PredictRequest


_PROMPT = "? "
_SHOWN_CHARACTERS = 600  # of a context; more than that no longer shows at a glance where the answer stands
_MARKS = (("【", "】"), ("〖", "〗"), ("⟦", "⟧"))
_STANDARD_INPUT = Path("standard input")


def read_given(given: str) -> tuple[str, tuple[Path, ...]]:
    """The text that `--text` stands for, and the file that it was read from, if any.

    Args:
        given: the text itself, `@` and the name of a UTF-8 file, `-` for standard input; `@@` for a text that begins
            with `@`.

    Raises:
        DataError: what is to be read is missing, empty or no UTF-8.
    """
    if given == "-":
        return _read_standard_input(), ()
    if given.startswith("@@") or not given.startswith("@"):
        return given.removeprefix("@"), ()
    file = Path(given[1:])
    return read_text(file, allow_bom=True), (file,)


def _read_standard_input() -> str:
    if sys.stdin is None:
        raise file_error(_STANDARD_INPUT, "file", "is closed")
    raw = sys.stdin.buffer.read()
    if not raw.strip():
        raise file_error(_STANDARD_INPUT, "file", "is empty")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise file_error(_STANDARD_INPUT, "encoding", "is not UTF-8; convert it to UTF-8 first") from error


def is_view(request: "PredictRequest", output: Output) -> bool:
    """Whether predictions are to be shown for people: no file, form or JSON is asked for."""
    return not any((request.out, request.format, request.scores, request.nbest_out, output.json))


def predict(
    task: "Task", request: "PredictRequest", load: "Callable[[], Models]", settings: "ReadConfig", output: Output
) -> None:
    """Predict the records of a file, or one text of the command line, and write or show what is asked for.

    Args:
        load: gives the models, once the records are known to be good.
    """
    from qakit.cli.progress import answer_progress
    from qakit.runs.predict import predict as run

    files = tuple[Path, ...]()
    if request.text and request.data is None and task.takes_text(request):
        text, files = read_given(request.text)
        request = replace(request, text=text)
    dataset = task.read_asked(request)
    dataset = replace(dataset, files=dataset.files + files)
    models = load()
    with answer_progress(len(dataset), quiet=output.quiet or request.data is None) as progress:
        result = run(
            task,
            dataset,
            models,
            settings,
            out=request.out,
            format=request.format,
            scores=request.scores,
            nbest_out=request.nbest_out,
            progress=progress,
        )
    if request.data is None and is_view(request, output):
        show_one(task, result.predictions[0], dataset.records[0], settings, output)
    else:
        show_predictions(task, result, output, notes=result.notes, records=dataset.records)


def show_one(task: "Task", prediction: Any, record: Any, settings: "ReadConfig", output: Output) -> None:
    """Print one prediction for people: answers with their place in the text, or lines of a label."""
    from qakit.data.predictions import Prediction

    if isinstance(prediction, Prediction):
        show_answer(prediction.answers[: settings.decoding.nbest], record.paragraphs[0].text, quiet=output.quiet)
    else:
        for line in task.lines(prediction, record):
            emit_line(line)


def check_interactive(request: "PredictRequest", output: Output) -> None:
    """Make sure that questions are to come from standard input, and answers to go where people see them.

    Raises:
        ConfigError: options that ask for other questions or another form of the answers.
    """
    if request.data or not is_view(request, output):
        raise ConfigError(
            "--interactive shows its answers as they come; leave --data, --out, --format, --scores, --nbest-out and "
            "--json out"
        )


def keep_asking(
    task: "Task", request: "PredictRequest", load: "Callable[[], Models]", settings: "ReadConfig", output: Output
) -> None:
    """Answer questions about one text until there are no more.

    Args:
        load: gives the models, once the text is known to be good.

    Raises:
        ConfigError: there is no text, or it is to come from where the questions come from; or see `check_interactive`.
        DataError: the text is empty or no UTF-8.
    """
    from qakit.runs.predict import predict as run

    check_interactive(request, output)
    if not request.text:
        raise ConfigError("--interactive asks about one text; give it by --text TEXT or --text @FILE")
    if request.text == "-":
        raise ConfigError("--interactive reads questions from standard input, so --text - cannot; give --text @FILE")
    text, _ = read_given(request.text)
    task.read_asked(replace(request, text=text, question="?"))
    models = load()

    def tell(question: str) -> None:
        dataset = task.read_asked(replace(request, text=text, question=question))
        (prediction,) = run(task, dataset, models, settings).predictions
        show_one(task, prediction, dataset.records[0], settings, output)

    converse(tell, first=request.question, quiet=output.quiet)


def converse(tell: Callable[[str], None], *, first: str | None, quiet: bool) -> None:
    """Have questions answered until there are no more; one that is wrong is told and passed over.

    Args:
        tell: answers one; raises `DataError` for one that cannot be asked.
        first: a question to begin with.
    """
    for question in chain([first] if first else [], _questions(quiet=quiet)):
        if not (quiet or _converses()):
            show(plain(_PROMPT + question))
        try:
            tell(question)
        except DataError as error:
            report(error)
            continue
        if not quiet:
            emit("")


def _questions(*, quiet: bool) -> Iterator[str]:
    """The lines of standard input that say something, without the white space around them."""
    if sys.stdin is None:
        return
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    prompt = _PROMPT if sys.stdin.isatty() and not quiet else ""
    try:
        while True:
            question = _read_line(prompt).strip()
            if question:
                yield question
    except EOFError:
        pass
    finally:
        if prompt:
            stderr.line()  # the shell's own prompt is to begin a line


def _read_line(prompt: str) -> str:
    """A line of standard input; raises `EOFError` where there is none.

    Between two terminals it can be edited, wide characters included, and earlier ones come back with the arrow keys.
    """
    if _converses():
        with suppress(ImportError):
            import readline  # noqa: F401  (its import changes what input does)
        return input(prompt)
    stderr.print(prompt, end="")
    return input()


def _converses() -> bool:
    """Whether questions are typed where the answers appear."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def show_answer(answers: "Sequence[PredictedAnswer]", context: str, *, quiet: bool) -> None:
    """Print the answers to one question, best first, and the context with the best one highlighted.

    Args:
        quiet: print the best answer's text alone, on one line, which is empty where there is none.
    """
    if quiet:
        emit(on_one_line(answers[0].text) if answers else "")
    else:
        show(answer_view(answers, context, styled=shows_styles()))


def answer_view(answers: "Sequence[PredictedAnswer]", context: str, *, styled: bool) -> Text:
    """The text that `show_answer` prints; without styles, brackets that the context does not have mark the answer."""
    lines = [
        Text.assemble(number, answer_line(answer)) for number, answer in zip(numbers_of(answers), answers, strict=True)
    ]
    best = answers[0] if answers else None
    view = excerpt_view(context, best.start if best else 0, best.end if best else 0, styled=styled)
    return Text("\n").join([*(lines or [no_answer()]), Text(), view])


def numbers_of(answers: Sequence[object]) -> list[str]:
    """Numbers in front of several answers; nothing in front of a single one."""
    return [f"{number}. " for number in range(1, len(answers) + 1)] if len(answers) > 1 else [""] * len(answers)


def excerpt_view(context: str, start: int, end: int, *, styled: bool) -> Text:
    """The neighbourhood of a span, half-open, with the span set off from it."""
    before, span, after = _excerpt(context, start, end)
    if span and not styled:
        left, right = next((pair for pair in _MARKS if not set(pair) & set(before + span + after)), _MARKS[-1])
        span = left + span + right
    return Text.assemble(plain(before), plain(span, "bold reverse green"), plain(after))


def answer_line(answer: "PredictedAnswer") -> Text:
    """An answer and its probability, on one line."""
    shown = plain(on_one_line(answer.text), "bold green") if answer.text else no_answer()
    # A model's "no answer" may come without a probability.
    probability = f"  (probability {answer.probability:.3f})" if answer.text or answer.probability else ""
    return Text.assemble(shown, probability)


def no_answer() -> Text:
    """The text in the place of an answer."""
    return Text("no answer", style="bold yellow")


def on_one_line(text: str) -> str:
    """The text with spaces for line breaks."""
    return " ".join(text.splitlines())


def _excerpt(context: str, start: int, end: int) -> tuple[str, str, str]:
    """The text before the span, the span, and the text behind it; of a long context only the neighbourhood.

    Args:
        start, end: character offsets of the span, half-open.
    """
    first, last = 0, len(context)
    if len(context) > _SHOWN_CHARACTERS:
        room = max(0, _SHOWN_CHARACTERS - (end - start))
        first = min(max(0, start - room // 2), len(context) - _SHOWN_CHARACTERS)
        last = max(first + _SHOWN_CHARACTERS, end)
    before, span, after = context[first:start].lstrip(), context[start:end], context[end:last].rstrip()
    if not before and not span:
        after = after.lstrip()
    before, after = ("…" if first else "") + before, after + ("…" if last < len(context) else "")
    return before.replace("\r\n", "\n"), span.replace("\r\n", "\n"), after.replace("\r\n", "\n")


def search(
    task: "Task", request: "PredictRequest", load: "Callable[[], Models]", settings: "ReadConfig", output: Output
) -> None:
    """Answer questions from a corpus, and write or show what is asked for.

    Args:
        load: gives the models, once questions and corpus are known to be good.

    Raises:
        ConfigError: something is asked for that a corpus does not go with.
        DataError: mistakes in the questions or in the corpus.
    """
    from qakit.cli.progress import answer_progress
    from qakit.runs.predict import predict_from_corpus, questions_for

    _check_search(request)
    dataset = questions_for(request.data, request.question, context=request.context, lenient=request.lenient)
    shows_view = request.data is None and is_view(request, output)
    corpus = _read_corpus(request, told=shows_view and not output.quiet)
    models = load()
    with answer_progress(len(dataset), quiet=output.quiet or request.data is None) as progress:
        result = predict_from_corpus(
            dataset,
            corpus,
            models,
            settings,
            out=request.out,
            format=request.format,
            nbest_out=request.nbest_out,
            progress=progress,
        )
    if shows_view:
        show_found(result.found[0][: settings.decoding.nbest], quiet=output.quiet)
    else:
        show_predictions(task, result, output, notes=result.notes, told={"answers": result.answers})


def keep_searching(
    task: "Task", request: "PredictRequest", load: "Callable[[], Models]", settings: "ReadConfig", output: Output
) -> None:
    """Answer questions from a corpus, which is read once, until there are no more.

    Raises:
        ConfigError: something is asked for that this does not go with.
        DataError: mistakes in the corpus.
    """
    from qakit.runs.predict import predict_from_corpus, questions_for

    check_interactive(request, output)
    _check_search(request)
    corpus = _read_corpus(request, told=not output.quiet)
    models = load()

    def tell(question: str) -> None:
        (found,) = predict_from_corpus(questions_for(None, question), corpus, models, settings).found
        show_found(found[: settings.decoding.nbest], quiet=output.quiet)

    converse(tell, first=request.question, quiet=output.quiet)


def _check_search(request: "PredictRequest") -> None:
    if request.text is not None:
        raise ConfigError("--corpus and --text (-c) both say where to look; give one of them")
    if request.scores:
        raise ConfigError("--corpus does not go with --scores: such a file is about the paragraphs of a data file")


def _read_corpus(request: "PredictRequest", *, told: bool) -> "Corpus":
    from qakit.data.corpus import Corpus

    corpus = Corpus.read(*request.corpus, lenient=request.lenient)
    for note in corpus.notes if told else ():
        say(note)
    return corpus


def show_found(found: "Sequence[Found]", *, quiet: bool) -> None:
    """Print the answers to one question, best first, each with its document, and the best one's passage.

    Args:
        quiet: print the best answer's text alone, on one line, which is empty where there is none.
    """
    if quiet:
        emit(on_one_line(found[0].answer.text) if found else "")
    else:
        show(found_view(found, styled=shows_styles()))


def found_view(found: "Sequence[Found]", *, styled: bool) -> Text:
    """The text that `show_found` prints; without styles, brackets that the passage does not have mark the answer."""
    if not found:
        return Text("\n").join(
            [no_answer(), Text(), Text("no passage shares two characters in a row with the question")]
        )
    lines = []
    for number, item in zip(numbers_of(found), found, strict=True):
        document = plain(f"  {on_one_line(item.passage.document)}" if item.answer.text and number else "", "dim")
        lines.append(Text.assemble(number, answer_line(item.answer), document))
    best = found[0]
    if best.answer.text:
        passage = best.passage
        place = ", ".join(filter(None, [str(passage.file or ""), passage.paragraph.id]))
        heading = plain(on_one_line(f"{passage.document} ({place})"), "bold")
        lines += [Text(), heading, excerpt_view(passage.text, best.answer.start, best.answer.end, styled=styled)]
    return Text("\n").join(lines)
