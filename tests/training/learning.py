"""Small learners with tricks, that the tests of this folder share."""

from qakit.modeling.adapting import adapt
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training.learner import Learner
from tests.modeling.tiny import cpu, prepared_set, qa_records, select_records, tiny_model

LEARNING = {"learning_rate": 1e-3, "batch_size": 2, "accumulation": 2, "epochs": 2, "warmup": 0}


def prepared(task="qa", *, records=None, count=10, longest=150, training=None, **sections):
    """A training set of questions, most of them longer than a window, and its settings."""
    make = QuestionAnswering() if task == "qa" else ParagraphSelection()
    if records is None:
        records = qa_records(count, longest=longest) if task == "qa" else select_records(count)
    return prepared_set(make, records, training={**LEARNING, **(training or {})}, **sections)


def learner_of(task="qa", *, family="bert", dropout=0.0, seed=0, count=10, training=None, tricks=None, **model):
    """A learner at its first step, its model adapted as `tricks` say."""
    training_set, config = prepared(task, count=count, training=training, tricks=tricks or {})
    auto_class = (QuestionAnswering if task == "qa" else ParagraphSelection).auto_class
    model = adapt(tiny_model(family, auto_class, dropout=dropout, seed=seed, **model), config)
    return Learner(model, config, cpu(), training_set)


def take(learner, count=None):
    """The next `count` events, or all that are left."""
    events = learner.steps()
    return list(events) if count is None else [next(events) for _ in range(count)]


def gradients(model):
    """Of each parameter that has one."""
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
