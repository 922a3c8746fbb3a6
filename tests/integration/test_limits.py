# SPDX-License-Identifier: Apache-2.0
"""Limits of a CA: told before they are met where they are known, learned where the CA tells of them; and a CA that cannot be reached."""
import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import time

import pytest

from caproxy import CaProxy
from connect_proxy import ConnectProxy
from pebble import Since
from processes import ENVIRONMENT, free_port
from renewd import NAME, certificate
from test_agent import fixture_start_agent  # noqa: F401 (a fixture)
from test_renewal import window
from tls import leaf_of

ORDERS = '^/order-plz'


@pytest.fixture(name='pebble')
def fixture_pebble(shared_pebble):
    return Since(shared_pebble)


@pytest.fixture(name='agent')
def fixture_agent(renewd, ca_proxy):
    """renewd with one certificate, whose CA is behind the proxy."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    return renewd


@pytest.fixture(name='letsencrypt')
def fixture_letsencrypt(renewd, ca_proxy, open_for_test):
    """renewd whose CA goes by the name of Let's Encrypt, and so has its limits."""
    proxy = ConnectProxy(int(ca_proxy.url.split(':')[2].split('/')[0]))
    open_for_test(proxy, proxy.close)
    renewd.ca_url = 'https://acme-v02.api.letsencrypt.org/dir'
    renewd.configure(certificate(), ca=f'proxy = "{proxy.url}"')
    return renewd


def run_on_terminal(renewd, *arguments):
    """Exit status and all that was seen on the terminal."""
    terminal, other_end = pty.openpty()
    done = subprocess.run([str(renewd.binary), *arguments, '--config', str(renewd.config)], stdin=subprocess.DEVNULL, stdout=other_end,
                          stderr=other_end, timeout=60, check=False, env=ENVIRONMENT)
    os.close(other_end)
    shown = b''
    with contextlib.closing(os.fdopen(terminal, 'rb', buffering=0)) as end, contextlib.suppress(OSError):  # EIO: the end
        while piece := end.read(65536):
            shown += piece
    return done.returncode, shown.decode()


def test_fifth_certificate_with_the_same_names_is_told_before_it_is_ordered(letsencrypt, pebble):
    """By hand the last one is kept for need; `--over-limit` goes ahead, and then there is none; `why` and `forecast` know."""
    letsencrypt.run('renew', expect=0)
    for _ in range(3):
        letsencrypt.run('renew', NAME, '--force', expect=0)
    outcome = letsencrypt.run('renew', NAME, '--force', expect=8)
    assert '5th of at most 5 certificates for the same names in 7 days' in outcome.text and '--over-limit' in outcome.text
    assert re.search(r'free in (2|3)\d h, on ', outcome.text), outcome.text
    assert pebble.orders() == pebble.issued() == 4 and letsencrypt.certificate()['state'] != 'failing'
    assert letsencrypt.certificate()['held'] is None, 'it is not due'
    why = letsencrypt.run('why', NAME, '--width', '300', expect=0).out
    assert '1 left of 5 certificates for the same names in 7 days' in why and '299 left of 300 new orders in 3 h' in why
    forecast = json.loads(letsencrypt.run('forecast', '--json', expect=0).out)
    assert [limit['left_now'] for limit in forecast['limits'] if limit['limit'] == 'new-orders'] == [299]
    letsencrypt.run('renew', NAME, '--force', '--over-limit', expect=0)
    outcome = letsencrypt.run('renew', NAME, '--force', expect=8)
    assert 'the limit of 5 certificates for the same names in 7 days is used up' in outcome.text
    assert pebble.issued() == 5


