"""Live progress over WebSockets: the state as it is now, then every snapshot as it comes.

Watchers only listen; whatever they send is ignored. Missed snapshots do not matter, since each
one is whole and carries a ``seq``; the page polls when the socket is closed.
"""

import asyncio
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model

from jobs.models import Job, find_job, recent_jobs
from jobs.progress import BROADCAST_TROUBLE, job_group, list_group

logger = logging.getLogger(__name__)

RENEW_SECONDS = 600.0
"""How often a watcher joins its group anew (Redis forgets it after a day) and is checked again."""
NOT_SIGNED_IN, NOT_STAFF, NO_SUCH_JOB, TRY_LATER = 4401, 4403, 4404, 1013
SHOWN = 50


class Watcher(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """What both sockets share: who may watch, joining the group, and leaving it."""

    group = ""
    renewal: "asyncio.Task[None] | None" = None

    async def connect(self) -> None:
        """Let in who may watch, with the current state as the first message."""
        refusal = await database_sync_to_async(self.refusal)()
        if refusal:
            await self.close(code=refusal)
            return
        try:
            await self.channel_layer.group_add(self.group, self.channel_name)
        except BROADCAST_TROUBLE as trouble:
            logger.warning("no live progress: %s", trouble)
            await self.close(code=TRY_LATER)
            return
        await self.accept()
        await self.send_json(await database_sync_to_async(self.first_message)())
        self.renewal = asyncio.create_task(self._renew())

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        if self.renewal is None:
            return
        self.renewal.cancel()
        try:
            await self.channel_layer.group_discard(self.group, self.channel_name)
        except BROADCAST_TROUBLE as trouble:
            logger.info("group %s not left: %s", self.group, trouble)

    async def receive(self, *_: Any, **__: Any) -> None:
        """Ignore whatever a watcher sends."""

    async def job_snapshot(self, event: dict[str, Any]) -> None:
        """Pass on a snapshot from the channel layer."""
        await self.send_json({"type": "snapshot", **event["snapshot"]})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            refusal = await database_sync_to_async(self.refusal)()
            if refusal:
                await self.close(code=refusal)
                return
            try:
                await self.channel_layer.group_add(self.group, self.channel_name)
            except BROADCAST_TROUBLE as trouble:
                logger.warning("group %s not renewed: %s", self.group, trouble)

    def refusal(self) -> int:
        """The close code for who may not watch, 0 for who may. Sets ``group``."""
        user = self.current_user()
        if user is None:
            return NOT_SIGNED_IN
        return self.find_group(user) if user.is_staff else NOT_STAFF

    def current_user(self) -> Any:
        """The user as the database knows them now; None when not signed in or deactivated."""
        known = self.scope.get("user")
        if known is None or not known.is_authenticated:
            return None
        return get_user_model().objects.filter(pk=known.pk, is_active=True).first()

    def find_group(self, user: Any) -> int:
        """Set ``group`` to what this user may watch, and return 0, or a close code."""
        raise NotImplementedError

    def first_message(self) -> dict[str, Any]:
        """The state as it is now."""
        raise NotImplementedError


class JobConsumer(Watcher):
    """One job, live: ``/ws/jobs/<id>/``. Another person's job is no job (4404)."""

    job: Job

    def find_group(self, user: Any) -> int:
        """The job's own group."""
        job = find_job(self.scope["url_route"]["kwargs"]["job_id"])
        if job is None or not job.is_visible_to(user):
            return NO_SUCH_JOB
        self.job, self.group = job, job_group(job.pk)
        return 0

    def first_message(self) -> dict[str, Any]:
        """The job's snapshot, read after joining so that nothing falls in between."""
        self.job.refresh_from_db()
        return {"type": "snapshot", **self.job.snapshot()}


class JobListConsumer(Watcher):
    """All jobs that the user may see, live: ``/ws/jobs/``. First message: the newest ones."""

    def find_group(self, user: Any) -> int:
        """The group of the user's jobs; for a superuser that of all jobs."""
        self.user = user
        self.group = list_group(None if user.is_superuser else user.pk)
        return 0

    def first_message(self) -> dict[str, Any]:
        """Snapshots of the newest jobs, newest first."""
        jobs = recent_jobs(self.user, limit=SHOWN)
        return {"type": "snapshots", "results": [job.snapshot() for job in jobs]}
