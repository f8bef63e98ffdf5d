"""A replica set of one node: what transactions need, even on a single machine."""

import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from archive.errors import Unavailable

NOT_YET_INITIALIZED = 94
NOT_A_MEMBER = 93
NAME = "rs0"


def initiate(port: int, *, timeout_seconds: float) -> None:
    """Make the local server the primary of its own replica set, and wait until it is. Idempotent.

    A server whose port has changed since is told its new address. Raises TimeoutError.
    """
    host = f"127.0.0.1:{port}"
    deadline = time.monotonic() + timeout_seconds
    with _direct(host) as client:
        while not (_is_configured(client, host) and is_writable_primary(client)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The server at {host} did not become primary.")
            time.sleep(0.05)


def is_writable_primary(client: "MongoClient[dict[str, Any]]") -> bool:
    """Whether the server takes writes now."""
    try:
        return bool(client.admin.command("hello").get("isWritablePrimary"))
    except AutoReconnect:
        return False


def is_replica_set(url: str, *, timeout_seconds: float) -> bool:
    """Whether the server at ``url`` belongs to a replica set or is a mongos.

    Raises Unavailable when it does not answer, or the address is none.
    """
    milliseconds = int(timeout_seconds * 1000)
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=milliseconds) as client:
            hello = client.admin.command("hello")
    except PyMongoError as error:
        raise Unavailable(f"MongoDB does not answer: {str(error)[:300]}") from error
    return "setName" in hello or hello.get("msg") == "isdbgrid"


def _direct(host: str) -> "MongoClient[dict[str, Any]]":
    return MongoClient(f"mongodb://{host}/", directConnection=True, serverSelectionTimeoutMS=10_000)


def _is_configured(client: "MongoClient[dict[str, Any]]", host: str) -> bool:
    """Configure the set where needed. A server that changes sides drops its clients: False then."""
    try:
        _configure(client, host)
    except AutoReconnect:
        return False
    return True


def _configure(client: "MongoClient[dict[str, Any]]", host: str) -> None:
    members = [{"_id": 0, "host": host}]
    config = _current_config(client)
    if config is None:
        client.admin.command("replSetInitiate", {"_id": NAME, "members": members})
    elif config["members"][0]["host"] != host:
        changed = config | {"version": config["version"] + 1, "members": members}
        client.admin.command("replSetReconfig", changed, force=True)


def _current_config(client: "MongoClient[dict[str, Any]]") -> dict[str, Any] | None:
    try:
        config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == NOT_YET_INITIALIZED:
            return None
        raise
    return config