def test_a_limit_that_the_ca_has_raised_for_us_is_believed(letsencrypt, pebble):
    """[ca.X] limits: nothing has to go past it by hand; the others stay as they are."""
    text = letsencrypt.config.read_text()
    assert text.count('[ca.test]\n') == 1
    letsencrypt.write(text.replace('[ca.test]\n', '[ca.test]\nlimits = { same-names = 6, new-orders = 3000 }\n'))
    letsencrypt.run('renew', expect=0)
    for _ in range(4):
        letsencrypt.run('renew', NAME, '--force', expect=0)
    outcome = letsencrypt.run('renew', NAME, '--force', expect=8)
    assert '6th of at most 6 certificates for the same names in 7 days' in outcome.text
    assert pebble.issued() == 5
    why = letsencrypt.run('why', NAME, '--width', '300', expect=0).out
    assert '1 left of 6 certificates for the same names in 7 days' in why
    assert re.search(r'\d left of 3,000 new orders in 3 h', why), 'one comes back in 3.6 s'
    forecast = json.loads(letsencrypt.run('forecast', '--json', expect=0).out)
    assert [limit['allowed'] for limit in forecast['limits'] if limit['limit'] == 'new-orders'] == [3000]


def test_an_order_that_a_limit_stops_only_when_it_is_sent_is_not_tried_every_second(make_pebble, make_renewd, newest_binaries,
                                                                                    start_agent, open_for_test):
    """In the CA's own window, which would spare it, but of an account that is ours no more: held for as long as the limit says."""
    pebble = make_pebble(binaries=newest_binaries, settings={'profiles': {'default': {'description': 'minutes', 'validityPeriod': 200}}})
    ca_proxy = CaProxy(pebble)
    open_for_test(ca_proxy, ca_proxy.close)
    proxy = ConnectProxy(int(ca_proxy.url.split(':')[2].split('/')[0]))
    open_for_test(proxy, proxy.close)
    renewd = make_renewd(pebble)
    renewd.ca_url = 'https://acme-v02.api.letsencrypt.org/dir'
    renewd.configure(certificate(), ca=f'proxy = "{proxy.url}"')
    for _ in range(5):
        renewd.run('renew', NAME, '--force', '--over-limit', expect=0)
    pebble.set_renewal_info(leaf_of(renewd.live() / 'fullchain.pem').pem, window(-100_000_000, 600))
    renewd.run('account', 'deactivate', 'test', '--yes', expect=0)
    renewd.run('account', 'register', 'test', '--new', expect=0)
    agent = start_agent(renewd=renewd)
    agent.wait_for('suggests to renew', 30)
    time.sleep(4)
    agent.stop()
    due = next(line.split()[1] for line in (renewd.state / 'index').read_text().splitlines() if line.startswith(NAME))
    assert int(due) > time.time() + 20, (renewd.state / 'index').read_text()
    assert pebble.orders() == 5


def test_refused_orders_cost_no_certificate(letsencrypt, pebble, ca_proxy):
    """What the CA has refused was not issued: five of them are no reason not to order."""
    ca_proxy.refuse(ORDERS, 400, 'rejectedIdentifier', 'not this one', times=6)
    for _ in range(6):
        letsencrypt.run('renew', expect=3)
    letsencrypt.run('renew', expect=0)
    assert pebble.issued() == 1


def test_limit_of_the_account_is_met_once(agent, pebble, ca_proxy):
    """O10: what one certificate is told holds all of the account, and status says until when; over_limit asks all the same."""
    agent.configure(certificate(), certificate(name='other.example.test'))
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', 'too many orders', wait=1200, times=1)
    outcome = agent.run('renew', NAME, expect=8)
    assert 'too many orders' in outcome.text and 'free in ' in outcome.text
    asked = len(ca_proxy.requests())
    outcome = agent.run('renew', 'other.example.test', expect=8)
    agent.run('run', '--once')
    assert 'too many orders' in outcome.text and len(ca_proxy.requests()) == asked
    other = agent.certificate('other.example.test')
    assert other['state'] == 'held' and other['held']['by'] == 'limit' and other['held']['until'] and other['last_error'] is None
    assert 'held' in agent.run('why', 'other.example.test', expect=0).out
    agent.run('renew', 'other.example.test', '--over-limit', expect=0)
    assert pebble.issued() == 1


