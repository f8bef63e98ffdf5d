import pytest

from jobs.rates import Rate, seconds_left


def test_the_first_sample_is_no_speed():
    rate = Rate()
    rate.sample(1_000_000, at=5.0)
    assert rate.value is None


def test_a_steady_speed_is_told_as_it_is():
    rate = Rate()
    for second in range(20):
        rate.sample(second * 100, at=second)
    assert rate.value == pytest.approx(100)


def test_one_stall_does_not_make_it_jump():
    rate = Rate()
    for second in range(20):
        rate.sample(second * 100, at=second)
    rate.sample(1900, at=20)
    assert 85 < rate.value < 100


def test_a_change_of_speed_is_followed():
    rate = Rate()
    for second in range(10):
        rate.sample(second * 100, at=second)
    for second in range(60):
        rate.sample(900 + second * 10, at=10 + second)
    assert rate.value == pytest.approx(10, rel=0.2)


def test_starting_over_is_no_negative_speed():
    rate = Rate()
    for amount, at in ((100, 0), (200, 1), (0, 2), (100, 3)):
        rate.sample(amount, at)
    assert rate.value == pytest.approx(100)


@pytest.mark.parametrize(
    ("done", "total", "rate", "expected"),
    [
        (50, 100, 10, 5),
        (100, 100, 10, 0),
        (120, 100, 10, 0),
        (1, None, 10, None),
        (1, 9, None, None),
        (1, 9, 0, None),
    ],
)
def test_the_time_left_is_told_only_when_it_is_known(done, total, rate, expected):
    assert seconds_left(done, total, rate) == expected
