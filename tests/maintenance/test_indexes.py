"""analyze_indexes: the step, the command, the API and the page of indexes."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from bson.int64 import Int64
from django.core.management import CommandError, call_command
from django.urls import reverse

from archive import index_changes
from archive.index_advice import Advice
from archive.index_usage import collections_with_indexes, read_facts, record_usage
from archive.query_listener import Tally, _update
from archive.query_shapes import Shape
from maintenance import services
from maintenance.indexes import tables
from maintenance.models import MaintenanceJob
from maintenance.steps import analyse
from maintenance.steps.base import BadParameter

pytestmark = pytest.mark.django_db

CURRENT = "messages_current"


@pytest.fixture
def unused(archive_db, settings):
    """An index that nothing has used for a hundred days, and a query that was asked."""
    settings.CLAUDELENS_ENSURE_SERVERS = ""
    archive_db[CURRENT].create_index("cwd")
    record_usage(read_facts(collections_with_indexes()))
    then = datetime.now(UTC) - timedelta(days=100)
    old = {"at": then, "since": then, "ops": Int64(0), "used": Int64(0)}
    archive_db.index_usage.update_many({}, {"$set": old})
    shape = Shape("messages", "find", ("cwd",))
    archive_db.query_stats.bulk_write([_update(f"{datetime.now(UTC):%Y-%m-%d}", shape.key, Tally(shape, 3, 30.0, 12.0))])
    yield archive_db
    if "cwd_1" in archive_db[CURRENT].index_information():
        archive_db[CURRENT].drop_index("cwd_1")


@pytest.fixture
def advised(unused, people):
    """The advice of a run that has ended."""
    job = services.create_job("analyse", {}, people.root)
    services.run_maintenance(job)
    (row,) = index_changes.find_advice()
    return row


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("analyze_indexes", *arguments, "--verbosity", "0", stdout=out)
    return out.getvalue()


def answer(*arguments: str) -> dict:
    return json.loads(command(*arguments, "--json").splitlines()[-1])


def is_hidden(db) -> bool:
    return bool(db[CURRENT].index_information()["cwd_1"].get("hidden"))


class TestStep:
    def test_defaults_and_texts_are_understood(self):
        assert analyse.understand({})["unusedDays"] == 30
        assert analyse.understand({"unusedDays": " 7 ", "slowMs": 100}) | {"unusedDays": 7} == analyse.understand({"unusedDays": 7, "slowMs": "100"})

    @pytest.mark.parametrize(
        "asked",
        [{"unusedDays": 0}, {"unusedDays": 401}, {"minUses": "x"}, {"slowMs": True}, {"slowMs": "9" * 50}, {"slowMs": -1}, {"slowMs": None}, {"minUses": "³"}, {"other": 1}],
    )
    def test_what_cannot_be_is_refused_by_name(self, asked):
        with pytest.raises(BadParameter) as refusal:
            analyse.understand(asked)
        assert refusal.value.field == next(iter(asked))

    def test_a_dry_run_tells_it_and_changes_nothing(self, unused, people):
        before = unused.index_usage.count_documents({})
        job = services.create_job("analyse", {}, people.root, dry_run=True)
        services.run_maintenance(job)
        job.refresh_from_db()
        assert "1 unused, 0 redundant, 0 missing" in job.plan["summary"]
        assert [each["index"] for each in job.plan["items"]] == ["cwd_1"]
        assert (unused.index_usage.count_documents({}), unused.index_advice.count_documents({})) == (before, 0)

    def test_a_run_keeps_usage_and_advice_and_its_plan_runs_as_it_was_shown(self, unused, people):
        dry = services.create_job("analyse", {}, people.root, dry_run=True)
        services.run_maintenance(dry)
        unused[CURRENT].drop_index("cwd_1")
        dry.refresh_from_db()
        job = services.create_job("analyse", {}, people.root, plan_of=dry)
        services.run_maintenance(job)
        (row,) = index_changes.find_advice()
        assert (row.index, row.keys) == ("cwd_1", (("cwd", 1),))
        job.refresh_from_db()
        assert job.state == "completed"
        assert job.result["open"] == 1

    def test_run_again_from_its_beginning_it_does_the_same(self, unused, people):
        for _ in range(2):
            services.run_maintenance(services.create_job("analyse", {}, people.root))
        assert unused.index_advice.count_documents({}) == 1

    def test_a_hidden_index_is_dropped_by_a_run_when_its_days_are_over(self, advised, unused, people):
        index_changes.apply(advised.id)
        unused.index_advice.update_one({}, {"$set": {"hiddenAt": datetime.now(UTC) - timedelta(days=8)}})
        services.run_maintenance(services.create_job("analyse", {}, people.root))
        assert is_hidden(unused)
        job = services.create_job("analyse", {"hiddenDays": 7}, people.root)
        services.run_maintenance(job)
        job.refresh_from_db()
        assert job.counts["dropped"] == 1
        assert "cwd_1" not in unused[CURRENT].index_information()

    def test_other_kinds_of_fields_come_through_a_plan(self):
        for keys in ((("a", "hashed"), ("b", -1)), (("x:y", 1),), (("loc", "2dsphere"),)):
            given = Advice("unused", CURRENT, "i", keys, 1, "r")
            assert analyse._advice_of(json.loads(json.dumps(analyse._advised(given)))) == given


class TestCommand:
    def test_it_tells_the_advice_and_how_to_name_it(self, unused):
        printed = command()
        assert "1 unused" in printed
        (row,) = index_changes.find_advice()
        assert row.id in printed
        assert "unused cwd_1 of messages_current" in printed

    def test_a_dry_run_says_how_to_run_it(self, unused):
        assert "manage.py analyze_indexes --plan " in command("--dry-run")
        assert index_changes.find_advice() == []

    def test_json_has_the_plan_and_the_advice(self, unused):
        told = answer("--unused-days", "20")
        assert told["parameters"]["unusedDays"] == 20
        assert [each["index"] for each in told["advice"]] == ["cwd_1"]
        assert told["advice"][0]["can"] == ["apply", "dismiss"]

    def test_apply_dismiss_and_undo(self, advised, unused):
        assert answer("--apply", advised.id)["state"] == "hidden"
        assert is_hidden(unused)
        assert "open" in command("--undo", advised.id)
        assert not is_hidden(unused)
        assert answer("--dismiss", advised.id)["state"] == "dismissed"
        assert MaintenanceJob.objects.count() == 1

    @pytest.mark.parametrize("arguments", [("--apply", "nothing"), ("--apply", "a", "--undo", "a"), ("--slow-ms", "x")])
    def test_what_cannot_be_ends_with_2(self, archive_db, settings, arguments):
        settings.CLAUDELENS_ENSURE_SERVERS = ""
        with pytest.raises(CommandError) as refusal:
            command(*arguments)
        assert refusal.value.returncode == 2


class TestApi:
    def test_lists_are_told_to_superusers(self, advised, root):
        (row,) = root.get("/api/v1/maintenance/advice/").json()
        assert (row["id"], row["kind"], row["keys"]) == (advised.id, "unused", [{"field": "cwd", "direction": 1}])
        assert root.get("/api/v1/maintenance/advice/?state=hidden").json() == []
        found = {(each["collection"], each["index"]): each["verdict"] for each in root.get("/api/v1/maintenance/indexes/").json()}
        assert found[CURRENT, "cwd_1"] == "unused"
        assert found[CURRENT, "timestamp_1"] == "required"
        (shape,) = root.get("/api/v1/maintenance/query-shapes/").json()
        assert (shape["shape"], shape["count"], shape["meanMs"], shape["maxMs"]) == ("messages find =(cwd)", 3, 10.0, 12.0)

    def test_the_verbs(self, advised, unused, root):
        def post(verb, status=200):
            told = root.post(f"/api/v1/maintenance/advice/{advised.id}/{verb}/")
            assert told.status_code == status, told.content
            return told.json()

        assert post("apply")["decidedBy"] == "root"
        assert is_hidden(unused)
        assert post("dismiss", 409)["code"] == "advice_decided"
        assert post("undo")["state"] == "open"
        assert not is_hidden(unused)
        assert post("dismiss")["can"] == ["undo"]

    def test_unknown_ones_and_states_are_refused(self, archive_db, root):
        assert root.post("/api/v1/maintenance/advice/nothing/apply/").status_code == 404
        told = root.get("/api/v1/maintenance/advice/?state=odd")
        assert (told.status_code, told.json()["code"]) == (400, "unknown_state")

    @pytest.mark.parametrize("address", ["advice/", "indexes/", "query-shapes/"])
    def test_nobody_else_may_look(self, archive_db, client, people, address):
        assert client.get(f"/api/v1/maintenance/{address}").status_code == 401
        client.force_login(people.alice)
        assert client.get(f"/api/v1/maintenance/{address}").status_code == 403

    @pytest.mark.parametrize("verb", ["apply", "dismiss", "undo"])
    def test_nobody_else_may_decide(self, advised, unused, client, people, verb):
        client.force_login(people.alice)
        assert client.post(f"/api/v1/maintenance/advice/{advised.id}/{verb}/").status_code == 403
        assert client.post(reverse("maintenance:advice-decide", args=[advised.id, verb])).status_code == 403
        assert not is_hidden(unused)


class TestPage:
    def test_it_has_the_advice_the_indexes_and_the_queries(self, advised, root):
        body = root.get(reverse("maintenance:indexes")).content.decode()
        for text in ("cwd_1", "Used 0 times in the last 30 days", "In use by the product", "messages find =(cwd)", "10.0 ms"):
            assert text in body

    def test_its_buttons_decide(self, advised, unused, root):
        def press(verb):
            return root.post(reverse("maintenance:advice-decide", args=[advised.id, verb]), follow=True).content.decode()

        assert "cwd_1 of messages_current: hidden." in press("apply")
        assert is_hidden(unused)
        assert "is hidden: this cannot be done now" in press("dismiss")
        press("undo")
        assert not is_hidden(unused)
        assert root.post(reverse("maintenance:advice-decide", args=[advised.id, "explode"])).status_code == 404

    def test_an_empty_archive_has_a_page(self, archive_db, root):
        body = root.get(reverse("maintenance:indexes")).content.decode()
        assert "There is nothing to advise." in body
        assert "No queries have been counted yet." in body

    def test_fields_are_told_in_words(self):
        assert tables.fields_in_words([{"field": "a", "direction": 1}, {"field": "b", "direction": -1}, {"field": "c", "direction": "hashed"}]) == "a, -b, c (hashed)"
