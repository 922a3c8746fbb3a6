# SPDX-License-Identifier: Apache-2.0
"""Servers started by a test: on loopback ports nobody uses, in a process group of their own, gone when the test ends."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

# Each worker of pytest-xdist takes ports from a range of its own, below those the kernel hands out by itself.
_WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw') or 0) % 10
_PORTS = iter(random.sample(range(12000 + 2000 * _WORKER, 14000 + 2000 * _WORKER), 2000))

# What every child gets: nothing of the caller's.
ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'HOME': '/root'}


def clock_that_is_off(by):
    """The environment of a process whose wall clock is off: '-100d', '+0 x100'. Not through the program `faketime`: that one does not start
    where a process of the same number was killed before it could take away what it kept in memory that is shared."""
    library, = pathlib.Path('/usr/lib').glob('*/faketime/libfaketimeMT.so.1')
    return {'LD_PRELOAD': str(library), 'FAKETIME': by}


def free_port():
    """A port that nothing listens on, for 127.0.0.1 and [::1]; never handed out twice."""
    for port in _PORTS:
        try:
            with socket.socket() as v4, socket.socket(socket.AF_INET6) as v6:
                v4.bind(('127.0.0.1', port))
                v6.bind(('::1', port))
            return port
        except OSError:
            continue
    raise RuntimeError('no free port is left')


def listens(port, address='127.0.0.1'):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def wait_until(condition, what, seconds=10.0):
    """Waits for `condition()` to hold and returns what it gave; an AssertionError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f'waited {seconds:g} s for {what}'
        time.sleep(0.02)


def run(*argv, timeout=60, check=True, **options):
    """A program run to its end, its output as text."""
    options.setdefault('env', ENVIRONMENT)
    return subprocess.run([str(word) for word in argv], timeout=timeout, check=check, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, **options)


class Daemon:
    """A server in the foreground of a session of its own, its output in a file."""

    def __init__(self, argv, log, environment=None):
        self.argv = [str(word) for word in argv]
        self.log = pathlib.Path(log)
        self.environment = {**ENVIRONMENT, **(environment or {})}
        self.process = None

    def begin(self):
        with self.log.open('ab') as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment, start_new_session=True)

    def start(self, port, address='127.0.0.1'):
        self.begin()
        wait_until(lambda: listens(port, address) or self.process.poll() is not None, f'{self.argv[0]} to listen')
        assert self.process.poll() is None, f'{self.argv[0]} ended at once: {self.log.read_text()[-2000:]}'

    def stop(self):
        if self.process is None:
            return
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sig)
                self.process.wait(timeout=3)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait(timeout=3)
        self.process = None


def children_of(pid):
    """Every living process below `pid`, as {pid: command line}."""
    parents, lines = {}, {}
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / 'stat').read_text().rpartition(')')[2].split()
                lines[int(entry.name)] = (entry / 'cmdline').read_text().replace('\0', ' ').strip()
            except OSError:
                continue
            if fields[0] not in 'ZX':
                parents[int(entry.name)] = int(fields[1])
    found, heads = {}, [pid]
    while heads:
        head = heads.pop()
        for child in [one for one, parent in parents.items() if parent == head]:
            found[child] = lines[child]
            heads.append(child)
    return found
