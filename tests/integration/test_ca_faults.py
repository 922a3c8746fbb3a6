# SPDX-License-Identifier: Apache-2.0
"""Faults between renewd and a CA that means well: each run says what happened and loses nothing, and the next one heals. The rows
(H1, N2, …) are those of docs/acme-coverage.md."""
import base64
import datetime
import json
import re

import pytest

from caproxy import CaProxy
from pebble import Since
from processes import run
from renewd import NAME, certificate
from tls import leaf_of

# What signs a request, and what is asked for by one.
ORDERS, FINALIZE, CERTIFICATE, CHALLENGE, AUTHORIZATION, ORDER, ACCOUNT, NONCE = (
    '^/order-plz', '^/finalize-order/', '^/certZ/', '^/chalZ/', '^/authZ/', '^/my-order/', '^/sign-me-up', '^/nonce-plz')


@pytest.fixture(name='pebble')
def fixture_pebble(shared_pebble):
    return Since(shared_pebble)


@pytest.fixture(name='agent')
def fixture_agent(renewd, ca_proxy):
    """renewd with one certificate, whose CA is behind the proxy."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    return renewd


@pytest.fixture(name='make_agent')
def fixture_make_agent(make_pebble, make_renewd, open_for_test):
    """The same with a Pebble of the test's own choice; gives it, the proxy and renewd."""
    def make(names=(NAME,), **options):
        pebble = make_pebble('other', **options)
        proxy = CaProxy(pebble)
        open_for_test(proxy, proxy.close)
        renewd = make_renewd(pebble, 'other-agent')
        renewd.ca_url = proxy.url
        renewd.configure(certificate(names=list(names)))
        return pebble, proxy, renewd
    return make


def heals(renewd, pebble, orders=1, issued=1):
    """The next run, with nothing in its way: a certificate, and no more orders than this at the CA."""
    renewd.run('renew', NAME, expect=0)
    assert (pebble.orders(), pebble.issued(), pebble.accounts()) == (orders, issued, 1)
    assert renewd.certificate()['generation'] == 1 and renewd.certificate()['last_error'] is None
    assert not list(renewd.webroot.rglob('acme-challenge/*')), 'no challenge file is left behind'


def test_every_request_is_as_the_rfc_wants_it(make_agent, newest_binaries):
    """H2 H3 N4 O6 O13 F2: a name and version on each; the media type, a length and no Expect on each POST; challenges answered by {};
    nothing asked for that was not configured; with finalize answers that do not say which order they are about."""
    pebble, proxy, renewd = make_agent(names=[NAME, 'mail.example.test'], binaries=newest_binaries)
    renewd.run('renew', expect=0)
    assert {one.method for one in proxy.requests()} == {'GET', 'HEAD', 'POST'} and proxy.connections <= 8
    for one in proxy.requests():
        assert re.match(r'renewd/\S+', one.header('user-agent'))
        assert not {'expect', 'transfer-encoding', 'replay-nonce'} & {name for name, _ in one.headers}
    for one in proxy.requests(method='POST'):
        assert one.header('content-type') == 'application/jose+json' and int(one.header('content-length')) == len(one.body)
        assert one.protected['url'] == proxy.url.replace('/dir', one.path)
    assert [one.payload for one in proxy.requests(CHALLENGE)] == ['{}', '{}']
    assert list(json.loads(proxy.requests(ORDERS)[0].payload)) == ['identifiers']
    assert len({one.protected['nonce'] for one in proxy.requests(method='POST')}) == len(proxy.requests(method='POST'))
    assert pebble.issued() == 1


def test_directory_without_tls(renewd, pebble):
    """H1: an http directory is not spoken with."""
    renewd.ca_url = pebble.url.replace('https', 'http')
    renewd.configure(certificate())
    outcome = renewd.run('renew')
    assert outcome.code in (2, 3) and 'https' in outcome.text and not pebble.requests()


def test_redirects_of_the_directory_are_followed(agent, pebble, ca_proxy):
    """H4: GET and HEAD may be redirected, over https."""
    ca_proxy.on('^/dir', 'GET', status=302, headers={'Location': ca_proxy.url.replace('/dir', '/moved')})
    ca_proxy.on('^/moved', 'GET', status=301, headers={'Location': '/dir'})
    heals(agent, pebble)


