import pytest

from pbgraph.humanize import duration, figure, ranges


def test_neighbouring_numbers_are_joined():
    assert ranges([70, 68, 69, 100, 69]) == "68-70, 100"
    assert ranges([]) == ""


def test_durations_are_rounded_to_seconds():
    assert [duration(seconds) for seconds in (0, 59.7, 75, 3599.6, 4000)] == [
        "0:00",
        "1:00",
        "1:15",
        "1:00:00",
        "1:06:40",
    ]
    assert duration(None) == "-"


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (0.8512, 0.85, "0.8512"),
        (0.12345678, 0.1, "0.1235"),
        (999.98765, 999.0, "999.9877"),
        (0.0123456, 0.01, "0.01235"),
        (1.23456e-6, 1e-6, "0.000001235"),
        (1.23456e-12, 1e-12, "1.235e-12"),
        (12345.678, 12345.678, "12345.68"),
        (1.5e7, 1.5e7, "15000000"),
        (1.5e12, 1.5e12, "1.500e+12"),
        (0.5, 0.0, "0.5000"),
        (0.0, 1e-6, "0.000000000"),
    ],
)
def test_digits_go_by_magnitude(value, scale, text):
    assert figure(value, scale) == text
    assert figure(value, scale, sign="+") == f"+{text}"
