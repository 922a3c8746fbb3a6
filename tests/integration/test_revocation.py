# SPDX-License-Identifier: Apache-2.0
"""Revoking: the new certificate is served everywhere first, and the old one is revoked then, at a real CA."""
import json
import os
import signal

import pytest

from renewd import NAME, certificate, nginx_target
from tls import leaf_of, served


def serial_of(renewd, generation=1):
    record = json.loads((renewd.live().parent / 'record.json').read_text())['record']
    return next(one['serial'] for one in record['generations'] if one['number'] == generation)


def pending(renewd):
    record = json.loads((renewd.live().parent / 'record.json').read_text())['record']
    return [one['generation'] for one in record['revocations']]


@pytest.mark.both_pebbles
@pytest.mark.parametrize('words, reason', [([], 0), (['--reason', 'keyCompromise'], 1), (['--reason', '4'], 4)])
def test_revoke_replaces_first(renewd, pebble, nginx, words, reason):
    """A new certificate, deployed and seen served; then the old one is revoked, for the reason that was given."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first, key = serial_of(renewd), (renewd.live() / 'privkey.pem').read_text()
    outcome = renewd.run('revoke', NAME, *words, expect=0)
    assert 'generation 1 revoked' in outcome.out
    assert pebble.certificate_status(first) == ('Revoked', reason)
    assert pebble.certificate_status(serial_of(renewd, 2)) == ('Valid', None)
    assert (renewd.live() / 'privkey.pem').read_text() != key
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    seen = renewd.certificate()
    assert (seen['state'], seen['generation']) == ('ok', 2)
    orders = pebble.orders()
    renewd.run('run', '--once', expect=0)
    assert pebble.orders() == orders


def test_replace_serves_everywhere_before_it_revokes(renewd, pebble, make_nginx, ca_proxy):
    """At the moment the CA hears of the revocation, both places serve the new certificate."""
    here, there = make_nginx('here'), make_nginx('there', form='fixed')
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(nginx_target(here, 'one'), nginx_target(there, 'two')))
    renewd.run('renew', expect=0)
    first, old = serial_of(renewd), leaf_of(renewd.live() / 'cert.pem').sha256
    ca_proxy.hold_answer('/revoke-cert')
    process = renewd.start('replace', NAME, '--reason', 'keyCompromise')
    assert ca_proxy.held.wait(30), process.communicate(timeout=5)[0] if process.poll() is not None else 'not revoked'
    assert old not in (served(here.port, NAME).sha256, served(there.port, NAME).sha256)
    # And killed there, after the CA has acted: the next run finds it done.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    assert pending(renewd) == [1]
    renewd.run('run', '--once', expect=0)
    assert pending(renewd) == [] and pebble.certificate_status(first) == ('Revoked', 1)
    assert pebble.issued() == 2


def test_replace_revokes_at_the_deadline_whoever_serves_it(renewd, pebble, nginx):
    """The reload does nothing: the old one is served on, and revoked when its time has come, and that is told."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    renewd.configure(certificate(nginx_target(nginx, reload=['/bin/true'], verify_for='1s')))
    outcome = renewd.run('replace', NAME, '--reason', 'superseded', '--revoke-within', '4s', expect=5)
    assert pebble.certificate_status(first) == ('Revoked', 4)
    assert 'generation 1 was revoked while it was served by web' in outcome.text
    assert renewd.certificate()['state'] == 'unserved'


def test_revoke_waits_for_a_place_that_serves_the_old_one(renewd, pebble, nginx):
    """Not revoked while somebody is seen serving it; a later run does it, when nobody is."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    renewd.configure(certificate(nginx_target(nginx, reload=['/bin/true'], verify_for='1s')))
    outcome = renewd.run('revoke', NAME, expect=5)
    assert 'generation 1 is not revoked yet' in outcome.out
    assert pebble.certificate_status(first) == ('Valid', None) and pending(renewd) == [1]
    nginx.reload()
    renewd.run('run', '--once', expect=0)
    assert pebble.certificate_status(first) == ('Revoked', 0) and pending(renewd) == []


def test_a_removed_certificate_is_revoked_at_its_deadline_and_not_before(renewd, pebble, nginx):
    """It leaves the configuration while a place still serves what is to be revoked: that has until its deadline."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    renewd.configure(certificate(nginx_target(nginx, reload=['/bin/true'], verify_for='1s')))
    renewd.run('replace', NAME, '--reason', 'superseded', '--revoke-within', '24h', '--no-wait', expect=5)
    renewd.configure()
    renewd.run('run', '--once', expect=0)
    assert 'is to be revoked (superseded) and is not yet' in renewd.run('forget', NAME, expect=2).err
    assert pebble.certificate_status(first) == ('Valid', None) and pending(renewd) == [1]


