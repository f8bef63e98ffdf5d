"""How long readers go on when they lose their moment, and what they are told then."""

from types import SimpleNamespace

import pytest

from archive import connection, moments, reader, sampling
from archive.errors import TooSlow, Unavailable
from archive.filters import MessageFilter
from archive.moments import MomentLost, Patience
from tests import run

WINDOW = "minSnapshotHistoryWindowInSeconds"


@pytest.fixture
def clock(monkeypatch):
    """A clock that only goes on when it is told to, or slept by."""
    hand = SimpleNamespace(now=1000.0)

    def go(seconds: float) -> None:
        hand.now += seconds

    hand.go = go
    monkeypatch.setattr(moments, "time", SimpleNamespace(monotonic=lambda: hand.now, sleep=go))
    return hand


def lose(clock, patience: Patience, *lasted: float) -> None:
    for seconds in lasted:
        clock.go(seconds)
        patience.wait()


def test_messages_that_stay_away_are_being_moved(clock):
    patience = Patience()
    with pytest.raises(Unavailable, match="being moved") as refused:
        lose(clock, patience, *[0.2] * 1000)
    assert not isinstance(refused.value, TooSlow)
    assert 1120 <= clock.now < 1125


def test_what_outlives_the_moment_is_not_tried_again(clock):
    with pytest.raises(TooSlow, match="longer than the database keeps") as refused:
        lose(clock, Patience(), 301)
    assert "Ask for less" in refused.value.hint


def test_what_is_lost_again_and_again_while_it_is_read_takes_too_long(clock):
    patience = Patience()
    lose(clock, patience, 60, 60)
    with pytest.raises(TooSlow):
        lose(clock, patience, 60)


def test_one_loss_after_a_long_read_is_tried_again_and_so_is_a_short_absence_after_it(clock):
    lose(clock, Patience(), 200, *[0.2] * 400)


def test_many_losses_within_a_moment_are_no_reason_to_give_up(clock):
    lose(clock, Patience(), *[2.0] * 50)


def test_progress_begins_the_count_anew(clock):
    patience = Patience()
    for _ in range(20):
        lose(clock, patience, 100, 10)
        clock.go(250)
        patience.renew()


def test_a_read_that_outlives_the_snapshot_of_the_server_says_that_it_took_too_long(archive_db, monkeypatch):
    """The server is told to keep a moment for two seconds; writes make it forget the older ones."""
    monkeypatch.setattr(moments, "KEPT_SECONDS", 0.9)
    monkeypatch.setattr(moments, "READ_SECONDS", 0.1)
    tries = []

    def too_long(moment):
        tries.append(moment)
        while True:
            connection.collection("notes").insert_one({})
            connection.collection("projects").find_one({}, session=moment.session)

    admin = archive_db.client.admin
    kept = admin.command({"getParameter": 1, WINDOW: 1})[WINDOW]
    admin.command({"setParameter": 1, WINDOW: 2})
    try:
        with pytest.raises(TooSlow) as refused:
            moments.at_one_moment(too_long)
    finally:
        admin.command({"setParameter": 1, WINDOW: kept})
    assert isinstance(refused.value.__context__, MomentLost)
    assert len(tries) == 1


def test_an_archive_that_was_never_prepared_is_empty(servers):
    connection.configure(servers.mongodb_url, f"{run.DATABASE}_unprepared")
    connection.client().drop_database(f"{run.DATABASE}_unprepared")
    assert reader.average_bytes() == 0
    assert reader.count_messages(MessageFilter(text="x")) == 0
    assert not reader.has_messages(MessageFilter())
    assert list(reader.scan_messages(MessageFilter())) == []
    assert not sampling.sample_messages(MessageFilter(), 5).found
