"""A Ray cluster of several nodes on this machine, each a raylet of its own."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emovox.silence import import_ray, without_reports

MEMORY = {"object_store_memory": 100_000_000}


def needs_ray() -> None:
    """Skip a module, or a test, where there is no Ray, which CI doesn't accept."""
    if importlib.util.find_spec("ray") is None:
        reason = "ray is not installed: pip install -r tests/requirements-cluster.txt"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason, allow_module_level=True)


@contextmanager
def cluster_of(*cores: int, **head: Any) -> Iterator[Any]:
    """A head without cores, and nodes with so many each, in the attribute `nodes`."""
    import_ray()
    import ray.cluster_utils  # noqa: PLC0415, TID251  a part of what is loaded

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with without_reports():
        cluster: Any = ray.cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, **MEMORY, **head}
        )
    try:
        with without_reports():
            cluster.nodes = [cluster.add_node(num_cpus=count, **MEMORY) for count in cores]
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
