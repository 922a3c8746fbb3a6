# SPDX-License-Identifier: Apache-2.0
"""What certificates cost, side by side for renewd, Debian's lego and Debian's certbot: issuance.py [PART...]

All three ask the same Pebble in the same run, through a relay of bytes that can add latency; http-01 by webroot, a new name for each
certificate, an account that exists already, state on a disk (BENCH_DIRECTORY, /var/tmp). How many round trips depend on each other is
counted in a run of its own (relay.Rounds), because neither latency nor the speed of the CA changes it. Parts: one, hundred, names, nonces,
retry-after; all of them without any. RENEWD=PATH names the binary; without it an optimised one is built in build-release.

renewd works on all certificates that are due in one process. lego and certbot know one certificate a process and are run one after
the other: SAMPLE of them, and the figures of a hundred are reckoned from these."""
import collections
import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/integration'))

# pylint: disable=wrong-import-position
from pebble import Pebble, make_https_pair  # noqa: E402
from processes import ENVIRONMENT, Daemon, children_of  # noqa: E402
from meter import cpu_of, measure, memory_of  # noqa: E402
from relay import Relay  # noqa: E402
from release import built  # noqa: E402

PARTS = ['one', 'hundred', 'names', 'nonces', 'retry-after']
RUNS = 7  # of one certificate
BATCHES = 3  # of a hundred
SAMPLE = int(os.environ.get('BENCH_SAMPLE', '20'))  # certificates standing for a hundred, where each takes a process
ROUND_TRIP = 50  # ms, where latency is added

NGINX = '''daemon off;
user root;
pid {place}/nginx.pid;
events {{}}
http {{
    access_log off;
    server {{ listen 127.0.0.1:{port}; root {place}/webroot; }}
}}
'''

Cost = collections.namedtuple('Cost', 'ok requests connections wall cpu memory')


class World:
    """A CA behind a relay, and the web server of all names."""

    def __init__(self, place, https, binary, **options):
        self.place = place
        self.binary = binary
        self.pebble = Pebble(place / 'pebble', https, environment={'GOMAXPROCS': str(os.cpu_count())}, **options)
        self.pebble.start()
        self.relay = Relay(self.pebble.port)
        self.url = self.relay.url
        self.webroot = place / 'webroot'
        self.webroot.mkdir()
        (place / 'nginx.conf').write_text(NGINX.format(place=place, port=self.pebble.http_port))
        self.web = Daemon(['nginx', '-p', place, '-c', place / 'nginx.conf', '-e', place / 'nginx.log'], place / 'nginx.log')
        self.web.start(self.pebble.http_port)
        self.names = 0

    def close(self):
        self.relay.close()
        self.web.stop()
        self.pebble.close()

    def new_name(self):
        self.names += 1
        return f'host-{self.names}.example.test'

    def measure(self, argv, environment, round_trip=0):
        """One process from its start to its end."""
        self.relay.delay = round_trip / 2000
        requests, connections, issued = len(self.pebble.requests()), self.relay.connections, self.pebble.issued()
        with tempfile.TemporaryFile() as said:
            status, wall, cpu, memory = measure(argv, said, {**ENVIRONMENT, **environment})
            ok = status == 0 and self.pebble.issued() > issued
            if not ok:
                said.seek(0)
                print(f'    {argv[0]}: status {status}: {said.read()[-600:].decode(errors="replace")}', file=sys.stderr)
        return Cost(ok, len(self.pebble.requests()) - requests, self.relay.connections - connections, wall, cpu, memory)

    @contextlib.contextmanager
    def in_rounds(self):
        self.relay.delay = 0
        server = self.web.process.pid
        with self.relay.in_rounds(self.pebble, [server, *children_of(server)]) as rounds:
            yield rounds

    def round_trips(self, argv, environment):
        """Of such a process; None where it fails."""
        with self.in_rounds() as rounds:
            with subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env={**ENVIRONMENT, **environment}) as process:
                rounds.client = process.pid
        return None if process.returncode else len(rounds.counted)


class Client:
    """Whose `command(certificates)` is a process that issues them: its argv and environment. `certificates`: lists of names."""
    takes_many = False

    def __init__(self, world):
        self.world = world

    def issue(self, certificates, round_trip=0):
        return self.world.measure(*self.command(certificates), round_trip)

    def round_trips(self, certificates):
        return self.world.round_trips(*self.command(certificates))


