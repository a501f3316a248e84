"""A sweep on the workers of a Dask cluster: the same points, on other processes or hosts.

    dask scheduler --port 8786
    dask worker tcp://HOST:8786 --nworkers 2 --nthreads 1        # on each host

Each worker needs this version of Cellvisor, and the sweep's files and its directory at the same paths (a shared file system). A
point whose worker dies is given to another one, up to `ATTEMPTS` times.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hypervisor.shell.problems import InputError

WAIT_S = 5.0
"""How long a scheduler may take to answer."""
ATTEMPTS = 3


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """An executor of `concurrent.futures` whose workers are those of the scheduler at `address`.

    Raises:
        InputError: Dask is not installed, nobody answers there, or there is no worker.
    """
    if find_spec("distributed") is None:
        raise InputError("--cluster: Dask is not installed here; pip install 'cellvisor[cluster]'")
    if "://" not in address:
        raise InputError(f'--cluster: "{address}" is no address; write for example tcp://127.0.0.1:8786')
    connect: Any = import_module("distributed").Client
    try:
        client = connect(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # its way to say that nobody answers, or that the address is none
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = f"start one with: dask scheduler --port {address.rpartition(':')[2]}"
        raise InputError(f"--cluster: no scheduler answers at {address} ({what[:80]}); {advice}") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise InputError(f"--cluster: {address} has no worker; start some with: dask worker {address} --nthreads 1")
        yield client.get_executor(pure=False, retries=ATTEMPTS)
