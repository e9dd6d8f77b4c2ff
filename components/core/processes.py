"""How a process of ours stands among others: it reaches this machine past any proxy, and ends with its run.

A run's *lifeline* is a lock that the launcher holds on a file. Every process of the run waits for that lock in a thread
and ends itself the moment it gets it: the kernel lets go of a lock when its holder dies, `kill -9` included. So it does
not matter when the launcher dies, how the process was started or through how many others, or whether it runs in a
container; a process that starts too late finds the lock free and ends as well.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

LIFELINE_VARIABLE = "REWATCH_LIFELINE"
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
"""This machine, in the spellings that libraries compare hosts with."""


def reach_loopback(environment: MutableMapping[str, str]) -> None:
    """Add this machine to `no_proxy`, for this process and its children: no proxy can reach it, ours least of all."""
    named = f"{environment.get('no_proxy', '')},{environment.get('NO_PROXY', '')}"
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    spared = "*" if "*" in hosts else ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
    environment["no_proxy"] = environment["NO_PROXY"] = spared


@contextmanager
def lifeline(path: Path) -> Iterator[None]:
    """Hold a run's lifeline, or another lock on a file, for as long as the block lasts; waits until it is free."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock; of a lifeline that is to say: the run is alive."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def end_self() -> None:
    """End this process at once. The first one in a container hears no signal that comes from within it, so it exits."""
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(128 + signal.SIGKILL)


def end_group() -> None:
    """End this process and every other of its group."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def end_with(path: Path, end: Callable[[], None] = end_self) -> None:
    """End this process, or whatever `end` ends, as soon as nobody holds the lifeline."""

    def wait() -> None:
        try:
            with path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            pass  # the run's folder was removed: so was the run
        except OSError:
            return  # a file system without locks
        end()

    threading.Thread(target=wait, daemon=True).start()


def join_run(end: Callable[[], None] = end_self) -> None:
    """What a process does first: loopback past proxies, and an end with the launcher, where one is named."""
    reach_loopback(os.environ)
    if path := os.environ.get(LIFELINE_VARIABLE):
        end_with(Path(path), end)


def end_with_pipe(descriptor: int) -> None:
    """End this process as soon as the other end of a pipe that it reads is closed, whatever it is doing."""

    def wait() -> None:
        poll = select.poll()
        poll.register(descriptor, 0)  # a closed pipe is reported unasked
        poll.poll()
        end_self()

    threading.Thread(target=wait, daemon=True).start()


def end_with_parent() -> None:
    """End this worker of a process pool as soon as its parent is gone: it would wait for work forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in workers only"

    def wait() -> None:
        parent.join()
        end_self()

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def as_interrupt(*numbers: int) -> Iterator[None]:
    """Let signals end what the block does like Ctrl-C, so that it can say so; only a main thread hears them.

    The handler of Ctrl-C is called in their place: an event loop has one of its own, which cancels the main task, while
    an exception raised in just any task would break the loop off, once more with each task that ends. What is ignored
    stays ignored, which is how `nohup` works.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        assert callable(handler), "so it is within the block"
        handler(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    with _handler_of_ctrl_c():
        before = {number: signal.signal(number, interrupt) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _handler_of_ctrl_c() -> Iterator[None]:
    """Python's own handler of Ctrl-C, which event loops look for, also where a shell's `&` had Ctrl-C ignored: there
    the signal itself is held back for as long, and forgotten with the block."""
    if callable(signal.getsignal(signal.SIGINT)):
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def interrupts_wait(*numbers: int) -> Iterator[Callable[[], bool]]:
    """Let the first of these signals wait until the block has come to a good place; the second acts at once.

    Yields:
        says whether one has come.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for other, handler in before.items():
            signal.signal(other, handler)

    main = threading.current_thread() is threading.main_thread()
    heard = [number for number in numbers if main and callable(signal.getsignal(number))]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