class Renewd(Client):
    name = 'renewd'
    takes_many = True

    def __init__(self, world, home='renewd'):
        super().__init__(world)
        self.home = world.place / home
        self.home.mkdir()
        self.config = self.home / 'renewd.toml'

    def configure(self, certificates):
        text = f'''[agent]
state_dir = "{self.home}/state"
allow_volatile = true
[ca.bench]
directory = "{self.world.url}"
roots = "{self.world.pebble.roots}"
contact = "ops@example.test"
agree_tos = true
[solver.web]
type = "http-01"
webroot = "{self.world.webroot}"
[defaults]
ca = "bench"
solver = "web"
'''
        for names in certificates:
            text += f'[certificate."{names[0]}"]\nnames = {names}\n'.replace("'", '"')
        self.config.write_text(text)

    def command(self, certificates):
        self.configure(certificates)
        shutil.rmtree(self.home / 'state/certificates', ignore_errors=True)  # or it would look after those of the runs before, too
        return [self.world.binary, 'run', '--once', '--config', self.config], {}


class Agent(Renewd):
    """The same in an agent that runs already, and hears of the certificate by a reload: how renewd is meant to be used."""
    name = 'renewd, in a running agent'

    def __init__(self, world):
        super().__init__(world, 'agent')
        self.certificates = []
        self.process = Daemon([world.binary, 'run', '--config', self.config], self.home / 'log')

    def _wait_for(self, certificates):
        deadline = time.monotonic() + 60
        while not all((self.home / 'state/certificates' / names[0] / 'live').exists() for names in certificates):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def begin(self, certificates):
        self.certificates += certificates
        self.configure(self.certificates)
        self.process.begin()
        if not self._wait_for(certificates):
            sys.exit(f'the agent issued nothing: {self.process.log.read_text()[-2000:]}')

    def _add(self, certificates):
        self.certificates += certificates
        self.configure(self.certificates)
        os.kill(self.process.process.pid, signal.SIGHUP)
        return self._wait_for(certificates)

    def issue(self, certificates, round_trip=0):
        pid, world = self.process.process.pid, self.world
        world.relay.delay = round_trip / 2000
        requests, connections = len(world.pebble.requests()), world.relay.connections
        cpu, began = cpu_of(pid), time.monotonic()
        ok = self._add(certificates)
        wall = time.monotonic() - began
        time.sleep(0.3)  # what comes after it counts, too: the record, the next plan
        return Cost(ok, len(world.pebble.requests()) - requests, world.relay.connections - connections, wall, cpu_of(pid) - cpu, memory_of(pid)[1])

    def round_trips(self, certificates):
        with self.world.in_rounds() as rounds:
            rounds.client = self.process.process.pid
            ok = self._add(certificates)
        return len(rounds.counted) if ok else None

    def close(self):
        self.process.stop()


class Lego(Client):
    name = 'lego'

    def command(self, certificates):
        (names,) = certificates
        argv = ['lego', '--accept-tos', '--email', 'ops@example.test', '--server', self.world.url, '--path', self.world.place / 'lego',
                '--http', '--http.webroot', self.world.webroot, *(word for name in names for word in ('--domains', name)), 'run']
        return argv, {'LEGO_CA_CERTIFICATES': str(self.world.pebble.roots)}


class Certbot(Client):
    name = 'certbot'

    def command(self, certificates):
        (names,) = certificates
        home = self.world.place / 'certbot'
        argv = ['certbot', 'certonly', '--non-interactive', '--agree-tos', '-m', 'ops@example.test', '--server', self.world.url,
                '--config-dir', home / 'etc', '--work-dir', home / 'lib', '--logs-dir', home / 'log',
                '--webroot', '-w', self.world.webroot, *(word for name in names for word in ('-d', name))]
        return argv, {'REQUESTS_CA_BUNDLE': str(self.world.pebble.roots)}


def median(costs):
    """Of each column."""
    columns = zip(*(cost[1:] for cost in costs))
    return Cost(all(cost.ok for cost in costs), *(statistics.median(column) for column in columns))


def head(title):
    print(f'\n{title}\n  {"":<32}{"requests":>9}{"connections":>13}{"round trips":>13}{"wall":>12}{"CPU":>12}{"memory":>11}')


def line(what, cost, round_trips=None, note=''):
    trips = '' if round_trips is None else f'{round_trips:.0f}'
    print(f'  {what:<32}{cost.requests:>9.0f}{cost.connections:>13.0f}{trips:>13}{cost.wall * 1000:>9.0f} ms{cost.cpu * 1000:>9.1f} ms'
          f'{cost.memory:>7.1f} MiB{note}{"" if cost.ok else "   NOT ALL ISSUED"}', flush=True)