@pytest.mark.parametrize('status, body, kind, code, words', [
    (502, '<html>Bad Gateway</html>', 'text/html', 'ca/server-error', 'HTTP 502'),
    (503, '', 'text/plain', 'ca/server-error', 'HTTP 503'),
    (403, '', 'text/plain', 'ca/refused', 'HTTP 403'),
    (404, '', 'text/plain', 'ca/refused', 'HTTP 404'),
    (400, '{"detail": "not like this"}', 'application/json', 'ca/refused', 'not like this'),
    (400, '{"title": "no", "detail": 7, "type": []}', 'application/problem+json', 'ca/refused', 'no'),
    (500, '{"type": "urn:ietf:params:acme:error:serverInternal"}', 'application/problem+json', 'ca/server-error', 'serverInternal')])
def test_whatever_the_body_of_an_error_is(agent, pebble, ca_proxy, status, body, kind, code, words):
    """H6: HTML, nothing, JSON without a type or without a status: told by what there is."""
    ca_proxy.on(ORDERS, times=None, status=status, body=body, headers={'Content-Type': kind})
    agent.run('renew', expect=3)
    error = agent.certificate()['last_error']
    assert error['code'] == code and words in error['message'] and 'CA test' in error['message']
    assert pebble.orders() == 0
    ca_proxy.heal()
    heals(agent, pebble)


def later(seconds):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


LIMIT, BUSY = ('rateLimited', 429), ('serverInternal', 503)


@pytest.mark.parametrize('path, method, orders, kind, status', [
    ('^/dir', 'GET', 0, *LIMIT), ('^/dir', 'GET', 0, *BUSY), (NONCE, 'HEAD', 0, *LIMIT), (NONCE, 'HEAD', 0, *BUSY), (ACCOUNT, 'POST', 0, *LIMIT),
    (ACCOUNT, 'POST', 0, *BUSY), (ORDERS, 'POST', 0, *LIMIT), (ORDERS, 'POST', 0, *BUSY), (CHALLENGE, 'POST', 1, *LIMIT), (CHALLENGE, 'POST', 1, *BUSY),
    (FINALIZE, 'POST', 1, *LIMIT), (FINALIZE, 'POST', 1, *BUSY)])
def test_left_alone_for_as_long_as_the_ca_wants(agent, pebble, ca_proxy, off_by, path, method, orders, kind, status):
    """H7 O10 H16: 429 and 503 with Retry-After in seconds or as a date, at each step: no request before that time, not even by another
    run; then the same order goes on."""
    wait = 700 if method == 'POST' else later(700)
    ca_proxy.refuse(path, status, kind, 'slowly please', wait=wait, method=method, times=None)
    outcome = agent.run('renew', expect=8 if status == 429 else 3, timeout=20)
    error = agent.certificate()['last_error']
    assert error['code'] == ('ca/rate-limited' if status == 429 else 'ca/server-error') and ('slowly please' in outcome.text or method == 'HEAD')
    at = datetime.datetime.fromisoformat(error['retry_at'].replace('Z', '+00:00'))
    assert later(600) < at < later(710)
    asked = len(ca_proxy.requests())
    agent.run('run', '--once')
    assert len(ca_proxy.requests()) == asked and len(ca_proxy.requests(path, method)) == 1
    assert datetime.datetime.fromisoformat(agent.certificate()['renewal']['at'].replace('Z', '+00:00')) >= at
    assert pebble.orders() == orders
    ca_proxy.heal()
    agent.run('run', '--once', environment=off_by(minutes=13), expect=0)
    assert (pebble.orders(), pebble.issued()) == (1, 1)


@pytest.mark.parametrize('wait, least, most', [('315360000', 6.9 * 86400, 7.1 * 86400), ('-3', -60, 60), ('soon', 1800, 7200)])
def test_retry_after_within_reason(agent, pebble, ca_proxy, wait, least, most):
    """H16: ten years are a week, the past is now, garbage is nothing: then it is renewd's own hour."""
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', 'later', wait=wait)
    agent.run('renew', expect=8 if most > 86400 else 3)
    told = agent.certificate()['last_error']['retry_at']
    assert later(least) < datetime.datetime.fromisoformat(told.replace('Z', '+00:00')) < later(most)
    assert pebble.orders() == 0


