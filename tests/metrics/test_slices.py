"""What groups a question is in: both scripts and English."""

import pytest

from qakit.metrics.slices import DIMENSIONS, NO_ANSWER, Features, labels


def features(**known: object) -> Features:
    given = {"question": None, "references": (), "candidates": None, "context": None, "gold_spans": (), "windows": ()}
    return Features(**(given | known))


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("誰寫了《國富論》？", "who"),
        ("谁写了《国富论》？", "who"),
        ("哪一個人擔任總指揮?", "who"),
        ("Whose book is it?", "who"),
        ("這條河叫做什麼?", "what"),
        ("“女蛙”又称为什么？", "what"),
        ("大香菇頭被稱為何?", "what"),
        ("為什麼沙漠很大？", "why"),
        ("因为什么原因离开？", "why"),
        ("起義於何年爆發?", "when"),
        ("他在哪一年再次參選？", "when"),
        ("书馆是什么时候建的？", "when"),
        ("這是民國幾年的事?", "when"),
        ("When did he die?", "when"),
        ("首都在哪裡?", "where"),
        ("首都在哪里？", "where"),
        ("他是哪國人？", "where"),
        ("有多少人？", "how many"),
        ("几岁入学？", "how many"),
        ("許多大學位於那座城，叫什麼?", "what"),
        ("How many are there?", "how many"),
        ("山是如何形成的?", "how"),
        ("这个名字怎么来的？", "how"),
        ("用的是哪一種鳥?", "which"),
        ("那年他1980年代的作品有哪些?", "which"),
        ("改革的主要內容是?", "other"),
        ("Somehow whatsoever", "other"),
    ],
)
def test_the_question_word(question: str, word: str):
    assert labels(features(question=question))["question_word"] == word


@pytest.mark.parametrize(
    ("answer", "question", "kind"),
    [
        ("1944年", None, "time"),
        ("民國十六年", None, "time"),
        ("公元前三世紀", None, "time"),
        ("5时30分", None, "time"),
        ("1679", "他於哪一年去世？", "time"),
        ("March 5, 1999", "When?", "time"),
        ("26名", "幾名？", "number"),
        ("三分之一", None, "number"),
        ("12.5公分", None, "number"),
        ("$ 38,000", None, "number"),
        ("第三", None, "number"),
        ("60%", None, "number"),
        ("《進步日報》", "哪一家報紙?", "title"),
        ("岳飛", "何人收復了常州?", "person"),
        ("歐洲", "哪一地區?", "place"),
        ("離海洋很遠，氣溫變化大", "為什麼？", "clause"),
        ("ANP", "哪一種物質?", "name in Latin letters"),
        ("佛教", "哪一宗教?", "other"),
        ("第三帝國", "什麼?", "other"),
    ],
)
def test_the_answer_type(answer: str, question: str | None, kind: str):
    assert labels(features(question=question, references=(answer,)))["answer_type"] == kind


def test_a_question_without_an_answer_has_slices_that_say_so():
    found = labels(features(references=()))
    assert (found["answer_type"], found["answer_length"]) == (NO_ANSWER, NO_ANSWER)
    assert "position" not in found and "occurrences" not in found


@pytest.mark.parametrize(
    ("length", "label"), [(1, "1 to 2"), (2, "1 to 2"), (3, "3 to 4"), (32, "17 to 32"), (33, "33 or more")]
)
def test_lengths_have_steps_that_include_their_upper_bound(length: int, label: str):
    assert labels(features(references=("甲" * length,)))["answer_length"] == label
    assert labels(features(candidates=5))["candidates"] == "5 to 6"
    assert labels(features(candidates=4))["candidates"] == "4"


def test_place_and_number_in_the_context():
    context = "甲" * 10 + "乙" + "丙" * 5 + "乙" + "丁" * 3
    found = labels(features(references=("乙",), context=context, gold_spans=((10, 11),)))
    assert (found["position"], found["occurrences"]) == ("third quarter", "twice")
    assert labels(features(references=("戊",), context=context))["occurrences"] == "not in the text"
    last = labels(features(references=("丁",), context=context, gold_spans=((19, 20),)))
    assert (last["position"], last["occurrences"]) == ("last quarter", "3 times or more")


@pytest.mark.parametrize(
    ("windows", "label"),
    [
        (((0, 9),), "one window"),
        (((0, 5), (4, 9)), "a window cuts the answer"),
        (((0, 6), (2, 9)), "no window cuts the answer"),
        (((0, 4), (3, 9)), "no window cuts the answer"),
    ],
)
def test_windows_that_cut_the_answer(windows: tuple[tuple[int, int], ...], label: str):
    assert labels(features(gold_spans=((4, 6),), windows=windows))["window_boundary"] == label


def test_every_label_is_one_of_its_dimension():
    found = labels(features(question="誰？", references=("甲",), context="甲", gold_spans=((0, 1),), candidates=1))
    assert all(label in DIMENSIONS[name] for name, label in found.items())