def one(world, clients):
    agent = Agent(world)
    try:
        agent.begin([[world.new_name()]])
        one_each(world, [*clients, agent])
    finally:
        agent.close()


def one_each(world, clients):
    trips = {client: client.round_trips([[world.new_name()]]) for client in clients}
    for round_trip in (0, ROUND_TRIP):
        head(f'1 certificate, 1 name, {round_trip} ms of latency added (median of {RUNS})')
        costs = {client: [] for client in clients}
        for _ in range(RUNS):  # in turns, so that a busy machine is busy for all
            for client in clients:
                costs[client].append(client.issue([[world.new_name()]], round_trip))
        for client in clients:
            line(client.name, median(costs[client]), trips[client])


def hundred_by_one_process(world, client, count, round_trip):
    runs = [client.issue([[world.new_name()] for _ in range(count)], round_trip) for _ in range(BATCHES)]
    return median(runs), f'  median of {BATCHES}'


def hundred_by_a_process_each(world, client, count, round_trip):
    runs = [client.issue([[world.new_name()]], round_trip) for _ in range(SAMPLE)]
    factor = count / SAMPLE
    total = {column: sum(getattr(run, column) for run in runs) * factor for column in ('requests', 'connections', 'wall', 'cpu')}
    cost = Cost(all(run.ok for run in runs), memory=max(run.memory for run in runs), **total)
    return cost, f'  {SAMPLE} measured, {cost.wall / count * 1000:.0f} ms each'


def round_trips_of_a_hundred(world, client, count):
    if client.takes_many:
        return client.round_trips([[world.new_name()] for _ in range(count)])
    each = client.round_trips([[world.new_name()]])
    return each and each * count


def hundred(world, clients):
    trips = {client: round_trips_of_a_hundred(world, client, 100) for client in clients}
    for round_trip in (0, ROUND_TRIP):
        head(f'100 certificates of 1 name, {round_trip} ms of latency added')
        for client in clients:
            by = hundred_by_one_process if client.takes_many else hundred_by_a_process_each
            cost, note = by(world, client, 100, round_trip)
            line(client.name, cost, trips[client], note)


def many_names(world, clients):
    trips = {client: client.round_trips([[world.new_name() for _ in range(100)]]) for client in clients}
    for round_trip in (0, ROUND_TRIP):
        head(f'1 certificate, 100 names, {round_trip} ms of latency added (once)')
        for client in clients:
            line(client.name, client.issue([[world.new_name() for _ in range(100)]], round_trip), trips[client])


def nonces(world, clients):
    head(f'1 certificate, half of all nonces rejected ({SAMPLE} processes, medians)')
    for client in clients:
        costs = [client.issue([[world.new_name()]]) for _ in range(SAMPLE)]
        fine = [cost for cost in costs if cost.ok]
        cost = median(fine or costs)
        line(client.name, cost, note=f'  {len(fine)} of {SAMPLE} issued')


def retry_after(world, clients):
    head('1 certificate, Retry-After: 3 where this Pebble knows it (median of 3)')
    for client in clients:
        line(client.name, median([client.issue([[world.new_name()]]) for _ in range(3)]))


def in_a_world(place, name, https, binary, options, work):
    """`work` at a new CA with accounts for everybody."""
    (place / name).mkdir()
    world = World(place / name, https, binary, **options)
    try:
        clients = [Renewd(world), Lego(world), Certbot(world)]
        for client in clients:
            for _ in range(10):  # where nonces are rejected, not everybody succeeds at once
                if client.issue([[world.new_name()]]).ok:
                    break
        for each in work:
            each(world, clients)
    finally:
        world.close()


def main():
    parts = sys.argv[1:] or PARTS
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.exit(f'{", ".join(unknown)}: no such part; there are {", ".join(PARTS)}')
    binary = built()
    place = pathlib.Path(tempfile.mkdtemp(prefix='renewd-bench-', dir=os.environ.get('BENCH_DIRECTORY', '/var/tmp')))
    try:
        (place / 'https').mkdir()
        https = make_https_pair(place / 'https')
        quick = [work for part, work in (('one', one), ('hundred', hundred), ('names', many_names)) if part in parts]
        if quick:
            in_a_world(place, 'quick', https, binary, {}, quick)
        if 'nonces' in parts:
            in_a_world(place, 'nonces', https, binary, {'nonce_reject': 50}, [nonces])
        if 'retry-after' in parts:
            in_a_world(place, 'retry-after', https, binary, {'retry_after': 3}, [retry_after])
    finally:
        shutil.rmtree(place)


main()
