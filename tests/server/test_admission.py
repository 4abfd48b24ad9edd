import contextlib
import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.inference.model_pool import ModelPool
from emovox.inference.scheduler import Scheduler
from emovox.server.admission import BYTE_RATE, Admission
from emovox.server.http.problems import Problem
from emovox.server.jobs.progress import JobProgress


def new_scheduler(threads: int = 1) -> Scheduler:
    return Scheduler(ModelPool(most=1, idle=100), threads=threads)


def test_only_so_many_are_admitted() -> None:
    scheduler = new_scheduler()
    admission = Admission(scheduler, limit=2)
    try:
        with admission.admit(JobProgress()), admission.admit(JobProgress()):
            with pytest.raises(Problem) as caught, admission.admit(JobProgress()):
                pass
            assert caught.value.status == 503
            assert "Retry-After" in caught.value.headers
        with admission.admit(JobProgress()):
            assert admission.count == 1
    finally:
        scheduler.close()
    with pytest.raises(Problem, match="stopping"):
        admission.check()


@given(data=st.data())
def test_clients_are_not_sent_away_for_longer_than_it_takes(data: st.DataObject) -> None:
    """Each recording takes some time, and each second of it some more; whatever was measured, and waits now."""
    lengths = st.lists(st.floats(0.1, 3600), min_size=1, max_size=80)
    each, per_second = data.draw(st.floats(0, 10)), data.draw(st.floats(1e-4, 1))
    threads = data.draw(st.integers(1, 4))
    with contextlib.ExitStack() as stack:
        scheduler = new_scheduler(threads)
        stack.callback(scheduler.close)
        admission = Admission(scheduler, limit=80)
        for seconds in data.draw(lengths):
            scheduler._measure(1, seconds, each + per_second * seconds)
        idle = [0.0] * threads
        for seconds in data.draw(lengths):
            progress = JobProgress(size=round(seconds * data.draw(st.floats(1000, BYTE_RATE))))
            if data.draw(st.booleans()):
                progress.decoded(seconds)
                progress.inferred = seconds * data.draw(st.sampled_from([0, 0, 0.5, 0.99]))
            stack.enter_context(admission.admit(progress))
            heapq.heapreplace(idle, idle[0] + each + per_second * (seconds - progress.inferred))
        assert 0 <= admission.seconds_left() <= max(idle) * 1.001
