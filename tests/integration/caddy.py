# SPDX-License-Identifier: Apache-2.0
"""A second CA, that shares no code with Pebble: Caddy's acme_server. It validates at ports 80 and 443 and nowhere else, so it lives
on an island: a network of its own, with the test's web server, DNS and renewd."""
import json
import os
import pathlib
import signal
import subprocess

from processes import ENVIRONMENT, Daemon, run, wait_until


class Island:
    """A network namespace with nothing but loopback. Its resolvers are those of /etc/resolv.conf by address, and there answers a
    DNS of ours, which says 127.0.0.1 to everything."""

    MANAGEMENT = 8055

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self._keeper = subprocess.Popen(['unshare', '--net', 'sleep', 'infinity'], env=ENVIRONMENT, start_new_session=True)
        ours = os.readlink('/proc/self/ns/net')
        wait_until(lambda: os.readlink(f'/proc/{self._keeper.pid}/ns/net') != ours, 'the island')
        self.inside = ['nsenter', '--target', str(self._keeper.pid), '--net', '--']
        self._daemons = []
        self.run('ip', 'link', 'set', 'lo', 'up')
        for address in self._resolvers():
            if not address.startswith('127.') and address != '::1':
                self.run('ip', 'address', 'add', address, 'dev', 'lo')
        usage = run('pebble-challtestsrv', '-h', check=False)
        flags = usage.stdout + usage.stderr
        self.start(['pebble-challtestsrv', '-http01', '', '-https01', '', '-tlsalpn01', '', *(['-doh', ''] if '-doh ' in flags else []),
                    '-defaultIPv4', '127.0.0.1', '-defaultIPv6', '', '-management', f'127.0.0.1:{self.MANAGEMENT}',
                    '-dnsserver' if '-dnsserver' in flags else '-dns01', ':53'], self.MANAGEMENT, 'names')

    @staticmethod
    def _resolvers():
        file = pathlib.Path('/etc/resolv.conf')
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [words[1] for words in lines if len(words) > 1 and words[0] == 'nameserver']

    def run(self, *argv, **options):
        return run(*self.inside, *argv, **options)

    def listens(self, port):
        return f':{port} ' in self.run('ss', '-Hltn').stdout

    def start(self, argv, port, name, **environment):
        """A server on the island; running once `port` is listened on."""
        daemon = Daemon([*self.inside, *argv], self.directory / f'{name}.log', environment)
        daemon.begin()
        self._daemons.append(daemon)
        wait_until(lambda: self.listens(port) or daemon.process.poll() is not None, f'{name} to listen')
        assert daemon.process.poll() is None, daemon.log.read_text()[-2000:]
        return daemon

    def tell_names(self, path, **what):
        self.run('curl', '-sf', '-d', json.dumps(what), f'http://127.0.0.1:{self.MANAGEMENT}/{path}')

    def close(self):
        for daemon in reversed(self._daemons):
            daemon.stop()
        os.killpg(self._keeper.pid, signal.SIGKILL)
        self._keeper.wait(timeout=5)


class Caddy:
    """The CA; has what Renewd asks of one."""

    PORT = 9443

    def __init__(self, island):
        self.island = island
        self.directory = island.directory / 'caddy'
        self.directory.mkdir()
        config = self.directory / 'Caddyfile'
        config.write_text(f'''{{
  admin off
  storage file_system {self.directory}/data
  auto_https disable_redirects
  skip_install_trust
}}
https://127.0.0.1:{self.PORT} {{
  tls internal
  acme_server
}}
''')
        self.url = f'https://127.0.0.1:{self.PORT}/acme/local/directory'
        self.roots = self.directory / 'data/pki/authorities/local/root.crt'
        island.start(['caddy', 'run', '--config', config, '--adapter', 'caddyfile'], self.PORT, 'caddy', HOME=str(self.directory))
        wait_until(lambda: island.run('curl', '-sf', '--cacert', self.roots, self.url, check=False).returncode == 0, 'Caddy to be ready')
