"""Webhooks: report the end of a job to a URL, signed, and retry until it answers or is given up."""

import asyncio
import json
import time
from collections import Counter
from functools import partial

import httpx
from anyio import fail_after, move_on_after

from emovox.server.http.addresses import RefusedError, is_public, look_up, read_url
from emovox.server.http.post_request import PostError, port, post
from emovox.server.http.problems import log
from emovox.server.jobs.deliveries import Delivery
from emovox.server.jobs.jobs import Job
from emovox.server.service import Service
from emovox.signature import SIGNATURE, sign

NAME = "webhooks"  # of the background task
POLL = 1.0  # seconds from one poll for what is due to the next
PAUSE = 0.05  # seconds at least
ATTEMPTS = 8
FIRST_WAIT = 2.0  # seconds; doubled after every failure: four minutes in all
LIMIT = 10.0  # seconds for a whole try: the lookup of the name, the connection, the answer
CONNECT = 3.0  # seconds to connect to each address of a name
AT_ONCE = 64
PER_RECEIVER = 4


class Webhooks:
    """Calls webhooks: several at once, but few of one receiver, so that a slow one delays no others."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._receivers: dict[str, str] = {}  # of the jobs whose webhooks are being called
        self._called_at: dict[str, float] = {}  # when each receiver was last called
        self._wake = asyncio.Event()
        self._tls = httpx.create_ssl_context(trust_env=False)

    async def run(self) -> None:
        """Deliver what is due, until cancelled. Tries are counted in the database, and survive a restart."""
        try:
            while True:  # under supervision
                self._wake.clear()
                started = time.monotonic()
                self._begin(await self._service.query(self._service.deliveries.due, each=PER_RECEIVER))
                self._service.supervision.well(NAME)
                seconds = time.monotonic() - started
                with move_on_after(POLL):
                    await self._wake.wait()
                await asyncio.sleep(max(PAUSE, 4 * seconds))
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _begin(self, due: list[Delivery]) -> None:
        """Begin as many as allowed: first for the least busy receivers, then for those called longest ago."""
        busy = Counter(self._receivers.values())
        waiting = [(_receiver(item.webhook), item) for item in due if item.job not in self._tasks]
        self._called_at = {receiver: self._called_at.get(receiver, 0.0) for receiver, _ in waiting}
        for receiver, item in sorted(
            waiting, key=lambda pair: (busy[pair[0]] + pair[1].rank, self._called_at[pair[0]])
        ):
            if len(self._tasks) >= AT_ONCE:
                return
            if busy[receiver] < PER_RECEIVER:
                busy[receiver] += 1
                self._called_at[receiver] = time.monotonic()
                self._receivers[item.job] = receiver
                self._tasks[item.job] = task = asyncio.create_task(self._deliver(item))
                task.add_done_callback(partial(self._end, item.job))

    def _end(self, id_: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[id_], self._receivers[id_]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._wake.set()
        else:  # the database's, which won't recover in a moment
            log.error("webhook of job %s: %s", id_, " ".join(str(error).split())[:300])

    async def _deliver(self, delivery: Delivery) -> None:
        query, deliveries, tries = self._service.query, self._service.deliveries, delivery.tries + 1
        try:
            url = read_url(delivery.webhook, private=self._service.settings.service.webhook_private)
            wait = FIRST_WAIT * 2**delivery.tries
            if not await query(deliveries.begin, delivery, until=time.time() + LIMIT + wait):
                return  # another service delivers it
            job = await query(self._service.jobs.get, delivery.job)
            if job is None:
                return
            failure = await self._try(job, url)
        except RefusedError as error:
            failure, tries = str(error), ATTEMPTS
        if failure:
            log.warning("webhook of job %s: %s", delivery.job, failure)
        if not failure or tries >= ATTEMPTS:
            await query(deliveries.close, delivery.job)
        else:
            await query(deliveries.postpone, delivery.job, time.time() + wait)

    async def _try(self, job: Job, url: httpx.URL) -> str:
        """Report a job's end; returns why that failed, "" if it didn't.

        Raises:
            RefusedError: the host has a private address.
        """
        lookup = look_up(url.raw_host.decode("ascii"), port(url))
        try:
            with fail_after(LIMIT):
                addresses = await asyncio.shield(lookup)
                if not self._service.settings.service.webhook_private and not all(map(is_public, addresses)):
                    raise RefusedError("its host has a private address: set EMOVOX_WEBHOOK_PRIVATE to allow it")
                body = _body(job)
                status = await post(url, addresses, body, self._headers(body), patience=CONNECT, tls=self._tls)
                failure = "" if 200 <= status < 300 else f"it answered {status}"
        except TimeoutError:
            failure = f"no answer in {LIMIT:g} s"
        except (PostError, OSError) as error:
            failure = str(error) or type(error).__name__
        await asyncio.wait([lookup])  # until its thread has ended, this call counts
        return failure

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "Emovox"}
        if secret := self._service.settings.service.webhook_secret.get_secret_value():
            headers[SIGNATURE] = sign(secret, str(int(time.time())), body)
        return headers


def _body(job: Job) -> bytes:
    return json.dumps(
        {
            "event": f"job.{job.state}",
            "job": {
                "id": job.id,
                "state": job.state,
                "name": job.name,
                "output": job.output,
                "batch": job.batch,
                "problem": job.problem,
            },
        }
    ).encode()


def _receiver(url: str) -> str:
    """The receiver of a URL: host and port, whatever the path."""
    return url.partition("//")[2].partition("/")[0].partition("?")[0].lower()
