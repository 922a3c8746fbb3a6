# SPDX-License-Identifier: Apache-2.0
"""Getting a certificate from a real CA."""
import json

import pytest

from processes import free_port, run, wait_until
from renewd import NAME, certificate, nginx_target
from tls import is_pair, leaf_of, served


@pytest.mark.both_pebbles
def test_fresh_issue_with_two_targets(renewd, pebble, make_nginx, sshd):
    """Nothing exists; one command later both places serve the same new certificate."""
    here, there = make_nginx('here'), make_nginx('there', form='fixed')
    renewd.configure(sshd.host_toml('web2'), certificate(nginx_target(here, 'web1'), nginx_target(there, 'web2', 'web2')))
    outcome = renewd.run('renew', expect=0)
    wanted = leaf_of(renewd.live() / 'fullchain.pem').sha256
    assert served(here.port, NAME).sha256 == served(there.port, NAME).sha256 == wanted
    assert (pebble.orders(), pebble.issued(), pebble.accounts()) == (1, 1, 1)
    seen = renewd.certificate()
    assert (seen['state'], seen['generation'], seen['sha256']) == ('ok', 1, wanted)
    assert seen['served']['expected'] == seen['served']['serving'] == 2
    assert [target['state'] for target in seen['targets']] == ['serving', 'serving']
    assert 'PRIVATE KEY' not in outcome.text


@pytest.mark.both_pebbles
def test_forced_renewal_changes_what_both_serve(renewd, pebble, make_nginx, sshd):
    """--force issues generation 2, and both targets change over."""
    here, there = make_nginx('here'), make_nginx('there', form='fixed')
    renewd.configure(sshd.host_toml('web2'), certificate(nginx_target(here, 'web1'), nginx_target(there, 'web2', 'web2')))
    renewd.run('renew', expect=0)
    first = served(here.port, NAME).sha256
    renewd.run('renew', NAME, expect=0)
    assert pebble.orders() == 1, 'a renewal that is not due and not forced orders nothing'
    renewd.run('renew', NAME, '--force', expect=0)
    second = leaf_of(renewd.live() / 'cert.pem').sha256
    assert second != first
    assert served(here.port, NAME).sha256 == served(there.port, NAME).sha256 == second
    assert pebble.issued() == 2 and pebble.accounts() == 1
    assert [target['serving'] for target in renewd.certificate()['targets']] == [2, 2]


