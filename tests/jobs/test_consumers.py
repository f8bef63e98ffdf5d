import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from claudelens_site import asgi
from jobs import consumers
from jobs.consumers import NO_SUCH_JOB, NOT_SIGNED_IN, NOT_STAFF
from jobs.progress import broadcast
from jobs.routing import websocket_urlpatterns
from tests.jobs.drill.models import DrillJob, run_drill
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
URL = "/ws/jobs/"


def watch(client, address, origin=b"http://localhost"):
    """A socket at ``address`` with the cookies of a signed-in (or not) test client."""
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"origin", origin), (b"cookie", cookie.encode()), (b"host", b"localhost")]
    return WebsocketCommunicator(asgi.application, address, headers)


@pytest.fixture
def signed_in(client, people):
    def as_(name):
        client.force_login(getattr(people, name))
        return client

    return as_


async def refused(socket):
    connected, code = await socket.connect(10)
    assert not connected
    return code


async def opened(socket):
    connected, _ = await socket.connect(10)
    assert connected
    return await socket.receive_json_from(10)


async def test_who_is_not_signed_in_is_refused(client, make_job):
    job = await database_sync_to_async(make_job)()
    assert await refused(watch(client, f"{URL}{job.pk}/")) == NOT_SIGNED_IN
    assert await refused(watch(client, URL)) == NOT_SIGNED_IN


async def test_who_is_no_staff_is_refused(signed_in, people, make_job):
    job = await database_sync_to_async(make_job)(owner=people.charlie)
    client = await database_sync_to_async(signed_in)("charlie")
    assert await refused(watch(client, f"{URL}{job.pk}/")) == NOT_STAFF
    assert await refused(watch(client, URL)) == NOT_STAFF


async def test_another_persons_job_is_no_job(signed_in, people, make_job):
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("bob")
    assert await refused(watch(client, f"{URL}{job.pk}/")) == NO_SUCH_JOB
    assert await refused(watch(client, f"{URL}7a7a7a7a-0000-4000-8000-000000000000/")) == NO_SUCH_JOB


async def test_a_page_of_another_site_is_refused(signed_in, people, make_job):
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("alice")
    await refused(watch(client, f"{URL}{job.pk}/", origin=b"https://evil.example"))


@pytest.mark.parametrize("name", ["alice", "root"])
async def test_the_first_message_is_the_state_and_then_comes_every_change(signed_in, people, make_job, name):
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)(name)
    socket = watch(client, f"{URL}{job.pk}/")
    first = await opened(socket)
    assert (first["type"], first["id"], first["state"]) == ("snapshot", str(job.pk), "queued")
    await database_sync_to_async(run_drill)(job)
    seen = [first]
    while seen[-1]["state"] != "completed":
        seen.append(await socket.receive_json_from(10))
    assert [message["seq"] for message in seen] == sorted({message["seq"] for message in seen})
    await socket.disconnect()


async def test_a_list_shows_own_jobs_and_no_others(signed_in, people, make_job):
    mine = await database_sync_to_async(make_job)(owner=people.alice)
    other = await database_sync_to_async(make_job)(owner=people.bob)
    client = await database_sync_to_async(signed_in)("alice")
    socket = watch(client, URL)
    first = await opened(socket)
    assert [job["id"] for job in first["results"]] == [str(mine.pk)]
    await database_sync_to_async(broadcast)(other)
    await database_sync_to_async(broadcast)(mine)
    assert (await socket.receive_json_from(10))["id"] == str(mine.pk)
    await socket.disconnect()


async def test_a_superuser_is_shown_all_jobs(signed_in, people, make_job):
    for owner in (people.alice, people.bob, None):
        await database_sync_to_async(make_job)(owner=owner)
    client = await database_sync_to_async(signed_in)("root")
    socket = watch(client, URL)
    assert len((await opened(socket))["results"]) == 3
    nobodys = await database_sync_to_async(DrillJob.objects.get)(owner=None)
    await database_sync_to_async(broadcast)(nobodys)
    assert (await socket.receive_json_from(10))["id"] == str(nobodys.pk)
    await socket.disconnect()


async def test_what_a_watcher_sends_is_ignored(signed_in, people, make_job):
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("alice")
    socket = watch(client, f"{URL}{job.pk}/")
    await opened(socket)
    await socket.send_to(text_data="{not json")
    await socket.send_to(bytes_data=b"\x00")
    await database_sync_to_async(broadcast)(job)
    assert (await socket.receive_json_from(10))["id"] == str(job.pk)
    await socket.disconnect()


async def test_a_socket_that_was_idle_for_twelve_seconds_still_receives(signed_in, people, make_job):
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("alice")
    socket = watch(client, f"{URL}{job.pk}/")
    await opened(socket)
    assert await socket.receive_nothing(timeout=12, interval=1)
    await database_sync_to_async(broadcast)(job)
    assert (await socket.receive_json_from(10))["id"] == str(job.pk)
    await socket.disconnect()


async def test_the_group_is_joined_anew_before_redis_forgets_it(
    signed_in, people, make_job, monkeypatch, redis_server
):
    monkeypatch.setattr(consumers, "RENEW_SECONDS", 0.05)
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("alice")
    socket = watch(client, f"{URL}{job.pk}/")
    await opened(socket)
    redis_server.flushdb()
    await asyncio.to_thread(until, lambda: redis_server.keys("*job.*"))
    await database_sync_to_async(broadcast)(job)
    assert (await socket.receive_json_from(10))["id"] == str(job.pk)
    await socket.disconnect()


async def test_who_is_deactivated_while_watching_is_shown_the_door(signed_in, people, make_job, monkeypatch):
    monkeypatch.setattr(consumers, "RENEW_SECONDS", 0.05)
    job = await database_sync_to_async(make_job)(owner=people.alice)
    client = await database_sync_to_async(signed_in)("alice")
    socket = watch(client, f"{URL}{job.pk}/")
    await opened(socket)
    people.alice.is_active = False
    await people.alice.asave()
    closing = await socket.receive_output(10)
    assert (closing["type"], closing["code"]) == ("websocket.close", NOT_SIGNED_IN)


def test_every_socket_has_one_address():
    assert [str(pattern.pattern) for pattern in websocket_urlpatterns] == [
        "ws/jobs/",
        "ws/jobs/<uuid:job_id>/",
    ]
