"""The environment of decoding processes: what an interpreter needs, and no secrets."""

import os

_ALLOWED = frozenset(
    """
    PATH LANG LANGUAGE TMPDIR TEMP TMP
    PYTHONPATH PYTHONHOME PYTHONPLATLIBDIR PYTHONUSERBASE PYTHONNOUSERSITE PYTHONSAFEPATH __PYVENV_LAUNCHER__
    PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONUTF8 PYTHONCOERCECLOCALE PYTHONHASHSEED PYTHONMALLOC
    LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH
    SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT
    """.split()  # noqa: SIM905  one list literal would be thirty lines
)
# FFmpeg and NumPy's linear algebra would start threads, each of which takes address space.
_OWN = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def environment() -> dict[str, str]:
    """The variables for a process that reads untrusted bytes, which may take control of it.

    A list of what is allowed, as the names of all secrets can't be known.
    """
    allowed = {name: value for name, value in os.environ.items() if name in _ALLOWED or name.startswith("LC_")}
    return allowed | _OWN
