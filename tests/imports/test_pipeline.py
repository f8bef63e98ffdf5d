"""Imports on the real database: every record once, every byte back, every number right."""

import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archive import import_reports, rejected
from archive.checkpoints import Fenced
from archive.errors import BadInput, NotFound
from imports.pipeline import Source
from tests.emptying import empty
from tests.imports.running import (
    bytes_of,
    check,
    difference,
    file_at,
    given_back,
    paths,
    picture,
    run,
)
from tests.samples.making import (
    CWD,
    ONE,
    SLUG,
    TWO,
    assistant,
    conversation,
    corpus,
    dump,
    joined,
    session_file,
    usage,
    user,
    write,
)

PATH = session_file(ONE)
LINES = conversation(ONE, 10)


@pytest.fixture
def db(archive_db):
    """The archive, whose account is checked when the test is over."""
    yield archive_db
    check(archive_db)


def writes_of(db) -> dict[str, int]:
    """How many documents each collection holds, and its newest writes."""
    return {
        name: db[name].count_documents({})
        for name in (
            "messages_current",
            "message_copies",
            "sessions",
            "projects",
            "api_calls",
            "events",
            "source_files",
            "rejected_records",
        )
    }


# ------------------------------------------------------------------ one file


def test_counts_equal_an_independent_count(db, tmp_path):
    data = joined(LINES) + b"{broken\n" + joined([dump({"type": "summary", "summary": "S", "leafUuid": "x"})])
    result = run(write(tmp_path, PATH, data))
    good = sum(1 for line in data.splitlines() if line.startswith(b"{") and line.endswith(b"}"))
    assert (result.seen, result.inserted, result.rejected) == (12, good, 1)
    assert db.messages_current.count_documents({}) == good
    assert bytes_of(db, PATH) == data
    assert (result.last.phase, result.last.sessions, result.last.bytes_done) == ("done", 1, len(data))


def test_importing_again_adds_nothing_and_writes_nothing_but_its_report(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place)
    before, files = writes_of(db), list(db.source_files.find())
    again = run(place, job="again")
    assert (again.seen, again.inserted, again.duplicates) == (10, 0, 10)
    assert writes_of(db) == before
    assert list(db.source_files.find()) == files
    assert db.import_files.find_one({"jobId": "again"})["state"] == "held"


def test_only_what_is_new_of_a_grown_file_is_read(db, tmp_path, monkeypatch):
    place = write(tmp_path, PATH, joined(LINES[:6]))
    run(place)
    place.write_bytes(joined(LINES))
    from imports.readers import lines

    read = []
    monkeypatch.setattr(lines._LineReader, "_plain_value", _noting(lines._LineReader._plain_value, read))
    again = run(place, job="again")
    assert (again.seen, again.inserted, again.duplicates) == (10, 4, 6)
    assert len(read) == 4
    assert bytes_of(db, PATH) == joined(LINES)
    assert paths(db) == [PATH]


def _noting(method, calls):
    def noting(self, line):
        calls.append(line)
        return method(self, line)

    return noting


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_file_cut_in_a_record_is_whole_once_it_has_grown(db, tmp_path, cut):
    whole = joined(LINES)
    place = write(tmp_path, PATH, whole[: len(joined(LINES[:4])) + cut])
    first = run(place)
    assert (first.inserted, first.rejected) == (4, 1)
    assert rejected.count_by_code("job") == {"truncated": 1}
    assert bytes_of(db, PATH) == place.read_bytes()
    place.write_bytes(whole)
    again = run(place, job="again")
    assert (again.inserted, again.duplicates, again.rejected) == (6, 4, 0)
    assert bytes_of(db, PATH) == whole
    assert paths(db) == [PATH]


def test_a_file_without_its_last_line_end_grows_like_any_other(db, tmp_path):
    place = write(tmp_path, PATH, b"\n".join(LINES[:5]))
    run(place)
    assert bytes_of(db, PATH) == b"\n".join(LINES[:5])
    place.write_bytes(b"\n".join(LINES))
    assert run(place, job="again").inserted == 5
    assert bytes_of(db, PATH) == b"\n".join(LINES)