@pytest.mark.both_pebbles
def test_state_is_for_the_owner_only(renewd, nginx):
    """Keys 0600, directories 0700, and the four files of a generation that belong together."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    for path in [renewd.state, *renewd.state.rglob('*')]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path
    live = renewd.live()
    assert {path.name for path in live.iterdir()} >= {'privkey.pem', 'cert.pem', 'chain.pem', 'fullchain.pem'}
    assert is_pair(live / 'fullchain.pem', live / 'privkey.pem')
    assert (live / 'fullchain.pem').read_text() == (live / 'cert.pem').read_text() + (live / 'chain.pem').read_text()
    run('openssl', 'verify', '-CAfile', renewd.pebble.roots, '-untrusted', live / 'chain.pem', live / 'cert.pem')


@pytest.mark.parametrize('key_type, key', [
    ('ecdsa-p256', 'id-ecPublicKey 256'), ('ecdsa-p384', 'id-ecPublicKey 384'), ('rsa-2048', 'rsaEncryption 2048'),
    ('rsa-3072', 'rsaEncryption 3072'), ('rsa-4096', 'rsaEncryption 4096')])
def test_key_types(renewd, key_type, key):
    renewd.configure(certificate(key_type=key_type))
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').key == key


@pytest.mark.both_pebbles
@pytest.mark.parametrize('family', ['IPv4', 'IPv6'])
def test_own_listener_answers_for_several_names(renewd, pebble, open_for_test, family):
    """http-01 answered by renewd itself, on both address families; all names are in the one certificate."""
    names = ['www.example.test', 'mail.example.test', 'example.test']
    if family == 'IPv6':
        for name in names:
            pebble.tell_names('add-aaaa', host=name, addresses=['::1'])
    pebble.http_port = free_port()  # the webroot's server holds the other one
    config = json.loads((pebble.directory / 'pebble.json').read_text())
    config['pebble']['httpPort'] = pebble.http_port
    (pebble.directory / 'pebble.json').write_text(json.dumps(config))
    pebble.stop()
    pebble.start()
    renewd.configure(certificate(names=names), solver=f'listen = "*:{pebble.http_port}"')
    renewd.run('renew', expect=0)
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted(names)
    assert pebble.orders() == 1


def test_port_of_own_listener_is_taken(renewd, pebble):
    """Somebody else holds the port: said so, and the CA is not made to look."""
    renewd.configure(certificate(), solver=f'listen = "127.0.0.1:{pebble.http_port}"')
    renewd.run('renew', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'solver/port-busy'
    assert 'POST /chalZ' not in pebble.requests()


@pytest.mark.both_pebbles
def test_one_issuance_makes_nine_requests_or_fewer(renewd, pebble):
    """directory, nonce, order, authorization, challenge, its result, finalize, order, certificate: nine, with an account that exists."""
    renewd.configure(certificate(name='first.example.test'))
    renewd.run('renew', expect=0)
    before = len(pebble.requests())
    renewd.configure(certificate(name='first.example.test'), certificate(name='second.example.test'))
    renewd.run('renew', expect=0)
    made = pebble.requests()[before:]
    assert len(made) <= 9, made
    assert pebble.issued() == 2


@pytest.mark.parametrize('which', ['system', 'newest'])
def test_half_of_all_nonces_are_rejected(make_pebble, make_renewd, newest_binaries, which):
    """The CA rejects 50 % of good nonces: every request is repeated with a fresh one, none gives up."""
    pebble = make_pebble(nonce_reject=50, binaries='/usr/bin' if which == 'system' else newest_binaries)
    renewd = make_renewd(pebble)
    renewd.configure(certificate(names=[NAME, 'mail.example.test']))
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


def test_every_nonce_is_rejected(make_pebble, make_renewd, faster):
    """100 %: it ends, soon, and says why."""
    renewd = make_renewd(make_pebble(nonce_reject=100))
    renewd.configure(certificate())
    renewd.run('renew', expect=3, timeout=30, environment=faster(10))
    assert renewd.certificate()['last_error']['code'] == 'ca/bad-nonce'


@pytest.mark.parametrize('which', ['system', 'newest'])
def test_refused_identifier_is_named(make_pebble, make_renewd, newest_binaries, which):
    """The CA's policy forbids two of three names, and it stops at the first: told which; each that is taken out leads to the next."""
    blocked = ['first.blocked.test', 'second.blocked.test']
    pebble = make_pebble(blocked=blocked, binaries='/usr/bin' if which == 'system' else newest_binaries)
    renewd = make_renewd(pebble)
    for count, name in enumerate(blocked):
        left = [NAME, *blocked[count:]]
        renewd.configure(certificate(names=left))
        outcome = renewd.run('renew', expect=3)
        error = renewd.certificate()['last_error']
        assert error['code'] == 'ca/identifier-refused' and error['problem'].endswith('rejectedIdentifier')
        assert name in outcome.err and name in error['message'] and 'take it out of `names`' in error['hint']
        if which == 'newest':  # which alone has subproblems (RFC 8555 §6.7.1)
            assert f'refused 1 of {len(left)} names ({name}: ' in error['message']
    assert pebble.orders() == 0
    renewd.configure(certificate(names=[NAME]))
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


@pytest.mark.both_pebbles
def test_validation_fails(renewd, pebble):
    """Nobody answers where the name points to: exit 3, told which name and what the CA saw; tried again later, not at once."""
    pebble.tell_names('add-a', host=NAME, addresses=['127.0.0.9'])
    renewd.configure(certificate())
    outcome = renewd.run('renew', expect=3)
    error = renewd.certificate()['last_error']
    assert error['code'] == 'ca/validation-failed' and NAME in error['message']
    assert NAME in outcome.text and renewd.certificate()['renewal']['at'] > renewd.status()['generated_at']
    orders = pebble.orders()
    renewd.run('run', '--once')
    assert pebble.orders() == orders, 'the next attempt waits for its time'
    assert not list(renewd.webroot.rglob('*/acme-challenge/*')), 'no challenge file is left behind'


