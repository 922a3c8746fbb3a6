# SPDX-License-Identifier: Apache-2.0
"""What an issuance costs at a CA that is far away: how often it has to be waited for, and over how many connections. Counted, not timed: see
relay.Rounds. The CA is given all the time that it needs, so that no look at an order comes too early, whatever the machine is doing."""
import pytest

from processes import wait_until
from renewd import NAME, Renewd, certificate
from test_agent import fixture_start_agent  # noqa: F401 (a fixture)
from tls import leaf_of

FIRST = 'first.example.test'  # brings the account
MANY = 100


@pytest.fixture(name='renewd')
def fixture_renewd(place, pebble, relay):
    """renewd behind the relay, with one certificate. It answers challenges itself, so that nobody is at work who is not watched."""
    renewd = Renewd(place / 'agent', pebble, webroot=None)
    renewd.ca_url = relay.url
    configure(renewd)
    return renewd


def configure(renewd, *certificates, **head):
    renewd.configure(certificate(name=FIRST), *certificates, solver=f'listen = "127.0.0.1:{renewd.pebble.http_port}"', **head)


def some_names(count):
    return [NAME] + [f'host-{number}.example.test' for number in range(1, count)]


def run_in_rounds(renewd, relay, *arguments):
    """Runs a command to its end; the requests of each round, and all of them."""
    before = len(renewd.pebble.requests())
    with relay.in_rounds(renewd.pebble) as rounds:
        process = renewd.start(*arguments)
        rounds.client = process.pid
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return rounds.counted, renewd.pebble.requests()[before:]


@pytest.mark.both_pebbles
@pytest.mark.parametrize('count', [1, MANY])
def test_a_fresh_process_waits_eight_times(renewd, relay, count):
    """With an account that is there: for a nonce, the order, its authorizations, the answers to its challenges, a look, finalize, a look,
    the certificate. And no more often for 100 names."""
    renewd.run('renew', expect=0)
    configure(renewd, certificate(names=some_names(count)))
    counted, requests = run_in_rounds(renewd, relay, 'renew')
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted(some_names(count))
    assert sum(counted) == len(requests) >= 5 + 2 * count, 'none was overlooked'
    assert len(counted) <= 8, (counted, requests)


@pytest.mark.both_pebbles
@pytest.mark.parametrize('count', [1, MANY])
def test_a_running_agent_waits_seven_times(renewd, pebble, relay, start_agent, count):
    """The same without the nonce: it has one left, also when it has read its configuration again."""
    agent = start_agent(renewd=renewd)
    wait_until((renewd.live(FIRST) / 'cert.pem').exists, 'the first certificate', 30)
    configure(renewd, certificate(names=some_names(count)))
    before = len(pebble.requests())
    with relay.in_rounds(pebble) as rounds:
        rounds.client = agent.process.pid
        agent.hang_up()
        wait_until((renewd.live() / 'cert.pem').exists, 'the second certificate', 120)
    requests = pebble.requests()[before:]
    assert leaf_of(renewd.live() / 'cert.pem').names == sorted(some_names(count))
    assert sum(rounds.counted) == len(requests) >= 5 + 2 * count, 'none was overlooked'
    assert len(rounds.counted) <= 7, (rounds.counted, requests)


def test_a_hundred_certificates_at_once_share_one_connection(renewd, pebble, relay):
    """All of them under way together, and already while the connection is being opened, which takes some round trips itself."""
    renewd.run('renew', expect=0)
    before = relay.connections
    # A single CA leaves a quarter of the hands to others.
    configure(renewd, *(certificate(name=name) for name in some_names(MANY)), agent=f'jobs = {2 * MANY}')
    counted, requests = run_in_rounds(renewd, relay, 'run', '--once')
    assert pebble.orders() == pebble.issued() == 1 + MANY
    assert relay.connections == before + 1
    assert max(counted) >= MANY and sum(counted) == len(requests), counted