def test_blank_space_at_the_end_is_kept_and_may_be_followed_by_more(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES[:5]) + b"\n \n\r\n")
    run(place)
    assert bytes_of(db, PATH) == place.read_bytes()
    place.write_bytes(place.read_bytes() + joined(LINES[5:]))
    run(place, job="again")
    assert bytes_of(db, PATH) == place.read_bytes()
    assert paths(db) == [PATH]


MIXED = (
    LINES[0] + b"\r\n" + LINES[1] + b"\n" + LINES[2] + LINES[3] + b"\r\n" + b"\r\n" + LINES[4] + b"  \r\n{x\r\n"
    + dump(user(ONE, 5)).replace(b"Question", b"Qu\\u0065stion") + b"\r\n" + b'{"a\\u0000":1}\r\n' + LINES[6]
)  # fmt: skip


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\r\n", b"// made by hand\r\n"])
def test_mixed_line_ends_come_back_as_they_were(db, tmp_path, start):
    place = write(tmp_path, PATH, start + MIXED)
    first = run(place)
    assert bytes_of(db, PATH) == start + MIXED
    again = run(place, job="again")
    assert (again.inserted, again.seen) == (0, first.seen)
    assert bytes_of(db, PATH) == start + MIXED


def test_a_rewritten_file_is_another_file_and_the_first_one_stays(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place)
    redacted = joined(LINES[:3]).replace(b"Question", b"XXXXXXXX") + joined(LINES[3:])
    place.write_bytes(redacted)
    again = run(place, job="again")
    assert (again.inserted, again.duplicates) == (2, 8)
    assert given_back(db) == {PATH: joined(LINES), PATH.replace(".jsonl", "~2.jsonl"): redacted}
    run(place, job="third")
    assert len(paths(db)) == 2


def test_an_older_and_shorter_file_is_kept_beside_the_newer_one(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place)
    place.write_bytes(joined(LINES[:4]))
    again = run(place, job="again")
    assert (again.inserted, again.duplicates) == (0, 4)
    assert db.message_copies.count_documents({}) == 4
    assert sorted(given_back(db).values()) == sorted([joined(LINES), joined(LINES[:4])])


def test_the_same_record_many_times_in_a_file_is_as_many_messages(db, tmp_path):
    lines = [LINES[0]] * 5 + [LINES[1]] + [LINES[0]] * 2
    place = write(tmp_path, PATH, joined(lines))
    assert run(place).inserted == 8
    assert run(place, job="again").inserted == 0
    place.write_bytes(joined(lines + [LINES[0]] * 3))
    assert run(place, job="third").inserted == 3
    assert bytes_of(db, PATH) == joined(lines + [LINES[0]] * 3)


def test_repetitions_in_batches_of_any_size_and_in_a_second_file(db, tmp_path):
    lines = ([LINES[0]] * 7 + [LINES[1]] * 3) * 4
    run(write(tmp_path, PATH, joined(lines)), batch_docs=3)
    more = lines + [LINES[0]] * 5
    other = write(tmp_path, session_file(TWO), joined(more))
    result = run(other, job="other", batch_docs=4)
    assert (result.inserted, result.duplicates) == (5, 40)
    assert db.messages_current.count_documents({}) == 45
    assert sorted(given_back(db).values()) == sorted([joined(lines), joined(more)])


# ------------------------------------------------------------------ several files


def test_a_file_of_nothing_but_equal_lines_takes_no_longer_for_that(db, tmp_path):
    lines = [LINES[0]] * 6000
    started = time.monotonic()
    assert run(write(tmp_path, PATH, joined(lines))).inserted == 6000
    assert run(write(tmp_path, session_file(TWO), joined([LINES[1], *lines])), job="two").inserted == 1
    assert time.monotonic() - started < 15
    assert bytes_of(db, session_file(TWO)) == joined([LINES[1], *lines])


def test_many_files_of_one_size_take_no_longer_for_that(db, tmp_path):
    for number in range(500):
        write(tmp_path, f"projects/-a/{number:03}.jsonl", joined(conversation(f"{number:03}", 1)))
    started = time.monotonic()
    assert run(tmp_path).inserted == 500
    assert time.monotonic() - started < 20