@pytest.mark.both_pebbles
def test_ca_is_down_and_comes_back_without_its_database(renewd, pebble):
    """Down: exit 3. Back without any account: a new account for the same key, and a certificate."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    pebble.stop()
    renewd.run('renew', NAME, '--force', expect=3)
    assert renewd.certificate()['last_error']['code'] in ('ca/unreachable', 'net/unreachable')
    pebble.start()
    renewd.run('renew', NAME, '--force', expect=0)
    assert renewd.certificate()['generation'] == 2


def test_ca_that_is_not_trusted(renewd, nginx, place):
    """Roots that do not fit the CA's HTTPS: nothing is sent to it."""
    other = place / 'other.pem'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null',
        '-out', other, '-days', '5', '-subj', '/CN=some other CA')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.write(renewd.config.read_text().replace(str(renewd.pebble.roots), str(other)))
    before = renewd.pebble.requests()
    renewd.run('renew', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'net/untrusted'
    assert renewd.pebble.requests() == before


def test_rate_limit_is_honoured_across_runs(renewd, pebble, ca_proxy):
    """429 with Retry-After: no request before that time, not even by another run."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    problem = {'type': 'urn:ietf:params:acme:error:rateLimited', 'detail': 'too many certificates already issued'}
    ca_proxy.answer_once('/order-plz', 429, json.dumps(problem),
                         {'Retry-After': '600', 'Content-Type': 'application/problem+json'})
    outcome = renewd.run('renew', expect=8)
    error = renewd.certificate()['last_error']
    assert error['code'] == 'ca/rate-limited' and error['problem'] == problem['type'] and error['retry_at']
    assert 'too many certificates already issued' in outcome.text
    before = pebble.requests()
    renewd.run('run', '--once')
    assert pebble.requests() == before and pebble.orders() == 0


@pytest.mark.both_pebbles
def test_server_error_is_transient(renewd, pebble, ca_proxy):
    """A 503 in the middle: tried again within the run, or the order stays open and the next run goes on with it."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.answer_once('/finalize-order', 503, '<html>busy</html>', {'Content-Type': 'text/html'})
    if renewd.run('renew').code != 0:
        assert renewd.certificate()['last_error']['code'] == 'ca/server-error'
        renewd.run('renew', NAME, expect=0)
    assert pebble.orders() == pebble.issued() == 1


@pytest.mark.both_pebbles
def test_terms_that_are_not_agreed_to(renewd, pebble):
    renewd.configure(certificate())
    renewd.write(renewd.config.read_text().replace('agree_tos = true', 'agree_tos = false'))
    outcome = renewd.run('renew')
    assert outcome.code in (2, 3) and 'agree_tos = true' in outcome.text
    assert pebble.accounts() == 0 and pebble.orders() == 0


def test_what_the_ca_sends_is_checked_before_it_is_kept(renewd, pebble, ca_proxy, place):
    """A certificate for another key comes back, however often it is fetched: refused, no generation, nothing deployed."""
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null',
        '-out', place / 'foreign.pem', '-days', '5', '-subj', f'/CN={NAME}', '-addext', f'subjectAltName=DNS:{NAME}')
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.on('^/certZ', times=None, status=200, body=(place / 'foreign.pem').read_text(),
                headers={'Content-Type': 'application/pem-certificate-chain'})
    renewd.run('renew', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'ca/wrong-certificate'
    assert renewd.certificate()['generation'] in (0, None)
    assert not renewd.live().exists()


def test_renewal_becomes_due(make_pebble, make_renewd, make_nginx):
    """Certificates that live for 75 seconds, renewed 65 before they expire: run --once renews by itself when the time has come, and only then."""
    pebble = make_pebble(validity=75)
    renewd, nginx = make_renewd(pebble), make_nginx()
    renewd.configure(certificate(nginx_target(nginx), renew='65s'))
    renewd.run('run', '--once', expect=0)
    first = served(nginx.port, NAME).sha256
    renewd.run('run', '--once')
    assert pebble.orders() == 1
    wait_until(lambda: renewd.run('run', '--once').code == 0 and pebble.orders() == 2, 'the renewal to be due', 30)
    assert served(nginx.port, NAME).sha256 != first
