"""Webhooks: the end of a job is told to an address, signed, again and again until it answers or is given up."""

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

NAME = "webhooks"  # as a background task
POLL = 1.0  # seconds from one poll for what is due to the next
PAUSE = 0.05  # seconds at least
ATTEMPTS = 8
FIRST_WAIT = 2.0  # seconds; doubled after every failure: four minutes in all
LIMIT = 10.0  # seconds for all of a try: the lookup of the name, the connection, the answer
CONNECT = 3.0  # seconds for each address of a name
AT_ONCE = 64
OF_ONE_RECEIVER = 4


class Webhooks:
    """Tells. Some at once, but few to one receiver: who is slow holds up nobody but itself."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._receivers: dict[str, str] = {}  # of the jobs that are being told
        self._asked: dict[str, float] = {}  # when a receiver was asked last
        self._woken = asyncio.Event()
        self._tls = httpx.create_ssl_context(trust_env=False)

    async def run(self) -> None:
        """Tell what is to be told, until cancelled. Tries are counted in the database: a restart goes on."""
        try:
            while True:  # what goes wrong here is supervised
                self._woken.clear()
                began = time.monotonic()
                self._begin(await self._service.query(self._service.deliveries.due, each=OF_ONE_RECEIVER))
                self._service.supervision.well(NAME)
                spent = time.monotonic() - began
                with move_on_after(POLL):
                    await self._woken.wait()
                await asyncio.sleep(max(PAUSE, 4 * spent))
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _begin(self, due: list[Delivery]) -> None:
        """Begin as many as may be: first for who is asked least now, then for whose turn is the longest ago."""
        busy = Counter(self._receivers.values())
        waiting = [(_receiver(item.webhook), item) for item in due if item.job not in self._tasks]
        self._asked = {receiver: self._asked.get(receiver, 0.0) for receiver, _ in waiting}
        for receiver, item in sorted(
            waiting, key=lambda pair: (busy[pair[0]] + pair[1].rank, self._asked[pair[0]])
        ):
            if len(self._tasks) >= AT_ONCE:
                return
            if busy[receiver] < OF_ONE_RECEIVER:
                busy[receiver] += 1
                self._asked[receiver] = time.monotonic()
                self._receivers[item.job] = receiver
                self._tasks[item.job] = task = asyncio.create_task(self._tell(item))
                task.add_done_callback(partial(self._ended, item.job))

    def _ended(self, id_: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[id_], self._receivers[id_]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._woken.set()
        else:  # the database's, which won't be better in a moment
            log.error("webhook of job %s: %s", id_, " ".join(str(error).split())[:300])

    async def _tell(self, delivery: Delivery) -> None:
        query, deliveries, tries = self._service.query, self._service.deliveries, delivery.tries + 1
        try:
            url = read_url(delivery.webhook, private=self._service.settings.service.webhook_private)
            wait = FIRST_WAIT * 2**delivery.tries
            if not await query(deliveries.begin, delivery, until=time.time() + LIMIT + wait):
                return  # another service tells it
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
        """Tell a job's end; gives why that failed, "" where it didn't.

        Raises:
            RefusedError: the name leads to a private address.
        """
        lookup = look_up(url.raw_host.decode("ascii"), port(url))
        try:
            with fail_after(LIMIT):
                addresses = await asyncio.shield(lookup)
                if not self._service.settings.service.webhook_private and not all(map(is_public, addresses)):
                    raise RefusedError("it is at a private address, which EMOVOX_WEBHOOK_PRIVATE would allow")
                body = _body(job)
                status = await post(url, addresses, body, self._headers(body), patience=CONNECT, tls=self._tls)
                failure = "" if 200 <= status < 300 else f"it answers {status}"
        except TimeoutError:
            failure = f"no answer in {LIMIT:g} s"
        except (PostError, OSError) as error:
            failure = str(error) or type(error).__name__
        await asyncio.wait([lookup])  # its thread counts as long as it lives
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
    """Who is asked: a host and port, whatever the path."""
    return url.partition("//")[2].partition("/")[0].partition("?")[0].lower()
