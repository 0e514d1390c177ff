from pbgraph.words import duration, ranges


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
