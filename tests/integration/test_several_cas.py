# SPDX-License-Identifier: Apache-2.0
"""A list of CAs, each behind a proxy that makes trouble: whatever ends a run, an order is gone on with where it was placed, and one
certificate comes of it all."""
import datetime
import functools
import json
import os
import signal
import time
import types

import pytest

from caproxy import CaProxy, retry_after
from processes import wait_until
from renewd import NAME, certificate, nginx_target, other_ca
from tls import is_pair, leaf_of

LIFE = 40  # seconds, of a certificate that has to run out in a test
BUSY = {'only_status': 200, 'replace': (r'"status":\s*"(processing|valid)"', '"status": "processing"'), 'times': None}


@pytest.fixture(name='make_two')
def fixture_make_two(make_pebble, make_renewd, open_for_test):
    """renewd with two CAs that look for challenges at one place: two.first and two.second, two.proxy and two.second_proxy before them."""
    return functools.partial(two_cas, make_pebble, make_renewd, open_for_test)


@pytest.fixture(name='two')
def fixture_two(make_two):
    return make_two()


def two_cas(make_pebble, make_renewd, open_for_test, **options):
    first = make_pebble(**options)
    second = make_pebble('second', settings={'httpPort': first.http_port}, **options)
    renewd = make_renewd(first)
    proxies = [CaProxy(pebble) for pebble in (first, second)]
    for proxy in proxies:
        open_for_test(proxy, proxy.close)
    renewd.ca_url = proxies[0].url
    two = types.SimpleNamespace(renewd=renewd, first=first, second=second, proxy=proxies[0], second_proxy=proxies[1])
    two.other = other_ca(second, url=proxies[1].url)
    renewd.configure(two.other, certificate(ca=['test', 'other']))
    return two


def burns(proxy):
    """No order is placed any more."""
    return proxy.refuse('/order-plz', 503, 'serverInternal', 'we are on fire', times=None)


def look_and_end(renewd, rule):
    """Another run, which is ended once the CA has been asked by it for what this rule takes."""
    asked = rule.used
    process = renewd.start('renew', NAME)
    wait_until(lambda: rule.used > asked, 'the CA to be asked', 20)
    process.terminate()
    assert process.wait(timeout=20) == 143


