# SPDX-License-Identifier: Apache-2.0
"""The servers of the tests themselves: what a test says about renewd is worth what these say about the world."""
import datetime
import json
import socket
import subprocess
import time

import pytest

from caproxy import CaProxy
from h2proxy import H2Proxy
from processes import ENVIRONMENT, free_port, listens, run, wait_until
from renewd import certificate
from tls import is_pair, leaf_of, served


def self_signed(directory, name='www.example.test'):
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
        directory / 'www.key', '-out', directory / 'www.crt', '-days', '5', '-subj', f'/CN={name}', '-addext',
        f'subjectAltName=DNS:{name}')


@pytest.mark.both_pebbles
def test_pebble_answers_and_counts(pebble):
    before = pebble.requests()
    answer = run('curl', '-sf', '--cacert', pebble.roots, pebble.url)
    run('curl', '-sfI', '--cacert', pebble.roots, pebble.url.replace('/dir', '/nonce-plz'))
    assert 'newOrder' in answer.stdout
    assert pebble.requests()[len(before):] == ['GET /dir', 'HEAD /nonce-plz']
    assert (pebble.orders(), pebble.issued(), pebble.accounts()) == (0, 0, 0)
    assert pebble.roots.read_text().count('BEGIN CERTIFICATE') == 2


def test_newest_pebble_has_what_newer_cas_have(newest_pebble):
    """Seen by its directory: the tests of these features run against a CA that has them."""
    assert newest_pebble.features() >= {'renewalInfo', 'keyChange', 'revokeCert', 'profiles', 'newOrder'}
    assert newest_pebble.ask(newest_pebble.url.replace('/dir', '/nonce-plz')) == b''


def test_newest_pebble_answers_as_told_about_a_renewal(newest_pebble, make_renewd):
    renewd = make_renewd(newest_pebble)
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    leaf = leaf_of(renewd.live() / 'cert.pem')
    newest_pebble.set_renewal_info(leaf.pem, '{"told": true}')
    where = json.loads(newest_pebble.ask(newest_pebble.url))['renewalInfo']
    assert newest_pebble.ask(f'{where}/{leaf.renewal_id}') == b'{"told": true}'


def test_ca_proxy_passes_on_holds_back_and_invents(pebble, ca_proxy):
    curl = ['curl', '-s', '--max-time', '2', '--cacert', pebble.roots]
    assert ca_proxy.url in run(*curl, ca_proxy.url).stdout.replace('/order-plz', '/dir')
    ca_proxy.hold_answer('/nonce-plz', 'GET')
    assert run(*curl, ca_proxy.url.replace('/dir', '/nonce-plz'), check=False).returncode == 28
    assert ca_proxy.held.is_set() and pebble.requests()[-1] == 'GET /nonce-plz'
    ca_proxy.release()
    ca_proxy.answer_once('/dir', 503, 'later', method='GET')
    assert run(*curl, ca_proxy.url).stdout == 'later'
    assert 'newOrder' in run(*curl, ca_proxy.url).stdout


def test_ca_proxy_damages_what_passes(pebble, ca_proxy):
    """Each kind of fault, seen by a client; what came is counted."""
    def curl(path='/dir', *more):
        began = time.monotonic()
        done = run('curl', '-s', '-w', '%{http_code}', '--cacert', pebble.roots, *more, ca_proxy.url.replace('/dir', path), check=False)
        return done.returncode, done.stdout, time.monotonic() - began
    first = ca_proxy.on('/dir', 'GET', drop='before')
    assert curl()[0] in (52, 56) and first.used == 1 and not pebble.requests()
    ca_proxy.on('/dir', 'GET', drop='after')
    assert curl()[0] in (52, 56) and pebble.requests() == ['GET /dir']
    ca_proxy.on('/dir', 'GET', cut=10)
    code, text, _ = curl()
    assert code == 18 and text == pebble.ask(pebble.url).decode()[:10] + '200'
    ca_proxy.on('/dir', 'GET', rate=1000)
    assert curl()[2] > 0.3
    ca_proxy.on('/dir', 'GET', delay=0.3)
    assert curl()[2] > 0.3 > curl()[2]
    ca_proxy.on('/dir', 'GET', replace=('newOrder', 'oldOrder'), skip=1)
    assert 'newOrder' in curl()[1] and 'oldOrder' in curl()[1] and 'newOrder' in curl()[1]
    ca_proxy.on('/nonce', 'HEAD', del_headers=('Replay-Nonce',), set_headers={'X-Seen': 'yes'})
    shown = curl('/nonce-plz', '-I')[1].lower()
    assert 'replay-nonce' not in shown and 'x-seen: yes' in shown
    ca_proxy.refuse('/dir', 429, 'rateLimited', 'slowly', wait=datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc), method='GET')
    shown = curl('/dir', '-i')[1]
    assert 'Retry-After: Tue, 01 Jan 2030 00:00:00 GMT' in shown and '"slowly"' in shown
    assert [str(one) for one in ca_proxy.requests('/dir')][:3] == ['GET /dir -', 'GET /dir -', 'GET /dir 200']
    assert ca_proxy.connections == len(ca_proxy.requests())