def test_limit_of_one_set_of_names_holds_no_others(letsencrypt, pebble, ca_proxy):
    """What the CA says of these names is learned as that limit."""
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', 'too many certificates (5) already issued for this exact set of identifiers in the last '
                    '168h0m0s, retry after 2030-01-01 00:00:00 UTC', wait=9000, times=1)
    letsencrypt.run('renew', expect=8)
    assert letsencrypt.certificate()['held']['by'] == 'limit'
    text = letsencrypt.config.read_text().replace(f'[certificate."{NAME}"]', f'[certificate."{NAME}"]\n[certificate."other.example.test"]')
    letsencrypt.write(text)
    outcome = letsencrypt.run('renew', NAME, 'other.example.test', expect=0)  # 8 would say that nothing was done
    assert f'{NAME}: ' in outcome.err and 'free in ' in outcome.err
    assert pebble.issued() == 1
    letsencrypt.run('renew', NAME, expect=8)


def test_paused_names_are_a_state_of_their_own(agent, pebble, ca_proxy):
    """O11: with the page that lifts it."""
    page = 'https://ca.example.test/sfe/v1/unpause?jwt=abc.def'
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', f'Your account is temporarily prevented from requesting certificates. Please visit: {page}')
    agent.run('renew', expect=3)
    told = agent.certificate()
    assert told['state'] == 'paused' and told['attention']['severity'] == 'warning' and page in told['last_error']['hint']
    assert page in agent.run('why', NAME, '--width', '200', expect=0).out
    assert page in agent.run('status', '--width', '200', expect=3).out
    agent.run('renew', expect=0)
    assert agent.certificate()['state'] == 'ok' or agent.certificate()['generation'] == 1
    assert pebble.issued() == 1


def test_short_limit_is_waited_for_on_a_terminal(agent, pebble, ca_proxy):
    """With the time that is left; where nobody sees it, it is told instead."""
    ca_proxy.refuse(ORDERS, 429, 'rateLimited', 'slowly please', wait=4, times=2)
    outcome = agent.run('renew', expect=8)
    assert 'slowly please' in outcome.text
    began = time.monotonic()
    code, text = run_on_terminal(agent, 'renew')
    assert code == 0 and pebble.issued() == 1, text
    assert 'waits for a limit of the CA' in text and re.search(r'[1-4] s more', text) and time.monotonic() - began >= 4


def full_backlog():
    """A port that takes no more connections: what is sent there is dropped, as by a firewall."""
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(0)
    waiting = []
    for _ in range(8):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        waiting.append(one)
    time.sleep(0.2)
    return listener, waiting


@pytest.mark.parametrize('kind', ['refused', 'silent', 'dropped'])
def test_ca_that_cannot_be_reached_is_told_within_half_a_minute(agent, kind):
    """To a person who waits, whatever becomes of the packets; several certificates take no longer than one."""
    listener, waiting = None, []
    port = free_port()
    if kind == 'silent':
        listener = socket.create_server(('127.0.0.1', 0), backlog=100)
    elif kind == 'dropped':
        listener, waiting = full_backlog()
    if listener:
        port = listener.getsockname()[1]
    agent.ca_url = f'https://127.0.0.1:{port}/dir'
    agent.configure(*(certificate(name=f'n{number}.example.test') for number in range(20)))
    began = time.monotonic()
    outcome = agent.run('renew', expect=3, timeout=60)
    took = time.monotonic() - began
    assert took < (10 if kind == 'refused' else 30), f'{took:.1f} s'
    assert {one['last_error']['code'] for one in agent.status()['certificates']} == {'ca/unreachable'}
    assert 'CA test' in outcome.text
    for one in [listener, *waiting]:
        if one:
            one.close()
