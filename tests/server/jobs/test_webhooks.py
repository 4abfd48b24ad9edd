import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from emovox.server.database import jobs as table
from emovox.server.jobs import webhooks
from emovox.server.jobs.jobs import NewJob
from emovox.server.jobs.webhooks import Webhooks
from emovox.server.service import Service
from emovox.settings import settings
from support.receivers import (
    Receiver,
    answers,
    continues,
    drips,
    endless,
    longwinded,
    receiving,
    redirects,
    resets,
    silent,
    speaks_otherwise,
)
from support.service import serving
from support.waiting import until


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that isn't running, so that nobody but a test runs its webhooks."""
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("EMOVOX_WEBHOOK_PRIVATE", "1")
    settings.cache_clear()
    made = Service()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "POLL", 0.05)
    monkeypatch.setattr(webhooks, "FIRST_WAIT", 0.1)


def finished(service: Service, *urls: str) -> list[str]:
    """Jobs that are done, one for each address, and their ids."""
    for url in urls:
        service.jobs.add([NewJob("x", {}, "a", url)])
    found = []
    while job := service.jobs.next():
        service.jobs.finish(job.id, "done", output="outputs_20240104_223000")
        found.append(job.id)
    return found


def row(service: Service, id_: str) -> Row[Any]:
    with service.database.connect() as connection:
        return connection.execute(select(table).where(table.c.id == id_)).one()


def told(service: Service, id_: str) -> bool:
    return bool(row(service, id_).told)


@contextmanager
def telling(*services: Service) -> Iterator[None]:
    """The webhooks of services run."""
    loop = asyncio.new_event_loop()

    async def start() -> None:
        for number, service in enumerate(services):
            service.supervision.start(f"{webhooks.NAME} {number}", Webhooks(service).run, lasting=True)

    async def end() -> None:
        for service in services:
            await service.supervision.close()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_told_signed_and_again(tmp_path: Path, examples: list[Path]) -> None:
    with (
        receiving(answers("500 No", "204 Yes")) as receiver,
        serving(tmp_path / "outputs", webhook_private=1, webhook_secret="key") as client,  # noqa: S106
    ):
        url = receiver.url.replace("127.0.0.1", "localhost")  # whose first address may be another
        answer = client.post(
            "/v1/recognitions",
            files={"file": examples[0].read_bytes()},
            data={"webhook": url},
            headers={"Prefer": "respond-async"},
        )
        job = client.finished(answer.json()["id"])
        until(lambda: told(client.service, job["id"]))
    assert len(receiver.requests) == 2
    head, body = receiver.requests[1]
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in head.splitlines())}
    assert head.startswith("POST /hook?x=1 HTTP/1.1")
    assert headers["host"] == f"localhost:{receiver.port}"
    event = json.loads(body)
    assert (event["event"], event["job"]["id"], event["job"]["output"]) == ("job.done", job["id"], job["output"])
    moment, given = (part.partition("=")[2] for part in headers["x-emovox-signature"].split(","))
    assert hmac.compare_digest(given, hmac.new(b"key", moment.encode() + b"." + body, hashlib.sha256).hexdigest())
    assert abs(int(moment) - time.time()) < 30


