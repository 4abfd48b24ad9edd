"""The event loop takes few sockets at a time, and forgets none."""

import asyncio
import selectors
import socket
import sys
from contextlib import ExitStack

import pytest

from emovox.server.http.event_loop import AT_ONCE, FewAtOnce, new_loop

CROWD = 5 * AT_ONCE


@pytest.mark.parametrize("clients", [1, AT_ONCE, AT_ONCE + 1, CROWD])
def test_a_few_are_told_of_at_a_time_and_all_in_the_end(clients: int) -> None:
    with ExitStack() as stack, FewAtOnce() as selector:
        near = []
        for _ in range(clients):
            here, there = (stack.enter_context(one) for one in socket.socketpair())
            selector.register(there, selectors.EVENT_READ)
            here.send(b"x")
            near.append(here)
        served = 0
        while ready := selector.select(0):
            assert len(ready) == min(AT_ONCE, clients - served)
            served += len(ready)
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                assert key.fileobj.recv(1) == b"x"
        assert served == clients


def test_who_is_always_ready_keeps_nobody_waiting_for_ever() -> None:
    with ExitStack() as stack, FewAtOnce() as selector:
        for _ in range(CROWD):  # none of them is ever read
            here, there = (stack.enter_context(one) for one in socket.socketpair())
            selector.register(there, selectors.EVENT_READ)
            here.send(b"x")
        told = set()
        for _ in range(500):
            told |= {key.fd for key, _ in selector.select(0)}
        assert len(told) == CROWD


@pytest.mark.skipif(sys.platform == "win32", reason="another loop")
def test_what_is_due_comes_between_the_sockets_of_a_crowd() -> None:
    order: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with ExitStack() as stack:
            pairs = [[stack.enter_context(one) for one in socket.socketpair()] for _ in range(CROWD)]

            def read(there: socket.socket) -> None:
                there.recv(1)
                order.append("socket")
                if len(order) == 1:
                    loop.call_soon(order.append, "due")

            for here, there in pairs:
                here.send(b"x")
                loop.add_reader(there, read, there)
            while order.count("socket") < CROWD:
                await asyncio.sleep(0)
            for _, there in pairs:
                loop.remove_reader(there)

    loop = new_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
    assert order.index("due") <= AT_ONCE
