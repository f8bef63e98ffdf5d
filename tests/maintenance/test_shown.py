"""Plans as people read them."""

import pytest

from maintenance.shown import plan_shown, shown
from maintenance.steps import STEPS
from maintenance.steps.base import Plan


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("bytes", 1536, "1.5 KiB"),
        ("before", "2026-08-26T15:40:11.297204+00:00", "2026-08-26 15:40 UTC"),
        ("before", "2026-08-26T15:40:11Z", "2026-08-26 15:40 UTC"),
        ("since", "2026-08-26T15:40:11+02:00", "2026-08-26T15:40:11+02:00"),
        ("only", ["a", "b"], "a, b"),
        ("only", [], "–"),
    ],
)
def test_values_are_told_as_people_read_them(name, value, told):
    assert shown(name, value) == told


def test_columns_that_say_nothing_or_are_for_programs_are_left_out():
    rows = [{"source": "hot", "only": [], "command": {"a": 1}, "messages": 0}, {"source": "warm", "only": None, "command": {"b": 2}, "messages": 3}]
    told = plan_shown(Plan("Moves.", rows), 50)
    assert [label for label, _ in told["columns"]] == ["Source", "Messages"]
    assert [[text for _, text, _ in row] for row in told["items"]] == [["hot", "0"], ["warm", "3"]]


@pytest.mark.django_db
def test_a_parameter_with_a_few_words_is_chosen_and_stays_chosen_after_a_refusal(root, redis_server):
    page = root.get("/maintenance/new/migrate/").text
    assert [f"<option>{each}</option>" in page for each in STEPS["migrate"].choices["action"]] == [True] * 7
    refused = root.post("/maintenance/new/migrate/", {"action": "create", "to": "sideways"})
    assert refused.status_code == 400
    assert "<option selected>create</option>" in refused.text
