"""Imports of containers, to the end: the counts, and every byte given back."""

import pytest

from archive.errors import BadInput
from imports.pipeline import Source
from tests.imports.containers import gzipped, kinds, place, streamed_zstd, tarred, zipped, zstded
from tests.imports.running import bytes_of, check, given_back, paths, run
from tests.samples.making import ONE, SLUG, TWO, conversation, corpus, joined, session_file, write

PATH = session_file(ONE)
DATA = joined(conversation(ONE, 40))


@pytest.fixture
def db(archive_db):
    yield archive_db
    check(archive_db)


@pytest.mark.parametrize("kind", kinds(DATA))
def test_a_file_is_the_same_whatever_it_is_packed_in(db, tmp_path, kind):
    name, data = kinds(DATA)[kind]
    result = run(place(tmp_path, name, data), batch_docs=12)
    assert (result.inserted, result.rejected, result.last.refused_files) == (40, 0, 0)
    assert list(given_back(db).values()) == [DATA]
    # Once more, plain: it is known by its content.
    again = run(write(tmp_path, "other/b.jsonl", DATA), job="again")
    assert (again.inserted, again.duplicates) == (0, 40)
    assert len(paths(db)) == 1


@pytest.mark.parametrize("own_process", [0, 1 << 40], ids=["in a process of its own", "in this process"])
@pytest.mark.parametrize("ending", ["tar.gz", "tar.zst", "zip"])
def test_a_packed_tree_is_the_tree(db, tmp_path, ending, own_process):
    folder = tmp_path / ".claude"
    files = {each.relative_to(folder).as_posix(): each.read_bytes() for each in corpus(folder, 400)}
    pack = {
        "zip": zipped,
        "tar.gz": lambda members: gzipped(tarred(members)),
        "tar.zst": lambda members: zstded(tarred(members)),
    }[ending]
    packed = run(place(tmp_path, f"x.{ending}", pack(files)), own_process=own_process, batch_docs=100)
    archived = given_back(db)
    assert {data for data in archived.values() if data} == set(files.values())
    assert packed.last.refused_files == 0
    again = run(folder, job="again")
    assert (again.seen, again.inserted) == (packed.seen, 0)
    assert given_back(db) == archived


def test_a_zip_of_zips_brings_them_all(db, tmp_path):
    shards = {
        f"shard-{n}.zip": zipped({f"projects/-s{n}/{n}.jsonl": joined(conversation(f"s{n}", 9))})
        for n in range(6)
    }
    result = run(place(tmp_path, "x.zip", zipped({**shards, "photo.png": b"x"})))
    assert result.inserted == 54
    assert paths(db) == [f"projects/-s{n}/{n}.jsonl" for n in range(6)]
    assert any("1 other files" in line for line in result.log)


def test_a_packed_file_that_has_grown_is_read_from_where_it_ended(db, tmp_path):
    name = f"projects/{SLUG}/{ONE}.jsonl.gz"
    assert run(write(tmp_path, name, gzipped(DATA))).inserted == 40
    more = joined(conversation(ONE, 55))
    result = run(write(tmp_path, name, gzipped(more)), job="again")
    assert (result.inserted, result.duplicates) == (15, 40)
    assert given_back(db) == {PATH: more}


@pytest.mark.parametrize("pack", [gzipped, streamed_zstd])
def test_an_import_of_packed_files_goes_on_where_it_was_cut(db, tmp_path, pack):
    packed = place(
        tmp_path,
        "x.tar",
        tarred({f"{n}.jsonl.gz": pack(joined(conversation(f"s{n}", 50))) for n in range(4)}),
    )
    run(packed, batch_docs=20, stop_after=4)
    result = run(packed, batch_docs=20, token=2)
    assert result.seen == result.inserted == 200
    assert sorted(given_back(db).values()) == sorted(joined(conversation(f"s{n}", 50)) for n in range(4))


@pytest.mark.parametrize("pack", [gzipped, streamed_zstd], ids=["gzip", "zstandard"])
@pytest.mark.parametrize("size", [40, 4000])
def test_of_a_packed_file_that_is_cut_off_the_beginning_is_kept(db, tmp_path, pack, size):
    data = joined(conversation(ONE, size))
    packed = pack(data)
    path = f"{SLUG}/{ONE}.jsonl.gz"
    good = {f"{SLUG}/{TWO}.jsonl": joined(conversation(TWO, 5))}
    result = run(place(tmp_path, "x.tar", tarred({path: packed[: int(len(packed) * 0.8)], **good})))
    assert result.last.refused_files == 1
    assert result.inserted > size * 0.3
    assert data.startswith(bytes_of(db, PATH))
    # Whole, it is the same file grown.
    assert run(place(tmp_path, "x.tar", tarred({path: packed, **good})), job="again").last.refused_files == 0
    assert bytes_of(db, PATH) == data


def test_progress_never_goes_back_nor_beyond_the_end(db, tmp_path):
    """A gzip of several members says how long its last one is; here the first holds nearly all."""
    packed = gzipped(DATA * 20) + gzipped(b"{}\n")
    result = run(place(tmp_path, "x.tar", tarred({"a.jsonl.gz": packed, "b.jsonl": DATA})), batch_docs=30)
    assert max(step.bytes_done for step in result.steps) <= result.last.bytes_total


def test_what_cannot_be_read_is_told_beside_what_can(db, tmp_path):
    members = {"a.zip": zipped({"x.jsonl": DATA})[:-8], f"{SLUG}/{ONE}.jsonl": DATA}
    result = run(place(tmp_path, "x.zip", zipped(members)))
    assert (result.inserted, result.last.refused_files) == (40, 1)
    assert any("x.zip: a.zip is a zip that is cut off" in line for line in result.log)


def test_an_uploaded_container_is_known_by_its_content(db, tmp_path):
    stored = place(tmp_path, "upload-7", gzipped(tarred({PATH: DATA})))
    assert run(Source(str(stored), "backup.tgz")).inserted == 40
    assert bytes_of(db, PATH) == DATA


def test_a_container_of_nothing_is_refused(db, tmp_path):
    for name, data in (("a.zip", zipped({})), ("b.tar", tarred({"a.png": b"x"})), ("c.gz", gzipped(b""))):
        with pytest.raises(BadInput) as caught:
            run(place(tmp_path, name, data), job=name)
        assert caught.value.code in ("nothing_to_import", "empty_file")
        assert name in caught.value.message
