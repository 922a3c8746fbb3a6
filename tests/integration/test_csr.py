# SPDX-License-Identifier: Apache-2.0
"""A request of the user's own: the key stays where he keeps it, renewd orders with his request and deploys the chain alone."""
import json
import os
import signal

import pytest

from processes import run
from renewd import NAME, certificate, nginx_target
from tls import is_pair, leaf_of, served

P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']


def make_request(directory, key, names=(NAME,), kind=(), text='mail.csr'):
    """A request as a user makes it; with `kind`, a new key for it, too."""
    source = ['-keyout', key, *kind] if kind else ['-key', key]
    path = directory / text
    run('openssl', 'req', '-new', *source, '-nodes', '-subj', '/', '-out', path,
        '-addext', 'subjectAltName=' + ','.join(f'DNS:{name}' for name in names))
    return path


@pytest.fixture(name='own_nginx')
def fixture_own_nginx(make_nginx):
    """An nginx whose key is made by its owner and is none of renewd's business."""
    return make_nginx(form='fixed')


def target_of(nginx, **changes):
    lines = nginx_target(nginx, **changes).splitlines(keepends=True)
    return ''.join(line for line in lines if not line.startswith('  key = '))


def private_keys(state):
    """Files below the state's certificates that hold or held a private key."""
    files = [path for path in (state / 'certificates').rglob('*') if path.is_file()]
    assert files
    return [path for path in files if path.name == 'privkey.pem' or b'PRIVATE KEY' in path.read_bytes()]


@pytest.mark.both_pebbles
def test_nginx_serves_the_chain_with_the_users_own_key(renewd, own_nginx, place):
    """Issue, deploy, serve; renewed by force with the same key, which is nowhere in the state and never written by us."""
    nginx = own_nginx
    csr = make_request(place, nginx.key, kind=P256)
    key = nginx.key.read_bytes()
    renewd.configure(certificate(target_of(nginx), csr=str(csr)))
    checked = renewd.run('check')  # the names of the test CA do not resolve here
    assert f"key: the user's own (csr {csr}), ecdsa-p256" in checked.out
    assert 'fixed paths are two renames' not in checked.out
    renewed = renewd.run('renew', expect=0)
    assert f"key the user's own (csr {csr})" in renewed.out
    first = served(nginx.port, NAME)
    assert first.names == [NAME] and first.sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert is_pair(nginx.fullchain, nginx.key)
    assert renewd.certificate()['key'] == {'origin': 'request', 'type': 'ecdsa-p256', 'csr': str(csr)}
    assert '"key": "request"' in (renewd.live() / 'meta.json').read_text()

    renewd.run('renew', NAME, '--force', expect=0)
    second = served(nginx.port, NAME)
    assert second.sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != first.sha256
    assert is_pair(nginx.fullchain, nginx.key) and nginx.key.read_bytes() == key
    assert not private_keys(renewd.state)
    assert (renewd.live() / 'request.der').is_file()

    # What is remembered is put together again from the generations, and nothing is ordered for it.
    for name in ('record.json', 'record.json.1'):
        (renewd.state / 'certificates' / NAME / name).unlink()
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['generation'] == 2 and renewd.pebble.orders() == 2


@pytest.mark.parametrize('kind, code, served_key', [
    (P256, 'deploy/test-failed', 'id-ecPublicKey 256'),
    # nginx -t finds nothing wrong with a certificate and a key of different kinds; handshakes do.
    (['-newkey', 'rsa:2048'], 'deploy/restored', 'rsaEncryption 2048'),
])
def test_request_with_another_key_is_ordered_anew_and_held_back_until_the_service_has_it(
        renewd, own_nginx, place, kind, code, served_key):
    """The request changes: its certificate is ordered; with the old key the old one is put back, with the new key it is served."""
    nginx = own_nginx
    csr = make_request(place, nginx.key, kind=P256)
    renewd.configure(certificate(target_of(nginx), csr=str(csr)))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    make_request(place, nginx.key)
    renewd.run('run', '--once', expect=0)
    assert renewd.pebble.orders() == 1, 'the same key and names: nothing to do'
    new_key = place / 'new.key'
    make_request(place, new_key, kind=kind)
    assert renewd.certificate()['renewal']['reason'] == 'config_changed'
    outcome = renewd.run('run', '--once', expect=4)
    assert renewd.target('web')['last_error']['code'] == code, str(outcome)
    assert served(nginx.port, NAME).sha256 == first
    nginx.key.write_bytes(new_key.read_bytes())
    renewd.run('deploy', expect=0)
    assert served(nginx.port, NAME).key == served_key
    assert renewd.pebble.orders() == 2 and not private_keys(renewd.state)


