# SPDX-License-Identifier: Apache-2.0
"""The same fault at every request of an issuance in turn, before a Pebble that means well: in the same run or in the next one there is a
certificate, and the CA has counted one order."""
import concurrent.futures
import re

import pytest

from caproxy import CaProxy
from pebble import Since
from renewd import Renewd, certificate
from test_ca_faults import ACCOUNT, AUTHORIZATION, CERTIFICATE, CHALLENGE, FINALIZE, NONCE, ORDER, ORDERS

STEPS = {'directory': ('^/dir', 'GET'), 'nonce': (NONCE, 'HEAD'), 'account': (ACCOUNT, 'POST'), 'new order': (ORDERS, 'POST'),
         'authorization': (AUTHORIZATION, 'POST'), 'challenge': (CHALLENGE, 'POST'), 'look at the order': (ORDER, 'POST'),
         'finalize': (FINALIZE, 'POST'), 'look after finalize': (ORDER, 'POST'), 'certificate': (CERTIFICATE, 'POST')}


@pytest.fixture(name='pebble')
def fixture_pebble(shared_pebble):
    return Since(shared_pebble)


class Trial:
    """One renewd, whose requests go through a proxy of its own."""

    def __init__(self, place, pebble, webroot, step):
        self.step = step
        self.name = f'{step.replace(" ", "-")}.example.test'
        self.proxy = CaProxy(pebble)
        self.renewd = Renewd(place / self.name, pebble, webroot)
        self.renewd.ca_url = self.proxy.url
        self.renewd.configure(certificate(name=self.name))

    def hurt(self, **fault):
        path, method = STEPS[self.step]
        if self.step != 'look after finalize':
            return self.proxy.on(path, method, **fault)
        # So that there is one.
        rule = self.proxy.on(path, method, after=FINALIZE, **fault)
        self.proxy.on(FINALIZE, times=None, only_status=200, replace=(r'"status":\s*"valid"', '"status": "processing"'))
        return rule

    def run(self, **options):
        return self.renewd.run('renew', **options)


@pytest.fixture(name='trials')
def fixture_trials(place, pebble, make_webroot, open_for_test):
    webroot = make_webroot(pebble)
    trials = [Trial(place, pebble, webroot, step) for step in STEPS]
    for trial in trials:
        open_for_test(trial.proxy, trial.proxy.close)
    return trials


def all_at_once(trials, **options):
    """What each of them comes to."""
    with concurrent.futures.ThreadPoolExecutor(len(STEPS)) as pool:
        return dict(zip((trial.step for trial in trials), pool.map(lambda trial: trial.run(**options), trials)))


PROBLEM = {'headers': {'Content-Type': 'application/problem+json'}, 'body': '{"type": "urn:ietf:params:acme:error:TYPE", "detail": "wait a moment"}'}
LIMITED = {'status': 429, 'headers': {'Retry-After': '2', **PROBLEM['headers']}, 'body': PROBLEM['body'].replace('TYPE', 'rateLimited')}
GARBAGE = {'body': '\x00\x7f{"status": valid, <html>', 'set_headers': {'Replay-Nonce': '"; no nonce'}}

# name: (rule, code and words of the error, steps after which the rest is left to another run)
FAULTS = {
    'cut off before the answer': ({'drop': 'after'}, 'ca/unreachable', r'https://\S+/order-plz: ', ['new order']),
    'cut off before the CA has heard': ({'drop': 'before'}, '', '', []),
    'cut off in the middle of the answer': ({'cut': 40}, 'ca/unreachable', r'https://\S+/order-plz: ', ['new order']),
    'late': ({'delay': 3}, '', '', []),
    'garbage': (GARBAGE, 'ca/protocol', r'https://\S+/(dir|authZ/\S+): .* is not JSON', ['directory', 'authorization']),
    '429 with Retry-After': (LIMITED, 'ca/rate-limited', 'wait a moment|HTTP 429', [step for step in STEPS if 'look' not in step]),
    '503 without': ({'status': 503}, 'ca/server-error', 'HTTP 503', ['account', 'new order']),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_once_at_each_step(trials, pebble, off_by, fault):
    """N5 N6 H6 H7 F5: who leaves it to another run says what was in the way; then each has its certificate, of one order."""
    what, code, words, again = FAULTS[fault]
    rules = {trial.step: trial.hurt(**what) for trial in trials}
    outcomes = all_at_once(trials)
    assert {step: rule.used for step, rule in rules.items()} == dict.fromkeys(STEPS, 1)
    assert [step for step, outcome in outcomes.items() if outcome.code] == again, '\n'.join(map(str, outcomes.values()))
    others = [trial for trial in trials if trial.step in again]
    for trial in others:
        error = trial.renewd.certificate(trial.name)['last_error']
        assert error['code'] == code and re.search(words, error['message']) and 'CA test' in error['message'], error
    all_at_once(others, environment=off_by(minutes=1), expect=0)
    assert [trial.renewd.certificate(trial.name)['generation'] for trial in trials] == [1] * len(trials)
    assert (pebble.orders(), pebble.issued(), pebble.accounts()) == (len(trials),) * 3, [str(one) for trial in trials for one in trial.proxy.requests()]
    assert not list(trials[0].renewd.webroot.rglob('acme-challenge/*')), 'a challenge is left behind'