def test_never_to_private_addresses(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    own = service.settings.service.model_copy(update={"webhook_private": False})
    closed = service.settings.model_copy(update={"service": own})
    monkeypatch.setattr(service, "settings", closed)
    with receiving(answers("204 Yes")) as receiver, receiving(answers("204 Yes"), host="::1") as other:
        name = f"http://localhost.localdomain:{receiver.port}/"  # a name that only the look-up shows to be private
        real = socket.getaddrinfo

        def look_up(host: str, *arguments: Any, **options: Any) -> Any:
            return real("127.0.0.1" if host.startswith("localhost.") else host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        ids = finished(service, receiver.url, name, other.url, f"http://2130706433:{receiver.port}/")
        with telling(service):
            until(lambda: all(told(service, id_) for id_ in ids))
        assert receiver.requests == other.requests == []


def test_a_name_with_one_private_address(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    own = service.settings.service.model_copy(update={"webhook_private": False})
    closed = service.settings.model_copy(update={"service": own})
    monkeypatch.setattr(service, "settings", closed)
    with receiving(answers("204 Yes")) as receiver:
        mixed = [(socket.AF_INET, 1, 6, "", (address, receiver.port)) for address in ("192.88.100.1", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: mixed)
        [id_] = finished(service, f"http://a.example:{receiver.port}/")
        with telling(service):
            until(lambda: told(service, id_))
        assert receiver.connections == []


def test_the_addresses_of_a_name_one_after_the_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(answers("204 Yes")) as receiver:  # nobody listens at the first two
        many = [
            (socket.AF_INET6, 1, 6, "", ("::1", receiver.port, 0, 0)),
            *((socket.AF_INET, 1, 6, "", (f"127.0.0.{last}", receiver.port)) for last in (9, 1)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
        [id_] = finished(service, f"http://a.example:{receiver.port}/x")
        with telling(service):
            until(lambda: told(service, id_))
        [(head, _)] = receiver.requests
        assert f"Host: a.example:{receiver.port}" in head
        assert row(service, id_).tellings == 1


@pytest.mark.parametrize(
    "behave", [silent, drips, longwinded, continues, resets, speaks_otherwise, answers("404 Who?")]
)
def test_a_receiver_that_fails(
    service: Service, monkeypatch: pytest.MonkeyPatch, behave: Callable[[Receiver, socket.socket], None]
) -> None:
    monkeypatch.setattr(webhooks, "LIMIT", 0.3)
    monkeypatch.setattr(webhooks, "ATTEMPTS", 2)
    with receiving(behave) as receiver:
        [id_] = finished(service, receiver.url)
        with telling(service):
            until(lambda: told(service, id_))
        assert row(service, id_).tellings == len(receiver.requests) == 2


def test_an_answer_without_end_is_not_read(service: Service) -> None:
    with receiving(endless) as receiver:
        [id_] = finished(service, receiver.url)
        with telling(service):
            until(lambda: told(service, id_))
        assert row(service, id_).tellings == 1
        until(lambda: receiver.connections[0].fileno() == -1)  # it can send no more
        assert receiver.sent < 2**24  # what the system takes in


def test_redirects_are_not_followed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ATTEMPTS", 1)
    with receiving(answers("204 Yes")) as other, receiving(redirects(other.url)) as receiver:
        [id_] = finished(service, receiver.url)
        with telling(service):
            until(lambda: told(service, id_))
        assert len(receiver.requests) == 1
        assert other.connections == []


def test_nobody_answers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ATTEMPTS", 2)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ids = finished(service, f"http://127.0.0.1:{bound.getsockname()[1]}/", "http://no-such-name.invalid/")
        with telling(service):
            until(lambda: all(told(service, id_) for id_ in ids))


def test_slow_receivers_hold_up_nobody_else(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LIMIT", 600)
    with receiving(silent) as slow, receiving(answers("204 Yes")) as receiver:
        ids = finished(service, *(slow.url for _ in range(110)), *(receiver.url for _ in range(10)))
        with telling(service):
            until(lambda: all(told(service, id_) for id_ in ids[110:]))
            until(lambda: len(slow.requests) == webhooks.PER_RECEIVER)
        assert not any(told(service, id_) for id_ in ids[:110])
        assert len(slow.connections) == webhooks.PER_RECEIVER


def test_many_slow_receivers_hold_up_nobody_for_long(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LIMIT", 0.5)
    monkeypatch.setattr(webhooks, "AT_ONCE", 8)
    with ExitStack() as stack:
        slow = [stack.enter_context(receiving(silent)) for _ in range(12)]
        receiver = stack.enter_context(receiving(answers("204 Yes")))
        ids = finished(service, *(item.url for item in slow for _ in range(10)), receiver.url)
        with telling(service):
            until(lambda: told(service, ids[-1]))
        tried = sum(row(service, id_).tellings > 0 for id_ in ids[:-1])
    assert tried < 3 * len(slow)  # of each slow one a few, and not all ten


def test_a_slow_look_up_holds_up_nobody_else(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LIMIT", 0.2)
    release, real = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "slow.example":
            release.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with receiving(answers("204 Yes")) as receiver:
        ids = finished(service, *(["http://slow.example/"] * 20), receiver.url)
        try:
            with telling(service):
                until(lambda: told(service, ids[-1]))
                time.sleep(3 * webhooks.LIMIT)  # so long that each try is over, but not its look-up
                looking = [thread for thread in threading.enumerate() if thread.name == "look-up"]
                assert len(looking) <= webhooks.PER_RECEIVER
                release.set()
        finally:
            release.set()


def test_a_restart_goes_on_where_it_was(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "ATTEMPTS", 3)
    monkeypatch.setattr(webhooks, "FIRST_WAIT", 1000)
    with receiving(answers("500 No")) as receiver:
        [id_] = finished(service, receiver.url)
        for tries in (1, 2):
            with telling(service):
                until(lambda tries=tries: len(receiver.requests) == tries)  # type: ignore[misc]
            assert row(service, id_).tell_at > time.time() + 900
            service.deliveries.postpone(id_, 0)  # time goes by
        with telling(service):
            until(lambda: told(service, id_))
        assert len(receiver.requests) == 3


def test_what_is_not_yet_due_waits_even_over_a_restart(service: Service) -> None:
    with receiving(answers("204 Yes")) as receiver:
        later, now = finished(service, receiver.url, receiver.url)
        service.deliveries.postpone(later, time.time() + 600)
        with telling(service):
            until(lambda: told(service, now))
        assert not told(service, later)
        service.deliveries.postpone(
            later, time.time() + 10 * 365 * 86400
        )  # the clock was wrong, and has been put right
        with telling(service):
            until(lambda: told(service, later))
        assert len(receiver.requests) == 2


def test_two_services_tell_once(service: Service) -> None:
    with receiving(answers("204 Yes")) as receiver:
        ids = finished(service, *(receiver.url for _ in range(30)))
        with telling(service, service):
            until(lambda: all(told(service, id_) for id_ in ids))
        assert len(receiver.requests) == 30


def test_a_database_that_fails_for_a_while(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(answers("204 Yes")) as receiver:
        [id_] = finished(service, receiver.url)
        with service.database.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
        with telling(service):
            until(lambda: "webhooks 0: the database" in caplog.text)
            with service.database.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO jobs")
            until(lambda: told(service, id_))
        assert len(receiver.requests) == 1
