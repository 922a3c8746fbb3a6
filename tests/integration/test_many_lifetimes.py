# SPDX-License-Identifier: Apache-2.0
"""Many lifetimes in a minute: the real agent on the real clock, certificates that live for 20 seconds, an agent that is killed at any
moment, and somebody who looks all the time and believes nothing but what nginx serves."""
import os
import random
import signal
import subprocess
import threading
import time

from processes import ENVIRONMENT
from renewd import certificate, nginx_target
from tls import served

LIFE = 20
RUN = 60
NAMES = [f'shop{number}.example.test' for number in range(4)]


class Prober(threading.Thread):
    """Asks one nginx again and again, and notes every moment without a certificate that is valid then."""

    def __init__(self, nginx):
        super().__init__(daemon=True)
        self.nginx = nginx
        self.over = threading.Event()
        self.ends = {}  # of each leaf seen, in the order of their first appearance
        self.looks = 0
        self.gaps = []

    def run(self):
        while not self.over.is_set():
            now = time.time()
            leaf = served(self.nginx.port, self.nginx.name)
            self.looks += 1
            if leaf is None:
                self.gaps.append(f'{self.nginx.name}: no handshake')
            else:
                if leaf.sha256 not in self.ends:
                    self.ends[leaf.sha256] = leaf.not_after.timestamp()
                if self.ends[leaf.sha256] <= now:
                    self.gaps.append(f'{self.nginx.name}: expired {now - self.ends[leaf.sha256]:.1f} s ago')
            self.over.wait(0.05)

    def finish(self):
        self.over.set()
        self.join(timeout=10)


def test_dozens_of_renewals_in_a_row_without_a_gap(make_pebble, make_renewd, make_nginx, open_for_test):
    """Nobody ever sees nginx without a valid certificate, no served one ever gives way to an older one, and the CA issues no more than
    the targets have had."""
    seed = int(os.environ.get('RENEWD_SEED', time.time_ns() % 1_000_000))
    print('RENEWD_SEED', seed)
    chance = random.Random(seed)
    pebble = make_pebble(validity=LIFE)
    renewd = make_renewd(pebble)
    servers = [make_nginx(f'nginx{number}', name=name) for number, name in enumerate(NAMES)]
    renewd.configure(*(certificate(nginx_target(server), name=server.name, renew=f'{LIFE * 2 // 3}s') for server in servers),
                     agent='verify_every = "3s"')
    log = renewd.directory / 'agent.log'
    kills = 0

    def start():
        with log.open('ab') as out:
            return subprocess.Popen([str(renewd.binary), 'run', '--config', str(renewd.config)], stdin=subprocess.DEVNULL,
                                    stdout=out, stderr=out, env=ENVIRONMENT, start_new_session=True)

    agent = start()
    open_for_test(None, lambda: agent.kill())
    deadline = time.monotonic() + 30
    while any(served(server.port, server.name) is None for server in servers):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    probers = [Prober(server) for server in servers]
    for prober in probers:
        prober.start()
    end = time.monotonic() + RUN
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 9))
        if time.monotonic() < end - 5:
            agent.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            agent.wait(timeout=15)
            kills += 1
            agent = start()
    for prober in probers:
        prober.finish()
    agent.terminate()
    agent.wait(timeout=15)
    generations = [len(prober.ends) for prober in probers]
    print(f'{sum(generations)} generations served, {sum(prober.looks for prober in probers)} looks, {kills} kills')
    assert not sum((prober.gaps for prober in probers), []), log.read_text()[-6000:]
    for prober in probers:
        assert list(prober.ends.values()) == sorted(prober.ends.values()), 'an older one was served again'
    assert sum(generations) >= 24 and kills >= 4
    # What was issued under a killed agent reaches its target under the next: none is ordered twice.
    assert sum(generations) <= pebble.issued() <= sum(generations) + len(servers)
