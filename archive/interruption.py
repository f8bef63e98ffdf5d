"""Ending a scan from another thread, at once, whatever the server is doing for it."""

import threading

from pymongo.client_session import ClientSession

from archive import connection
from archive.errors import Unavailable


class Interruption:
    """Ends the reads it is given to. ``interrupt`` may be called by any thread at any time: the server stops
    what it does in their driver sessions and gives up their cursors; whoever waits for it gets
    ``Unavailable``, and so does whoever would begin.

    Making one raises ``Unavailable`` when the database is away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[ClientSession] = []
        self._was_used = False
        with connection.translated():
            # A database that is away is known now, before anybody waits for what is read from it.
            connection.client().admin.command("ping")

    def watch(self, session: ClientSession) -> None:
        """Let this end what is done in the driver session, too. Raises ``Unavailable`` once it was used."""
        with self._lock:
            if self._was_used:
                raise Unavailable("The reading was ended.", hint="Begin it again.")
            self._sessions.append(session)

    def release(self, session: ClientSession) -> bool:
        """Nothing more is done in the driver session. Whether it can be given back: one that was ended
        cannot, whoever got it next would be hit as well."""
        with self._lock:
            self._sessions.remove(session)
            return not self._was_used

    def interrupt(self) -> None:
        """End all of it. Raises ``Unavailable`` when the server cannot be told: nothing runs there then."""
        with self._lock:
            self._was_used = True
            ids = [session.session_id for session in self._sessions]
        if ids:
            with connection.translated():
                connection.client().admin.command("killSessions", ids)

    def close(self) -> None:
        """It is not needed any more. Idempotent."""
