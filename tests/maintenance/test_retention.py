"""What becomes of sealed months: kept or offloaded; nothing is deleted by its age."""

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from maintenance import services
from maintenance.models import StoragePolicy
from maintenance.steps.base import BadParameter

pytestmark = pytest.mark.django_db


def test_a_policy_cannot_drop_months() -> None:
    with pytest.raises(ValidationError, match="drop"):
        StoragePolicy(sealed_retention="drop").full_clean()


def test_the_admin_offers_to_keep_or_to_offload(client: Client, people: Any, archive_db: Any, redis_server: Any) -> None:
    client.force_login(people.root)
    shown = client.get("/admin/maintenance/storagepolicy/add/").text
    assert [f'<option value="{each}"' in shown for each in ("keep", "offload", "drop")] == [True, True, False]


def test_a_policy_that_dropped_keeps_as_it_did() -> None:
    StoragePolicy(sealed_retention="drop").save()
    importlib.import_module("maintenance.migrations.0005_nothing_is_dropped_by_age").keep_what_was_held_back(apps, None)
    assert StoragePolicy.current().sealed_retention == "keep"


@pytest.mark.parametrize("name", ["drop", "force"])
def test_offloading_refuses_to_drop_by_name(name: str) -> None:
    with pytest.raises(BadParameter, match=f"{name}: there is no such parameter"):
        services.create_job("offload", {"month": "2026_03", name: True})


def test_the_command_refuses_it_too() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments: --drop"):
        call_command("offload_archive", "2026_03", "--drop")