def test_a_copy_under_another_name_is_remembered_and_not_read(db, tmp_path):
    run(write(tmp_path, PATH, joined(LINES)))
    copy = run(write(tmp_path, f"backup/projects/{SLUG}/{TWO}.jsonl", joined(LINES)), job="copy")
    assert (copy.inserted, copy.duplicates) == (0, 10)
    assert paths(db) == [PATH]
    assert [each["path"] for each in file_at(db, PATH).copies] == [session_file(TWO)]


def test_copies_within_one_import_are_recognised_whether_or_not_they_are_written_yet(db, tmp_path):
    write(tmp_path, "projects/-a/1.jsonl", joined(LINES))
    write(tmp_path, "projects/-b/2.jsonl", joined(LINES))
    write(tmp_path, "projects/-c/3.jsonl", joined(LINES))
    result = run(tmp_path, batch_docs=10)
    assert (result.inserted, result.duplicates) == (10, 20)
    assert paths(db) == ["projects/-a/1.jsonl"]
    assert len(file_at(db, "projects/-a/1.jsonl").copies) == 2


def test_the_same_path_twice_in_one_import_each_time_longer(db, tmp_path):
    steps = [
        joined(LINES[:4]) + b'{"cut":"in the',
        joined(LINES[:6]) + b"{bad\n",
        joined(LINES[:6]) + b"{bad\n" + joined(LINES[6:]),
    ]
    folders = [tmp_path / name for name in ("monday", "tuesday", "wednesday")]
    for folder, data in zip(folders, steps, strict=True):
        write(folder, PATH, data)
    result = run(*folders)
    assert result.inserted == 10
    # The cut record of Monday was no other file's: on Tuesday the file went on differently.
    assert set(given_back(db).values()) >= {steps[2]}
    assert len(list(import_reports.list_files("job"))) == 3
    check(db)


def test_messages_that_stand_in_two_files_are_one_message_each(db, tmp_path):
    first = write(tmp_path, PATH, joined(LINES[:6]))
    second = write(tmp_path, session_file(TWO), joined(LINES[3:]))
    run(first, second)
    assert db.messages_current.count_documents({}) == 10
    assert db.message_copies.count_documents({}) == 3
    assert given_back(db) == {PATH: joined(LINES[:6]), session_file(TWO): joined(LINES[3:])}


def test_a_copy_of_other_bytes_keeps_its_own(db, tmp_path):
    spaced = json.dumps(json.loads(LINES[0])).encode()
    run(write(tmp_path, PATH, joined(LINES[:3])))
    run(write(tmp_path, session_file(TWO), joined([spaced, *LINES[1:4]])), job="two")
    run(write(tmp_path, session_file("3"), joined([LINES[0], spaced, LINES[5]])), job="three")
    assert db.messages_current.count_documents({}) == 6
    assert bytes_of(db, session_file(TWO)) == joined([spaced, *LINES[1:4]])
    assert bytes_of(db, session_file("3")) == joined([LINES[0], spaced, LINES[5]])


def test_a_copy_whose_keys_stand_in_another_order_comes_back_in_its_own(db, tmp_path):
    turned = dump(dict(reversed(json.loads(LINES[0]).items())))
    inner = dump(json.loads(LINES[1]) | {"message": dict(reversed(json.loads(LINES[1])["message"].items()))})
    run(write(tmp_path, PATH, joined(LINES[:3])))
    for name, lines in {
        "2": [turned, inner],
        "3": [turned, LINES[1], LINES[2]],
        "4": [LINES[0], turned, LINES[5]],
    }.items():
        for end in (b"\n", b"\r\n"):
            path = session_file(name + str(len(end)))
            run(write(tmp_path, path, joined(lines, end)), job=path)
            assert bytes_of(db, path) == joined(lines, end)


