"""The Python interface: a trained model that answers questions about texts."""

from collections.abc import Iterable, Iterator
from itertools import islice
from os import PathLike, fspath

import torch

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.records import Paragraph, Record
from qakit.modeling.bundled import BUNDLED_MODEL
from qakit.modeling.models import load_trained
from qakit.spans.answers import PredictedAnswer
from qakit.tasks.qa import QuestionAnswering, read_answers

_CHUNK = 256  # pairs that are read together: enough to form batches of like length
_NO_ANSWER = PredictedAnswer("", 0, 0, 0.0, 0.0)


class Reader:
    """Answers questions from texts of any length.

    Example:
        >>> reader = Reader()
        >>> reader("學校在哪裡？", "這所學校位於臺北市。").text  # doctest: +SKIP
        '臺北市'
    """

    def __init__(self, model: str | PathLike[str] = BUNDLED_MODEL, *, device: str | torch.device | None = None) -> None:
        """Load a model.

        Args:
            model: the name of the model that comes with qakit, a run folder, any folder in the hub's layout, or a hub
                name.
            device: such as `cpu` or `cuda:1`; the accelerator where there is one when not given.

        Raises:
            CheckpointError: nothing usable there, or a model of another task.
        """
        task = QuestionAnswering()
        self._loaded = load_trained(fspath(model), task=task.name, auto_class=task.auto_class)
        self._loaded.model.to(device or torch.accelerator.current_accelerator(check_available=True) or "cpu")

    def __call__(self, question: str, context: str) -> PredictedAnswer:
        """The best answer; its text is empty where the model sees none.

        Raises:
            RecordError: the question or the context is empty.
        """
        return next(self.batch([(question, context)]))[0]

    def nbest(self, question: str, context: str, count: int = 5) -> tuple[PredictedAnswer, ...]:
        """The `count` best answers, best first; fewer where the text has fewer.

        Raises:
            RecordError: the question or the context is empty.
        """
        return next(self.batch([(question, context)], nbest=count))

    def batch(self, pairs: Iterable[tuple[str, str]], *, nbest: int = 1) -> Iterator[tuple[PredictedAnswer, ...]]:
        """The best answers to each (question, context), in order, one at least; memory does not grow with the pairs.

        Raises:
            RecordError: a question or a context is empty.
        """
        config = ReadConfig(decoding=DecodingSettings(nbest=nbest))
        todo = iter(pairs)
        while chunk := list(islice(todo, _CHUNK)):
            records = [
                Record(str(number), question, (Paragraph("text", context),), relevant=0)
                for number, (question, context) in enumerate(chunk)
            ]
            for prediction, _ in read_answers(self._loaded, records, config):
                yield prediction.answers or (_NO_ANSWER,)