def test_a_rehearsal_orders_with_the_users_own_request(renewd, pebble, own_nginx, ca_proxy, place):
    """renew --dry-run asks the staging for what would be asked for: a request that the CA does not like is refused there."""
    csr = make_request(place, own_nginx.key, kind=P256)
    renewd.configure(certificate(target_of(own_nginx), csr=str(csr)), ca=f'staging = "{ca_proxy.url}"')
    renewd.run('renew', '--dry-run', expect=0)
    asked, = ca_proxy.requests('^/finalize-order')
    sent = json.loads(asked.payload)['csr'].translate(str.maketrans('-_', '+/'))
    assert ''.join(csr.read_text().splitlines()[1:-1]).rstrip('=') == sent
    assert pebble.orders() == 1


def test_killed_run_is_finished_with_the_same_request(renewd, own_nginx, ca_proxy, place):
    """kill -9 before the answer to finalize: the order goes on with the request that was sent. One order, one certificate."""
    renewd.ca_url = ca_proxy.url
    csr = make_request(place, own_nginx.key, kind=P256)
    renewd.configure(certificate(target_of(own_nginx), csr=str(csr)))
    ca_proxy.hold_answer('/finalize-order')
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    waiting = renewd.state / 'certificates' / NAME / 'next-test'
    sizes = {path.name: path.stat().st_size for path in waiting.iterdir() if not path.name.startswith('reserve')}
    assert sorted(sizes) == ['cert.pem', 'chain.pem', 'fullchain.pem', 'meta.json', 'order.json', 'request.der']
    assert sorted(name for name, size in sizes.items() if size) == ['order.json', 'request.der']
    renewd.run('renew', expect=0)
    assert renewd.pebble.orders() == renewd.pebble.issued() == 1
    assert served(own_nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256


@pytest.mark.parametrize('wrong, code, words', [
    ('garbage', 'config/wrong-value', 'it is no certificate request'),
    ('weak', 'config/wrong-value', 'RSA key of 1024 bits'),
    ('names', 'config/conflict', 'it also asks for other.example.test'),
    ('missing', 'config/unreadable', 'No such file'),
    ('key', 'config/conflict', '"key" of target web would hold it'),
])
def test_request_that_cannot_be_used_is_refused_before_anything_is_ordered(renewd, own_nginx, place, wrong, code, words):
    """Exit 2, the code, the place and what is wrong; the CA is not asked for anything."""
    csr = place / 'mail.csr'
    keys, target = {}, target_of(own_nginx)
    if wrong == 'garbage':
        csr.write_bytes(bytes(range(256)))
    elif wrong == 'weak':
        make_request(place, own_nginx.key, kind=['-newkey', 'rsa:1024'])
    elif wrong == 'names':
        make_request(place, own_nginx.key, names=(NAME, 'other.example.test'), kind=P256)
        keys = {'names': [NAME]}
    elif wrong == 'key':
        make_request(place, own_nginx.key, kind=P256)
        target = nginx_target(own_nginx)
    renewd.configure(certificate(target, csr=str(csr), **keys))
    outcome = renewd.run('renew', expect=2)
    assert words in outcome.err and f'{renewd.config}:' in outcome.err
    assert code in renewd.run('check', '--json').text
    assert renewd.pebble.orders() == 0


def test_request_made_with_the_accounts_key_is_refused(renewd, own_nginx, place):
    """RFC 8555 §11.1: such a certificate would let the web server speak for the account. Nothing is ordered."""
    renewd.configure(certificate(name='other.example.test'))
    renewd.run('renew', expect=0)
    account = next(renewd.state.rglob('account.key'))
    csr = make_request(place, account)
    renewd.configure(certificate(target_of(own_nginx), csr=str(csr)))
    outcome = renewd.run('renew', expect=3)
    assert 'is the key of the account' in outcome.text
    assert renewd.certificate()['last_error']['code'] == 'config/conflict'
    assert renewd.pebble.orders() == 1


def test_replace_says_that_the_key_is_not_ours(renewd, place):
    """Ordering with the same request again would replace nothing."""
    csr = make_request(place, place / 'own.key', kind=P256)
    target = '  [[certificate."%s".target]]\n  name = "f"\n  deployer = "files"\n  fullchain = "%s/f.pem"\n  endpoints = []\n' % (NAME, place)
    renewd.configure(certificate(target, csr=str(csr)))
    outcome = renewd.run('replace', NAME, '--reason', 'keyCompromise', expect=2)
    assert 'request of your own' in outcome.text and renewd.pebble.orders() == 0
