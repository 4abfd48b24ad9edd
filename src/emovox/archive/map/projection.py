"""The layout of a map: embeddings in two dimensions, and clusters of them."""

import importlib.util
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.archive.record import Floats
from emovox.errors import ArchiveError
from emovox.packages import install

Method = Literal["auto", "umap", "pca"]
MOST_CLUSTERS = 12
_SAMPLE = 2000  # rows by which the number of clusters is chosen


def project(vectors: Floats, *, method: Method = "auto") -> tuple[Floats, str]:
    """Points (n, 2) for vectors (n, D), and the method that gave them, `umap` or `pca`.

    UMAP keeps neighbours together; PCA takes the two directions of the largest variance. `auto` is UMAP if it is
    installed and there are enough vectors.

    Raises:
        ArchiveError: UMAP is asked for and not installed.
    """
    installed = importlib.util.find_spec("umap") is not None
    if method == "umap" and not installed:
        raise ArchiveError(f"UMAP is not installed: {install('umap-learn')}, or use --method pca")
    if method == "umap" or (method == "auto" and installed and len(vectors) >= 15):
        return _umap(vectors), "umap"
    return _pca(vectors), "pca"


def place(vectors: Floats, *, method: Method = "auto") -> tuple[Floats, str]:
    """The points (n, 2) of a map, from -1 to 1 around their middle; and the method, as of `project`."""
    positions, name = project(vectors, method=method)
    positions = positions - positions.mean(axis=0)
    return positions / max(float(np.abs(positions).max()), 1e-9), name


def cluster(vectors: Floats) -> NDArray[np.int64] | None:
    """The cluster (n,) of each vector (n, D), numbered from 0, the largest first; None without scikit-learn.

    k-means, with the number of clusters (up to twelve) of the highest silhouette (Rousseeuw 1987).
    """
    if importlib.util.find_spec("sklearn") is None or len(vectors) < 4:
        return None
    from sklearn.cluster import KMeans  # noqa: PLC0415  an extra
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    sample = vectors[np.random.default_rng(0).permutation(len(vectors))[:_SAMPLE]]
    best: tuple[float, Any] = (-2.0, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than clusters
        for count in range(2, min(MOST_CLUSTERS, len(vectors) - 1) + 1):
            means = KMeans(count, n_init=3, random_state=0).fit(sample)
            if len(set(means.labels_.tolist())) == count:
                score = float(silhouette_score(sample, means.labels_))
                best = max(best, (score, means), key=lambda pair: pair[0])
    if best[1] is None:
        return np.zeros(len(vectors), np.int64)
    labels = np.asarray(best[1].predict(vectors), np.int64)
    order = np.argsort(-np.bincount(labels))
    ranks: NDArray[np.int64] = np.argsort(order)[labels]
    return ranks


def _pca(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = axes[:, ::-1][:, :2]
    main = main * np.where(
        main[np.abs(main).argmax(axis=0), range(main.shape[1])] < 0, -1, 1
    )  # always the same sign
    points = np.zeros((len(vectors), 2), np.float32)
    points[:, : main.shape[1]] = centred @ main
    return points


def _umap(vectors: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies', and that a seed makes it slower
        from umap import UMAP  # noqa: PLC0415  an extra

        neighbours = min(15, len(vectors) - 1)
        reducer = UMAP(n_neighbors=neighbours, min_dist=0.1, metric="cosine", random_state=0)
        return np.asarray(reducer.fit_transform(vectors), np.float32)
