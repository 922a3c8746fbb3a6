# SPDX-License-Identifier: Apache-2.0
"""Accounts at a real CA: bound to a customer of it, changed, given a new key, closed, lost."""
import base64
import json
import os
import pathlib
import shutil
import signal

import pytest

from processes import wait_until
from renewd import NAME, certificate

KEY = base64.urlsafe_b64encode(bytes(range(64))).decode()  # long enough for HS512
EAB = {'externalAccountBindingRequired': True, 'externalAccountMACKeys': {'kid-1': KEY.rstrip('=')}}


def eab(renewd, key=KEY, **members):
    """`eab` of [ca.test], its key in a file."""
    path = renewd.directory / 'eab'
    path.write_text(key + '\n')
    path.chmod(0o600)
    table = {'kid': 'kid-1', 'key_file': str(path), **members}
    return 'eab = { ' + ', '.join(f'{name} = {json.dumps(value)}' for name, value in table.items()) + ' }'


def folder(renewd):
    """Where renewd keeps the account."""
    return pathlib.Path(renewd.account()['key_file']).parent


@pytest.mark.parametrize('members', [{}, {'algorithm': 'HS256'}, {'algorithm': 'HS384'}, {'algorithm': 'HS512'}])
def test_external_account_binding(make_pebble, make_renewd, members):
    """A CA that wants one: registered with it, by every algorithm; the key is neither shown nor kept."""
    pebble = make_pebble(settings=EAB)
    renewd = make_renewd(pebble)
    renewd.configure(certificate(), ca=eab(renewd, **members))
    outcome = renewd.run('renew', '--verbose', expect=0)
    assert pebble.accounts() == 1 and pebble.issued() == 1
    kept = ''.join(path.read_text(errors='replace') for path in renewd.state.rglob('*') if path.is_file())
    assert KEY.rstrip('=') not in outcome.text + kept