def test_revoke_now(renewd, pebble, nginx):
    """First revoked, told who still serves it, and then replaced."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    outcome = renewd.run('revoke', NAME, '--now', '--reason', 'cessationOfOperation', expect=0)
    assert pebble.certificate_status(first) == ('Revoked', 5)
    assert 'generation 1 was revoked while it was served by web' in outcome.err
    assert renewd.certificate()['generation'] == 2


def test_what_is_revoked_is_never_deployed_again(renewd, pebble, nginx, ca_proxy):
    """No new one can be had: the state says revoked, and no target gets the revoked one back."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    ca_proxy.refuse('/order-plz', 403, 'unauthorized', 'no', times=99)
    renewd.run('revoke', NAME, '--now', expect=3)
    assert pebble.certificate_status(first)[0] == 'Revoked'
    seen = renewd.certificate()
    assert seen['state'] == 'revoked' and seen['renewal']['reason'] == 'revoked' and seen['attention']['severity'] == 'critical'
    include = nginx.include.read_text()
    nginx.include.unlink()
    renewd.run('deploy', NAME, expect=3)
    assert not nginx.include.exists() and include
    for record in renewd.live().parent.glob('record.json*'):
        record.unlink()
    assert renewd.certificate()['state'] == 'revoked', 'a record that is put together again remembers it'
    ca_proxy.heal()
    renewd.run('renew', NAME, expect=0)
    assert renewd.certificate()['generation'] == 2 and nginx.include.exists()


@pytest.mark.both_pebbles
def test_revoked_by_its_own_key(renewd, pebble, nginx):
    """The account it was issued to is another one by now: revoked all the same, by the certificate's key."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    renewd.run('account', 'deactivate', 'test', '--yes', expect=0)
    renewd.run('account', 'register', 'test', '--new', expect=0)
    renewd.run('revoke', NAME, '--reason', 'keyCompromise', expect=0)
    assert pebble.certificate_status(first) == ('Revoked', 1)


@pytest.mark.both_pebbles
def test_revoked_elsewhere_already(renewd, pebble, nginx, place):
    """The CA has it as revoked: that is what was wanted."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = serial_of(renewd)
    record = renewd.live().parent / 'record.json'
    before = record.read_text()
    renewd.run('revoke', NAME, '--now', expect=0)
    record.write_text(before)
    renewd.run('revoke', NAME, expect=0)
    assert pebble.certificate_status(first)[0] == 'Revoked'


def test_reason_that_the_ca_does_not_take(renewd, pebble, nginx, ca_proxy):
    """Told with what most CAs take; the new certificate is served, the old one stays to be revoked."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    ca_proxy.answer_once('/revoke-cert', 400, json.dumps({'type': 'urn:ietf:params:acme:error:badRevocationReason', 'detail': 'not 9'}),
                         {'Content-Type': 'application/problem+json'})
    outcome = renewd.run('revoke', NAME, '--reason', 'privilegeWithdrawn', expect=3)
    assert 'could not be revoked' in outcome.err and 'most take unspecified' in outcome.err
    assert [one['code'] for one in renewd.certificate()['conditions']] == ['ca/revocation-refused']
    assert pending(renewd) == [1]
    renewd.run('revoke', NAME, '--reason', 'superseded', expect=0)
    assert pending(renewd) == []


@pytest.mark.parametrize('words, told', [
    (['revoke'], 'which? name some, or --all'), (['replace', '--reason', 'superseded'], 'which? name some, or --all'),
    (['replace', NAME], 'wants --reason'), (['revoke', NAME, '--reason', 'INC-4711'], 'keyCompromise (1)'),
    (['revoke', 'www.example.tset'], 'did you mean')])
def test_usage(renewd, pebble, words, told):
    """Nothing is revoked by a slip of the fingers: exit 2, said what would be right, and the CA hears nothing."""
    renewd.configure(certificate())
    outcome = renewd.run(*words, expect=2)
    assert told in outcome.err
    assert not pebble.requests()