@pytest.mark.parametrize("first", [b"\n", b"\r\n"])
@pytest.mark.parametrize("second", [b"\n", b"\r\n"])
def test_copies_have_the_line_ends_of_their_own_file(db, tmp_path, first, second):
    other = {b"\n": b"\r\n", b"\r\n": b"\n"}
    one = LINES[0] + first + LINES[1] + other[first] + LINES[2] + LINES[3] + first + LINES[4]
    two = (
        LINES[5]
        + second
        + LINES[1]
        + second
        + LINES[0]
        + other[second]
        + LINES[2]
        + LINES[3]
        + second
        + LINES[4]
        + second
    )
    run(write(tmp_path, PATH, one))
    run(write(tmp_path, session_file(TWO), two), job="two")
    assert given_back(db) == {PATH: one, session_file(TWO): two}
    assert db.messages_current.count_documents({}) == 6


def test_files_may_interleave_conversations(db, tmp_path):
    lines = [line for pair in zip(conversation(ONE, 10), conversation(TWO, 10), strict=True) for line in pair]
    run(write(tmp_path, PATH, joined(lines)), batch_docs=3)
    assert {each["_id"]: each["messageCount"] for each in db.sessions.find()} == {ONE: 10, TWO: 10}
    assert bytes_of(db, PATH) == joined(lines)


def resumed(session: str) -> list[bytes]:
    """The conversation as a resumed one holds it: the old lines under the new id, and one more answer."""
    old = [line.replace(ONE.encode(), session.encode()) for line in LINES]
    return [*old, dump(assistant(session, 50, tokens=usage(output_tokens=9)))]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_money_counts_once_whatever_comes_first(db, tmp_path, order):
    files = [joined(LINES), joined(resumed(TWO)), joined(resumed("three"))]
    for number in order:
        run(write(tmp_path, session_file(str(number)), files[number]), job=f"job {number}")
    assert db.api_calls.count_documents({}) == 7
    costs = {each["_id"]: each["callCount"] for each in db.sessions.find()}
    assert costs == {ONE: 5, TWO: 1, "three": 1}


def test_the_order_of_imports_leaves_the_same_money(archive_db, tmp_path):
    place = corpus(tmp_path, 600, seed=5)
    pictures = []
    for order in (place, list(reversed(place))):
        empty(archive_db)
        for number, file in enumerate(order):
            run(file, job=f"job {number}")
        check(archive_db)
        pictures.append(picture(archive_db))
    for each in pictures:
        for call in each["calls"].values():
            call.pop("projectId")
    assert pictures[0]["calls"] == pictures[1]["calls"]
    assert {key: each["totalCost"] for key, each in pictures[0]["sessions"].items()} == {
        key: each["totalCost"] for key, each in pictures[1]["sessions"].items()
    }


def test_a_response_of_several_lines_counts_once_by_its_last_line(db, tmp_path):
    lines = [dump(assistant(ONE, n, id="msg", tokens=usage(output_tokens=n))) for n in (1, 2, 7)]
    run(write(tmp_path, PATH, joined(lines)), batch_docs=1)
    assert db.sessions.find_one()["outputTokens"] == 7
    assert db.api_calls.find_one()["timestamp"].second == 1


def test_a_folder_is_imported_whole(db, tmp_path):
    made = corpus(tmp_path, 3000)
    seen = sum(1 for place in made for line in place.read_bytes().split(b"\n") if line.strip())
    result = run(tmp_path)
    assert result.seen == seen
    assert result.last.bytes_total == sum(place.stat().st_size for place in made)
    by_path = given_back(db)
    copied = {copy["path"] for each in db.source_files.find() for copy in each.get("copies", [])}
    for place in made:
        inside = place.relative_to(tmp_path).as_posix()
        path = inside if inside.startswith("projects/") else f"projects/{inside}"
        assert path in copied or by_path[path] == place.read_bytes()
    assert run(tmp_path, job="again").inserted == 0


def test_a_zip_is_imported_like_its_folder(db, tmp_path):
    made = corpus(tmp_path / "claude", 800)
    packed = tmp_path / "claude.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for place in made:
            archive.write(place, f".claude/{place.relative_to(tmp_path / 'claude')}")
    first = run(packed)
    again = run(tmp_path / "claude", job="again")
    assert (again.inserted, again.seen) == (0, first.seen)