def test_paused_account_is_told_where_to_go(agent, pebble, ca_proxy):
    """O11: a limit without an end: the page that lifts it is shown."""
    page = 'https://ca.example.test/sfe/v1/unpause?jwt=abc.def'
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', f'Your account is temporarily prevented from requesting certificates. Please visit: {page}')
    outcome = agent.run('renew', expect=3)
    assert agent.certificate()['last_error']['code'] == 'ca/paused' and page in outcome.text.replace('\n', '').replace(' ' * 2, '')
    heals(agent, pebble)


def test_what_nobody_has_heard_of_is_ignored(agent, pebble, ca_proxy):
    """H11: members, challenge types, links and headers of another time."""
    ca_proxy.on('', None, times=None, replace=(r'^\{', '{"newThing": {"status": [1, 2, {"deep": null}]}, "stars": 1e9,'),
                set_headers={'X-New': 'thing', 'Link': '<https://ca.example.test/x>;rel="something-new"; title*=UTF-8\'\'%e2%82%ac'})
    ca_proxy.on(AUTHORIZATION, times=None, skip=1)
    heals(agent, pebble)


def test_challenge_types_of_another_time_are_ignored(agent, pebble, ca_proxy):
    """H11: a type that nobody knows, first in the list and without a token."""
    ca_proxy.on(AUTHORIZATION, times=None,
                replace=(r'"challenges":\s*\[', '"challenges": [{"type": "email-reply-99", "url": "/chall", "status": "new"},'))
    heals(agent, pebble)


def test_relative_urls(agent, pebble, ca_proxy):
    """H13: every URL of the CA, in objects and in headers, is relative to what was asked."""
    ca_proxy.on('', None, times=None, replace=(r'https://127\.0\.0\.1:\d+/', '/'))
    agent.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


@pytest.mark.parametrize('which', ['system', 'newest'])
def test_retry_after_while_the_ca_is_at_work(make_agent, newest_binaries, which):
    """F1 O14 H16: a CA that asks to be looked at a second later, by seconds or by a date, and takes its time for validation; the
    challenge is answered once, and the order is not looked at more often than asked."""
    pebble, proxy, renewd = make_agent(retry_after=1, environment={'PEBBLE_VA_NOSLEEP': '0', 'PEBBLE_VA_SLEEPTIME': '2'},
                                       **({'binaries': newest_binaries} if which == 'newest' else {}))
    renewd.run('renew', expect=0)
    assert len(proxy.requests(CHALLENGE)) == 1 and len(proxy.requests(ORDER)) <= 6
    assert pebble.issued() == 1


def test_nonces_only_from_new_nonce(agent, pebble, ca_proxy):
    """N2: no answer to a POST has one: each request fetches its own."""
    ca_proxy.on('', 'POST', times=None, del_headers=('Replay-Nonce',))
    heals(agent, pebble)
    assert len(ca_proxy.requests(NONCE)) == len(ca_proxy.requests(method='POST'))


@pytest.mark.parametrize('nonce', ['not base64url', '"},"', 'a' * 5000, '\xe9\xa4'])
def test_nonces_that_are_none(agent, pebble, ca_proxy, nonce):
    """N3: what is no nonce is ignored, and another fetched."""
    ca_proxy.on('', 'POST', times=None, set_headers={'Replay-Nonce': nonce})
    heals(agent, pebble)


def test_rejected_nonce_is_replaced_by_that_of_the_rejection(agent, pebble, ca_proxy):
    """N1: signed anew with the nonce of the error."""
    ca_proxy.refuse(ORDERS, 400, 'badNonce', 'stale').set_headers = {'Replay-Nonce': 'the-nonce-of-the-rejection'}
    agent.run('renew')
    first, second, *_ = ca_proxy.requests(ORDERS)
    assert first.protected['nonce'] != second.protected['nonce'] == 'the-nonce-of-the-rejection'
    assert pebble.orders() <= 1


def test_nine_of_ten_nonces_are_rejected(make_pebble, make_renewd, faster):
    """N1: patience enough for that, too. (One run in sixty has no luck, and the next goes on.)"""
    pebble = make_pebble('other', nonce_reject=90)
    renewd = make_renewd(pebble, 'other-agent')
    renewd.configure(certificate())
    for _ in range(3):
        if renewd.run('renew', environment=faster(10)).code == 0:
            break
    assert pebble.issued() == 1 and pebble.orders() <= 2


