"""`qakit predict --corpus`: asking many texts at once, at the terminal and for files."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from qakit.cli.asked import Asked, Wanted
from qakit.cli.asking import (
    answer_line,
    check_interactive,
    converse,
    excerpt_view,
    no_answer,
    numbers_of,
    on_one_line,
)
from qakit.cli.console import emit, plain, say, show, shows_styles
from qakit.cli.results import show_predictions
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.config import ReadConfig
    from qakit.data.corpus import Corpus
    from qakit.runs.predict import Models
    from qakit.tasks.search import Found


def search(asked: Asked, wanted: Wanted, load: "Callable[[], Models]", settings: "ReadConfig") -> None:
    """Answer questions from a corpus, and write or show what is wanted.

    Args:
        load: gives the models, once questions and corpus are known to be good.

    Raises:
        ConfigError: something is asked for that a corpus does not go with.
        DataError: mistakes in the questions or in the corpus.
    """
    from qakit.cli.progress import answer_progress
    from qakit.runs.corpus import predict_from_corpus, questions_for

    _check(asked, wanted)
    dataset = questions_for(asked.data, asked.question, context=asked.context, lenient=asked.lenient)
    is_view = asked.data is None and wanted.is_view
    corpus = _read(asked, told=is_view and not wanted.quiet)
    models = load()
    with answer_progress(len(dataset), quiet=wanted.quiet or asked.data is None) as progress:
        result = predict_from_corpus(
            dataset,
            corpus,
            models,
            settings,
            out=wanted.out,
            format=wanted.format,
            nbest_out=wanted.nbest_out,
            progress=progress,
        )
    if is_view:
        show_found(result.found[0][: settings.decoding.nbest], quiet=wanted.quiet)
    else:
        show_predictions(result, json=wanted.json, quiet=wanted.quiet, notes=result.notes, answers=result.answers)


def keep_searching(asked: Asked, wanted: Wanted, load: "Callable[[], Models]", settings: "ReadConfig") -> None:
    """Answer questions from a corpus, which is read once, until there are no more.

    Raises:
        ConfigError: something is asked for that this does not go with.
        DataError: mistakes in the corpus.
    """
    from qakit.runs.corpus import predict_from_corpus, questions_for

    check_interactive(asked, wanted)
    _check(asked, wanted)
    corpus = _read(asked, told=not wanted.quiet)
    models = load()

    def tell(question: str) -> None:
        (found,) = predict_from_corpus(questions_for(None, question), corpus, models, settings).found
        show_found(found[: settings.decoding.nbest], quiet=wanted.quiet)

    converse(tell, first=asked.question, quiet=wanted.quiet)


def _check(asked: Asked, wanted: Wanted) -> None:
    if asked.text is not None:
        raise ConfigError("--corpus and --text (-c) both say where to look; give one of them")
    if wanted.scores:
        raise ConfigError("--corpus does not go with --scores: such a file is about the paragraphs of a data file")


def _read(asked: Asked, *, told: bool) -> "Corpus":
    from qakit.data.corpus import Corpus

    corpus = Corpus.read(*asked.corpus, lenient=asked.lenient)
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
    """What `show_found` prints; unless `styled`, brackets that the passage does not have show the place."""
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
