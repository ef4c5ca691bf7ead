"""Learning curves are drawn from what is there, the same each time; bad lines are named."""

import json
import subprocess
import sys
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest

from qakit.errors import DataError
from qakit.report import curves
from qakit.report.curves import draw_curves


def train(step, **changes):
    return {"kind": "train", "step": step, "epoch": step / 100, "loss": 5 / step, "learning_rate": 2e-5, **changes}


def evaluation(step, **scores):
    return {"kind": "evaluation", "step": step, "epoch": step / 100, **scores}


def write(folder, events):
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def figure(folder, events, title=""):
    return curves._figure(curves._read_curves(write(folder, events)), title)


def panel_names(drawn):
    return [axes.get_title(loc="left") for axes in drawn.axes]


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    "events",
    [
        [train(1)],
        [train(step) for step in range(1, 4)],
        [train(step) for step in range(1, 300)] + [evaluation(299, em=40, f1=60.5, loss=0.4, count=7)],
        [train(step) for step in range(1, 2000)],
        [evaluation(0, accuracy=55.0)],
        [train(10, loss=None, learning_rate=0.0), train(20, loss=0.0, learning_rate=0.0)],
        [train(10, loss=-0.5), evaluation(10, em=0.0, f1=0.0)],
        [train(10), evaluation(10, em=100.0, f1=100.0)],
    ],
    ids=["one step", "three", "hundreds", "thousands", "only scores", "zeros", "negative loss", "perfect"],
)
def test_both_pictures_are_written_without_a_warning(tmp_path, events):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg, png = draw_curves(write(tmp_path, events), tmp_path / "out" / "curves.v1", title="$a$ run")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curves.v1.png", "curves.v1.svg"]
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    header = png.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") == 1200


def test_same_metrics_give_the_same_bytes(tmp_path):
    path = write(tmp_path, [train(step) for step in range(1, 50)] + [evaluation(49, em=3.0, f1=4.0)])
    first, second = draw_curves(path, tmp_path / "a"), draw_curves(path, tmp_path / "b")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_thousands_of_points_keep_the_svg_small(tmp_path):
    svg, _ = draw_curves(write(tmp_path, [train(step) for step in range(1, 20_001)]), tmp_path / "curves")
    assert svg.stat().st_size < 500_000


def test_panels_follow_the_values(tmp_path):
    loss, scores, rate = "Loss", "Scores on the development set (%)", "Learning rate"
    assert panel_names(figure(tmp_path, [train(1)])) == [loss, rate]
    assert panel_names(figure(tmp_path, [evaluation(1, em=3.0)])) == [scores]
    assert panel_names(figure(tmp_path, [evaluation(1, loss=3.0)])) == [loss]
    both = [train(1), evaluation(1, f1=3.0)]
    assert panel_names(figure(tmp_path, both, "a run")) == [loss, scores, rate]


def test_best_points_are_marked_with_their_values(tmp_path):
    events = [evaluation(100, em=50.0, f1=70.126), evaluation(200, em=51.5, f1=69.0)]
    (axes,) = figure(tmp_path, events).axes
    assert [text for text in texts(axes) if "epoch" not in text] == ["70.13", "51.50"]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["F1: best 70.13 at step 100", "EM: best 51.50 at step 200"]


@pytest.mark.parametrize("scores", [{"accuracy": 94.0, "macro_f1": 93.5}, {"joint_accuracy": 86.0, "f1": 85.5}])
def test_the_scores_of_intents_and_slots_are_drawn_and_others_left_out(tmp_path, scores):
    drawn = figure(tmp_path, [evaluation(100, **scores, token_accuracy=97.0, top3=98.0)])
    assert {f"{value:.2f}" for value in scores.values()} <= set(texts(drawn.axes[0]))
    assert len(drawn.axes[0].get_legend().get_texts()) == 2


def test_epochs_are_marked_where_they_end(tmp_path):
    axes, _ = figure(tmp_path, [train(step) for step in range(10, 301, 10)]).axes
    assert texts(axes) == ["epoch 1", "epoch 2", "epoch 3"]
    assert [text.xy[0] for text in axes.texts] == [100.0, 200.0, 300.0]


def test_many_epochs_are_marked_sparsely(tmp_path):
    axes, _ = figure(tmp_path, [train(step) for step in range(100, 4301, 100)]).axes
    assert texts(axes) == [f"epoch {number}" for number in (5, 10, 15, 20, 25, 30, 35, 40)]


def test_an_outlier_does_not_flatten_the_loss(tmp_path):
    axes, _ = figure(tmp_path, [train(step, loss=900.0 if step == 200 else 2.0) for step in range(1, 400)]).axes
    assert axes.get_ylim()[1] < 100


def test_later_lines_win_and_unknown_kinds_are_passed_over(tmp_path):
    events = [train(2, loss=1.0), train(1, loss=3.0), train(2, loss=2.0), {"kind": "stop", "step": None}]
    found = curves._read_curves(write(tmp_path, events))
    assert list(found["train loss"].items()) == [(1, 3.0), (2, 2.0)]


def test_running_mean_keeps_a_constant_and_averages_neighbours():
    assert np.array_equal(curves._running_mean(np.full(7, 2.0), 3), np.full(7, 2.0))
    assert curves._running_mean(np.array([0.0, 3.0, 6.0, 0.0]), 3).tolist() == [1.5, 3.0, 3.0, 3.0]
    assert curves._running_mean(np.array([4.0, 1.0]), 1).tolist() == [4.0, 1.0]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"kind": "train", "step"', "JSON"),
        ("", "JSON"),
        ("[1]", "event"),
        ('{"step": 3}', "kind"),
        ('{"kind": "train", "step": -1}', "step"),
        ('{"kind": "train", "step": true}', "step"),
        ('{"kind": "train"}', "step"),
        ('{"kind": "train", "step": 3, "loss": "low"}', "loss"),
        ('{"kind": "train", "step": 3, "loss": NaN}', "JSON"),
        ('{"kind": "evaluation", "step": 3, "f1": 1e999}', "f1"),
        ('{"kind": "evaluation", "step": 3, "em": false}', "em"),
    ],
)
def test_bad_lines_are_named_and_nothing_is_written(tmp_path, line, field):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{json.dumps(train(1))}\n{line}\n{json.dumps(train(2))}\n")
    with pytest.raises(DataError) as caught:
        draw_curves(path, tmp_path / "curves")
    (problem,) = caught.value.problems
    assert (problem.file, problem.record, problem.field) == (str(path), "line 2", field)
    assert list(tmp_path.iterdir()) == [path]


def test_all_bad_lines_are_reported(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("{\n{\n")
    with pytest.raises(DataError) as caught:
        draw_curves(path, tmp_path / "curves")
    assert [problem.record for problem in caught.value.problems] == ["line 1", "line 2"]


@pytest.mark.parametrize("content", ["", '{"kind": "stop"}\n', '{"kind": "train", "step": 1, "epoch": 0.5}\n'])
def test_nothing_to_draw(tmp_path, content):
    path = tmp_path / "metrics.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"is empty|no loss, learning rate or score"):
        draw_curves(path, tmp_path / "curves")


def test_module_loads_without_matplotlib_and_drawing_without_pyplot(tmp_path):
    path = write(tmp_path, [train(1)])
    code = (
        "import sys, pathlib; from qakit.report.curves import draw_curves; assert 'matplotlib' not in sys.modules;"
        f"draw_curves(pathlib.Path({str(path)!r}), pathlib.Path({str(tmp_path / 'c')!r}));"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