LOST = [(ACCOUNT, 'POST', 0), (ORDERS, 'POST', None), (AUTHORIZATION, 'POST', 0), (CHALLENGE, 'POST', 0), (FINALIZE, 'POST', 0), (ORDER, 'POST', 0),
        (CERTIFICATE, 'POST', 0), ('^/dir', 'GET', 0), (NONCE, 'HEAD', 0)]


@pytest.mark.parametrize('path, method, code, drop', [(*one, drop) for one in LOST for drop in ('before', 'after')])
def test_lost_answer(agent, pebble, ca_proxy, path, method, code, drop):
    """N5 N6: the connection ends before or after the CA has acted. Only newOrder may not be repeated blindly: the next run finds it; all
    others are repeated, or the CA is asked how far it is. One order and one certificate, always."""
    rule = ca_proxy.on(path, method, drop=drop)
    if agent.run('renew', expect=code).code:
        assert agent.certificate()['last_error']['code'] == 'ca/unreachable'
    assert rule.used == 1
    heals(agent, pebble)


@pytest.mark.parametrize('path', [ACCOUNT, ORDERS, AUTHORIZATION, CHALLENGE, FINALIZE, CERTIFICATE])
def test_ca_that_is_gone_for_longer(agent, pebble, ca_proxy, path):
    """N5: nothing comes through from some step on: exit 3, soon, nothing lost; later the same order goes on."""
    ca_proxy.on(path, None, times=None, drop='before')
    agent.run('renew', expect=3, timeout=30)
    error = agent.certificate()['last_error']
    assert error['code'] == 'ca/unreachable' and '127.0.0.1' in error['message']
    assert len(ca_proxy.requests(path)) <= 15
    ca_proxy.heal()
    heals(agent, pebble)


def test_finalize_of_an_order_that_is_further(agent, pebble, ca_proxy):
    """N6: orderNotReady means: ask the order. It is still ready, and is finalized with the same key."""
    ca_proxy.refuse(FINALIZE, 403, 'orderNotReady', 'not now')
    heals(agent, pebble)
    keys = [request_shown(agent, one, '-pubkey') for one in ca_proxy.requests(FINALIZE)]
    assert len(keys) == 2 and keys[0] == keys[1] and 'BEGIN PUBLIC KEY' in keys[0]


def test_order_born_ready(make_agent):
    """O1: names that were validated before need no challenge."""
    pebble, proxy, renewd = make_agent(environment={'PEBBLE_AUTHZREUSE': '100'})
    renewd.run('renew', expect=0)
    answered = len(proxy.requests(CHALLENGE))
    renewd.run('renew', NAME, '--force', expect=0)
    assert len(proxy.requests(CHALLENGE)) == answered == 1
    assert pebble.orders() == pebble.issued() == 2


@pytest.mark.parametrize('status', ['deactivated', 'expired', 'revoked', 'invalid'])
def test_authorization_that_has_ended(agent, pebble, ca_proxy, status):
    """O3: the order cannot succeed any more: another one is placed, within the same run."""
    ca_proxy.on(AUTHORIZATION, replace=(r'("status":\s*)"pending"', rf'\1"{status}"'))
    heals(agent, pebble, orders=2)


def test_order_for_other_names(agent, pebble, ca_proxy):
    """O4: nothing is done for it; the next run looks at it again, and it is for ours."""
    ca_proxy.on(ORDERS, replace=(re.escape(NAME), 'other.example.test'))
    agent.run('renew', expect=3)
    error = agent.certificate()['last_error']
    assert error['code'] == 'ca/protocol' and 'other.example.test' in error['message']
    assert not ca_proxy.requests(CHALLENGE)
    heals(agent, pebble)


@pytest.mark.parametrize('fault', ['404', 'expired'])
def test_order_that_is_gone_is_replaced(agent, pebble, ca_proxy, fault):
    """O5: the order of an earlier run is not there, or over: another one, within the same run, and no error towards the user."""
    ca_proxy.on(CHALLENGE, times=None, drop='before')
    agent.run('renew', expect=3)
    ca_proxy.heal()
    if fault == '404':
        ca_proxy.refuse(ORDER, 404, 'malformed', 'no such order')
    else:
        ca_proxy.on(ORDER, replace=(r'"expires":\s*"\d+', '"expires": "2001'))
    heals(agent, pebble, orders=2)


