# SPDX-License-Identifier: Apache-2.0
"""A CA whose answers never end, quick or slow, at whatever is read of it: little is taken, little is held, and it is told which."""
import pytest

from httpd import Answer
from renewd import certificate
from test_hostile_ca import endless, fixture_ca, fixture_watched, header, put, send  # noqa: F401 (two are fixtures)

MUCH, LESS = 1024 * 1024, 64 * 1024  # bytes that are taken
HOURS = '+370m'  # later the CA is asked for its renewal information


def of_a_get(twist):
    """newNonce by HEAD is refused, so that there is a body."""
    return lambda answer, ca: twist(answer, ca) if ca.method == 'GET' else Answer(405)


def once_finalized(twist):
    """To finalize, and to every look at the order from then on: a finalize that was not answered well is no error while the order is seen."""
    return lambda answer, ca: twist(answer, ca) if ca.asked('finalize') else None


# What is read of a CA: (steps that answer for it, in which way, what is taken of it, the path that is named)
RESOURCES = {
    'directory': (['directory'], lambda twist: twist, MUCH, '/dir'),
    'newNonce': (['nonce'], of_a_get, MUCH, '/nonce'),
    'newAccount': (['account'], lambda twist: twist, MUCH, '/account'),
    'newOrder': (['new'], lambda twist: twist, MUCH, '/new'),
    'authorization': (['authz'], lambda twist: twist, LESS, '/authz/0'),
    'challenge': (['challenge'], lambda twist: twist, LESS, '/challenge'),
    'order': (['order'], lambda twist: twist, MUCH, '/order/1'),
    'finalize': (['finalize', 'order'], once_finalized, MUCH, '/order/1'),
    'certificate': (['cert'], lambda twist: twist, MUCH, '/cert'),
}


def hurt(ca, resource, twist):
    steps, way, _, _ = RESOURCES[resource]
    ca.twists = dict.fromkeys(steps, way(twist))


def heals(watched, ca, resource):
    """Answered well, the same order goes on; only one whose URL was never heard is lost."""
    assert ca.asked('new') <= 1 and len(ca.asked()) < 30 and not watched.live().exists()
    ca.twists.clear()
    assert watched.renew().code == 0
    assert ca.asked('new') == (2 if resource == 'newOrder' else 1) and watched.certificate()['generation'] == 1


@pytest.mark.parametrize('status', [200, 400])
@pytest.mark.parametrize('resource', RESOURCES)
def test_endless(watched, ca, resource, status):
    """An answer of 60 MB, an error's as well: net/too-large, which names the address and how much of it is taken."""
    hurt(ca, resource, endless(status=status))
    assert watched.renew().code == 3
    error = watched.error()
    _, _, taken, path = RESOURCES[resource]
    assert error['code'] == 'net/too-large', error
    assert f'{ca.origin}{path}: ' in error['message'] and f'longer than {taken} bytes' in error['message'], error
    heals(watched, ca, resource)


@pytest.mark.parametrize('resource', RESOURCES)
def test_endless_and_slow(watched, ca, faster, resource):
    """Too slow to become too large, and too quick to be silent: the time for it is over, and the address is named. (The clocks of the process
    run a hundred times as fast.)"""
    hurt(ca, resource, endless(rate=5000))
    assert watched.renew(seconds=40, environment=faster(100)).code == 3
    error = watched.error()
    path = RESOURCES[resource][3]
    assert error['code'] == 'ca/unreachable' and 'did not answer in time' in error['message'] and ca.origin + path in error['message'], error
    heals(watched, ca, resource)


def test_endless_answer_to_finalize_alone(watched, ca):
    """The order says how it went: nothing is lost."""
    ca.twists['finalize'] = endless()
    assert watched.renew().code == 0
    assert ca.asked('finalize') == ca.asked('new') == 1 and watched.certificate()['generation'] == 1


@pytest.mark.parametrize('rate, words', [(None, f'longer than {MUCH} bytes'), (5000, 'did not answer in time')])
def test_endless_renewal_information(watched, ca, faster, rate, words):
    """As if there were none: told in the log, the certificate is renewed by its age, and nothing is asked again for a while."""
    assert watched.renew().code == 0
    renewal = watched.certificate()['renewal']
    ca.twists['ari'] = endless(rate=rate)
    later = faster(100) | {'FAKETIME': f'{HOURS} x100'}
    outcome = watched.renew(seconds=40, environment=later, command=('run', '--once'))
    assert outcome.code == 0 and 'renewal information: ' in outcome.text and words in outcome.text and f'{ca.origin}/ari/' in outcome.text
    assert 1 <= ca.asked('ari') <= 3 and ca.asked('new') == 1 and watched.certificate()['renewal'] == renewal
    asked = len(ca.asked())
    watched.renew(environment=later, command=('run', '--once'))
    assert len(ca.asked()) == asked


def pages_of_orders(answer, ca):
    """One of an endless list, as full as may be, of what are no orders."""
    answer.body = {'orders': ['/account/2'] * 65_000}
    answer.headers.append(('Link', f'<{ca.origin}/orders/{ca.asked("orders")}>;rel="next"'))


@pytest.mark.parametrize('twist, pages', [(endless(), 1), (endless(status=400), 1), (pages_of_orders, 20)], ids=['body', 'refusal', 'pages'])
def test_endless_list_of_orders(watched, ca, twist, pages):
    """An order's URL was lost, and the account's list does not end: some of it is read, little is held, and another order is placed."""
    ca.twists = {'new': send(200, drop=True), 'account': put('orders', lambda ca: f'{ca.origin}/orders/0'), 'orders': twist}
    assert watched.renew().code == 3
    asked = ca.asked('new')
    ca.twists.pop('new')
    assert watched.renew().code == 0
    assert ca.asked('orders') == pages and ca.asked('new') == asked + 1 and len(ca.asked()) < 90


def test_endless_other_chains(watched, ca):
    """Ten of them are offered, and none ends: the one that came first is used, and that is told."""
    watched.configure(certificate(), ca='preferred_chain = "Nobody"')

    def offers(answer, ca):
        if ca.asked('cert') > 1:
            return endless()(answer, ca)
        answer.headers += [('Link', f'<{ca.origin}/cert/{i}>;rel="alternate"') for i in range(30)]
        return None
    ca.twists['cert'] = offers
    assert watched.renew().code == 0
    assert ca.asked('cert') == 11 and watched.certificate()['generation'] == 1
    assert f'longer than {MUCH} bytes' in watched.run('history', '--json').out


def test_endless_headers_of_every_resource(watched, ca):
    """A megabyte of header fields, at each in turn: net/too-large, and the address is named."""
    for resource in RESOURCES:
        hurt(ca, resource, header('X-More', 'x' * 1000, times=1000))
        watched.configure(certificate(name=f'{resource.lower()}.example.test'))
        outcome = watched.renew()
        assert outcome.code == 3 and '64 KiB' in outcome.text and RESOURCES[resource][3] in outcome.text, (resource, outcome)
