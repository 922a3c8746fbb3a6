# SPDX-License-Identifier: Apache-2.0
"""What the agent costs that has nothing to do: idle.py [CERTIFICATES]

83,000 certificates with two names, one nginx and one endpoint each, in conf.d files of 1,000, all of them issued, served and lately
looked at (many.py says how). Measured: a start that knows nothing, one with all files in memory, one with none, then a minute of
rest; and a minute in which every endpoint is looked at once an hour. State on a disk (BENCH_DIRECTORY, /var/tmp); RENEWD=PATH names
the binary, without it an optimised one is built in build-release."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from many import Many, names
from meter import cpu_of, memory_of
from processes import ENVIRONMENT
from release import built

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 83000
RUNS = 3
REST = 60  # seconds
DAY, HOUR = 86400, 3600
PATIENCE = 600


class Agent:
    """`renewd run`, told apart from its start to what it says to the service manager."""

    def __init__(self, many):
        self.state = many.state
        path = many.place / 'notify'
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as said, (many.place / 'agent.log').open('ab') as log:
            said.bind(str(path))
            said.settimeout(PATIENCE)
            self.began = time.monotonic()
            self.process = subprocess.Popen([many.binary, 'run', '--config', many.renewd.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**ENVIRONMENT, 'NOTIFY_SOCKET': str(path)})
            while b'READY=1' not in said.recv(4096):
                pass
            self.ready = time.monotonic() - self.began

    def cpu(self):
        return cpu_of(self.process.pid)

    def memory(self):
        return memory_of(self.process.pid)

    def wait_until_planned(self):
        """Seconds since its start until it knows when each is due: then it writes that down."""
        while self.process.poll() is None and time.monotonic() - self.began < PATIENCE:
            with contextlib.suppress(FileNotFoundError):
                if (self.state / 'index').read_bytes().count(b'\n') > COUNT:
                    return time.monotonic() - self.began
            time.sleep(0.02)
        sys.exit('the agent never came to know when each is due')

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


@contextlib.contextmanager
def running(many):
    agent = Agent(many)
    try:
        yield agent
    finally:
        agent.stop()


def forget_what_is_derived(many):
    for file in ('index', 'index.changed', 'catalogue', 'accepted.toml'):
        (many.state / file).unlink(missing_ok=True)


def forget_files(many):
    """All that is in the page cache, if the kernel lets us; else what a start reads. Says which."""
    os.sync()
    try:
        pathlib.Path('/proc/sys/vm/drop_caches').write_text('3')
        return 'all caches dropped'
    except OSError:
        for file in [many.binary, many.renewd.config, *(many.renewd.directory / 'conf.d').iterdir(),
                     *(file for file in many.state.iterdir() if file.is_file())]:
            with file.open('rb') as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return 'the files it reads dropped from the page cache'


def median(rows):
    return [statistics.median(column) for column in zip(*rows)]


def started(many, prepare=lambda _: None):
    """Ready after seconds, CPU seconds until then, resident and peak MiB; medians."""
    rows = []
    for _ in range(RUNS):
        prepare(many)
        with running(many) as agent:
            rows.append([agent.ready, agent.cpu(), *agent.memory()])
    return median(rows)


def show_start(what, row, note=''):
    ready, cpu, resident, peak = row
    print(f'  {what:<26} ready after {ready:6.2f} s, {cpu:5.2f} s CPU, {resident:6.1f} MiB, peak {peak:6.1f} MiB{note}', flush=True)


def show_rest(what, row, note=''):
    cpu, resident, peak = row
    print(f'  {what:<26} {cpu:6.2f} s CPU in {REST} s = {cpu / REST:.2%} of a core, {resident:6.1f} MiB, peak {peak:6.1f} MiB{note}', flush=True)


def first_starts(many):
    rows = []
    for _ in range(RUNS):
        forget_what_is_derived(many)
        with running(many) as agent:
            ready = agent.ready
            rows.append([ready, agent.wait_until_planned(), agent.cpu(), *agent.memory()])
    ready, planned, *row = median(rows)
    show_start('first (no index, no list)', [ready, *row], f'; all planned after {planned:.1f} s (CPU and memory: by then)')


def rest(many):
    rows, looked = [], 0
    with running(many) as agent:
        agent.wait_until_planned()
        for _ in range(RUNS):
            before, now = agent.cpu(), time.time()
            time.sleep(REST)
            rows.append([agent.cpu() - before, *agent.memory()])
            looked += len(many.changed_since(now))
    show_rest('nothing due', median(rows), f'; {looked} endpoints looked at')


def looks(many):
    rows, looked = [], []
    forget_what_is_derived(many)
    with running(many) as agent:
        agent.wait_until_planned()
        for _ in range(RUNS):
            before, now = agent.cpu(), time.time()
            time.sleep(REST)
            rows.append([agent.cpu() - before, *agent.memory()])
            looked.append(many.changed_since(now))
    row, often = median(rows), statistics.median(len(some) for some in looked)
    records = [json.loads((many.certificates / name / 'record.json').read_text())['record'] for name in looked[-1]]
    serving = sum(endpoint['verdict'] == 'serving' for record in records for target in record['targets'] for endpoint in target['endpoints'])
    show_rest('verify_every = "1h"', row, f'; {often:.0f} looks a minute, {row[0] / max(often, 1) * 1000:.1f} ms CPU each; '
              f'in the last minute {serving} of {len(records)} serving')


def measure(many):
    many.issue_one()
    began = time.monotonic()
    many.configure(names(COUNT, int(time.time()), DAY, HOUR), DAY)
    many.multiply(DAY)
    os.sync()
    print(f'{COUNT:,} certificates, made in {time.monotonic() - began:.0f} s (medians of {RUNS})', flush=True)
    first_starts(many)
    show_start('warm', started(many))
    dropped = []
    show_start('cold', started(many, lambda one: dropped.append(forget_files(one))), f'; {dropped[0]}')
    rest(many)
    many.looked_at_every(HOUR)
    many.configure(many.names, HOUR)
    looks(many)


def main():
    place = pathlib.Path(tempfile.mkdtemp(prefix='renewd-bench-', dir=os.environ.get('BENCH_DIRECTORY', '/var/tmp')))
    many = Many(place / 'many', built())
    try:
        measure(many)
    finally:
        many.close()
        shutil.rmtree(place)


if __name__ == '__main__':
    main()
