# SPDX-License-Identifier: Apache-2.0
"""A CA that rejects every second nonce (RFC 8555 §6.5), at random, whatever it is asked for: each request is made again with another one, and
nothing comes about twice."""
import pytest

from renewd import NAME, certificate
from test_accounts import EAB, eab, folder
from test_revocation import pending, serial_of
from test_solvers import names_in, tls_solver


@pytest.fixture(name='pebble', params=['system', 'newest'])
def fixture_pebble(request, make_pebble, name_server):
    """It asks the name server that renewd writes to, and wants accounts to be bound to one of its own."""
    binaries = '/usr/bin' if request.param == 'system' else request.getfixturevalue('newest_binaries')
    pebble = make_pebble(nonce_reject=50, name_server=name_server, settings=EAB, binaries=binaries)
    assert 'Configured to reject 50% of good nonces' in pebble.log.read_text()
    return pebble


@pytest.fixture(name='configure')
def fixture_configure(renewd, name_server):
    """Configures certificates, whose names can be proven in every way."""
    def configure(*certificates):
        renewd.configure(name_server.dns_toml, name_server.solver_toml(), tls_solver(renewd.pebble), *certificates, ca=eab(renewd))
    return configure


@pytest.mark.parametrize('solver', ['web', 'tls', 'dns'])
def test_a_certificate_with_a_new_account(renewd, pebble, configure, solver):
    """By each kind of challenge; the account is bound to one of the CA's own."""
    names = [NAME, 'mail.example.test', 'example.test' if solver != 'dns' else '*.example.test']
    configure(certificate(names=names, solver=solver))
    renewd.run('renew', expect=0)
    assert names_in(renewd) == sorted(f'DNS:{name}' for name in names)
    assert pebble.accounts() == pebble.orders() == pebble.issued() == 1


def test_several_certificates_at_once(renewd, pebble, configure):
    """Twelve that share one session with the CA, proven in three ways."""
    solvers = 4 * ['web', 'tls', 'dns']
    configure(*(certificate(name=f'host-{number}.example.test', solver=solver) for number, solver in enumerate(solvers)))
    renewd.run('run', '--once', expect=0)
    assert [one['generation'] for one in renewd.status()['certificates']] == len(solvers) * [1]
    assert pebble.accounts() == 1 and pebble.orders() == pebble.issued() == len(solvers)


def test_rollover(renewd, pebble, configure):
    """The account has the new key, and goes on with it."""
    configure(certificate())
    renewd.run('renew', expect=0)
    url, key = renewd.account()['url'], folder(renewd) / 'account.key'
    for key_type in ('ecdsa-p384', 'rsa-2048'):
        old = key.read_text()
        renewd.run('account', 'rollover', 'test', '--key-type', key_type, expect=0)
        assert key.read_text() != old and not key.with_name('account.key.next').exists()
        assert renewd.account()['key_type'] == key_type and renewd.account()['url'] == url
    renewd.run('renew', NAME, '--force', expect=0)
    assert pebble.accounts() == 1 and pebble.orders() == pebble.issued() == 2


def test_revocation(renewd, pebble, configure):
    """The second replaces the first, which is revoked; the third takes the place of the second after that."""
    configure(certificate())
    renewd.run('renew', expect=0)
    renewd.run('revoke', NAME, '--reason', 'superseded', expect=0)
    renewd.run('revoke', NAME, '--now', '--reason', 'keyCompromise', expect=0)
    assert [pebble.certificate_status(serial_of(renewd, number)) for number in (1, 2, 3)] == [('Revoked', 4), ('Revoked', 1), ('Valid', None)]
    assert pending(renewd) == [] and pebble.orders() == pebble.issued() == 3
