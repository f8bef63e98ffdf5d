"""The archive's database emptied: its indexes stay, and the one partition that there always is."""

from typing import Any

CURRENT = "messages_current"


def empty(database: Any) -> None:
    """Delete every document, and every partition but the current one. Refuses a database that is not the tests'
    own."""
    assert database.name.startswith("test_"), database.name
    for each in database.partitions.find():
        if each["_id"] != CURRENT:
            database.drop_collection(each["_id"])
    for info in database.list_collections(filter={"type": "collection"}):
        if not info["name"].startswith("system."):
            database[info["name"]].delete_many({})
    database.partitions.insert_one({"_id": CURRENT, "tier": "hot", "state": "open"})