def test_two_files_of_one_name_have_a_report_each(db, tmp_path):
    one = write(tmp_path, "a/upload-1", joined(LINES))
    two = write(tmp_path, "b/upload-2", joined(conversation(TWO, 4)))
    run(Source(str(one), "session.jsonl"), Source(str(two), "session.jsonl"))
    reports = import_reports.list_files("job")
    assert [(each["path"], each["counts"]["inserted"]) for each in reports] == [
        ("session.jsonl", 10),
        ("session.jsonl (2)", 4),
    ]
    assert sorted(given_back(db).values()) == sorted([joined(LINES), joined(conversation(TWO, 4))])


# ------------------------------------------------------------------ refusals


def test_a_file_that_is_refused_leaves_the_others_alone(db, tmp_path):
    write(tmp_path, PATH, joined(LINES))
    write(tmp_path, f"projects/{SLUG}/other.jsonl", b'{"role":"user","content":"hello"}\n')
    result = run(tmp_path)
    assert (result.inserted, result.last.refused_files) == (10, 1)
    report = import_reports.first_refused("job")
    assert (report["code"], report["path"]) == ("unknown_format", f"projects/{SLUG}/other.jsonl")


def test_nothing_but_refused_files_is_an_error_that_says_why(db, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        write(tmp_path, name, b"hello\n")
    with pytest.raises(BadInput, match="None of the 2 files") as caught:
        run(tmp_path)
    assert caught.value.code == "unknown_format"
    with pytest.raises(BadInput, match="None of the 2 files"):
        run(tmp_path, token=2)


def test_nothing_chosen_and_nothing_there(db, tmp_path):
    with pytest.raises(BadInput, match="Nothing was chosen"):
        run()
    with pytest.raises(NotFound):
        run(tmp_path / "missing")


# ------------------------------------------------------------------ interrupted


def test_an_import_goes_on_behind_its_last_batch(db, tmp_path):
    place = write(tmp_path, PATH, MIXED + b"\n" + joined(conversation(ONE, 50, start=10)))
    write(tmp_path, session_file(TWO), joined(conversation(TWO, 20)))
    token = 0
    for token in range(1, 40):
        result = run(tmp_path, token=token, stop_after=2, batch_docs=4)
        check(db)
        if result.last.phase == "done":
            break
    assert token > 5
    assert result.duplicates == 0
    assert bytes_of(db, PATH) == place.read_bytes()


@pytest.mark.parametrize("own_process", [0, 1 << 40], ids=["in a process of its own", "in this process"])
def test_stopping_anywhere_ends_with_the_same_archive(archive_db, tmp_path, own_process):
    corpus(tmp_path, 1200, seed=3)
    write(
        tmp_path,
        "projects/-long/1.jsonl",
        LINES[0] + b"\n" + b"x" * 5000 + b"\n" + LINES[1] + LINES[2] * 5 + b"\n",
    )
    options = {"batch_docs": 37, "max_record": 4000, "own_process": own_process}
    whole = run(tmp_path, job="whole", **options)
    expected = picture(archive_db)
    empty(archive_db)
    for token in range(1, 200):
        result = run(tmp_path, job="parts", token=token, stop_after=1 + token % 3, **options)
        if result.last.phase == "done":
            break
    assert result.counts == whole.counts
    assert difference(expected, picture(archive_db)) == ""
    check(archive_db)


@pytest.mark.parametrize("batch_docs", [1, 2, 3, 4, 5])
def test_a_cut_record_counts_once_wherever_the_import_stops(db, tmp_path, batch_docs):
    place = write(tmp_path, PATH, joined(LINES[:3]) + LINES[3][:50])
    for token in range(1, 9):
        result = run(place, token=token, stop_after=1, batch_docs=batch_docs)
        if result.last.phase == "done":
            break
    assert (result.seen, result.inserted, result.rejected) == (4, 3, 1)
    assert bytes_of(db, PATH) == place.read_bytes()


def test_a_file_that_grew_while_the_import_was_away_is_read_to_its_new_end(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES[:6]))
    run(place, stop_after=1, batch_docs=3)
    place.write_bytes(joined(LINES))
    result = run(place, token=2, batch_docs=3)
    assert (result.seen, result.inserted) == (10, 10)
    assert bytes_of(db, PATH) == joined(LINES)