@pytest.mark.parametrize('status', [400, 403])
def test_order_that_is_hidden_is_not_replaced(agent, pebble, ca_proxy, status):
    """O5: a load balancer refuses to show the order of an earlier run: that is not the CA's word, and the same order goes on."""
    ca_proxy.on(CHALLENGE, times=None, drop='before')
    agent.run('renew', expect=3)
    ca_proxy.heal()
    ca_proxy.on(ORDER, status=status, body='<html>No</html>', headers={'Content-Type': 'text/html'})
    agent.run('renew', NAME, expect=3)
    error = agent.certificate()['last_error']
    assert error['code'] == 'ca/protocol' and f'HTTP {status}' in error['message']
    heals(agent, pebble)


@pytest.mark.parametrize('kind', ['rejectedIdentifier', 'caa', 'dns', 'malformed', 'compound', 'unauthorized'])
def test_names_that_are_refused(agent, pebble, ca_proxy, kind):
    """O12: which, and why each; none is dropped silently. Asked again later, not at once."""
    names = [NAME, 'mail.example.test', 'ftp.example.test']
    agent.configure(certificate(names=names))
    urn = f'urn:ietf:params:acme:error:{kind}'
    ca_proxy.refuse(ORDERS, 400, kind, 'some of these', times=None, subproblems=[
        {'type': urn, 'detail': f'not {name} today', 'identifier': {'type': 'dns', 'value': name}} for name in names[1:]])
    agent.run('renew', expect=3)
    error = agent.certificate()['last_error']
    assert (error['code'], error['problem']) == ('ca/identifier-refused', urn)
    for words in ('2 of 3 names', 'not mail.example.test today', 'not ftp.example.test today'):
        assert words in error['message']
    asked = len(ca_proxy.requests(ORDERS))
    agent.run('run', '--once')
    assert len(ca_proxy.requests(ORDERS)) == asked == 1 and pebble.orders() == 0


def test_failed_challenge_is_not_tried_again(agent, pebble, ca_proxy):
    """O15: a new order, once the name leads here."""
    pebble.tell_names('add-a', host=NAME, addresses=['127.0.0.9'])
    agent.run('renew', expect=3)
    pebble.tell_names('clear-a', host=NAME)
    heals(agent, pebble, orders=2)
    paths = [one.path for one in ca_proxy.requests(CHALLENGE)]
    assert len(paths) == len(set(paths)) == 2


def test_processing_for_a_while(agent, pebble, ca_proxy):
    """F1: finalize answers "processing", and so do the next looks."""
    ca_proxy.on(f'{FINALIZE}|{ORDER}', times=3, only_status=200, replace=(r'"status":\s*"(processing|valid)"', '"status": "processing"'),
                set_headers={'Retry-After': '1'})
    heals(agent, pebble)
    assert len(ca_proxy.requests(FINALIZE)) == 1


def test_request_that_is_refused(agent, pebble, ca_proxy):
    """F3 A8: badCSR says what may be wrong, and is not repeated by itself; the request has the names, no common name, and a key that
    is not the account's."""
    ca_proxy.refuse(FINALIZE, 400, 'badCSR', 'we do not like this key')
    agent.run('renew', expect=3)
    error = agent.certificate()['last_error']
    assert error['code'] == 'ca/refused' and 'we do not like this key' in error['message'] and 'key_type' in error['hint']
    assert len(ca_proxy.requests(FINALIZE)) == 1
    heals(agent, pebble, orders=2)
    text = request_shown(agent, ca_proxy.requests(FINALIZE)[-1], '-text')
    assert f'DNS:{NAME}' in text and not re.search(r'Subject:.*CN', text)
    account = base64.urlsafe_b64decode(ca_proxy.requests(ACCOUNT)[0].protected['jwk']['x'] + '==').hex()
    assert 'pub:' in text and account not in re.sub(r'[\s:]', '', text)


