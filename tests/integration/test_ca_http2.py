# SPDX-License-Identifier: Apache-2.0
"""Several orders on one HTTP/2 connection to a CA, and it breaks: in this run or the next one each has its certificate, of one order."""
import concurrent.futures

import pytest

from h2proxy import H2Proxy
from pebble import Since
from renewd import Renewd, certificate

NAMES = [f'n{i}.example.test' for i in range(4)]
# Requests that it breaks at: the account, an order, an authorization, … as they come, four certificates at once.
AT = [3, 5, 8, 12, 16, 20, 24, 28]


@pytest.fixture(name='pebble')
def fixture_pebble(shared_pebble):
    return Since(shared_pebble)


@pytest.fixture(name='make_pair')
def fixture_make_pair(place, pebble, make_webroot, open_for_test):
    """A proxy, and a renewd with four certificates whose CA is behind it."""
    webroot = make_webroot(pebble)

    def make(fault=None, at=0):
        proxy = H2Proxy(pebble, fault, at)
        open_for_test(proxy, proxy.close)
        renewd = Renewd(place / f'agent-{at}', pebble, webroot)
        renewd.ca_url = proxy.url
        renewd.configure(*(certificate(name=name) for name in NAMES))
        return proxy, renewd
    return make


def test_left_alone_all_go_through_one_connection(make_pair, pebble):
    """So that what the others show comes from what breaks: there are as many requests as those are counted for."""
    proxy, renewd = make_pair()
    renewd.run('renew', expect=0)
    assert proxy.connections == 1 and proxy.requests >= AT[-1] + 2
    assert pebble.orders() == pebble.issued() == len(NAMES)


@pytest.mark.parametrize('fault', H2Proxy.FAULTS)
def test_it_breaks_with_several_orders_on_it(make_pair, pebble, fault):
    """H8 N5: GOAWAY, RST_STREAM, and an end between two frames. A request that was refused goes out again by itself."""
    pairs = [make_pair(fault, at) for at in AT]
    with concurrent.futures.ThreadPoolExecutor(len(AT)) as pool:
        outcomes = list(pool.map(lambda pair: pair[1].run('renew'), pairs))
        assert all(proxy.requests >= proxy.at for proxy, _ in pairs)
        codes = {outcome.code for outcome in outcomes}
        assert codes == {0} if fault == 'refused' else codes <= {0, 3}, '\n'.join(map(str, outcomes))
        for (_, renewd), outcome in zip(pairs, outcomes):
            errors = [one['last_error'] for one in renewd.status()['certificates'] if one['last_error']]
            assert bool(errors) == (outcome.code == 3) and {error['code'] for error in errors} <= {'ca/unreachable'}, errors
            assert all('https://127.0.0.1:' in error['message'] for error in errors), errors
        list(pool.map(lambda pair: pair[1].run('renew', expect=0), [pair for pair, outcome in zip(pairs, outcomes) if outcome.code]))
    for _, renewd in pairs:
        assert [renewd.certificate(name)['generation'] for name in NAMES] == [1] * len(NAMES)
    assert pebble.orders() == pebble.issued() == len(NAMES) * len(AT)
    assert not list(pairs[0][1].webroot.rglob('acme-challenge/*')), 'a challenge is left behind'
