"""Workers: who does the tasks. Processes of this machine, its GPU, or those of a Dask cluster."""

import contextlib
import logging
import os
import platform
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rethink.errors import CommandError

TIMEOUT = 10.0  # seconds that a cluster has to answer, and to have a worker


class WorkersError(CommandError):
    """Workers that were asked for are not there; the message says what to do."""


class LostWorkersError(CommandError):
    """Workers did not live to the end of their work; the message says what is known of it."""

    exit_code = 1


@dataclass
class Workers:
    """Who carries out tasks.

    Attributes:
        count: processes of one thread each; by default one a core, or one for a GPU.
        device: "cpu", "cuda", or "auto" for a GPU if this machine has one.
        dask: address of the scheduler of a Dask cluster, which then does it all instead.
    """

    count: int | None = None
    device: str = "cpu"
    dask: str | None = None
    _cluster: "_Cluster | None" = field(default=None, init=False, repr=False, compare=False)

    @contextlib.contextmanager
    def connected(self, data: Any) -> Iterator[None]:
        """See in this block that the workers are there, and connected where they are a cluster.

        Every worker of a cluster gets a copy of the data, so that one can be lost.

        Raises:
            WorkersError: if there is no such device, Dask is not installed, or the cluster cannot
                be reached or has no workers that can take the data.
        """
        if self.dask is None:
            find(self.place())
            yield
            return
        with _connect(self.dask, data) as self._cluster:
            try:
                yield
            finally:
                self._cluster = None

    def place(self) -> str:
        """Return the device to train on, as PyTorch names it."""
        if self.device == "auto":
            import torch

            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    def number(self) -> int:
        """Return how many calls are done at a time; that of a cluster is known in `connected`."""
        if self._cluster is not None:
            return self._cluster.number()
        return self.count or (cores() if self.place() == "cpu" else 1)

    def call(
        self, function: Callable[..., Any], data: Any, calls: Sequence[tuple[Any, ...]], folder: str
    ) -> Iterator[Any]:
        """Yield what a function returns, in the order in which the calls end.

        Args:
            function: takes the data and what a call gives.
            data: what `connected` was told of.
            calls: the other arguments of each call, those that take longest first.
            folder: for what processes of this machine share; not in memory, where a kill would
                leave the data.

        Raises:
            LostWorkersError: if workers were lost and the others cannot go on without them.
        """
        try:
            if self._cluster is not None:
                yield from self._cluster.call(function, calls)
            else:
                yield from _call(function, data, calls, folder, min(self.number(), len(calls)))
        except (BrokenExecutor, CancelledError) as error:
            raise _lost(error) from error


LOCAL = Workers()


def cores() -> int:
    """Return how many cores this process may use."""
    import joblib

    return int(joblib.cpu_count())


def _call(
    function: Callable[..., Any],
    data: Any,
    calls: Sequence[tuple[Any, ...]],
    folder: str,
    processes: int,
) -> Iterator[Any]:
    """Carry out calls in processes of this machine; of one process, in this one."""
    import joblib

    # joblib replaces a worker whose memory has grown, as after a large task, and warns of it.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    parallel = joblib.Parallel(
        n_jobs=processes,
        return_as="generator_unordered",
        pre_dispatch="all",
        batch_size=1,
        temp_folder=folder,
        initializer=_leave_with,
        initargs=(os.getpid(),),
    )
    yield from parallel(joblib.delayed(function)(data, *call) for call in calls)


def _leave_with(parent: int) -> None:
    """Let this process of joblib's end with its parent, whom it would outlive to no purpose."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def find(device: str) -> None:
    """Make sure that this machine has a device.

    Raises:
        WorkersError: if it has not.
    """
    if device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise WorkersError(
                f"device must be cpu on {platform.node()}, where PyTorch finds no GPU"
            )


@dataclass(frozen=True)
class _Cluster:
    """A Dask cluster: its client, and the data as its workers have it."""

    client: Any
    data: Any

    def number(self) -> int:
        """Return how many threads its workers have together."""
        return sum(self.client.ncores().values())

    def call(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Carry out calls on the cluster; see `Workers.call`."""
        import distributed

        # Equal calls in two blocks are two calls: a result is kept by us and not by Dask.
        sent = [self.client.submit(function, self.data, *call, pure=False) for call in calls]
        try:
            for done in distributed.as_completed(sent, loop=self.client.loop):
                yield done.result()
        except distributed.KilledWorker as error:
            raise _lost(error) from error


@contextlib.contextmanager
def _connect(address: str, data: Any) -> Iterator[_Cluster]:
    """Connect with the cluster of a scheduler, and send the data to all its workers."""
    try:
        import asyncio

        import distributed
    except ImportError as error:
        raise WorkersError("Dask is not installed; run `make extras`") from error
    # What it would say of lost connections comes as an exception, too.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    async def ask() -> None:
        security = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, connection_args=security) as scheduler:
            await asyncio.wait_for(scheduler.identity(), TIMEOUT)

    try:
        # A client would wait for ever for the answer of what is no scheduler. In a thread of its
        # own, since a notebook's has a loop already.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, ask()).result()
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise WorkersError(
            f"dask must be the address of a running scheduler, such as tcp://127.0.0.1:8786, "
            f"but {address!r} was passed ({str(error) or 'no answer'})"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, TIMEOUT)
        except TimeoutError as error:
            raise WorkersError(f"the Dask cluster at {address} has no workers") from error
        try:
            sent = client.scatter(data, broadcast=True)
        except Exception as error:  # whatever was raised in a worker
            raise WorkersError(
                f"the workers at {address} cannot take the data; install this version of rethink "
                f"there ({error})"
            ) from error
        yield _Cluster(client, sent)


def _lost(error: BaseException) -> LostWorkersError:
    """Say what is known from the error by which joblib or Dask reports a loss."""
    codes = re.search(r"{.*}", str(error))
    known = (type(error).__name__, codes[0] if codes else getattr(error, "reason", None))
    return LostWorkersError(
        f"workers were lost, perhaps for want of memory ({' '.join(filter(None, known))}); "
        "what they had finished is kept, and the same command goes on"
    )
