"""What teachers say is laid onto the learner's tokens where both have the same boundaries, and nowhere else."""

import numpy as np
import pytest

from qakit.config import WindowSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.errors import DataError
from qakit.spans.distillation import candidate_teacher, token_teacher
from qakit.spans.scores import QuestionScores, write_scores
from qakit.spans.windowing import encode_pairs
from tests.spans.cases import INFO, question_scores, token_scores
from tests.spans.frames import bert

CONTEXT = "國國臺臺北北"  # six tokens of one character
WHOLE = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]


def record(name="q", context=CONTEXT, others=()):
    paragraphs = tuple(Paragraph(str(number), text) for number, text in enumerate((context, *others)))
    return Record(name, "年？", paragraphs, relevant=0, answers=(Answer(context[:1], 0),))


def teach(tmp_path, members, records=None):
    """The teacher of some records, each member a list of the rows of one scores file."""
    records = records or [record()]
    files = []
    for number, rows in enumerate(members):
        files.append(tmp_path / f"{number}.parquet")
        write_scores(files[-1], rows, INFO)
    pairs = encode_pairs(bert(), [(one.question, one.context) for one in records], WindowSettings(max_length=32))
    return token_teacher(files, records, pairs)


def scores(start, end, offsets=WHOLE, lengths=None, context=CONTEXT, name="q"):
    return question_scores(token_scores(start, end, offsets=offsets, lengths=lengths), context, name=name)


def log_softmax(values):
    values = np.array(values, dtype=np.float64)
    return values - np.log(np.exp(values).sum())


def test_scores_of_the_same_tokens_are_normalised_over_the_paragraph(tmp_path):
    start, end = [1.0, 2.0, -3.0, 0.5, 4.0, 0.0], [0.0, 0.0, 5.0, 1.0, -1.0, 2.0]
    (found,) = teach(tmp_path, [[scores(start, end)]])
    assert found.dtype == np.float32
    assert np.allclose(found, [log_softmax(start), log_softmax(end)], atol=1e-6)


def test_a_token_of_several_windows_counts_with_its_highest_score(tmp_path):
    offsets = [*WHOLE[:4], *WHOLE[2:]]
    start, end = [1, 2, 3, 9, 4, 5, 6, 7], [8, 7, 6, 5, 9, 1, 2, 3]
    (found,) = teach(tmp_path, [[scores(start, end, offsets, lengths=[4, 4])]])
    assert np.allclose(found, [log_softmax([1, 2, 4, 9, 6, 7]), log_softmax([8, 7, 9, 5, 2, 3])], atol=1e-6)


def test_of_another_tokenizer_only_shared_boundaries_have_scores(tmp_path):
    offsets = [(0, 2), (2, 3), (3, 6)]
    (found,) = teach(tmp_path, [[scores([1.0, 2.0, 3.0], [4.0, 6.0, 5.0], offsets)]])
    starts, ends = log_softmax([1, 2, 3]), log_softmax([4, 6, 5])
    none = -np.inf
    expected = [[starts[0], none, starts[1], starts[2], none, none], [none, ends[0], ends[1], none, none, ends[2]]]
    assert np.allclose(found, expected, atol=1e-6)


def test_tokens_of_white_space_alone_teach_nothing(tmp_path):
    (found,) = teach(tmp_path, [[scores([9.0, 1.0, 2.0], [9.0, 1.0, 2.0], [(1, 1), (0, 2), (2, 6)])]])
    expected = log_softmax([1, 2])
    assert found[0, [0, 2]] == pytest.approx(expected, abs=1e-6)
    assert np.isneginf(found[0, [1, 3, 4, 5]]).all()


def test_several_teachers_are_averaged_as_probabilities(tmp_path):
    first, second = [1.0, 2.0, -3.0, 0.5, 4.0, 0.0], [3.0, 0.0, 0.0, 0.0, 100.0, -50.0]
    (found,) = teach(tmp_path, [[scores(first, second)], [scores(second, first)]])
    expected = np.log((np.exp(log_softmax(first)) + np.exp(log_softmax(second))) / 2)
    assert np.allclose(found, [expected, expected], atol=1e-5)


def test_what_one_teacher_does_not_see_the_others_say(tmp_path):
    coarse = scores([1.0, 2.0], [1.0, 2.0], [(0, 3), (3, 6)])
    (found,) = teach(tmp_path, [[scores([0.0] * 6, [0.0] * 6)], [coarse]])
    shared = np.exp(log_softmax([1, 2]))
    assert np.allclose(np.exp(found[0]) * 2, [1 / 6 + shared[0], 1 / 6, 1 / 6, 1 / 6 + shared[1], 1 / 6, 1 / 6])
    assert np.exp(found).sum(axis=1) == pytest.approx([1, 1])


def test_questions_are_found_by_their_id(tmp_path):
    records = [record("a"), record("b", CONTEXT[::-1])]
    rows = [
        scores([1.0] * 6, [2.0] * 6, context=CONTEXT[::-1], name="b"),
        scores([0.0] * 6, [0.0] * 6, name="unknown"),
        scores([0, 0, 0, 0, 0, 5], [0.0] * 6, name="a"),
    ]
    first, second = teach(tmp_path, [rows], records)
    assert first[0].argmax() == 5
    assert np.allclose(second, np.log(1 / 6))


# Mistakes


def test_a_question_without_scores_is_named_with_the_file(tmp_path):
    with pytest.raises(DataError, match=r"1\.parquet.*has no scores of question q, which is in the training data"):
        teach(tmp_path, [[scores([0.0] * 6, [0.0] * 6)], [scores([0.0] * 6, [0.0] * 6, name="x")]])


def test_scores_of_another_paragraph_are_named_with_the_file(tmp_path):
    with pytest.raises(DataError, match=r"0\.parquet.*scores another paragraph of question q than the relevant one"):
        teach(tmp_path, [[scores([0.0] * 6, [0.0] * 6, context="國國臺臺北年")]])


# Selection


def selecting(tmp_path, selections, others=("北", "年")):
    files = []
    for number, selection in enumerate(selections):
        files.append(tmp_path / f"{number}.parquet")
        row = QuestionScores("q", "北", 1, selection, token_scores([0.0], [0.0]))
        write_scores(files[-1], [row], INFO)
    return candidate_teacher(files, [record(others=others)])


def test_candidates_are_taught_whatever_paragraph_was_read(tmp_path):
    (found,) = selecting(tmp_path, [tuple(log_softmax([1, 2, 3]))])
    assert np.allclose(found, log_softmax([1, 2, 3]), atol=1e-6)
    (both,) = selecting(tmp_path, [tuple(log_softmax([1, 2, 3])), tuple(log_softmax([9, 0, 0]))])
    expected = np.log((np.exp(log_softmax([1, 2, 3])) + np.exp(log_softmax([9, 0, 0]))) / 2)
    assert np.allclose(both, expected, atol=1e-5)


@pytest.mark.parametrize("selection", [(), (-0.5, -0.5)])
def test_another_number_of_candidates_is_refused(tmp_path, selection):
    message = rf"0\.parquet.*has {len(selection)} scores for the 3 candidates of q"
    with pytest.raises(DataError, match=message):
        selecting(tmp_path, [selection])
