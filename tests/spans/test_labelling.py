"""Labels are read off scores, of one model or of several; scores files of labels give back what was written."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qakit.data.predicted_labels import LabelPrediction
from qakit.errors import ConfigError, DataError
from qakit.io import write_parquet
from qakit.spans.ensembling import Combined
from qakit.spans.label_scores import (
    LabelScores,
    LabelScoresInfo,
    is_label_scores_file,
    open_label_scores,
    write_label_scores,
)
from qakit.spans.labelling import RANKED, LabelDecoder, LabelEnsemble, vote_on_labels
from qakit.spans.members import open_label_members
from qakit.spans.paths import follows_bio
from qakit.spans.scores import is_scores_file
from tests.spans.test_scores import written

INTENTS = LabelScoresInfo("intent", "a model", ("book", "cancel", "weather"))
TAGS = LabelScoresInfo("slots", "a tagger", ("B-date", "I-date", "O"), follows_bio=True)
MEAN, PROBABILITY, VOTE = Combined(), Combined(average="probability"), Combined("vote")
LOGS = arrays(np.float32, (3, 3), elements=st.floats(-20, 0, width=32))


def intent(*probabilities: float, name: str = "x") -> LabelScores:
    return LabelScores(name, "a text", np.log(np.array([probabilities], dtype=np.float32)))


def sentence(*words: tuple[float, ...]) -> LabelScores:
    with np.errstate(divide="ignore"):
        return LabelScores("x", " ".join("w" * len(words)), np.log(np.array(words, dtype=np.float32)))


def combined(
    rows: list[LabelScores], infos: list[LabelScoresInfo], how: Combined, weights: list[float]
) -> LabelPrediction:
    (found,) = LabelEnsemble([rows], infos, how).predictions(weights)
    return found


def test_intents_are_ranked_by_their_probability():
    found = LabelDecoder(INTENTS).predict(intent(0.2, 0.1, 0.7))
    assert found.label == "weather"
    assert [name for name, _ in found.ranked] == ["weather", "book", "cancel"]
    np.testing.assert_allclose([one for _, one in found.ranked], [0.7, 0.2, 0.1], rtol=1e-6)


def test_scores_need_not_be_normalised():
    row = intent(0.2, 0.1, 0.7)
    shifted = LabelScores("x", "a text", row.logs + 3)
    assert LabelDecoder(INTENTS).predict(shifted).ranked[0][1] == pytest.approx(0.7)


def test_below_its_threshold_a_text_is_out_of_scope():
    strict = LabelScoresInfo("intent", "m", INTENTS.names, oos_threshold=0.71)
    found = LabelDecoder(strict).predict(intent(0.2, 0.1, 0.7))
    assert (found.label, found.names[:2]) == ("oos", ("oos", "weather"))


def test_tags_follow_the_rules_and_words_without_a_token_are_outside():
    row = sentence((0.1, 0.8, 0.1), (np.nan,) * 3, (0.1, 0.8, 0.1))
    assert LabelDecoder(TAGS).predict(row).label == "B-date O I-date"
    free = LabelScoresInfo("slots", "m", TAGS.names)
    assert LabelDecoder(free).predict(row).label == "I-date O I-date"
    assert LabelDecoder(TAGS).predict(sentence((np.nan,) * 3)).label == "O"


@given(logs=LOGS)
def test_a_sentence_has_the_probability_of_its_tags_among_all_well_formed_ones(logs: np.ndarray):
    found = LabelDecoder(TAGS).predict(LabelScores("x", "w w w", logs))
    weights = {
        tags: np.exp(sum(float(logs[place, TAGS.names.index(tag)]) for place, tag in enumerate(tags)))
        for tags in product(TAGS.names, repeat=3)
        if follows_bio(tags)
    }
    assert found.probability == pytest.approx(weights[tuple(found.label.split())] / sum(weights.values()))


def test_transitions_weigh_what_follows_what():
    row = sentence((0.5, 0.2, 0.3), (0.1, 0.4, 0.5))
    assert LabelDecoder(TAGS).predict(row).label == "B-date O"
    between = [[0.0, 2.0, 0.0], [0.0] * 3, [0.0] * 3]
    with_field = LabelScoresInfo(
        "slots", "m", TAGS.names, transitions=tuple(map(tuple, [*between, [0.0] * 3, [0.0] * 3]))
    )
    assert LabelDecoder(with_field).predict(row).label == "B-date I-date"


@pytest.mark.parametrize("how", [MEAN, PROBABILITY, VOTE])
@given(first=LOGS, second=LOGS)
def test_one_member_that_counts_answers_as_it_did(how: Combined, first: np.ndarray, second: np.ndarray):
    rows = [LabelScores("x", "w w w", logs) for logs in (first, second)]
    assert combined(rows, [TAGS, TAGS], how, [0, 3]) == LabelDecoder(TAGS).predict(rows[1])
    texts = [LabelScores("x", "w", logs[:1]) for logs in (first, second)]
    assert combined(texts, [INTENTS, INTENTS], how, [2, 0]) == LabelDecoder(INTENTS).predict(texts[0])


@pytest.mark.parametrize("how", [MEAN, PROBABILITY, VOTE])
@given(logs=arrays(np.float32, (3, 3), elements=st.integers(-20, 0)))
def test_members_that_agree_change_no_label(how: Combined, logs: np.ndarray):
    row = LabelScores("x", "w w w", logs)
    alone = LabelDecoder(LabelScoresInfo("slots", "m", TAGS.names)).predict(row)
    infos = [LabelScoresInfo("slots", "m", TAGS.names)] * 2
    assert combined([row, row], infos, how, [1, 1]).label == alone.label


def test_log_probabilities_let_a_member_forbid_and_probabilities_let_it_propose():
    rows = [intent(0.98, 0.01, 0.01), intent(1e-6, 0.6, 0.4), intent(0.3, 0.4, 0.3)]
    assert combined(rows, [INTENTS] * 3, MEAN, [1, 1, 1]).label == "cancel"
    found = combined(rows, [INTENTS] * 3, PROBABILITY, [1, 1, 1])
    assert found.label == "book"
    assert found.ranked[0][1] == pytest.approx((0.98 + 1e-6 + 0.3) / 3, rel=1e-5)


def test_the_mean_of_log_probabilities_is_a_geometric_one():
    found = combined([intent(0.8, 0.1, 0.1), intent(0.2, 0.4, 0.4)], [INTENTS] * 2, MEAN, [2, 1])
    expected = np.array([0.8, 0.1, 0.1]) ** (2 / 3) * np.array([0.2, 0.4, 0.4]) ** (1 / 3)
    assert found.ranked[0] == ("book", pytest.approx(expected[0] / expected.sum(), rel=1e-5))


def test_random_fields_are_averaged_as_distributions_over_sequences():
    transitions = [tuple(map(tuple, np.random.default_rng(seed).normal(size=(5, 3)).tolist())) for seed in (0, 1)]
    infos = [LabelScoresInfo("slots", "m", ("a", "b", "c"), transitions=one) for one in transitions]
    rows = [sentence(*np.random.default_rng(seed).dirichlet([1, 1, 1], size=4).tolist()) for seed in (2, 3)]
    both = LabelScores("x", "w w w w", (rows[0].logs.astype(float) + rows[1].logs) / 2)
    field = tuple(map(tuple, ((np.array(transitions[0]) + np.array(transitions[1])) / 2).tolist()))
    expected = LabelDecoder(LabelScoresInfo("slots", "m", ("a", "b", "c"), transitions=field)).predict(both)
    assert combined(rows, infos, MEAN, [1, 1]) == expected


def test_classes_are_matched_by_name_and_an_unknown_one_has_the_lowest_score():
    other = LabelScoresInfo("intent", "m", ("weather", "book"))
    found = combined([intent(0.1, 0.6, 0.3), intent(0.9, 0.1)], [INTENTS, other], PROBABILITY, [1, 1])
    expected = {"weather": 0.6, "cancel": 0.35, "book": 0.1}
    assert dict(found.ranked) == {name: pytest.approx(one / 1.05, rel=1e-5) for name, one in expected.items()}


def test_a_word_that_is_something_to_one_member_has_its_tag():
    rows = [sentence((np.nan,) * 3, (0.1, 0.1, 0.8)), sentence((0.9, 0.05, 0.05), (0.1, 0.1, 0.8))]
    assert combined(rows, [TAGS, TAGS], MEAN, [1, 1]).label == "B-date O"
    nothing = sentence((np.nan,) * 3, (0.1, 0.1, 0.8))
    assert combined([nothing, nothing], [TAGS, TAGS], PROBABILITY, [1, 1]).label == "O O"


def test_a_threshold_is_the_mean_of_theirs_if_all_have_one():
    strict, lax = (LabelScoresInfo("intent", "m", INTENTS.names, oos_threshold=one) for one in (0.9, 0.3))
    ensemble = LabelEnsemble([[intent(0.7, 0.2, 0.1)] * 3], [strict, lax, INTENTS], MEAN)
    assert ensemble.predictions([3, 1, 0])[0].label == "oos"
    assert ensemble.predictions([1, 3, 0])[0].label == "book"
    assert ensemble.predictions([3, 1, 1])[0].label == "book"


def test_a_vote_is_of_labels_and_ties_go_to_probability_then_to_the_earlier_member():
    def ballot(label: str, probability: float) -> LabelPrediction:
        return LabelPrediction("x", label, ((label, probability),))

    assert vote_on_labels([ballot("a", 0.9), ballot("b", 0.4), ballot("b", 0.4)], [1, 1, 1]).label == "b"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.6)], [1, 1]).label == "b"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.5)], [1, 1]).label == "a"
    assert vote_on_labels([ballot("a", 0.5), ballot("b", 0.9)], [3, 1]).label == "a"
    tags = [LabelPrediction("x", one, probability=0.3) for one in ("O O", "O B-a", "O B-a")]
    assert vote_on_labels(tags, [1, 1, 1]) == LabelPrediction("x", "O B-a", (), pytest.approx(0.2))
    assert vote_on_labels([tags[0], LabelPrediction("x", "B-a O", probability=0.4)], [1, 1]).label == "B-a O"


def test_weights_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="expected numbers of 0 or more"):
        combined([intent(0.5, 0.3, 0.2)] * 2, [INTENTS] * 2, MEAN, [0, 0])


def test_files_give_back_what_was_written(tmp_path: Path):
    info = LabelScoresInfo("slots", "m", TAGS.names, True, None, ((0.1, -1.5, 2.0),) * 5)
    rows = [sentence((0.1, 0.8, 0.1), (np.nan,) * 3), LabelScores("y", "w", np.zeros((1, 3), np.float32))]
    write_label_scores(tmp_path / "s.parquet", rows, info)
    file = open_label_scores(tmp_path / "s.parquet")
    assert file.info == info
    for row, found in zip(rows, file.rows(), strict=True):
        assert (found.id, found.text) == (row.id, row.text)
        np.testing.assert_array_equal(found.logs, row.logs)
    assert is_label_scores_file(tmp_path / "s.parquet")
    assert not is_scores_file(tmp_path / "s.parquet")


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path):
    def write(name: str, info: LabelScoresInfo, *rows: LabelScores) -> Path:
        write_label_scores(tmp_path / name, rows, info)
        return tmp_path / name

    first = write("a", INTENTS, intent(0.5, 0.3, 0.2), intent(0.5, 0.3, 0.2, name="y"))
    turned = write("b", INTENTS, intent(0.5, 0.3, 0.2, name="y"), intent(0.5, 0.3, 0.2))
    assert [[row.id for row in rows] for rows in open_label_members([first, turned])] == [["x", "x"], ["y", "y"]]
    with pytest.raises(DataError, match=r"c: .*has other records than .*a: 1 \(y\) missing"):
        open_label_members([first, write("c", INTENTS, intent(0.5, 0.3, 0.2))])
    with pytest.raises(DataError, match=r"d: .*task: is slots, that of .*e intent"):
        open_label_members([write("e", INTENTS, intent(1, 1, 1)), write("d", TAGS, sentence((1, 1, 1)))])
    with pytest.raises(DataError, match=r"f: .*text: that of x is another text than in .*e"):
        list(open_label_members([tmp_path / "e", write("f", INTENTS, LabelScores("x", "other", intent(1, 1, 1).logs))]))
    with pytest.raises(DataError, match="is not a scores file of intents or slots; `qakit predict --scores FILE`"):
        open_label_members([written(tmp_path / "g", "q1")])


def test_a_tied_vote_does_not_depend_on_how_many_intents_are_asked_for():
    info = LabelScoresInfo("intent", "m", tuple("abcdefgh"))
    first = intent(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.38, 0.41)
    second = intent(0.40, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.39)
    found = {nbest: combined([second, first], [info] * 2, Combined("vote", nbest=nbest), [1, 1]) for nbest in (1, 8)}
    assert found[1].label == found[8].label == "h"
    assert found[1].ranked == found[8].ranked[:RANKED]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": "1"}, "metadata.qakit_labels.format_version: "),
        ({"format_version": 9}, "format_version: 9 is newer"),
        ({"names": None}, "metadata.qakit_labels.names: "),
        ({"names": ["O", "O", "B-date"]}, "metadata.names: is empty, or has a class twice"),
        ({"task": "qa"}, "metadata.qakit_labels.task: "),
        ({"oos_threshold": "high"}, "metadata.qakit_labels.oos_threshold: "),
        ({"transitions": [[0.0]]}, "metadata.transitions: is no table of 5 by 3"),
        ("{", "metadata.qakit_labels: is not JSON"),
    ],
)
def test_a_damaged_head_is_told_of(tmp_path: Path, changes: dict | str, message: str):
    told = asdict(TAGS) | (changes if isinstance(changes, dict) else {})
    packed = json.dumps({name: value for name, value in told.items() if value is not None or name == "oos_threshold"})
    metadata = {"qakit_labels": packed if isinstance(changes, dict) else changes}
    write_parquet(tmp_path / "s.parquet", {"id": ["x"], "text": ["w"], "logs": [[0.0, 0.0, 0.0]]}, metadata)
    with pytest.raises(DataError, match=rf"s\.parquet: .*{message}"):
        open_label_members([tmp_path / "s.parquet"])


@pytest.mark.parametrize(
    "columns",
    [
        {"id": ["x"], "text": ["w"], "logs": [[0.0, 0.0]]},
        {"id": ["x"], "text": ["w"], "logs": [[]]},
        {"id": ["x"], "text": ["w"], "logs": [None]},
        {"id": ["x"], "text": ["w"]},
        {"id": ["x"], "text": ["w"], "logs": [[float("nan"), 0.0, 0.0]]},
        {"id": ["x"], "text": ["w"], "logs": [[float("-inf")] * 3]},
        {"id": ["x"], "text": ["w"], "logs": [[0.0] * 6]},
    ],
)
def test_damaged_rows_are_told_of(tmp_path: Path, columns: dict):
    arrays = {name: pa.array(values) for name, values in columns.items()}
    if "logs" in arrays:
        arrays["logs"] = pa.array(columns["logs"], type=pa.list_(pa.float32()))
    write_parquet(tmp_path / "s.parquet", arrays, {"qakit_labels": json.dumps(asdict(INTENTS))})
    with pytest.raises(DataError, match=r"s\.parquet: .*rows: are not those of a scores file"):
        list(open_label_members([tmp_path / "s.parquet"]))


def test_a_record_that_stands_twice_and_a_file_without_any_are_refused(tmp_path: Path):
    write_label_scores(tmp_path / "twice", [intent(1, 1, 1), intent(1, 1, 1)], INTENTS)
    with pytest.raises(DataError, match=r"twice: .*id: 'x' stands twice"):
        open_label_members([tmp_path / "twice"])
    write_label_scores(tmp_path / "none", [], INTENTS)
    with pytest.raises(DataError, match=r"none: .*holds no record"):
        open_label_members([tmp_path / "none"])
