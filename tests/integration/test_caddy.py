# SPDX-License-Identifier: Apache-2.0
"""A second CA, written by others (smallstep's, in Caddy): what holds with Pebble holds there, at the ports of the real world."""
import pytest

from caddy import Caddy, Island
from renewd import NAME, Renewd, certificate
from tls import is_pair, leaf_of


@pytest.fixture(name='island')
def fixture_island(place, open_for_test):
    island = Island(place / 'island')
    return open_for_test(island, island.close)


@pytest.fixture(name='renewd')
def fixture_renewd(island, place):
    (place / 'webroot').mkdir()
    renewd = Renewd(place / 'agent', Caddy(island), place / 'webroot')
    renewd.wrapper = island.inside
    return renewd


@pytest.fixture(name='web')
def fixture_web(island, renewd):
    """A web server on port 80 that shows the webroot."""
    return island.start(['/usr/bin/python3', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', renewd.webroot, '80'], 80, 'web')


def test_webroot_and_again(renewd, web):
    """http-01 by webroot, several names; a forced renewal gives another certificate of the same account."""
    names = [NAME, 'mail.example.test']
    renewd.configure(certificate(names=names))
    renewd.run('renew', expect=0)
    live = renewd.live()
    first = leaf_of(live / 'cert.pem')
    assert first.names == sorted(names) and is_pair(live / 'fullchain.pem', live / 'privkey.pem')
    renewd.run('renew', NAME, '--force', expect=0)
    assert leaf_of(live / 'cert.pem').sha256 != first.sha256 and renewd.certificate()['generation'] == 2
    assert not list(renewd.webroot.rglob('acme-challenge/*'))


def test_own_listener_on_port_80(renewd, island):
    renewd.configure(certificate(), solver='listen = "*:80"')
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').names == [NAME] and not island.listens(80)


def test_tls_alpn_01_on_port_443(renewd, island):
    renewd.configure('[solver.tls]\ntype = "tls-alpn-01"\nlisten = "*:443"\n', certificate(names=[NAME, 'mail.example.test'], solver='tls'))
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted([NAME, 'mail.example.test']) and not island.listens(443)


HOOK = """#!/bin/sh
exec curl -sf -d "{\\"host\\": \\"_acme-challenge.$CERTBOT_DOMAIN.\\", \\"value\\": \\"$CERTBOT_VALIDATION\\"}" http://127.0.0.1:%d/%s
"""


def test_dns_01_for_a_wildcard(renewd, island, place):
    """Two values at one name, by hooks that tell the island's DNS; seen by a resolver before the CA is told to look."""
    for name, way in (('auth', 'set-txt'), ('cleanup', 'clear-txt')):
        (place / name).write_text(HOOK % (island.MANAGEMENT, way))
        (place / name).chmod(0o755)
    solver = f'[solver.hooks]\ntype = "dns-01"\nprovider = "certbot-hooks"\nauth = "{place}/auth"\ncleanup = "{place}/cleanup"\n'
    names = ['example.test', '*.example.test']
    renewd.configure('[dns]\npublic = false\nservers = ["127.0.0.1:53"]\n', solver, certificate(names=names, solver='hooks'))
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted(names)


STRANGER = '''
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'this is somebody else')
http.server.HTTPServer(('127.0.0.9', 80), Answer).serve_forever()
'''


def test_name_that_leads_elsewhere_is_refused(renewd, island):
    """Something else answers for one of two names: said which, and nothing is kept; put right, the next run issues."""
    names = [NAME, 'elsewhere.example.test']
    renewd.configure(certificate(names=names), solver='listen = "127.0.0.1:80"')
    island.start(['/usr/bin/python3', '-c', STRANGER], 80, 'stranger')
    island.tell_names('add-a', host=names[1], addresses=['127.0.0.9'])
    renewd.run('renew', expect=3)
    error = renewd.certificate()['last_error']
    assert error['code'] == 'ca/validation-failed' and f'1 of 2 names ({names[1]}: ' in error['message']
    assert not renewd.live().exists()
    island.tell_names('clear-a', host=names[1])
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted(names)
