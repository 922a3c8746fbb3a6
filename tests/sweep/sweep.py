# SPDX-License-Identifier: Apache-2.0
"""The crash sweep: one renewal with two targets, struck at its n-th outward call, for every n; and then run to its end.

Everything is real: Pebble, an nginx that renewd runs beside, an nginx behind sshd, and a prober that asks both all the time. What strikes
is in the process (tests/sweep/fate.hpp). Without --all a sample of each kind, evenly spread, which moves with the seed.

    python3 -B tests/sweep/sweep.py build [--all] [--points N] [--seed S] [--kind K]... [--only AT] [--at-once] [--workers N]
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/integration'))
# pylint: disable=wrong-import-position
from nginx import Nginx  # noqa: E402
from pebble import Pebble, make_https_pair  # noqa: E402
from processes import ENVIRONMENT  # noqa: E402
from renewd import NAME, certificate, nginx_target  # noqa: E402
from sshd import Sshd  # noqa: E402
from tls import served  # noqa: E402

SAMPLE_SECONDS = 480  # told where a sample takes longer; a busy machine is no failure
KINDS = ('kill', 'no-space', 'io', 'power-lost', 'power-torn', 'power-mixed')
FIGURES = re.compile(r'^(\S+) calls (\d+) points (\d+) failed (\d+) passes (\d+)$', re.M)


class Prober(threading.Thread):
    """Asks every server again and again, whatever happens to renewd: one that gives no certificate is a failure."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self._servers = servers
        self._ended = threading.Event()
        self._has_served = set()
        self.asked = self.silent = 0

    def run(self):
        while not self._ended.wait(0.1):
            for server in self._servers:
                # nginx closes what it has accepted and not yet answered when its worker goes: a visitor's browser asks again.
                seen = served(server.port, NAME) or served(server.port, NAME)
                if seen:
                    self._has_served.add(server)
                elif server not in self._has_served:
                    continue
                self.asked += 1
                self.silent += seen is None

    def end(self):
        self._ended.set()
        self.join()


class Scene:
    """The servers of one worker, and renewd's configuration."""

    def __init__(self, place, https, at_once):
        self.place = place
        self.at_once = at_once
        place.mkdir()
        place.chmod(0o755)
        self.pebble = Pebble(place / 'pebble', https, environment={
            'PEBBLE_VA_ALWAYS_VALID': '1', 'PEBBLE_WFE_ORDERS_PER_PAGE': '100000'})
        self.near, self.far = Nginx(place / 'near'), Nginx(place / 'far')
        self.sshd = Sshd(place / 'sshd')
        self.config = place / 'renewd.toml'
        self.graveyard = place / 'graveyard'
        self.graveyard.mkdir()
        (place / 'webroot').mkdir()

    def start(self):
        self.pebble.start()
        self.sshd.start()
        for nginx in (self.near, self.far):
            nginx.start(tls=False)
            nginx.configure(tls=True)
        targets = [nginx_target(self.near, 'near', restart=[]), nginx_target(self.far, 'far', host='there', restart=[])]
        # One target after the other: the n-th call is the same one each time. At once: whichever it is.
        self.config.write_text(f'''[agent]
state_dir = "{self.place}/state"
allow_volatile = true
host_jobs = {20 if self.at_once else 1}
[dns]
public = false
[ca.test]
directory = "{self.pebble.url}"
roots = "{self.pebble.roots}"
contact = "ops@example.test"
agree_tos = true
[solver.web]
type = "http-01"
webroot = "{self.place}/webroot"
[defaults]
ca = "test"
solver = "web"
[hooks]
directory = "{self.place}/hooks.d"
{self.sshd.host_toml('there')}
{certificate(*targets)}''')

    def stop(self):
        for server in (self.near, self.far, self.sshd):
            server.stop()
        self.pebble.close()