def test_binding_is_wanted_and_not_configured(make_pebble, make_renewd):
    """Said so, with the words to write; nothing exists at the CA."""
    pebble = make_pebble(settings=EAB)
    renewd = make_renewd(pebble)
    renewd.configure(certificate())
    outcome = renewd.run('account', 'register', expect=2)
    assert 'eab = { kid = ' in outcome.err and '[ca.test]' in outcome.err
    renewd.run('renew', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'ca/binding-required'
    assert pebble.accounts() == 0


@pytest.mark.parametrize('wrong', ['key', 'kid', 'file'])
def test_binding_that_does_not_fit(make_pebble, make_renewd, wrong):
    """Another key, an unknown name, a file that is gone by now: no account, and the key is not told."""
    pebble = make_pebble(settings=EAB)
    renewd = make_renewd(pebble)
    other = base64.urlsafe_b64encode(bytes(64)).decode()
    members = {'kid': 'kid-2'} if wrong == 'kid' else {}
    renewd.configure(certificate(), ca=eab(renewd, key=other if wrong == 'key' else KEY, **members))
    if wrong == 'file':
        (renewd.directory / 'eab').write_text('')
    outcome = renewd.run('account', 'register', expect=2 if wrong == 'file' else 3)
    assert pebble.accounts() == 0
    assert other not in outcome.text and KEY not in outcome.text


def test_ca_that_does_not_take_the_type_of_key(renewd, pebble, ca_proxy):
    """badSignatureAlgorithm before there is an account: the command that registers with another type of key, and it does."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.refuse('/sign-me-up', 400, 'badSignatureAlgorithm', 'only RSA here', algorithms=['RS256'])
    renewd.run('renew', expect=3)
    error = renewd.certificate()['last_error']
    assert error['code'] == 'ca/account-refused' and 'renewd account register test --key-type TYPE' in error['hint']
    outcome = renewd.run('account', 'register', 'test', '--key-type', 'rsa-2048', expect=0)
    assert renewd.account()['key_type'] == 'rsa-2048' and pebble.accounts() == 1
    outcome = renewd.run('account', 'register', 'test', '--key-type', 'ecdsa-p384', expect=2)
    assert 'renewd account rollover test --key-type ecdsa-p384' in outcome.err
    renewd.run('account', 'register', 'test', expect=0)
    renewd.run('renew', '--force', NAME, expect=0)
    assert renewd.account()['key_type'] == 'rsa-2048' and pebble.accounts() == 1


@pytest.mark.both_pebbles
def test_contact_follows_the_configuration(renewd, pebble):
    """Changed in the configuration: the CA has the new one after the next run, and is not asked again."""
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    assert renewd.account()['contact'] == ['mailto:ops@example.test']
    renewd.write(renewd.config.read_text().replace('"ops@example.test"', '["new@example.test", "second@example.test"]'))
    renewd.run('renew', expect=0)
    assert sorted(renewd.account()['contact']) == ['mailto:new@example.test', 'mailto:second@example.test']
    before = len([one for one in pebble.requests() if 'my-account' in one])
    renewd.run('renew', NAME, '--force', expect=0)
    assert len([one for one in pebble.requests() if 'my-account' in one]) == before


def test_show_without_and_with_an_account(renewd):
    """Nothing yet: said so. Then its URL, status, contact, key and where that lies."""
    renewd.configure(certificate())
    assert 'none yet' in renewd.run('account', 'show', expect=0).out
    assert renewd.account()['url'] is None
    renewd.run('account', 'register', expect=0)
    shown = renewd.account()
    assert shown['status'] == 'valid' and shown['key_type'] == 'ecdsa-p256' and shown['url'].startswith('https://')
    assert pathlib.Path(shown['key_file']).stat().st_mode & 0o777 == 0o600
    text = renewd.run('account', 'show', expect=0).out
    assert shown['url'] in text and 'ops@example.test' in text
    assert 'did you mean "test"' in renewd.run('account', 'show', 'tset', expect=2).err


@pytest.mark.both_pebbles
@pytest.mark.parametrize('key_type', ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048'])
def test_rollover(renewd, pebble, key_type):
    """The account has a new key: renewals go on with it, and the old one opens nothing."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    url, place = renewd.account()['url'], folder(renewd)
    old = (place / 'account.key').read_text()
    renewd.run('account', 'rollover', 'test', '--key-type', key_type, expect=0)
    assert (place / 'account.key').read_text() != old and not (place / 'account.key.next').exists()
    assert renewd.account()['key_type'] == key_type and renewd.account()['url'] == url
    renewd.run('renew', NAME, '--force', expect=0)
    assert pebble.accounts() == 1
    (place / 'account.key').write_text(old)
    renewd.run('account', 'show', expect=3)
    renewd.run('renew', NAME, '--force', expect=3)


def test_rollover_killed_before_the_answer(renewd, pebble, ca_proxy):
    """kill -9 when the CA has changed the key and before its answer: the next run finds out, and goes on with the new key."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    place = folder(renewd)
    old = (place / 'account.key').read_text()
    ca_proxy.hold_answer('/rollover-account-key')
    process = renewd.start('account', 'rollover', 'test')
    assert ca_proxy.held.wait(20), process.communicate(timeout=5)[0] if process.poll() is not None else 'not asked'
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    assert (place / 'account.key').read_text() == old and (place / 'account.key.next').exists()
    renewd.run('renew', expect=0)
    assert (place / 'account.key').read_text() != old and not (place / 'account.key.next').exists()
    assert pebble.accounts() == 1


@pytest.mark.both_pebbles
def test_next_key_that_is_another_accounts(renewd, pebble):
    """What lies there as the next key opens another account: dropped, and the old one stays in force."""
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    place = folder(renewd)
    mine = (place / 'account.key').read_text()
    shutil.move(place, place.with_name('aside'))
    renewd.run('account', 'register', expect=0)
    shutil.copy(place.with_name('aside') / 'account.key', place / 'account.key.next')
    kept = (place / 'account.key').read_text()
    renewd.run('renew', expect=0)
    assert (place / 'account.key').read_text() == kept != mine and not (place / 'account.key.next').exists()
    assert pebble.accounts() == 2


@pytest.mark.both_pebbles
def test_deactivated_account(renewd, pebble):
    """Closed for ever: only when its name is typed; later runs say so, and make no other until they are told to."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    renewd.run('account', 'deactivate', expect=2)
    renewd.run('account', 'deactivate', 'test', typed='no\n', expect=2)
    assert renewd.account()['status'] == 'valid'
    renewd.run('account', 'deactivate', 'test', typed='test\n', expect=0)
    assert renewd.account()['status'] == 'deactivated' and renewd.account()['closed_at']
    outcome = renewd.run('renew', NAME, '--force', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'ca/account-refused'
    assert 'renewd account register test --new' in outcome.text
    renewd.run('account', 'rollover', expect=3)
    assert pebble.accounts() == 1
    renewd.run('account', 'register', 'test', '--new', expect=0)
    renewd.run('renew', NAME, '--force', expect=0)
    assert pebble.accounts() == 2


@pytest.mark.both_pebbles
def test_deactivated_by_somebody_else(renewd, pebble, place):
    """403 on everything: told, and never answered with another account."""
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    shutil.copytree(renewd.state, place / 'copy')
    renewd.run('account', 'deactivate', 'test', '--yes', expect=0)
    shutil.rmtree(renewd.state)
    shutil.copytree(place / 'copy', renewd.state)
    renewd.run('renew', expect=3)
    assert renewd.certificate()['last_error']['code'] == 'ca/account-refused'
    assert pebble.accounts() == 1


def test_account_is_lost_by_the_ca(renewd, pebble):
    """The CA comes back without its database: the same key, and told loudly where the URL is another."""
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    key = (folder(renewd) / 'account.key').read_text()
    pebble.stop()
    pebble.start()
    outcome = renewd.run('renew', expect=0)
    assert (folder(renewd) / 'account.key').read_text() == key
    assert 'the CA has lost our account' in outcome.err and 'accounturi' in outcome.err
    assert renewd.account()['status'] == 'valid'


def test_a_lost_account_is_told_until_somebody_has_seen_to_it(renewd, pebble):
    """Records may name its URL: history, status and `account show` do, until the account is registered by hand again."""
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    before = renewd.account()['url']
    pebble.stop()
    pebble.start()
    renewd.run('renew', expect=0)
    assert renewd.account()['url'] != before and renewd.account()['lost']['url'] == before
    assert before in renewd.run('account', 'show').out and before in renewd.run('history', NAME).out
    told, = renewd.status()['conditions']
    assert told['code'] == 'ca/account-missing' and before in told['message'] and 'renewd account register test' in told['hint']
    told = renewd.run('status', expect=3).out
    assert before in told and 'all well' not in told
    renewd.run('verify', expect=3)
    renewd.run('account', 'register', 'test', expect=0)
    assert renewd.status()['conditions'] == [] and renewd.account()['lost'] is None
    assert 'all well' in renewd.run('status', expect=0).out


def test_two_registrations_at_once(renewd, pebble, ca_proxy):
    """The second waits for the first, whose answer does not come, and both meet at one account."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.hold_answer('/sign-me-up')
    first = renewd.start('account', 'register')
    assert ca_proxy.held.wait(20)
    log = renewd.directory / 'locks'
    renewd.wrapper = ['strace', '-f', '-qq', '-e', 'trace=flock', '-o', log]
    second = renewd.start('account', 'register')
    wait_until(lambda: log.exists() and 'EAGAIN' in log.read_text(), 'the second to find it locked', 20)
    assert len(ca_proxy.requests('^/sign-me-up')) == 1
    ca_proxy.release()
    for each in first, second:
        said, _ = each.communicate(timeout=60)
        assert each.returncode == 0, said
    renewd.wrapper = []
    assert pebble.accounts() == 1 and renewd.account()['status'] == 'valid'


def test_terms_that_have_changed(renewd, pebble, ca_proxy):
    """403 userActionRequired for an account that was well: the page where somebody has to agree is named, nobody asks again by itself,
    and once it is done the same account goes on."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    renewd.run('account', 'register', expect=0)
    asked = ca_proxy.refuse('/order-plz', 403, 'userActionRequired', 'the terms have changed', instance='https://ca.test/terms/2', times=None)
    assert 'https://ca.test/terms/2' in renewd.run('renew', expect=3).text
    assert renewd.certificate()['last_error']['code'] == 'ca/terms-not-agreed'
    renewd.run('run', '--once', expect=3)
    assert asked.used == 1
    ca_proxy.heal()
    renewd.run('renew', expect=0)
    assert pebble.accounts() == pebble.orders() == 1