def test_a_file_that_was_rewritten_while_the_import_was_away_is_read_again(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place, stop_after=1, batch_docs=3)
    new = joined(conversation(TWO, 5))
    place.write_bytes(new)
    result = run(place, token=2, batch_docs=3)
    assert any("read again from its start" in line for line in result.log)
    assert new in given_back(db).values()


def test_files_that_come_and_go_while_the_import_is_away(db, tmp_path):
    for name in ("b", "d"):
        write(tmp_path, f"projects/-x/{name}.jsonl", joined(conversation(name, 6)))
    run(tmp_path, stop_after=2, batch_docs=3)
    (tmp_path / "projects/-x/b.jsonl").unlink()
    for name in ("a", "c", "e"):
        write(tmp_path, f"projects/-x/{name}.jsonl", joined(conversation(name, 2)))
    run(tmp_path, token=2, batch_docs=3)
    assert {each["_id"]: each["messageCount"] for each in db.sessions.find()} == {
        "a": 2,
        "b": 6,
        "c": 2,
        "d": 6,
        "e": 2,
    }


def test_a_file_that_vanishes_is_refused_by_name(db, tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"projects/-x/{name}.jsonl", joined(conversation(name, 6)))
    from imports.pipeline import ImportOptions, import_batches

    steps = import_batches(
        [Source(str(tmp_path))],
        job_id="job",
        token=1,
        options=ImportOptions(batch_docs=2),
        log=lambda level, text: None,
    )
    next(steps)
    (tmp_path / "projects/-x/b.jsonl").unlink()
    last = list(steps)[-1]
    assert last.refused_files == 1
    assert db.sessions.count_documents({}) == 1


def test_a_job_that_was_taken_over_writes_nothing_more(db, tmp_path):
    from imports.pipeline import ImportOptions, import_batches

    place = write(tmp_path, PATH, joined(conversation(ONE, 60)))
    options = ImportOptions(batch_docs=5)
    log = lambda level, text: None  # noqa: E731
    old = import_batches([Source(str(place))], job_id="job", token=1, options=options, log=log)
    next(old)
    new = import_batches([Source(str(place))], job_id="job", token=2, options=options, log=log)
    next(new)
    before = writes_of(db)
    with pytest.raises(Fenced):
        list(old)
    assert writes_of(db)["events"] - before["events"] <= 1  # the new holder's next batch is on its way
    counts = list(new)[-1].counts
    assert (counts["seen"], counts["inserted"]) == (60, 60)
    with pytest.raises(Fenced):
        run(place, token=1)


# ------------------------------------------------------------------ at the same time


def at_once(*jobs):
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


@pytest.mark.parametrize(
    "data",
    [
        joined(conversation(ONE, 60)),
        joined(conversation(ONE, 30)) + b"{bad\n\n" + joined(conversation(ONE, 30, 30)) + b'{"cut',
    ],
    ids=["good", "bad lines"],
)
def test_the_same_file_twice_at_once_is_one_file(db, tmp_path, data):
    place = write(tmp_path, PATH, data)
    results = at_once(*(lambda job=job: run(place, job=job, batch_docs=7) for job in ("one", "two", "three")))
    assert sum(result.inserted for result in results) == 60
    assert given_back(db) == {PATH: data}


def test_two_different_files_of_one_path_at_once_are_two_files(db, tmp_path):
    """Such as ``history.jsonl`` of two machines in the same minute."""
    datas = [joined(conversation(session, 40)) for session in (ONE, TWO)]
    places = [write(tmp_path / str(number), PATH, data) for number, data in enumerate(datas)]
    results = at_once(*(lambda n=n: run(places[n], job=str(n), batch_docs=5) for n in (0, 1)))
    assert sum(result.inserted for result in results) == 80
    assert sorted(data for data in given_back(db).values() if data) == sorted(datas)


