import importlib.util
import inspect
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits.py"


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_split_is_a_partition(digits):
    parts = digits.digits(3)
    assert [len(x) for x, _ in parts] == [1078, 359, 360]
    assert sum(y.sum().item() for _, y in parts) == digits.load_digits().target.sum()


def test_a_small_network_grows_and_becomes_better(digits, capsys):
    """By validation score, of which the run keeps the best; an image's class is told by what was restored."""
    grown, statuses = digits.train(hidden=4, dendrites=1)
    first = next(status for status in statuses if status.switched == "grow")
    assert grown.dendrites == 1
    assert grown.best_score > first.best_score
    _, valid, test = digits.digits()
    assert digits.score(grown.model, valid) == grown.best_score
    assert digits.accuracy(grown.model, test) > 0.85
    assert capsys.readouterr().out == ""


def test_dendrites_take_five_lines_of_the_loop(digits):
    assert inspect.getsource(digits.train).count("# dendrites") == 5
