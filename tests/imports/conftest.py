"""Users who send files."""

import pytest
from django.test import Client

from tests.imports.tus_client import Tus


@pytest.fixture
def upload_dir(settings, tmp_path):
    """An upload folder of this test's own."""
    settings.CLAUDELENS_UPLOAD_DIR = tmp_path / "uploads"
    return settings.CLAUDELENS_UPLOAD_DIR


def logged_in(user, **options) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(user)
    return client


@pytest.fixture
def alice(people, upload_dir) -> Tus:
    return Tus(logged_in(people.alice))


@pytest.fixture
def bob(people, upload_dir) -> Tus:
    return Tus(logged_in(people.bob))
