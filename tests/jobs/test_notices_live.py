"""From the upload to the mail box: a real site whose worker imports, and writes to a real mail server."""

import pytest

from tests import live, run
from tests.imports.live_client import Script
from tests.imports.transcripts import transcript
from tests.jobs.mail_server import MailServer
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def mail_server():
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def mailing_site(servers, tmp_path, mail_server):
    """A site that tells of every job by e-mail; beside the other live site, so nothing is shared with it."""
    env = live.environment(
        tmp_path, mongodb_url=servers.mongodb_url, database=f"{run.LIVE_DATABASE}_mail", redis_url=run.redis_url(15)
    )
    told = {
        "CLAUDELENS_NOTIFY_AFTER_SECONDS": "0",
        "CLAUDELENS_EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}",
        "CLAUDELENS_EMAIL_FROM": "lens@example.org",
        "CLAUDELENS_PUBLIC_URL": "https://lens.example.org",
    }
    site = live.LiveSite(tmp_path, env | told)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def test_an_import_on_the_worker_ends_with_a_mail(mailing_site, mail_server):
    script = Script(mailing_site)
    job = script.start_import(script.upload(transcript(20), "nightly.jsonl"))
    told = until(lambda: script.get("/api/v1/notices/")["results"], 60)
    assert told[0]["text"] == "Import “nightly.jsonl” has ended: 20 new."
    until(lambda: mail_server.mails, 60, what="the clock rings for the e-mail")
    mail = mail_server.mails[0]
    assert mail.recipients == ["admin@example.org"]
    assert "https://lens.example.org" + job.replace("/api/v1", "") in mail.body
    assert len(mail_server.mails) == 1
