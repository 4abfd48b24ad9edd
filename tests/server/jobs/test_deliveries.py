from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from emovox.server.database import open_database
from emovox.server.jobs.deliveries import Deliveries
from emovox.server.jobs.jobs import Jobs, NewJob

OWNER = "a" * 32


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_database()
    yield engine
    engine.dispose()


def test_only_what_is_finished_is_delivered_and_that_once(engine: Engine) -> None:
    jobs, deliveries = Jobs(engine, OWNER), Deliveries(engine, OWNER)
    jobs.add([NewJob("x", {}, "a", "http://127.0.0.1:9/"), NewJob("x", {}, "b", None)])
    assert deliveries.due(each=9) == []
    job = jobs.next()
    assert job is not None
    jobs.put_back(job.id)
    assert deliveries.due(each=9) == []
    jobs.cancel(job.id)
    [delivery] = deliveries.due(each=9)
    assert (delivery.job, delivery.tries, delivery.rank) == (job.id, 0, 1)
    assert deliveries.begin(delivery, until=0)
    assert not deliveries.begin(delivery, until=0)  # somebody else has
    assert [item.tries for item in deliveries.due(each=9)] == [1]
    deliveries.close(job.id)
    assert deliveries.due(each=9) == []


def test_few_of_each_address_the_longest_due_first(engine: Engine) -> None:
    jobs, deliveries = Jobs(engine, OWNER), Deliveries(engine, OWNER)
    urls = ["http://a/", "http://a/", "http://a/", "http://b/"]
    added = jobs.add([NewJob("x", {}, str(number), url) for number, url in enumerate(urls)])
    for job in added:
        jobs.cancel(job.id)
    deliveries.postpone(added[0].id, 1.0)
    due = deliveries.due(each=2)
    assert [(item.job, item.rank) for item in due] == [(added[1].id, 1), (added[2].id, 2), (added[3].id, 1)]


def test_each_service_delivers_its_own(engine: Engine) -> None:
    jobs = Jobs(engine, OWNER)
    [job] = jobs.add([NewJob("x", {}, "a", "http://a/")])
    jobs.cancel(job.id)
    assert [item.job for item in Deliveries(engine, OWNER).due(each=9)] == [job.id]
    assert Deliveries(engine, "b" * 32).due(each=9) == []
