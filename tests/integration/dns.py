# SPDX-License-Identifier: Apache-2.0
"""Real name servers: Debian's Knot on port 53 of loopback addresses of the test's own, changed by dynamic updates."""
import pathlib
import random
import socket

from processes import Daemon, run, wait_until

SECRET = 'c2VjcmV0IG9mIHRoZSB0ZXN0cyBhbmQgb2Ygbm9ib2R5IGVsc2U='
KEY = 'acme.'
ALGORITHM = 'hmac-sha256'
ZONES = ('example.test', 'delegated.test', 'test')  # CAA is looked for up to the last label


def free_address():
    """127.53.x.y, where nobody has port 53."""
    for _ in range(100):
        address = f'127.53.{random.randrange(256)}.{random.randrange(1, 251)}'
        try:
            with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
                tcp.bind((address, 53))
                udp.bind((address, 53))
            return address
        except OSError:
            continue
    raise RuntimeError('no free port 53 on loopback; these tests need root')


def private_address(name_server, name='www.example.test'):
    """A loopback address of the test's own, given to a name: http-01 is always looked for at port 80, tls-alpn-01 at port 443."""
    address = f'127.{random.randrange(64, 96)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}'
    name_server.address_of(name, address)
    return address


class NameServer:
    """Knot with the zones example.test (every name in it is 127.0.0.1), delegated.test (for CNAMEs to lead to) and
    test. It answers as their authoritative server and, for these zones, does for a resolver. `secondary=True` adds a
    second one, which asks the first for what is new once a second, and is told nothing.

    A wildcard does not cover a name below which something is: once there is a TXT at _acme-challenge.www.example.test,
    www.example.test has no address any more, unless address() gave it one.
    """

    def __init__(self, directory, secondary=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.address = free_address()
        self.second_address = free_address() if secondary else None
        self.key_name, self.algorithm = KEY, ALGORITHM
        self.secret_file = self.directory / 'tsig-secret'
        self.secret_file.write_text(SECRET + '\n')
        self.secret_file.chmod(0o600)
        self._key_file = self.directory / 'key'
        self._key_file.write_text(f'{ALGORITHM}:{KEY}:{SECRET}\n')
        self._daemons = [self._primary()] + ([self._secondary()] if secondary else [])

    def _zone_text(self, zone):
        addresses = [one for one in (self.address, self.second_address) if one]
        names = [f'ns{number}' for number, _ in enumerate(addresses, 1)]
        lines = ['$TTL 60', f'@ SOA ns1.{zone}. admin.{zone}. 1 1 1 86400 60']
        lines += [f'@ NS {name}' for name in names] + [f'{name} A {one}' for name, one in zip(names, addresses)]
        if zone != 'test':
            lines += ['@ A 127.0.0.1', '* A 127.0.0.1']
        return '\n'.join(lines) + '\n'

    def _knot(self, name, address, sections, zone_lines):
        folder = self.directory / name
        folder.mkdir()
        conf = folder / 'knot.conf'
        conf.write_text(f'''server:
  rundir: {folder}
  listen: {address}@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 2
log:
- target: stdout
  any: info
database:
  storage: {folder}
{sections}zone:
''' + ''.join(f'- domain: {zone}\n  storage: {folder}\n  zonefile-sync: -1\n{zone_lines}' for zone in ZONES))
        return Daemon(['knotd', '-c', conf], folder / 'log')

    def _primary(self):
        daemon = self._knot('primary', self.address, f'''key:
- id: {KEY}
  algorithm: {ALGORITHM}
  secret: {SECRET}
acl:
- id: update
  key: {KEY}
  action: update
- id: transfer
  address: 127.0.0.0/8
  action: transfer
''', '  acl: [update, transfer]\n  zonefile-load: whole\n  journal-content: none\n')
        for zone in ZONES:
            (self.directory / 'primary' / f'{zone}.zone').write_text(self._zone_text(zone))
        return daemon

    def _secondary(self):
        return self._knot('secondary', self.second_address, f'''remote:
- id: primary
  address: {self.address}@53
''', '  master: primary\n')

    def start(self):
        for daemon, address in zip(self._daemons, [self.address, self.second_address]):
            daemon.start(53, address)
            for zone in ZONES:
                wait_until(lambda name=zone, at=address: self._ask(name, 'SOA', at), f'the zone {zone} at {address}')

    def stop(self):
        for daemon in self._daemons:
            daemon.stop()

    def stop_secondary(self):
        """A name server of the zones that does not answer any more."""
        self._daemons[1].stop()

    @staticmethod
    def _ask(name, kind, address):
        return run('kdig', f'@{address}', '+short', '+noidn', '+retry=0', '+time=2', name, kind, check=False).stdout.split('\n')[:-1]

    def txt(self, name, address=None):
        """The values at a name, sorted, as the first server (or the one at `address`) shows them."""
        return sorted(line.replace('" "', '').strip('"') for line in self._ask(name, 'TXT', address or self.address)
                      if line.startswith('"'))

    def update(self, *lines):
        """Lines of nsupdate(1): update('add www.example.test. 60 TXT x'). All of one zone."""
        zone = next(one for one in ZONES if lines[0].split()[1].rstrip('.').endswith(one))
        script = self.directory / 'update'
        script.write_text('\n'.join([f'server {self.address} 53', f'zone {zone}.', *lines, 'send', '']))
        done = run('knsupdate', '-v', '-k', self._key_file, script)
        assert 'failed' not in done.stdout + done.stderr, done.stdout + done.stderr

    def add_txt(self, name, value):
        """A value of somebody else's."""
        self.update(f'add {name}. 60 TXT "{value}"')

    def cname(self, name, target):
        """Whoever asks for `name` is sent to `target`."""
        self.update(f'add {name}. 60 CNAME {target}.')

    def caa(self, name, value, tag='issue', flags=0):
        self.update(f'add {name}. 60 CAA {flags} {tag} "{value}"')

    def address_of(self, name, address='127.0.0.1'):
        """Gives a name an address of its own."""
        self.update(f'add {name}. 60 A {address}')

    @property
    def dns_toml(self):
        """The [dns] section of a renewd that asks here."""
        return f'[dns]\nservers = ["{self.address}"]\n'

    def solver_toml(self, name='dns', **more):
        """A [solver.X] for dns-01 that writes here; `more` are further keys, as TOML values."""
        lines = [f'[solver.{name}]', 'type = "dns-01"', 'provider = "rfc2136"', f'server = "{self.address}"',
                 f'tsig = {{ name = "{KEY}", algorithm = "{ALGORITHM}", secret_file = "{self.secret_file}" }}']
        return '\n'.join(lines + [f'{key} = {value}' for key, value in more.items()]) + '\n'


class Resolver:
    """Debian's Unbound, which follows what a NameServer says from zone to zone, and remembers nothing. `anchor` is a DS that it holds a
    zone to (RFC 4034 §5.3): 'example.test. DS 1 13 2 00…'."""

    def __init__(self, directory, name_server, anchor=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.address = free_address()
        conf = self.directory / 'unbound.conf'
        conf.write_text(f'''server:
  interface: {self.address}
  port: 53
  directory: "{self.directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  module-config: "{'validator ' if anchor else ''}iterator"
  {f'trust-anchor: "{anchor}"' if anchor else ''}
  cache-max-ttl: 0
  cache-max-negative-ttl: 0
  local-zone: "test." nodefault
remote-control:
  control-enable: no
''' + ''.join(f'stub-zone:\n  name: {zone}.\n  stub-addr: {name_server.address}@53\n' for zone in ZONES))
        self._daemon = Daemon(['unbound', '-d', '-c', conf], self.directory / 'log')

    @property
    def dns_toml(self):
        """The [dns] section of a renewd that asks here."""
        return f'[dns]\nservers = ["{self.address}"]\n'

    def start(self):
        self._daemon.start(53, self.address)

    def stop(self):
        self._daemon.stop()
