"""Workers: who trains. Processes of this machine, its GPU, or those of a Dask cluster."""

import contextlib
import logging
import platform
import re
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rethink.errors import CommandError

TIMEOUT = 10.0  # seconds that a cluster has to answer, and to have a worker


class WorkersError(CommandError):
    """Workers that were asked for are not there; the message says what to do."""


class LostWorkersError(CommandError):
    """Workers did not live to the end of their work; the message says what is known of it."""

    exit_code = 1


@dataclass(frozen=True)
class Workers:
    """Who trains.

    Attributes:
        count: processes of one thread each; by default one a core, or one for a GPU.
        device: "cpu", "cuda", or "auto" for a GPU if this machine has one.
        dask: address of the scheduler of a Dask cluster, which then trains instead.
    """

    count: int | None = None
    device: str = "cpu"
    dask: str | None = None

    @contextlib.contextmanager
    def connected(self, data: Any) -> Iterator[None]:
        """Let joblib send work to the cluster in this block, if there is one.

        Every worker gets a copy of the data, so that one can be lost.

        Raises:
            WorkersError: if there is no such device, Dask is not installed, or the cluster cannot
                be reached or has no workers that can take the data.
            LostWorkersError: if workers were lost and the block could not go on without them.
        """
        if self.dask is None:
            find(self.place())
        try:
            with _cluster(self.dask, data) if self.dask is not None else contextlib.nullcontext():
                yield
        except (BrokenExecutor, CancelledError) as error:
            raise _lost(error) from error

    def place(self) -> str:
        """Return the device to train on, as PyTorch names it."""
        if self.device == "auto":
            import torch

            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    def number(self) -> int:
        """Return how many stacks are trained at a time."""
        if self.dask is not None:
            return cores()
        return self.count or (cores() if self.place() == "cpu" else 1)


LOCAL = Workers()


def cores() -> int:
    """Return how many cores this process may use; where it is connected, those of the cluster."""
    import joblib

    return int(joblib.effective_n_jobs(-1))


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


@contextlib.contextmanager
def _cluster(address: str, data: Any) -> Iterator[None]:
    """Connect joblib with the cluster of a scheduler."""
    try:
        import asyncio

        import distributed
        import joblib
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
            backend = _backend(client, data)
        except Exception as error:  # whatever was raised in a worker
            raise WorkersError(
                f"the workers at {address} cannot take the data; install this version of rethink "
                f"there ({error})"
            ) from error
        with joblib.parallel_config(backend=backend):
            yield


def _backend(client: Any, data: Any) -> Any:
    """Return what joblib sends work through, having sent the data to all workers."""
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def configure(self, *given: Any, **named: Any) -> int:
            # Of one worker joblib would make none, and train in this process.
            return max(2, int(super().configure(*given, **named)))

        def submit(self, work: Any, callback: Callable[[Any], None]) -> Future[Any]:
            # joblib would wait for ever for what Dask gives up, as after the loss of four workers.
            def given_up(job: Future[Any]) -> None:
                error = job.exception()
                if error is not None:
                    callback(_lost(error))

            job: Future[Any] = super().submit(work, callback)
            job.add_done_callback(given_up)
            return job

    return Backend(client=client, scatter=[data])


def _lost(error: BaseException) -> LostWorkersError:
    """Say what is known from the error by which joblib or Dask reports a loss."""
    codes = re.search(r"{.*}", str(error))
    known = (type(error).__name__, codes[0] if codes else getattr(error, "reason", None))
    return LostWorkersError(
        f"workers were lost, perhaps for want of memory ({' '.join(filter(None, known))}); "
        "what they had finished is kept, and the same command goes on"
    )