def test_ca_proxy_is_slow_for_each_but_not_for_all(pebble, place, open_for_test):
    """Latency: 50 ms more for a request, and forty at once on connections that are kept take hardly longer than one after another on one."""
    proxy = CaProxy(pebble, latency=0.05)
    open_for_test(proxy, proxy.close)
    list_of_urls = place / 'urls'
    list_of_urls.write_text(''.join(f'url = "{proxy.url}"\noutput = /dev/null\n' for _ in range(80)))
    began = time.monotonic()
    run('curl', '-s', '--parallel', '--parallel-immediate', '--parallel-max', '40', '--cacert', pebble.roots, '-K', list_of_urls)
    assert 0.1 < time.monotonic() - began < 2
    assert len(proxy.requests()) == 80 and proxy.connections <= 40


@pytest.mark.both_pebbles
def test_relay_counts_what_waits_for_an_answer(pebble, relay):
    """One after another are rounds of their own, all at once are one; to open a connection is none."""
    def counted(*options):
        curl = ['curl', '-s', '--cacert', str(pebble.roots), *options, *5 * [relay.url, '-o', '/dev/null']]
        with relay.in_rounds(pebble) as rounds, subprocess.Popen(curl, env=ENVIRONMENT) as client:
            rounds.client = client.pid
        assert client.returncode == 0
        return rounds.counted
    assert counted('--http1.1') == [1, 1, 1, 1, 1] and relay.connections == 1
    assert counted('--http2') == [1, 1, 1, 1, 1] and relay.connections == 2
    assert counted('--http2', '--parallel') == [5] and relay.connections == 3
    assert counted('--http1.1', '--parallel', '--parallel-immediate') == [5] and relay.connections == 8


def test_name_server_shows_what_it_was_told_and_every_name_has_an_address(make_name_server):
    server = make_name_server(secondary=True)
    server.add_txt('_acme-challenge.a.example.test', 'one')
    server.add_txt('_acme-challenge.a.example.test', 'two')
    assert server.txt('_acme-challenge.a.example.test') == ['one', 'two']
    wait_until(lambda: server.txt('_acme-challenge.a.example.test', server.second_address) == ['one', 'two'],
               'the second server to have heard of it')
    server.update('del _acme-challenge.a.example.test. TXT "one"')
    assert server.txt('_acme-challenge.a.example.test') == ['two']
    server.cname('_acme-challenge.b.example.test', 'b.delegated.test')
    server.caa('example.test', ';')
    asked = run('kdig', f'@{server.address}', '+short', '_acme-challenge.b.example.test', 'CNAME', 'c.d.example.test', 'A',
                'example.test', 'CAA')
    assert asked.stdout.split() == ['b.delegated.test.', '127.0.0.1', '0', 'issue', '";"']
    server.stop_secondary()
    assert server.txt('_acme-challenge.a.example.test', server.second_address) == []


def test_pebble_asks_the_name_server(name_server, make_pebble):
    pebble = make_pebble(name_server=name_server)
    assert f'Using {name_server.address}:53' in pebble.log.read_text() or name_server.address in pebble.log.read_text()