def request_shown(agent, request, what):
    """What openssl shows of the certificate request in this request to finalize."""
    (agent.directory / 'csr').write_text('-----BEGIN CERTIFICATE REQUEST-----\n' + '\n'.join(
        re.findall('.{1,64}', standard_base64(json.loads(request.payload)['csr']))) + '\n-----END CERTIFICATE REQUEST-----\n')
    return run('openssl', 'req', '-noout', what, '-in', agent.directory / 'csr').stdout


def standard_base64(text):
    return text.replace('-', '+').replace('_', '/') + '=' * (-len(text) % 4)


@pytest.mark.parametrize('fault', [{'cut': 700}, {'cut': 0}, {'body': '-----BEGIN CERTIFICATE-----\nMIIB'}, {'body': ''}, {'rate': 20000}])
def test_certificate_that_arrives_damaged(agent, pebble, ca_proxy, fault):
    """F5: fetched again from the same place; it is the same certificate."""
    ca_proxy.on(CERTIFICATE, **fault)
    heals(agent, pebble)
    assert len({one.path for one in ca_proxy.requests(CERTIFICATE)}) == 1


PAGE = '<html>Back soon</html>'


@pytest.mark.parametrize('fault, code', [
    ({'cut': 700}, 'ca/unreachable'), ({'body': '-----BEGIN CERTIFICATE-----\nMIIB'}, 'ca/protocol'), ({'body': ''}, 'ca/protocol'),
    ({'body': PAGE}, 'ca/protocol'), ({'body': '\n' * 2_000_000}, 'net/too-large'), ({'status': 403, 'body': PAGE}, 'ca/protocol'),
    ({'status': 404, 'body': '{"type": "urn:ietf:params:acme:error:malformed", "detail": "no such certificate"}'}, 'ca/protocol')])
def test_certificate_that_stays_damaged_is_not_lost(agent, pebble, ca_proxy, fault, code):
    """F4 F5: cut short, unreadable, or hidden again and again: exit 3, nothing is kept; the next run fetches the same certificate."""
    ca_proxy.on(CERTIFICATE, times=None, **fault)
    agent.run('renew', expect=3)
    assert agent.certificate()['last_error']['code'] == code
    assert not agent.live().exists()
    ca_proxy.heal()
    heals(agent, pebble)


def test_order_that_is_hidden_after_finalize_is_not_lost(agent, pebble, ca_proxy):
    """F5: once it is finalized, the order is a page of maintenance, to finalize and to every look: exit 3; the next run fetches the
    certificate of the same order."""
    ca_proxy.on(f'{FINALIZE}|{ORDER}', times=None, replace=(r'(?s)^.*"status":\s*"(processing|valid)".*$', PAGE))
    agent.run('renew', expect=3)
    assert agent.certificate()['last_error']['code'] == 'ca/protocol' and pebble.issued() == 1
    ca_proxy.heal()
    heals(agent, pebble)


@pytest.mark.parametrize('which', ['system', 'newest'])
def test_chains_that_are_offered_besides(make_agent, newest_binaries, which):
    """F6 F7: alternates and "up" links change nothing where none was asked for; intermediates are all kept."""
    pebble, proxy, renewd = make_agent(environment={'PEBBLE_ALTERNATE_ROOTS': '2', 'PEBBLE_CHAIN_LENGTH': '3'},
                                       binaries='/usr/bin' if which == 'system' else newest_binaries)
    proxy.on('^/dir', 'GET', set_headers={'Link': '</up>;rel="up"'})
    renewd.run('renew', expect=0)
    assert (renewd.live() / 'chain.pem').read_text().count('BEGIN CERTIFICATE') == 3
    assert leaf_of(renewd.live() / 'cert.pem').names == [NAME] and len(proxy.requests(CERTIFICATE)) == 1 == pebble.issued()


@pytest.mark.parametrize('hours', [-0.9, 30])
def test_ca_with_another_clock(agent, pebble, ca_proxy, hours):
    """C1: the CA's clock by its Date headers is far from ours: certificates are judged by ours, nothing is lost, and it comes to an end. (Further
    behind than an hour: test_clock.)"""
    date = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).strftime('%a, %d %b %Y %H:%M:%S GMT')
    ca_proxy.on('', None, times=None, set_headers={'Date': date})
    heals(agent, pebble)