def test_two_files_that_begin_alike_and_go_on_differently_at_once(db, tmp_path):
    place = write(tmp_path, PATH, joined(LINES))
    run(place, job="before")
    datas = [joined(LINES + conversation(ONE, 40, start)) for start in (100, 200)]
    places = [write(tmp_path / str(number), PATH, data) for number, data in enumerate(datas)]
    at_once(*(lambda n=n: run(places[n], job=str(n), batch_docs=5) for n in (0, 1)))
    assert sorted(data for data in given_back(db).values() if data) == sorted(datas)


def test_ten_overlapping_imports_at_once_store_the_union(db, tmp_path):
    made = corpus(tmp_path / "all", 1500, seed=7)
    folders = []
    for number in range(10):
        folder = tmp_path / str(number)
        for place in made[number % 3 :: 3] + made[number % 4 :: 4]:
            write(folder, str(place.relative_to(tmp_path / "all")), place.read_bytes())
        folders.append(folder)
    results = at_once(*(lambda n=n: run(folders[n], job=f"job {n}", batch_docs=100) for n in range(10)))
    union = db.messages_current.count_documents({})
    assert sum(result.inserted for result in results) == union
    run(tmp_path / "all", job="all")
    assert db.messages_current.count_documents({}) == union
    exported = set(given_back(db).values())
    assert all(place.read_bytes() in exported for place in made)


# ------------------------------------------------------------------ projects


def test_a_conversation_in_several_folders_counts_in_its_first_project(db, tmp_path):
    lines = [dump(user(ONE, n, cwd=cwd)) for n, cwd in enumerate((CWD, "/srv/other", CWD, "/srv/third"))]
    run(write(tmp_path, "somewhere/a.jsonl", joined(lines)))
    run(
        write(tmp_path, "projects/-srv-other/b.jsonl", joined([dump(user(ONE, 9, cwd="/srv/other"))])),
        job="two",
    )
    session = db.sessions.find_one()
    project = db.projects.find_one({"_id": session["projectId"]})
    assert (project["path"], project["stats"]["messages"]) == (CWD, 5)


def test_a_project_learns_its_path_from_the_lines(db, tmp_path):
    run(write(tmp_path, PATH, joined([dump({"type": "summary", "summary": "x", "leafUuid": "y"})])))
    assert db.projects.find_one()["path"] == SLUG
    run(write(tmp_path, session_file(TWO), joined(conversation(TWO, 2))), job="two")
    project = db.projects.find_one()
    assert (project["path"], project["name"], project["stats"]["sessions"]) == (CWD, "shop", 2)


def test_rejected_records_are_told_by_job(db, tmp_path):
    place = write(tmp_path, PATH, joined([LINES[0], b"{one", LINES[1], b"[2]", b"{three"]))
    run(place)
    run(place, job="again")
    for job in ("job", "again"):
        page = rejected.page_rejected(job, limit=2)
        assert [(each["line"], each["code"], each["bytes"]) for each in page.items] == [
            (2, "not_json", b"{one"),
            (4, "not_an_object", b"[2]"),
        ]
        assert [each["line"] for each in rejected.page_rejected(job, cursor=page.next).items] == [5]
        assert rejected.count_by_code(job) == {"not_json": 2, "not_an_object": 1}
    assert page.items[0]["file"] == PATH


def test_a_record_that_was_too_long_becomes_a_message_under_a_wider_limit(db, tmp_path):
    """Also where another file holds it already: it has its place in both."""
    long = dump(user(ONE, 99, "y" * 3000))
    data = joined([*LINES[:2], long, *LINES[2:]])
    place = write(tmp_path, PATH, data)
    assert run(place, max_record=2000).rejected == 1
    run(write(tmp_path, session_file(TWO), joined([long, *conversation(TWO, 2)])), job="other")
    again = run(place, job="again")
    assert (again.rejected, again.inserted, again.duplicates) == (0, 0, 11)
    assert bytes_of(db, PATH) == data


def test_the_path_of_a_lone_file_comes_from_its_lines(db, tmp_path: Path):
    place = write(tmp_path, "download", joined(LINES))
    run(Source(str(place), f"{ONE}.jsonl"))
    assert paths(db) == [PATH]
