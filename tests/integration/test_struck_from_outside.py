# SPDX-License-Identifier: Apache-2.0
"""What the crash sweep (tests/sweep) shows in the process, confirmed from outside: strace strikes at system calls of the real binary, and of
the script on the other side of SSH. A dozen points each; RENEWD_STRACE_POINTS=40 takes more, RENEWD_STRACE_SEED takes the same ones again."""
import collections
import os
import random
import re
import time

import pytest

from processes import wait_until
from renewd import NAME, certificate, nginx_target
from tls import is_pair, leaf_of, served

POINTS = int(os.environ.get('RENEWD_STRACE_POINTS', '12'))
SEED = int(os.environ.get('RENEWD_STRACE_SEED', time.time_ns() % 100000))
STRUCK = re.compile(r'\(INJECTED\)$|killed by SIGKILL', re.M)
MEND = 6  # runs at most until all is well again

# Which calls are struck, and how. A call that only reads is no place for a full disk.
MAKING = ['openat', 'write', 'fsync', 'rename', 'link', 'symlink', 'mkdir']
KINDS = {
    'kill': ('signal=KILL', [*MAKING, 'unlink', 'rmdir', 'fchmod', 'flock', 'connect', 'sendto', 'clone3', 'read', 'close']),
    'no-space': ('error=ENOSPC', MAKING),
    'quota': ('error=EDQUOT', MAKING),
    'io': ('error=EIO', [*MAKING, 'unlink', 'read', 'flock']),
}


class Scene:
    """renewd with a target beside it and one behind SSH, both served by nginx; each call of due() makes a renewal due."""

    def __init__(self, renewd, near, far, sshd):
        self.renewd, self.near, self.far, self.sshd = renewd, near, far, sshd
        self.sides = {'near': near, 'far': far}
        self._key_types = ['ecdsa-p256', 'ecdsa-p384']

    def due(self):
        self._key_types.reverse()
        self.renewd.configure(self.sshd.host_toml('there'),
                              certificate(nginx_target(self.near, 'near', restart=[]),
                                          nginx_target(self.far, 'far', host='there', restart=[]), key_type=self._key_types[0]))

    def generation(self):
        return self.renewd.certificate()['generation'] or 0

    def check_pairs(self, where):
        """Whatever has happened: each target has a pair that its server could start with, and serves one."""
        for side, nginx in self.sides.items():
            paths = re.findall(r'ssl_certificate(?:_key)? "?([^";]+)', nginx.include.read_text())
            assert len(paths) == 2 and is_pair(*paths), f'{where}: {side}'
            assert served(nginx.port, NAME) or served(nginx.port, NAME), f'{where}: {side} serves nothing'

    def mend(self, where):
        for _ in range(MEND):
            outcome = self.renewd.run('renew', NAME)
            self.check_pairs(where)
            if outcome.code == 0:
                break
        assert outcome.code == 0, f'{where}: {outcome}'

    def strike(self, where, strike):
        """Strikes one renewal, runs it to its end, and counts at the CA. `strike` runs renewd; what strace wrote of that is returned."""
        pebble = self.renewd.pebble
        before, orders, issued = self.generation(), pebble.orders(), pebble.issued()
        self.due()
        log = strike()
        self.check_pairs(where)
        self.mend(where)
        assert pebble.issued() - issued == 1, f'{where}: certificates'
        assert pebble.orders() - orders <= 2, f'{where}: orders'
        assert self.generation() == before + 1, where
        leaf = leaf_of(self.renewd.live() / 'cert.pem').sha256
        for side, nginx in self.sides.items():
            wait_until(lambda port=nginx.port: served(port, NAME).sha256 == leaf, f'{where}: {side} to serve the new one')
        if self.left_behind():  # what could not be removed is what the next deployment removes
            self.renewd.run('deploy', NAME, expect=0)
        assert not self.left_behind(), f'{where}: left behind: {self.left_behind()}'
        return log

    def left_behind(self):
        return [str(path) for folder in (self.renewd.state, self.near.include.parent, self.far.include.parent)
                for path in folder.rglob('*') if '.renewd-' in path.name or path.name.startswith('next')]


@pytest.fixture(name='scene')
def fixture_scene(renewd, make_nginx, sshd):
    scene = Scene(renewd, make_nginx('near'), make_nginx('far'), sshd)
    scene.due()
    renewd.run('renew', expect=0)
    return scene


def traced(scene, options):
    """`renewd renew` under strace; the log of it."""
    log = scene.renewd.directory / 'strace.log'
    scene.renewd.wrapper = ['strace', '-f', '-q', '-o', str(log), *options]
    try:
        scene.renewd.run('renew', NAME, timeout=300)
    finally:
        scene.renewd.wrapper = []
    return log.read_text()


def first_at(log, calls, threads=()):
    """{(call, when): where in the log somebody first comes to it}: strace counts for each thread on its own. With `threads`, only theirs."""
    counts, first = collections.Counter(), {}
    for found in re.finditer(r'^(\d+) +(\w+)\(', log, re.M):
        thread, call = found.groups()
        if call in calls and (not threads or thread in threads):
            counts[thread, call] += 1
            first.setdefault((call, counts[thread, call]), found.start())
    return first


