"""Training runs in Weights & Biases, an experiment tracker; an optional extra.

Runs are written by wandb's offline mode, which sends nothing, and `wandb sync` uploads them where
the user is logged in. So a run is written in one way only, and an upload can be made up for later.
"""

import contextlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rethink import environment
from rethink.errors import CommandError
from rethink.paths import scratch_folder
from rethink.protocol import Record, Spec
from rethink.runs.store import result_digest

PROJECT = "rethink-generalization"  # unless the environment variable WANDB_PROJECT names another
UPLOAD_SECONDS = 300.0  # after which an upload is given up, as `wandb sync` never does

# A published record may come from another machine: nothing about this one belongs to it.
_QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "host": "",
    "symlink": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


class TrackingError(CommandError):
    """Runs cannot be tracked as was asked for; the message says what to do."""


def check(name: str) -> None:
    """Make sure that there is such a tracker.

    Raises:
        TrackingError: if its name or WANDB_MODE is unknown, or it is not installed.
    """
    if name != "wandb":
        raise TrackingError(f"TRACK must be wandb, but {name!r} was passed")
    if importlib.util.find_spec("wandb") is None:
        raise TrackingError("Weights & Biases is not installed; run `make extras`")
    mode = os.environ.get("WANDB_MODE", "offline")
    if mode not in ("online", "offline", "disabled"):
        raise TrackingError(f"WANDB_MODE must be online, offline or disabled, but {mode!r} is set")


def track(name: str, records: Mapping[str, Record], folder: Path) -> str:
    """Log training runs, and upload them if the user is logged in.

    Which runs the tracker shows as one group is their specification without the seed. Confusion
    counts and predictions are not logged. A run's id is its record's key and a digest of what it
    measured: the same record is not logged twice, and one that was trained anew with another
    outcome is another run.

    The environment variable WANDB_MODE decides where it is set: "online" uploads, "offline" only
    writes, "disabled" does nothing.

    Args:
        name: of the tracker, "wandb".
        records: by the keys they are kept under.
        folder: where runs are written, one folder each, whole or not at all.

    Returns:
        What was done, where the runs are, and how to upload those that are not, in one sentence.

    Raises:
        TrackingError: as `check`, or if wandb refuses.
    """
    check(name)
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    runs = {
        f"{key}-{result_digest([record.to_arrays()])[:8]}": record
        for key, record in records.items()
    }
    missing = {identity: record for identity, record in runs.items() if not _file(folder, identity)}
    with (
        scratch_folder(folder) as scratch,
        # Else it reports errors to its makers, and writes to the user's home.
        environment.variables({"WANDB_ERROR_REPORTING": "false", "WANDB_CACHE_DIR": str(scratch)}),
    ):
        try:
            settings = wandb.setup(wandb.Settings(**_QUIET)).settings
            mode = _mode(settings)
            if mode == "disabled":
                return "Weights & Biases: WANDB_MODE is disabled, so that no run is logged."
            for identity, record in missing.items():
                written = _write(identity, record, settings.project or PROJECT, scratch)
                written.rename(folder / written.name)
        except (wandb.Error, OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise TrackingError(f"Weights & Biases cannot log the runs: {reason}") from error
        finally:
            wandb.teardown()
        said = f"Weights & Biases: {len(missing)} of {len(runs)} runs are new in {folder}"
        if mode == "online" and _left(folder, runs):
            _upload(folder)
    left = _left(folder, runs)
    if not left:
        return f"{said}; all are uploaded."
    tried = f" (see {folder / 'sync.log'})" if mode == "online" else ""
    command = shlex.join([str(Path(sys.executable).with_name("wandb")), "sync", str(folder)])
    return f"{said}; {left} are not uploaded yet{tried}: `{command}` does it."


def _write(identity: str, record: Record, project: str, scratch: Path) -> Path:
    """Write a run and return its folder; a step is an epoch."""
    import wandb

    group, tags = _describe(record.spec)
    run = wandb.init(
        project=project,
        id=identity,
        name=f"{group} seed {record.spec.seed}",
        group=group,
        tags=tags,
        config=asdict(record.spec) | {"environment": record.environment},
        dir=str(scratch),
        mode="offline",
        reinit="create_new",
    )
    written = Path(run.settings.sync_dir)
    for epoch, values in _history(record):
        run.log(values, step=epoch)
    # To which wandb adds the last value of everything logged, whenever that was.
    run.summary["seconds"] = record.seconds
    run.finish()
    for part in ("logs", "tmp"):  # of wandb's own work, which an upload does not need
        shutil.rmtree(written / part, ignore_errors=True)
    return written


def _describe(spec: Spec) -> tuple[str, list[str]]:
    """Return a readable name of a specification without its seed, and tags.

    Both say in what it differs from the usual, which is 80 epochs on all data.
    """
    architecture = "-".join(map(str, spec.hidden))
    changed = {
        field.name.replace("_", " "): getattr(spec, field.name)
        for field in fields(spec)
        if field.name not in ("hidden", "seed") and getattr(spec, field.name) != field.default
    }
    return " ".join([architecture, *(f"{n} {v}" for n, v in changed.items())]), [
        architecture,
        *changed,
    ]


def _history(record: Record) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield every epoch, counted from 1, and what was measured after it."""
    milestones: list[int] = record.milestones.tolist()
    for epoch in range(1, record.spec.epochs + 1):
        values = {name: float(curve[epoch - 1]) for name, curve in record.curves.items()}
        if epoch in milestones:
            at = milestones.index(epoch)
            values |= {"train": float(record.train[at]), "leaking": float(record.leaking[at])}
        yield epoch, values


def _mode(settings: Any) -> str:
    """Return "online", "offline" or "disabled": what the user set, else by who is logged in."""
    from wandb.sdk.lib.wbauth import read_netrc_auth

    if settings.mode in ("offline", "disabled"):
        return str(settings.mode)
    # Online is also the default, where nobody set it.
    named = os.environ.get("WANDB_MODE")
    known = settings.api_key or settings.identity_token_file
    return "online" if named or known or read_netrc_auth(host=settings.base_url) else "offline"


def _file(folder: Path, identity: str) -> Path | None:
    """Return the file of a run that was written already, if it was."""
    return next(folder.glob(f"offline-run-*-{identity}/run-{identity}.wandb"), None)


def _left(folder: Path, identities: Iterable[str]) -> int:
    """Count the runs that `wandb sync` has not marked as uploaded."""
    files = [_file(folder, identity) for identity in identities]
    return sum(not (file and file.with_name(f"{file.name}.synced").exists()) for file in files)


def _upload(folder: Path) -> None:
    """Upload what was not uploaded; the marks that this leaves say what became of it."""
    with (
        (folder / "sync.log").open("w", encoding="utf-8") as log,
        contextlib.suppress(subprocess.TimeoutExpired),
    ):
        subprocess.run(
            [sys.executable, "-m", "wandb", "sync", str(folder.resolve())],
            check=False,
            cwd=folder,  # where it leaves a log of its own
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=UPLOAD_SECONDS,
        )
