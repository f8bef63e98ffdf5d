"""The tables of docs/scaling.md are what the script computes from the measured figures."""

import pytest

from benchmarks import scaling
from tests.docs import reading

PAGE = reading.page("docs/scaling.md")


@pytest.mark.parametrize("made", [scaling.table, scaling.figures])
def test_a_table_of_the_page_is_what_the_script_prints(made):
    assert "\n".join(made()) in PAGE


def test_the_balance_of_a_thousand_million_messages_is_what_the_script_prints():
    assert "\n".join(scaling.balance()) in PAGE


def test_every_measured_figure_names_what_measured_it():
    assert all(each["command"] for each in scaling.MEASURED.values())


def test_more_messages_need_more_of_everything():
    needs = [scaling.need(count) for count in scaling.COUNTS]
    assert [sum(disk.values()) for disk, *_ in needs] == sorted(sum(disk.values()) for disk, *_ in needs)
    assert needs[0][2] == 1
    assert needs[-1][2] > needs[-2][2]


def test_all_messages_that_are_simulated_lie_on_a_shard():
    filled, sessions = scaling.spread(1_000_000)
    assert 1_000_000 <= sum(filled) <= 1_000_000 + max(scaling.value("sessionSizes"))
    assert sessions > 1000
