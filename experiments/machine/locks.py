"""Locks that the kernel frees when their process ends."""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Time for a process that only tests a lock, and holds it while it does, to release it.
ASKING = 0.05  # seconds


@contextmanager
def locked(path: Path, waits: Callable[[], None] | None = None) -> Iterator[bool]:
    """Whether this process got the lock file `path`, which is deleted at the end.

    Args:
      waits: called before waiting for another process to release the lock; None for
        not waiting.
    """
    descriptor = _lock(path, waits)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock file `path`; changes nothing."""
    try:
        # Opening a pipe that nobody writes to would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return False
    finally:
        os.close(descriptor)
    return False


def _lock(path: Path, waits: Callable[[], None] | None) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _take(descriptor):
                if waits is None:
                    os.close(descriptor)
                    return None
                waits()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The holder may have removed the file after it was opened here: a lock on
            # a file without a name excludes nobody.
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    for pause in (ASKING, None):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if pause:
                time.sleep(pause)
    return False


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
