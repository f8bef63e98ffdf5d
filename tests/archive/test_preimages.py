"""What an import keeps of what it changes."""

import bson
from bson.objectid import ObjectId

from archive.preimages import SESSION, PreImages
from archive.session_stats import MAX_LISTED, TITLE_LENGTH, TITLE_ORDER, SessionChange, merged
from archive.unit_of_work import Transactions

LONGEST_TEXT = 1000  # of what readers give as a model, a branch or a folder
MIB = 1024 * 1024


def keep(*images: PreImages) -> None:
    transactions = Transactions()
    transactions.run(lambda unit: [each.write(unit) for each in images])
    transactions.close()


def kept(job: str, **document) -> PreImages:
    images = PreImages(job)
    images.keep(SESSION, {"_id": "s", **document})
    return images


def test_only_what_is_another_s_is_kept_as_it_was_first_found(archive_db):
    keep(kept("one"))
    keep(kept("two", importId="one", n=1), kept("two", importId="two", n=2))
    assert [
        (each["jobId"], each["over"], each["before"].get("n")) for each in archive_db.import_undo.find()
    ] == [
        ("one", [], None),
        ("two", ["one"], 1),
    ]


def test_whoever_came_in_between_is_remembered_and_the_first_image_stays(archive_db):
    keep(kept("one", importId="zero", n=1))
    keep(kept("one", importId="two", n=2))
    (row,) = archive_db.import_undo.find()
    assert (row["over"], row["before"]["n"]) == (["zero", "two"], 1)


def test_the_largest_session_fits_into_its_pre_image(archive_db):
    longest = "\U0001f600" * LONGEST_TEXT
    change = SessionChange(longest, ObjectId(), "claude-code")
    change.titles = dict.fromkeys(TITLE_ORDER, longest[:TITLE_LENGTH])
    change.latest = dict.fromkeys(("cwd", "gitBranch", "version"), longest)
    change.models = {f"{number}{longest}" for number in range(MAX_LISTED + 10)}
    change.file_ids = {ObjectId() for _ in range(MAX_LISTED + 10)}
    session = merged(None, change)
    assert len(bson.encode(session)) < 12 * MIB
    images = PreImages("job")
    images.keep(SESSION, session)
    keep(images)
    assert archive_db.import_undo.find_one()["before"] == session
