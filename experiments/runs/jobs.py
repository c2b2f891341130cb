"""A sweep's runs in several processes at once on one machine (--jobs).

Each process goes through the sweep as if it had been started by hand: it takes the next
run that is neither finished nor locked by another process. The parent process waits,
and then does what is left, such as replays whose LM runs had to finish first.
"""

import dataclasses
import errno
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from experiments import text
from experiments.config.execution import Execution
from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import gpus
from experiments.machine.setup import set_up
from experiments.machine.stopping import OUTPUT_CLOSED, Stop, Stopped, tell

ASK_EVERY = 0.2  # seconds
TERMINAL_SIGNALS = {signal.SIGINT, signal.SIGHUP}


def run_apart(
    work: Callable[[Sequence[RunConfig], Path, Execution], Any],
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    stop: Stop,
) -> None:
    """Run `work`, which is sweep.run_all, in `execution.jobs` processes.

    Returns once all have ended. A request to stop is passed on to them, and each saves
    a checkpoint. If the output of one process is closed, that is such a request.

    Raises:
      UserError: some failed; the runs that they finished are kept. Or there is a TPU.
    """
    import jax

    if jax.default_backend() == "tpu":
        raise UserError("--jobs does not work on a TPU, which only one process can use")
    jobs = min(execution.jobs, len(configs))
    if jax.default_backend() == "gpu":
        note = gpus.sharing(jobs, jax.local_device_count())
        if note:
            print(note, file=sys.stderr, flush=True)
    each = dataclasses.replace(execution, jobs=1, resume=True, overwrite=False)
    spawn = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    processes = [
        spawn.Process(
            target=_job,
            args=(n, jobs, work, configs, out, each, stop.deadline),
            daemon=True,
        )
        for n in range(jobs)
    ]
    # A terminal sends them to all its processes. Here they are asked to stop by this
    # one, with SIGTERM, and what is blocked stays so in those that are started.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        # The first start of a process would also start this one, which unblocks SIGINT.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
        for process in processes:
            process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    told = False
    try:
        while running := [process for process in processes if process.is_alive()]:
            running[0].join(ASK_EVERY)
            if not told and any(p.exitcode == OUTPUT_CLOSED for p in processes):
                stop.output_failed(BrokenPipeError(errno.EPIPE, "Broken pipe"))
            if stop() and not told:
                told = True
                for process in running:
                    process.terminate()  # SIGTERM, which it treats as a request
    finally:
        for process in processes:
            process.kill()  # if a second Ctrl-C has ended the wait
    if any(p.exitcode == OUTPUT_CLOSED for p in processes):
        stop.output_failed(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    # A process that got the signal before it could handle it has died from it.
    fine = (0, OUTPUT_CLOSED, -signal.SIGTERM) if stop() else (0, OUTPUT_CLOSED)
    failed = [p.exitcode for p in processes if p.exitcode not in fine]
    if failed:
        raise UserError(
            f"{len(failed)} of {jobs} jobs failed ({', '.join(map(_cause, failed))}): "
            "see their errors above. Finished runs are kept, and --resume continues; "
            "fewer --jobs use less memory"
        )


def _job(
    number: int,
    jobs: int,
    work: Callable[[Sequence[RunConfig], Path, Execution], Any],
    configs: Sequence[RunConfig],
    out: Path,
    execution: Execution,
    deadline: float | None,
) -> None:
    """The work of one process, which exits with a non-zero status if it fails."""
    text.replace_what_cannot_be_shown()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        set_up(execution, number, jobs)
        if deadline is not None:  # the time budget left after the set-up
            minutes = max(deadline - time.monotonic(), 0.0) / 60
            execution = dataclasses.replace(execution, time_budget=minutes)
        work(configs, out, execution)
    except Stopped as stopped:
        # The parent reports everything else, but does not know about this.
        sys.exit(OUTPUT_CLOSED if stopped.status == OUTPUT_CLOSED else 0)
    except UserError as error:
        tell(f"error: {error}")
        sys.exit(2)


def _end_with_parent() -> None:
    """Stop, with a checkpoint, if the parent process is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _cause(status: int | None) -> str:
    assert status is not None
    return signal.Signals(-status).name if status < 0 else f"status {status}"
