"""Webhooks: the end of a job is told to an address, signed, again and again until it answers or is given up."""

import asyncio
import ipaddress
import json
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from emovox.server.jobs import Job
from emovox.server.problems import Problem, invalid, log
from emovox.server.service import Service
from emovox.signature import SIGNATURE, sign

NAME = "webhooks"  # as a background task
POLL = 1.0
ATTEMPTS = 8
FIRST_WAIT = 2.0  # seconds; doubled after every failure: four minutes in all
TIMEOUT = 10.0


class RefusedError(Exception):
    """An address that may not be told."""


@dataclass
class _Try:
    attempts: int = 0
    due: float = 0.0


class Webhooks:
    """Tells."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tries: dict[str, _Try] = {}

    async def run(self) -> None:
        """Tell what is to be told, until cancelled; a restart begins with what is still untold."""
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
            while True:  # what goes wrong here is supervised
                jobs = await self._service.ask(self._service.jobs.untold)
                self._service.supervision.well(NAME)
                due = [job for job in jobs if self._tries.get(job.id, _Try()).due <= time.monotonic()]
                await asyncio.gather(*(self._tell(client, job) for job in due))
                await asyncio.sleep(POLL)

    async def _tell(self, client: httpx.AsyncClient, job: Job) -> None:
        attempt = self._tries.setdefault(job.id, _Try())
        attempt.attempts += 1
        try:
            answer = await self._post(client, job)
            good, reason = answer.is_success, f"it answers {answer.status_code}"
        except RefusedError as error:
            good, reason, attempt.attempts = False, str(error), ATTEMPTS
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            good, reason = False, type(error).__name__
        if not good:
            log.warning("webhook of job %s: %s", job.id, reason)
            attempt.due = time.monotonic() + FIRST_WAIT * 2 ** (attempt.attempts - 1)
        if good or attempt.attempts >= ATTEMPTS:
            self._tries.pop(job.id, None)
            await self._service.ask(self._service.jobs.told, job.id)

    async def _post(self, client: httpx.AsyncClient, job: Job) -> httpx.Response:
        body = json.dumps(
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
        moment = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "Emovox"}
        if secret := self._service.settings.webhook_secret.get_secret_value():
            headers[SIGNATURE] = sign(secret, moment, body)
        url = httpx.URL(job.webhook or "")
        address = await self._address(url)
        # The very address that was checked is called: a name could mean another one a moment later.
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={**headers, "Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )
        return await client.send(request)

    async def _address(self, url: httpx.URL) -> str:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
        addresses = [str(item[4][0]).partition("%")[0] for item in found]
        if not self._service.settings.webhook_private and not all(map(is_public, addresses)):
            raise RefusedError("it is at a private address, which EMOVOX_WEBHOOK_PRIVATE would allow")
        return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is in the open internet."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found.sixtofour is not None or found.teredo is not None:  # they lead to IPv4 addresses
            return False
    return found.is_global and not found.is_multicast


def check_url(url: str | None, *, private: bool) -> str | None:
    """A webhook's address as a client gave it.

    Raises:
        Problem: 422, no address that may be told.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        good = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username and len(url) <= 2000
        )
        good = good and url.isascii() and url.isprintable() and (parts.port or 1) > 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise _wrong("give an address as https://host/path")
    host = parts.hostname or ""
    try:
        public = is_public(host)
    except ValueError:  # a name, which is looked up when it is told
        public = host != "localhost"
    if not public and not private:
        raise _wrong("private addresses are not told")
    return url


def _wrong(reason: str) -> Problem:
    return invalid([{"field": "webhook", "reason": reason}])