def test_webroot_is_where_pebble_looks(pebble, renewd):
    (renewd.webroot / 'proof').write_text('here')
    assert run('curl', '-sf', f'http://127.0.0.1:{pebble.http_port}/proof').stdout == 'here'


def test_nginx_serves_reloads_and_restarts(make_nginx):
    nginx = make_nginx(form='fixed')
    assert nginx.is_alive() and served(nginx.port, nginx.name) is None
    assert run(*nginx.test_argv, check=False).returncode != 0  # its certificate is not there yet
    self_signed(nginx.fullchain.parent)
    assert is_pair(nginx.fullchain, nginx.key)
    run(*nginx.test_argv)
    nginx.reload()
    leaf = wait_until(lambda: served(nginx.port, nginx.name), 'a handshake')
    assert leaf.sha256 == leaf_of(nginx.fullchain).sha256
    assert leaf.names == ['www.example.test'] and leaf.key == 'id-ecPublicKey 256'
    first = nginx.master()
    run(*nginx.restart_argv)
    wait_until(lambda: nginx.is_alive() and nginx.master() != first, 'the restarted nginx')
    nginx.stop()
    assert not nginx.is_alive()


def test_sshd_runs_a_command_for_the_pinned_key_only(sshd, place):
    known = place / 'known_hosts'
    known.write_text(f'[127.0.0.1]:{sshd.port} {sshd.host_key}\n')
    ssh = ['ssh', '-F', '/dev/null', '-o', 'BatchMode=yes', '-o', f'UserKnownHostsFile={known}', '-i', sshd.identity,
           '-p', sshd.port, 'root@127.0.0.1']
    assert run(*ssh, 'id -un').stdout == 'root\n'
    assert sshd.logins() == 1
    wait_until(lambda: not sshd.remote_processes(), 'the session to end')


def test_user_may_sudo_exactly_what_is_allowed(user, make_sshd, place):
    user.allow_sudo('ALL=(root) NOPASSWD: /usr/bin/id -u')
    sshd = make_sshd(user=user.name)
    ssh = ['ssh', '-F', '/dev/null', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o',
           f'UserKnownHostsFile={place}/known', '-i', sshd.identity, '-p', sshd.port, f'{user.name}@127.0.0.1']
    assert run(*ssh, 'sudo -n /usr/bin/id -u').stdout == '0\n'
    assert run(*ssh, 'sudo -n /usr/bin/id -g', check=False).returncode == 1


def test_line_counts_and_stalls(make_line):
    received = []
    with socket.create_server(('127.0.0.1', free_port())) as server:
        line = make_line(server.getsockname()[1])
        line.stall_after = 5
        with socket.create_connection(('127.0.0.1', line.port)) as client:
            upstream, _ = server.accept()
            with upstream:
                client.sendall(b'12345678')
                assert line.stalled.wait(5)
                upstream.settimeout(0.3)
                received.append(upstream.recv(100))
                try:
                    received.append(upstream.recv(100))
                except TimeoutError:
                    received.append(b'nothing more')
    assert received == [b'12345', b'nothing more'] and line.sent == 5


def test_nothing_is_left(pebble, sshd):
    ports = [pebble.port, pebble.management, sshd.port]
    assert all(listens(port) for port in ports)
    pebble.close()
    sshd.stop()
    time.sleep(0.1)
    assert not any(listens(port) for port in ports)


@pytest.mark.parametrize('fault', [None, *H2Proxy.FAULTS])
def test_http2_breaks_as_told(pebble, open_for_test, fault):
    """At the second of three requests, and not again."""
    proxy = H2Proxy(pebble, fault, at=2)
    open_for_test(proxy, proxy.close)
    done = run('curl', '-s', '-w', '%{http_code} %{http_version} %{exitcode}\n', '--http2', '--cacert', pebble.roots,
               *(word for _ in range(3) for word in ('-o', '/dev/null', proxy.url)), check=False)
    first, second, third = done.stdout.splitlines()
    assert first == third == '200 2 0'
    if fault != 'goaway before':  # some libcurl send again what was not heard, some do not
        assert second.endswith(' 0') == (fault in (None, 'refused')), second
    assert proxy.connections == (1 if fault in (None, 'reset', 'reset within') else 2)