def history(renewd):
    return (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()


def test_a_slow_second_ca_comes_to_its_end(two, faster):
    """The second is at work on its order for longer than a run, again and again: one order there, and its certificate."""
    burns(two.proxy)
    busy = two.second_proxy.on('^/(finalize-order|my-order)', **BUSY, set_headers={'Retry-After': '3600'})
    for _ in range(2):
        two.renewd.run('renew', expect=3)
    assert two.second.orders() == 0
    assert 'still at work' in two.renewd.run('renew', expect=3, environment=faster(30)).text
    look_and_end(two.renewd, busy)
    assert two.second.orders() == two.second.issued() == 1
    busy.times = 0
    two.renewd.run('renew', expect=0)
    shown = two.renewd.certificate()
    assert shown['ca'] == 'other' and shown['generation'] == 1
    assert two.second.orders() == two.second.issued() == 1 and two.first.orders() == 0


def test_killed_at_the_second_ca(two):
    """kill -9 after the second has issued and before its answer: the next run goes on there, although the first is well again."""
    burns(two.proxy)
    for _ in range(2):
        two.renewd.run('renew', expect=3)
    two.second_proxy.hold_answer('/finalize-order')
    process = two.renewd.start('renew')
    assert two.second_proxy.held.wait(20)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    two.second_proxy.release()
    two.proxy.heal()
    two.renewd.run('renew', expect=0)
    assert two.renewd.certificate()['ca'] == 'other' and two.second.orders() == two.second.issued() == 1
    assert two.first.orders() == 0


def test_the_first_order_outlives_a_try_elsewhere(two):
    """The first CA issues and its answer is lost, three times; the second refuses: the first's order is gone on with, by its own key."""
    lost = two.proxy.on('^/finalize-order', drop='after', times=None)
    looks = two.proxy.on('^/my-order', drop='before', times=None)
    refused = burns(two.second_proxy)
    for _ in range(3):
        two.renewd.run('renew', expect=3)
    assert refused.used > 0 and two.first.orders() == 1
    lost.times = looks.times = 0
    two.renewd.run('renew', expect=0)
    assert two.renewd.certificate()['ca'] == 'test' and two.first.orders() == two.first.issued() == 1
    assert is_pair(two.renewd.live() / 'fullchain.pem', two.renewd.live() / 'privkey.pem')
    assert not list((two.renewd.state / 'certificates' / NAME).glob('next*')), 'what the second was to be asked for is gone'
    two.second_proxy.heal()
    two.renewd.run('run', '--once', expect=0)
    assert two.second.orders() == 0 and two.renewd.certificate()['generation'] == 1


def wait_for_age(renewd, seconds):
    """Until what is held is so old."""
    made = datetime.datetime.fromisoformat(renewd.certificate()['not_before'].replace('Z', '+00:00'))
    time.sleep(max(0, seconds - (datetime.datetime.now(datetime.timezone.utc) - made).total_seconds()))


def test_a_limit_longer_than_the_certificate_lives(make_two):
    """429 for a week at half of a short life: the first is left alone, the second is not asked either, until a quarter is left."""
    two = make_two(validity=LIFE)
    two.renewd.run('renew', expect=0)
    limit = two.proxy.refuse('/order-plz', 429, 'rateLimited', 'too many', wait=604800, times=None)
    wait_for_age(two.renewd, LIFE / 2 + 1)
    for _ in range(2):
        two.renewd.run('run', '--once', expect=3)
        assert limit.used == 1 and two.second.orders() == 0
    wait_for_age(two.renewd, LIFE * 3 / 4 + 2)
    two.renewd.run('run', '--once', expect=0)
    shown = two.renewd.certificate()
    assert shown['ca'] == 'other' and shown['generation'] == 2 and limit.used == 1


def test_a_ca_for_this_once(two, name_server):
    """renew --ca orders there and nowhere else, not even where the list does not name it; kept until the next renewal; CAA first."""
    two.renewd.configure(two.other, certificate())
    unknown = two.renewd.run('renew', '--ca', 'nowhere', expect=2)
    assert 'there is no CA "nowhere"' in unknown.text and 'known: letsencrypt, letsencrypt-staging, other, test' in unknown.text
    two.renewd.run('renew', '--ca', 'other', expect=0)
    assert two.renewd.certificate()['ca'] == 'other' and two.second.orders() == 1 and two.first.orders() == 0
    two.renewd.run('renew', '--ca', 'other', expect=0)
    two.renewd.run('run', '--once', expect=0)
    assert two.renewd.certificate()['generation'] == 1, 'it is not due, and asks for nothing'
    limit = two.proxy.refuse('/order-plz', 429, 'rateLimited', 'too many', wait=3600)
    two.renewd.run('renew', NAME, '--force', expect=8)
    two.renewd.run('renew', NAME, '--force', '--ca', 'other', expect=0)
    assert two.second.orders() == 2 and limit.used == 1, 'a limit of another CA holds nothing back'
    name_server.caa(NAME, ';')
    two.renewd.configure(name_server.dns_toml, two.other, certificate())
    assert 'CAA' in two.renewd.run('renew', NAME, '--force', '--ca', 'other', expect=3).text
    assert two.second.orders() == 2 and two.first.orders() == 0


def test_what_a_ca_for_this_once_has_issued_is_served(two, nginx):
    """A private CA outside the list of the certificate: what is served of it is trusted by that CA's roots."""
    target = nginx_target(nginx)
    two.renewd.configure(two.other, certificate(target, endpoints=[f'https://{NAME}:{nginx.port}?address=127.0.0.1:{nginx.port}']))
    two.renewd.run('renew', '--ca', 'other', expect=0)
    two.renewd.run('verify', expect=0)
    assert two.renewd.certificate()['state'] == 'ok' and two.second.orders() == 1
    assert two.renewd.target('web')['endpoints'][0]['verdict'] == 'serving'
    assert [one['verdict'] for one in two.renewd.certificate()['endpoints']] == ['serving']


def test_a_rehearsal_at_another_ca(two):
    """renew --dry-run --ca: at that one's staging."""
    two.renewd.configure(other_ca(two.first, url='https://127.0.0.1:1/dir', staging=two.second_proxy.url), certificate())
    assert 'thrown away' in two.renewd.run('renew', '--dry-run', '--ca', 'other', expect=0).out
    assert two.second.orders() == 1 and two.first.orders() == 0


def test_a_second_ca_that_fails_as_well_is_asked_once_a_step(two):
    """Both refuse: each step of the backoff asks each of them once, and nobody in between."""
    refusals = [burns(proxy) for proxy in (two.proxy, two.second_proxy)]
    for _ in range(2):
        two.renewd.run('renew', expect=3)
    assert refusals[1].used == 0
    a_step = refusals[0].used // 2
    for step in (1, 2):
        outcome = two.renewd.run('renew', expect=3)
        asked = [refusal.used for refusal in refusals]
        assert asked == [(2 + step) * a_step, step * a_step], outcome
        two.renewd.run('run', '--once', expect=3)
        assert asked == [refusal.used for refusal in refusals], 'the backoff holds both'
        assert history(two.renewd).count('turned_to') == step
    assert two.first.orders() == two.second.orders() == 0


def test_what_an_order_replaces_is_of_its_own_ca(make_two, newest_binaries):
    """RFC 9773: `replaces` names a certificate of the same account; at the second CA, and at the first again, there is none."""
    two = make_two(binaries=newest_binaries)

    def replaced(proxy):
        return json.loads(proxy.requests('/order-plz')[-1].payload).get('replaces')
    two.renewd.run('renew', expect=0)
    burning = burns(two.proxy)
    for expected in (3, 3, 0):
        two.renewd.run('renew', NAME, '--force', expect=expected)
    assert two.renewd.certificate()['ca'] == 'other' and replaced(two.second_proxy) is None
    burning.times = 0
    two.renewd.run('renew', NAME, '--force', expect=0)
    assert two.renewd.certificate()['ca'] == 'test' and replaced(two.proxy) is None
    held = leaf_of(two.renewd.live() / 'cert.pem')
    two.renewd.run('renew', NAME, '--force', expect=0)
    assert replaced(two.proxy) == held.renewal_id


def test_an_order_that_takes_days(two, faster):
    """ "processing" with a Retry-After of a day, run after run: nothing is asked in between but by hand, and that is no limit."""
    busy = two.proxy.on('^/(finalize-order|my-order)', **BUSY, set_headers={'Retry-After': '86400'})
    assert 'still at work' in two.renewd.run('renew', expect=3, environment=faster(30)).text
    looked = busy.used
    two.renewd.run('run', '--once', expect=3)
    assert busy.used == looked and two.renewd.certificate()['held'] is None, 'not before its time'
    look_and_end(two.renewd, busy)
    busy.times = 0
    two.renewd.run('renew', NAME, expect=0)
    assert two.first.orders() == two.first.issued() == 1 and two.second.orders() == 0


def test_an_order_that_takes_days_is_looked_at_again_by_itself(two, faster, off_by):
    """The same, and the time goes by: not before an hour, then after it, and two days later, beyond the day that the order was to live."""
    busy = two.proxy.on('^/(finalize-order|my-order)', **BUSY, set_headers={'Retry-After': '86400'})
    others = two.proxy.on('', None, times=None)

    def later(**passed):
        """To the CA as well, and to a machine that was started anew: it has no other clock to tell it better."""
        date = retry_after(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**passed))
        for rule in (busy, others):
            rule.set_headers['Date'] = date
        (two.renewd.state / 'clock.json').unlink(missing_ok=True)

    two.renewd.run('renew', expect=3, environment=faster(30))
    looked = busy.used
    later(minutes=40)
    two.renewd.run('run', '--once', expect=3, environment=off_by(minutes=40))
    assert busy.used == looked, 'not before its time'
    later(minutes=90)
    outcome = two.renewd.run('run', '--once', expect=3, environment={**faster(30), 'FAKETIME': '+90m x30'})
    assert 'still at work' in outcome.text and busy.used > looked
    busy.times = 0
    later(hours=60)
    two.renewd.run('run', '--once', expect=0, environment=off_by(2))
    shown = two.renewd.certificate()
    assert shown['ca'] == 'test' and shown['generation'] == 1
    assert two.first.orders() == two.first.issued() == 1 and two.second.orders() == 0
    assert is_pair(two.renewd.live() / 'fullchain.pem', two.renewd.live() / 'privkey.pem')
