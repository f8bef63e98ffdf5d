"""Values that JSON allows and databases do not: every page and endpoint still shows them."""

import pytest
from django.core.management import call_command

from browse.summaries import session_url

pytestmark = pytest.mark.django_db

LINE = (
    '{"type":"user","uuid":"u1","parentUuid":null,"sessionId":"s-odd","timestamp":"2026-01-31T12:00:00Z",'
    '"message":{"role":"user","content":"hello"},%s}\n'
)
ODD_MEMBERS = {
    "infinite": '"x":1e999',
    "beyond 64 bit": '"x":1180591620717411303424',
    "many digits": '"x":0.1234567890123456789012345678901234567890',
    "lone surrogate": '"x":"a\\ud800b"',
    "NUL": '"x":"a\\u0000b","k\\u0000":1',
    "dots and dollars": '"a.b":1,"$where":"1","":2,"$ref":{"$id":3}',
    "duplicate keys": '"x":1,"x":2',
    "extended JSON": '"x":{"$date":"2026-01-01T00:00:00Z"},"y":{"$oid":"5"}',
    "year 10000": '"timestamp":"+010000-01-01T00:00:00Z"',
    "deep": '"x":' + "[" * 90 + "]" * 90,
    "U+2028": '"x":"a\u2028b"',
    "right to left": '"gitBranch":"\u202egnp.exe","cwd":"/\u202e/x"',
    "long words": '"cwd":"/' + "x" * 5000 + '"',
    "odd types": '"cwd":{"a":1},"gitBranch":7,"version":[],"isSidechain":"yes","agentId":5,"isMeta":"no"',
}  # fmt: skip


@pytest.mark.parametrize("member", ODD_MEMBERS.values(), ids=ODD_MEMBERS)
def test_an_odd_value_is_shown_everywhere(archive_db, staff, tmp_path, member):
    (tmp_path / "s-odd.jsonl").write_text(LINE % '"plain":1' + LINE % member, "utf-8")
    call_command("import_archive", str(tmp_path), user="root", verbosity=0)
    _, message = archive_db.messages_current.find().sort("seq", 1)
    hex_id = message["_id"].hex()

    for path in (
        "/",
        "/sessions/",
        session_url("s-odd"),
        f"{session_url('s-odd')}?view=prompts",
        f"/messages/{hex_id}/",
        f"/messages/{hex_id}/raw/",
        "/api/v1/sessions/",
        "/api/v1/sessions/s-odd/",
        "/api/v1/sessions/s-odd/messages/",
        f"/api/v1/messages/{hex_id}/",
    ):
        response = staff.get(path)
        assert response.status_code == 200, path
        assert response.content.decode()
    assert staff.get(f"/messages/{hex_id}/raw/").content.decode().strip() == (LINE % member).strip()
