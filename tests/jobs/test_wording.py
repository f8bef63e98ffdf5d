from datetime import timedelta

import pytest

from jobs.wording import (
    count_label,
    counts_in_words,
    human_bytes,
    human_count,
    human_seconds,
    parameters_in_words,
)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (10 * 1024**3, "10.0 GiB"),
        (2**41, "2.0 TiB"),
    ],
)
def test_sizes_are_told_in_units_people_know(size, words):
    assert human_bytes(size) == words


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (None, ""),
        (0.2, "under 1 s"),
        (5, "5 s"),
        (65, "1 min 5 s"),
        (3725, "1 h 2 min"),
        (timedelta(days=1), "24 h 0 min"),
    ],
)
def test_durations_are_told_in_two_units_at_most(duration, words):
    assert human_seconds(duration) == words


def test_counts_are_grouped():
    assert human_count(1234567) == "1,234,567"


@pytest.mark.parametrize("name", ["keptBoth", "kept_both"])
def test_a_count_is_named_in_words(name):
    assert count_label(name) == "Kept both"


def test_what_came_of_records_is_told_the_new_ones_always():
    assert counts_in_words({"seen": 1234, "inserted": 0, "duplicates": 1234, "rejected": 0}) == "0 new, 1,234 duplicates"
    assert counts_in_words({"messages": 7, "files": 0}) == "7 messages"
    assert counts_in_words({}) == ""


def test_parameters_are_told_flat_short_and_without_what_is_off():
    asked = {"files": 3, "options": {"reject_percent": 0, "dry_run": False, "models": ["a", "b"]}, "force": True, "x": ""}
    told = [("Files", "3"), ("Reject percent", "0"), ("Models", "a, b"), ("Force", "yes")]
    assert parameters_in_words(asked) == told
    assert len(parameters_in_words({"filter": "x" * 999})[0][1]) == 200
