# SPDX-License-Identifier: Apache-2.0
"""A real ACME server: Debian's Pebble with its DNS, on loopback. The system's own (2.4 on Debian 12, 2.6 on Debian 13), or the newest
that Debian has (2.10 or later), which tests of newer features ask for. What a Pebble can do its directory says, not its version."""
import json
import pathlib
import re
import ssl
import subprocess
import urllib.error
import urllib.request

from processes import ENVIRONMENT, Daemon, clock_that_is_off, free_port, listens, run, wait_until


def make_https_pair(directory):
    """The CA and the pair that Pebble's own HTTPS uses; made once for all tests of a worker, and good at any time a test's clock shows."""
    directory = pathlib.Path(directory)
    extensions = directory / 'extensions'
    extensions.write_text('subjectAltName=DNS:localhost,DNS:acme-v02.api.letsencrypt.org,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n'
                          'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n')
    then = {**ENVIRONMENT, **clock_that_is_off('-100d')}
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    run('openssl', 'req', '-x509', *curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '300',
        '-subj', '/CN=HTTPS of the test CA', '-addext', 'keyUsage=critical,keyCertSign,cRLSign', cwd=directory, env=then)
    run('openssl', 'req', *curve, '-keyout', 'key.pem', '-out', 'csr.pem', '-subj', '/CN=localhost', cwd=directory)
    run('openssl', 'x509', '-req', '-in', 'csr.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
        '-days', '300', '-out', 'cert.pem', '-extfile', extensions, cwd=directory, env=then)
    return directory