class Worker(threading.Thread):
    """Runs the kinds one after the other, each in a driver of its own, which prints what is wrong as it goes."""

    def __init__(self, place, https, program, options, share):
        super().__init__(daemon=True)
        self.scene = Scene(place, https, options.at_once)
        self._program, self._options, self._share = program, options, share
        self._driver = None
        self._stopped = False
        self.outcomes = {}
        self.prober = Prober((self.scene.near, self.scene.far))

    def run(self):
        self.scene.start()
        self.prober.start()
        for kind in self._options.kind:
            if not self._stopped:
                self.outcomes[kind] = self._sweep(kind)
        self.prober.end()

    def _sweep(self, kind):
        options, scene = self._options, self.scene
        argv = [self._program, '--config', scene.config, '--ca-log', scene.pebble.log, '--graveyard', scene.graveyard,
                '--webroot', scene.place / 'webroot', '--kind', kind, '--seed', options.seed,
                '--points', 0 if options.all else options.points, '--share', self._share, '--shares', options.workers]
        if options.only:
            argv += ['--only', options.only]
        environment = {name: value for name, value in os.environ.items() if name == 'SWEEP_LOUD'}
        self._driver = subprocess.Popen([str(word) for word in argv], env={**ENVIRONMENT, **environment}, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines = []
        for line in self._driver.stdout:
            if not FIGURES.match(line):
                print(f'    {line.rstrip()}', flush=True)
            lines.append(line)
        self._driver.wait()
        return ''.join(lines)

    def stop(self):
        self._stopped = True
        if self._driver and self._driver.poll() is None:
            self._driver.kill()
        self.scene.stop()


def report(kind, outcomes):
    """Prints one line of a kind; how many points passed, and how many failed."""
    calls = points = failed = passes = 0
    for said in outcomes:
        found = FIGURES.search(said)
        if not found:
            failed += 1
            continue
        numbers = [int(number) for number in found.groups()[1:]]
        calls = max(calls, numbers[0])
        points, failed, passes = (a + b for a, b in zip((points, failed, passes), numbers[1:]))
    print(f'{kind:12} {points:5} points of {calls} calls, {failed} failed, {passes} runs to mend', flush=True)
    return max(points - failed, 0), failed


def main():
    words = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    words.add_argument('build', type=pathlib.Path)
    words.add_argument('--all', action='store_true')
    words.add_argument('--points', type=int, default=40, help='of each kind')
    words.add_argument('--seed', type=int, default=int(time.time()) % 100000)
    words.add_argument('--kind', action='append', choices=KINDS)
    words.add_argument('--only', type=int, default=0)
    words.add_argument('--at-once', action='store_true', help='both targets at once, in threads; else one after the other')
    words.add_argument('--workers', type=int, default=2)
    options = words.parse_args()
    options.kind = options.kind or list(KINDS)
    if options.only:
        options.workers = 1
    program = options.build.resolve() / 'tests/sweep/renewd-sweep'
    began = time.monotonic()
    place = pathlib.Path(tempfile.mkdtemp(prefix='renewd-sweep.'))
    place.chmod(0o755)
    (place / 'https').mkdir()
    https = make_https_pair(place / 'https')
    print(f'crash sweep, seed {options.seed}', flush=True)
    workers = [Worker(place / str(share), https, program, options, share) for share in range(options.workers)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            worker.stop()
    passed = failed = 0
    for kind in options.kind:
        good, bad = report(kind, [worker.outcomes[kind] for worker in workers if kind in worker.outcomes])
        passed, failed = passed + good, failed + bad
    asked, silent = (sum(getattr(worker.prober, what) for worker in workers) for what in ('asked', 'silent'))
    print(f'the prober asked {asked} times, and {silent} times there was no certificate')
    passed, failed = passed + (silent == 0), failed + (silent != 0)
    seconds = time.monotonic() - began
    is_slow = seconds > SAMPLE_SECONDS and not options.all
    print(f'{seconds:.0f} s' + (f', over the {SAMPLE_SECONDS // 60} minutes of a sample' if is_slow else ''))
    if failed:
        print(f'what is left is in {place}')
    else:
        shutil.rmtree(place)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