class Strikes:
    """POINTS of some chances, each seen to have struck: threads may come to a call less often the second time, then another is drawn.
    `run` runs renewd with options of strace and returns what strace wrote."""

    def __init__(self, scene, kind, effect, run):
        self.scene, self.kind, self.effect, self.run = scene, kind, effect, run
        self.dice = random.Random(SEED)

    def draw(self, chances, wanted):
        """How many have struck: `wanted`, if so many can."""
        struck = 0
        for call, when in self.dice.sample(sorted(chances), len(chances)):
            if struck == wanted:
                break
            where = f'seed {SEED}: {self.kind} at {call} {when}'
            print(where, flush=True)
            log = self.scene.strike(where, lambda: self.run(
                '-e', f'trace={call}', '-e', f'inject={call}:{self.effect}:when={when}'))  # pylint: disable=cell-var-from-loop
            struck += bool(STRUCK.search(log))
        return struck


@pytest.mark.parametrize('kind', KINDS)
def test_struck_at_system_calls_here(scene, kind, record_property):
    """The binary, struck at one of its calls: one certificate, targets never without a pair, and the end state is reached."""
    effect, calls = KINDS[kind]
    scene.due()
    chances = first_at(traced(scene, ['-e', 'trace=' + ','.join(calls)]), calls)
    scene.mend('not struck')
    struck = Strikes(scene, kind, effect, lambda *options: traced(scene, options)).draw(chances, POINTS)
    record_property('struck', f'{kind} here: {struck} points of {len(chances)} calls, seed {SEED}')
    assert struck == min(POINTS, len(chances))


class Remote:
    """What runs on the other side, runs under strace there, as long as there are options."""

    def __init__(self, sshd):
        self.options = sshd.directory / 'strace.options'
        self.log = sshd.directory / 'strace.log'
        wrapper = sshd.directory / 'under-strace'
        wrapper.write_text(f'''#!/bin/sh
[ -s {self.options} ] || exec sh -c "$SSH_ORIGINAL_COMMAND"
exec strace -f -q -o {self.log}.$$ $(cat {self.options}) sh -c "$SSH_ORIGINAL_COMMAND"
''')
        wrapper.chmod(0o755)
        keys = sshd.directory / 'authorized_keys'
        keys.write_text(f'command="{wrapper}" {keys.read_text()}')

    def run(self, scene, *options):
        """`renewd renew` with the other side under strace; the logs of all connections."""
        for log in self.logs():
            log.unlink()
        self.options.write_text(' '.join(options))
        try:
            scene.renewd.run('renew', NAME, timeout=300)
        finally:
            self.options.write_text('')
        return ''.join(log.read_text() for log in self.logs())

    def logs(self):
        return sorted(self.log.parent.glob(self.log.name + '.*'))


# The script itself goes between two of its steps: only it waits for its children. Its children go, or fail, at what they do to files:
# each is a process of its own, with counts of its own.
FILE_CALLS = ['rename', 'renameat', 'renameat2', 'fsync', 'unlink', 'unlinkat', 'link', 'linkat', 'mkdir', 'openat', 'write']
REMOTE = {'kill': ('signal=KILL', ['wait4']), 'kill-child': ('signal=KILL', FILE_CALLS), 'no-space': ('error=ENOSPC', FILE_CALLS),
          'io': ('error=EIO', FILE_CALLS)}
JOURNAL_BEGINS = re.compile(r'^.*rename\w*\(.*/journal\.disk", .*/journal"', re.M)
JOURNAL_ENDS = re.compile(r'^.*unlink\w*\([^"]*"[^"]*/\.renewd-\w+/journal"', re.M)


def most_patient(log):
    """The thread that waits for a child most often: the script. The one that counts its seconds waits once in each of them."""
    return collections.Counter(re.findall(r'^(\d+) +wait4\(', log, re.M)).most_common(1)[0][0]


@pytest.mark.parametrize('kind', REMOTE)
def test_struck_at_system_calls_there(scene, kind, record_property):
    """The script on the other side, struck between its steps, or at what is done to files, half of the times after it has written what it
    would have to put right: the same holds."""
    effect, calls = REMOTE[kind]
    remote = Remote(scene.sshd)
    scene.due()
    log = remote.run(scene, '-e', 'trace=' + ','.join(['wait4', *FILE_CALLS]))
    scene.mend('not struck')
    chances = first_at(log, calls, [most_patient(log)] if calls == ['wait4'] else [])
    begins, ends = JOURNAL_BEGINS.search(log).start(), JOURNAL_ENDS.search(log).start()
    journalled = [chance for chance, at in chances.items() if begins < at < ends]
    assert len(journalled) > 10, journalled
    strikes = Strikes(scene, f'{kind} there', effect, lambda *options: remote.run(scene, *options))
    struck_then = strikes.draw(journalled, POINTS // 2)
    struck = struck_then + strikes.draw(set(chances) - set(journalled), POINTS - struck_then)
    record_property('struck', f'{kind} there: {struck} points of {len(chances)} calls, {struck_then} of {len(journalled)} between journal and '
                              f'commit, seed {SEED}')
    assert struck == min(POINTS, len(chances))
    assert struck_then >= min(POINTS // 2, len(journalled) // 2), 'it does not come twice to what follows the journal'