def newest_binaries():
    """The directory of the newest Pebble's programs; fetched once, whoever asks first."""
    script = pathlib.Path(__file__).resolve().parents[1] / 'pebble-newest.sh'
    done = subprocess.run(['sh', str(script)], env=ENVIRONMENT, text=True, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return pathlib.Path(done.stdout.strip())


class Pebble:
    """`binaries` is the directory of its programs; `settings` go into its configuration file, `environment` to its process.
    `name_server` (a dns.NameServer) takes the place of the DNS that answers 127.0.0.1 to everything; `asks` is the address of the one
    that the CA asks, where it is not the first."""

    def __init__(self, directory, https, *, nonce_reject=0, validity=7776000, retry_after=0, blocked=(), name_server=None, asks=None,
                 binaries='/usr/bin', settings=None, environment=None):
        self.binaries = pathlib.Path(binaries)
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.https = https
        self.http_port = free_port()  # where every name's http-01 challenge is looked for
        self.tls_port = free_port()  # the same for tls-alpn-01
        self.port, self.management, self.dns, self.names = (free_port() for _ in range(4))
        self.roots = self.directory / 'roots.pem'  # anchors for its HTTPS and for what it issues
        self.log = self.directory / 'pebble.log'
        config = self.directory / 'pebble.json'
        config.write_text(json.dumps({'pebble': {
            'listenAddress': f'127.0.0.1:{self.port}', 'managementListenAddress': f'127.0.0.1:{self.management}',
            'certificate': str(https / 'cert.pem'), 'privateKey': str(https / 'key.pem'),
            'httpPort': self.http_port, 'tlsPort': self.tls_port, 'ocspResponderURL': '',
            'externalAccountBindingRequired': False, 'domainBlocklist': list(blocked),
            'retryAfter': {'authz': retry_after, 'order': retry_after}, 'certificateValidityPeriod': validity,
            'profiles': {'default': {'description': 'the only one', 'validityPeriod': validity}}, **(settings or {})}}))
        dns = f'{asks or name_server.address}:53' if name_server else f'127.0.0.1:{self.dns}'
        self._pebble = Daemon(
            [self.binaries / 'pebble', '-config', config, '-dnsserver', dns, '-strict'], self.log,
            # One thread: a fetched authorization, a new order and a new account at once lock one another out in Pebble 2.4, for good.
            {'GOMAXPROCS': '1', 'PEBBLE_VA_NOSLEEP': '1', 'PEBBLE_WFE_NONCEREJECT': str(nonce_reject), 'PEBBLE_AUTHZREUSE': '0', **(environment or {})})
        self._names = None if name_server else Daemon(self._challtestsrv(), self.directory / 'names.log')

    def _challtestsrv(self):
        program = self.binaries / 'pebble-challtestsrv'
        usage = run(program, '-h', check=False)
        flags = usage.stdout + usage.stderr
        argv = [program, '-http01', '', '-https01', '', '-tlsalpn01', '',
                '-management', f'127.0.0.1:{self.names}', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', '',
                '-dnsserver' if '-dnsserver' in flags else '-dns01', f'127.0.0.1:{self.dns}']
        return argv + (['-doh', ''] if '-doh ' in flags else [])

    @property
    def url(self):
        return f'https://127.0.0.1:{self.port}/dir'

    def start(self):
        """A start after a stop is a CA that has lost its database, with a new root."""
        if self._names and self._names.process is None:
            self._names.start(self.names)
        self._pebble.start(self.port)
        wait_until(lambda: 'ACME directory available' in self.log.read_text(), 'Pebble to be ready')
        wait_until(lambda: listens(self.management), "Pebble's management")
        self.roots.write_bytes((self.https / 'ca.pem').read_bytes() + self.ask(f'https://127.0.0.1:{self.management}/roots/0'))

    def stop(self):
        self._pebble.stop()

    def close(self):
        self._pebble.stop()
        if self._names:
            self._names.stop()

    def ask(self, url, body=None):
        """One GET, or a POST of JSON, to its ACME side or its management."""
        trust = ssl.create_default_context(cafile=str(self.https / 'ca.pem'))
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), {'User-Agent': 'tests'})
        return urllib.request.urlopen(request, context=trust, timeout=10).read()

    @property
    def processes(self):
        """The CA, and its DNS where that is its own."""
        return [daemon.process.pid for daemon in (self._pebble, self._names) if daemon]

    def features(self):
        """What its directory says it can do: 'renewalInfo', 'keyChange', …, and 'profiles'."""
        shown = json.loads(self.ask(self.url))
        return {*shown, *shown.get('meta', {})} - {'meta'}

    def set_renewal_info(self, leaf_pem, answer):
        """Newest only: what renewalInfo answers for this certificate from now on, as it stands; '' is Pebble's own answer again."""
        self.ask(f'https://127.0.0.1:{self.management}/set-renewal-info/', {'Certificate': leaf_pem, 'ARIResponse': answer})

    def certificate_status(self, serial):
        """'Valid' or 'Revoked', and the reason of the revocation."""
        try:
            shown = json.loads(self.ask(f'https://127.0.0.1:{self.management}/cert-status-by-serial/{serial}'))
        except urllib.error.HTTPError as error:
            return f'HTTP {error.code}', None
        return shown['Status'], shown.get('Reason', 0) if shown['Status'] == 'Revoked' else None

    def tell_names(self, path, **what):
        """Tells the DNS of the test CA something: tell_names('add-a', host='x.test', addresses=['127.0.0.2'])."""
        request = urllib.request.Request(f'http://127.0.0.1:{self.names}/{path}', json.dumps(what).encode(), method='POST')
        urllib.request.urlopen(request, timeout=10).read()

    def _count(self, pattern):
        return len(re.findall(pattern, self.log.read_text()))

    def orders(self):
        """Orders that exist."""
        return self._count(r'Added order "')

    def issued(self):
        """Certificates that were issued: what a rate limit would count."""
        return self._count(r'Issued certificate serial')

    def accounts(self):
        """Accounts that exist."""
        counts = re.findall(r'There are now (\d+) accounts in memory', self.log.read_text())
        return int(counts[-1]) if counts else 0

    def requests(self):
        """What was asked of the ACME side, in order, as 'POST /order-plz'; ids are cut off."""
        asked = re.findall(r'((?:GET|HEAD|POST) /[\w-]+)\S* -> calling handler', self.log.read_text())
        return [request for request in asked if request.split('/')[1] not in ('roots', 'intermediates')]


class Since:
    """A Pebble that others have used before: the same, but it counts from now on."""

    def __init__(self, pebble):
        self._pebble = pebble
        self._before = {what: getattr(pebble, what)() for what in ('orders', 'issued', 'accounts')}
        self._asked = len(pebble.requests())

    def __getattr__(self, name):
        if name in self._before:
            return lambda: getattr(self._pebble, name)() - self._before[name]
        return getattr(self._pebble, name)

    def requests(self):
        return self._pebble.requests()[self._asked:]
