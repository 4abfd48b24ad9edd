"""The engine of a cluster: the same workers as Ray actors, one for each core or GPU in it.

Ray places the actors, and asks for more nodes where it is allowed to. The waveforms of long recordings travel from
node to node through its object store.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from emovox.batch.connection import REACH, Connection
from emovox.batch.engine import AHEAD, AHEAD_BATCHES, BatchEngine, Died, Member, Take
from emovox.batch.ledger import Ledger
from emovox.batch.scratch import scratch
from emovox.batch.tasks import Again, Answer, Begun, Inferred, Outlined, Plan, Ready, Share, Task
from emovox.batch.worker import Worker
from emovox.errors import ClusterError, EmovoxError
from emovox.inference.splitting import Piece
from emovox.silence import import_ray

DECODERS = 8  # at most, for an actor with a GPU; each needs a core
START = 600.0  # seconds that the first worker may take to start: nodes may have to be rented
JOIN = 10.0  # seconds from one look for new nodes to the next
_OWN = {"EMOVOX_CACHE", "EMOVOX_CONFIG", "EMOVOX_OUTPUTS", "EMOVOX_THREADS"}  # settings of this machine only


class Claims:
    """An actor that knows, for all workers, which recording owns each content, and which tasks were begun."""

    def __init__(self) -> None:
        self._place = ExitStack()
        self._ledger = Ledger(self._place.enter_context(scratch()) / "ledger.sqlite")
        self._begun: set[int] = set()

    def know(self, contents: list[str]) -> None:
        """Take the checksums of recordings that earlier runs recognised."""
        self._ledger.stored(((sha256, "") for sha256 in contents), "known")

    def claim(self, sha256: str, path: str) -> bool:
        """As `Ledger.claim`."""
        return self._ledger.claim(sha256, path)

    def begin(self, number: int) -> None:
        """Note that a worker has begun a task."""
        self._begun.add(number)

    def begun(self, number: int) -> bool:
        """Whether a worker has begun a task."""
        return number in self._begun


class RayWorker:
    """A worker, as an actor."""

    def __init__(self, plan: Plan, claims: Any, decoders: int) -> None:
        ray = import_ray()
        self._place = ExitStack()
        directory = self._place.enter_context(scratch())
        os.environ["EMOVOX_THREADS"] = "1"

        def claim(sha256: str, path: str) -> bool:
            try:
                return bool(ray.get(claims.claim.remote(sha256, path)))
            except ray.exceptions.RayError:  # recognising a recording twice is better than never
                return True

        self._claims = claims
        self._worker = Worker(plan, Path(directory), claim, decoders=decoders)

    async def start(self) -> Ready | EmovoxError:
        """As `Worker.start`."""
        try:
            return await self._worker.start()
        except EmovoxError as error:
            return error

    async def answer(self, task: Task, number: int | None = None) -> Answer | EmovoxError:
        """As `Worker.answer`; pieces travel through the object store.

        Args:
            task: what to do.
            number: of the task, to report that it was begun where that matters.
        """
        if number is not None:
            with suppress(import_ray().exceptions.RayError):
                await self._claims.begin.remote(number)
        try:
            return await self._answer(task)
        except EmovoxError as error:  # one that concerns all recordings
            return error

    async def _answer(self, task: Task) -> Answer:
        ray = import_ray()
        if isinstance(task, Share):
            try:
                piece: Piece = await task.piece
            except ray.exceptions.RayError:  # it was lost with the node that decoded it
                return Again(task.path)
            answer = await self._worker.answer(replace(task, piece=piece))
            return replace(answer, share=replace(task, piece=None)) if isinstance(answer, Inferred) else answer
        answer = await self._worker.answer(task)
        if not isinstance(answer, Outlined):
            return answer
        parts = tuple(
            (outline, tuple(ray.put(piece.with_samples()) for piece in pieces)) for outline, pieces in answer.parts
        )
        for file in answer.files:
            Path(file).unlink(missing_ok=True)
        return replace(answer, parts=parts, files=())


class RayEngine(BatchEngine):
    """Workers on a cluster."""

    def __init__(self, plan: Plan, *, address: str | None, workers: int = 0) -> None:
        """Join the cluster.

        Args:
            plan: for the workers.
            address: of the cluster; None: what RAY_ADDRESS says, or a new one on this machine.
            workers: how many; 0: as many as it has GPUs, or cores.

        Raises:
            BatchError: Ray is not installed.
            ClusterError: there is no such cluster.
        """
        super().__init__()
        self._plan, self._wanted = plan, workers
        settings = {name: value for name, value in os.environ.items() if name.startswith("EMOVOX_")}
        self._cluster = Connection(address, {key: value for key, value in settings.items() if key not in _OWN})
        self._ray = ray = self._cluster.ray
        self._calls: dict[Any, tuple[Member, int]] = {}
        self._looked = self._ready = time.monotonic()
        with self._cluster.watched():
            cluster = ray.cluster_resources()
            self._gpu = plan.device != "cpu" and cluster.get("GPU", 0) >= 1
            share = int(cluster.get("CPU", 1) / cluster["GPU"]) if self._gpu else 1
            self._decoders = min(max(1, share), DECODERS)
            self.workers = self._possible()
            # Beside this program if possible, so that the claims survive the loss of any other node.
            strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=True
            )
            self._claims = (
                ray.remote(Claims).options(num_cpus=0, max_restarts=-1, scheduling_strategy=strategy).remote()
            )

    def start(self) -> Ready:
        """Start one worker and wait for it, then start the others.

        Raises:
            ClusterError: the cluster has no room for a worker, or was lost.
            EmovoxError: as `Worker.start`.
        """
        with self._cluster.watched():
            first = self._spawn(0)
            self._members.append(first)
            (call,) = self._calls
            try:
                ready = self._cluster.result(call, START)
            except TimeoutError:
                raise ClusterError(f"the cluster has had no room for a worker for {START:.0f} s") from None
            except self._ray.exceptions.RayError as error:
                raise ClusterError(
                    f"no worker could be started on the cluster: {' '.join(str(error).split())[-300:]}"
                ) from error
            self._calls.clear()
            if isinstance(ready, EmovoxError):
                raise ready
            assert isinstance(ready, Ready)  # noqa: S101  it says nothing else
            first.ready = True
            self._depth = AHEAD_BATCHES if ready.batches else AHEAD
            self._grow()
        return ready

    def know(self, contents: Iterable[list[str]]) -> None:
        """As `BatchEngine.know`."""
        with self._cluster.watched():
            for some in contents:
                self._cluster.result(self._claims.know.remote(some), START)

    def run(self, take: Take, more: Callable[[], bool]) -> Iterator[Answer | None]:
        """As `BatchEngine.run`.

        Raises:
            ClusterError: the cluster was lost, or all of its workers.
        """
        with self._cluster.watched():
            yield from super().run(take, more)

    def close(self) -> None:
        """End the actors and leave the cluster."""
        self._cluster.close([*(member.worker for member in self._members), self._claims])

    def _possible(self) -> int:
        resources = self._ray.cluster_resources()
        return self._wanted or max(1, int(resources.get("GPU" if self._gpu else "CPU", 0)))

    def _grow(self) -> None:
        """Start a worker for each free place; one whose node is gone waits for another node."""
        self.workers = max(self._possible(), len(self._members))
        self._members += [self._spawn(index) for index in range(len(self._members), self.workers)]

    def _spawn(self, index: int) -> Member:
        actor = self._ray.remote(RayWorker).options(
            num_cpus=self._decoders if self._gpu else 1,
            num_gpus=1 if self._gpu else 0,
            max_concurrency=AHEAD_BATCHES + 8,
        )
        member = Member(actor.remote(self._plan, self._claims, self._decoders))
        self._calls[member.worker.start.remote()] = (member, 0)
        return member

    def _give(self, member: Member, number: int, task: Task) -> None:
        call = member.worker.answer.remote(task, number if member.alone else None)
        self._calls[call] = (member, number)

    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        self._look()
        if not self._calls or (self._cluster.silent and self._cluster.by_client):
            time.sleep(patience)
            return
        calls = list(self._calls)
        done, _ = self._ray.wait(calls, num_returns=1, timeout=patience)
        if done:
            done, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        for call in done:
            if call not in self._calls:  # of a worker that was lost a moment ago
                continue
            member, number = self._calls.pop(call)
            try:
                answer = self._ray.get(call)
            except self._ray.exceptions.RayError:
                self._calls = {other: who for other, who in self._calls.items() if who[0] is not member}
                for begun in [task for task in member.tasks if not member.alone or self._begun(task)]:
                    yield member, begun, Begun()
                with suppress(self._ray.exceptions.RayError):
                    self._ray.kill(member.worker)
                yield member, 0, Died()
                continue
            if isinstance(answer, EmovoxError):
                raise answer
            yield member, number, answer

    def _begun(self, number: int) -> bool:
        """Whether a task tried in isolation was begun; when in doubt, yes: it must not be tried for ever."""
        try:
            return bool(self._cluster.result(self._claims.begun.remote(number), REACH))
        except (TimeoutError, self._ray.exceptions.RayError):
            return True

    def _look(self) -> None:
        """Check on the cluster: its head, its free places, its workers.

        Raises:
            ClusterError: the head was lost, or there has been no worker for as long as one may take to start.
        """
        self._cluster.look()
        now = time.monotonic()
        if any(member.ready for member in self._members):
            self._ready = now
        if now - self._ready > START:
            raise self._cluster.lost(f"it has had no room for a worker for {START:.0f} s")
        if self._cluster.silent:
            self.trouble = "the cluster's head does not respond"
        elif now - self._ready > JOIN:
            self.trouble = "no workers are left on the cluster: waiting for a node"
        else:
            self.trouble = ""
        if now - self._looked > JOIN and not self._cluster.silent:
            self._looked = now
            self._grow()
