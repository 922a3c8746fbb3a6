# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a run, the next one goes on from the same order, and the CA never issues a second certificate for it."""
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import subprocess

import pytest

from processes import ENVIRONMENT, wait_until
from renewd import NAME, certificate, nginx_target
from tls import leaf_of, served

# The request whose answer never arrives, and how many orders may exist in the end: only an order whose URL is not known is lost.
MOMENTS = [('/sign-me-up', 1), ('/order-plz', 2), ('/authZ', 1), ('/chalZ', 1), ('/finalize-order', 1), ('/certZ', 1)]


@pytest.mark.parametrize('path, orders', MOMENTS)
def test_killed_run_is_resumed(renewd, pebble, ca_proxy, nginx, path, orders):
    """kill -9 after the CA has acted and before its answer: one certificate in the end, counted at the CA."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(nginx_target(nginx)))
    ca_proxy.hold_answer(path)
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20), process.communicate(timeout=5)[0] if process.poll() is not None else path
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    renewd.run('renew', expect=0)
    assert pebble.issued() == 1 and pebble.orders() <= orders and pebble.accounts() == 1
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert renewd.certificate()['generation'] == 1
    assert not list(renewd.webroot.rglob('acme-challenge/*')), 'no challenge file is left behind'


def kill_when(process, condition, what):
    """kill -9 at the moment when `condition()` holds."""
    wait_until(lambda: condition() or process.poll() is not None, what, 20)
    assert process.poll() is None, process.communicate(timeout=5)[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


@pytest.mark.parametrize('names', [None, ['new.example.test']], ids=['order gone', 'other names'])
def test_file_of_a_killed_run_is_taken_away(renewd, pebble, ca_proxy, names):
    """Put up for an order that nobody goes on with: the CA has lost it, or another one is wanted. A stranger's file stays."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    challenges = renewd.webroot / '.well-known/acme-challenge'
    challenges.mkdir(parents=True)
    (challenges / 'of-somebody-else').write_text('x')
    ca_proxy.hold_answer('/chalZ')
    kill_when(renewd.start('renew'), ca_proxy.held.is_set, 'the challenge to be answered')
    ca_proxy.release()
    assert len(list(challenges.iterdir())) == 2, 'it was killed too early'
    if names:
        renewd.configure(certificate(names=names))
    else:
        pebble.stop()
        pebble.start()
    renewd.run('renew', expect=0)
    assert [path.name for path in challenges.iterdir()] == ['of-somebody-else']
    assert renewd.certificate()['conditions'] == []


def test_record_of_a_killed_run_is_taken_away(make_pebble, make_renewd, make_name_server):
    """Killed while it waits for a name server that lags, and another order is wanted: its value goes, a stranger's stays."""
    dns, slow = make_name_server(), make_name_server('slow')
    lags = ['example.test. 60 NS ns9.example.test.', f'ns9.example.test. 60 A {slow.address}']
    dns.update(*(f'add {line}' for line in lags))
    dns.add_txt('_acme-challenge.example.test', 'somebody else')
    renewd = make_renewd(make_pebble(name_server=dns))
    solver = dns.solver_toml()
    renewd.configure(dns.dns_toml, solver, certificate(name='example.test', names=['*.example.test'], solver='dns'))
    kill_when(renewd.start('renew'), lambda: len(dns.txt('_acme-challenge.example.test')) == 2, 'the value')
    dns.update(*(f'delete {line}' for line in lags))
    renewd.configure(dns.dns_toml, solver, certificate(name='example.test', names=['*.www.example.test'], solver='dns'))
    renewd.run('renew', expect=0)
    assert dns.txt('_acme-challenge.example.test') == ['somebody else']
    assert not dns.txt('_acme-challenge.www.example.test')


@pytest.mark.parametrize('words', [['renew', NAME, '--force'], ['renew', NAME, '--dry-run']])
def test_agent_takes_over_from_a_command_that_is_killed(renewd, pebble, ca_proxy, open_for_test, words):
    """A person's command, killed while its challenge is up: an agent that runs does not wait for the certificate's next hour."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(), ca=f'staging = "{ca_proxy.url}"')
    renewd.run('renew', expect=0)
    agent = renewd.start('run')
    open_for_test(agent, lambda: os.killpg(agent.pid, signal.SIGKILL))
    wait_until(lambda: renewd.status()['agent']['running'], 'the agent')
    challenges = renewd.webroot / '.well-known/acme-challenge'
    ca_proxy.hold_answer('/chalZ')
    kill_when(renewd.start(*words), ca_proxy.held.is_set, 'the challenge to be answered')
    assert len(list(challenges.iterdir())) == 1, 'it was killed too early'
    ca_proxy.release()
    wait_until(lambda: not list(challenges.iterdir()), 'the agent to take it away', 20)
    if '--force' in words:
        wait_until(lambda: renewd.certificate()['generation'] == 2, 'the agent to go on with the order', 20)
    assert pebble.orders() == 2


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGKILL])
def test_record_of_a_rehearsal_that_was_ended_is_taken_away(make_pebble, make_renewd, make_name_server, sent):
    """renew --dry-run, ended while it waits for a name server that lags: the next pass takes its value away, a stranger's stays."""
    dns, slow = make_name_server(), make_name_server('slow')
    lags = ['example.test. 60 NS ns9.example.test.', f'ns9.example.test. 60 A {slow.address}']
    dns.update(*(f'add {line}' for line in lags))
    dns.add_txt('_acme-challenge.example.test', 'somebody else')
    staging = make_pebble('staging', name_server=dns)
    renewd = make_renewd(make_pebble(name_server=dns))
    renewd.configure(dns.dns_toml, dns.solver_toml(), certificate(name='example.test', names=['*.example.test'], solver='dns'),
                     ca=f'staging = "{staging.url}"')
    process = renewd.start('renew', '--dry-run')
    wait_until(lambda: len(dns.txt('_acme-challenge.example.test')) == 2, 'the value', 20)
    renewd.run('renew', '--dry-run', '--no-wait', expect=6)
    os.killpg(process.pid, sent)
    process.wait(timeout=10)
    assert len(dns.txt('_acme-challenge.example.test')) == 2 and staging.orders() == 1 and renewd.pebble.orders() == 0
    dns.update(*(f'delete {line}' for line in lags))
    renewd.run('run', '--once', expect=0)
    assert dns.txt('_acme-challenge.example.test') == ['somebody else']
    assert 'cleaned_up' in renewd.run('history', '--json').out


@pytest.mark.parametrize('when', [1, 2, 3, 4, 5, 6])
def test_killed_at_a_rename_of_the_state(renewd, pebble, when):
    """kill -9 on entering the n-th rename of a thread: the state can be read, and the run is resumed."""
    renewd.configure(certificate())
    assert renewd.run_killed_at_rename(when, [], 'renew') or when > 4
    assert renewd.run('status').code in (0, 3)
    renewd.run('renew', expect=0)
    assert pebble.issued() == 1 and pebble.orders() <= 2
    assert renewd.certificate()['generation'] == 1


@pytest.mark.parametrize('sent, code', [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_ended_by_a_signal_and_resumed(renewd, pebble, ca_proxy, sent, code):
    """SIGTERM and SIGINT end it soon, with their own exit status; the order stays."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.hold_answer('/finalize-order')
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    process.send_signal(sent)
    ended = process.wait(timeout=10)
    assert ended == code
    ca_proxy.release()
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


def test_two_at_once(renewd, pebble, ca_proxy):
    """Another renewd is at work on it: --no-wait answers 6 at once; without it the command waits. One order."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.hold_answer('/certZ')
    first = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    renewd.run('renew', '--no-wait', expect=6)
    second = renewd.start('renew')
    ca_proxy.release()
    assert second.wait(timeout=60) == 0
    assert first.wait(timeout=60) in (0, 3)
    assert pebble.issued() == 1 and pebble.orders() == 1


@pytest.mark.parametrize('words', [['renew', NAME, '--force'], ['renew', NAME, '--dry-run'], ['pause', NAME]])
def test_a_command_says_at_once_whom_it_waits_for(renewd, pebble, words):
    """On a terminal: that another renewd is at work on the certificate, and which process it is. Then it goes on."""
    renewd.configure(certificate(), ca=f'staging = "{pebble.url}"')
    renewd.run('renew', expect=0)
    terminal, other_end = pty.openpty()
    with (renewd.live().parent / '.lock').open('r+') as lock:
        lock.write(f'{os.getpid():10}\n')
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen([str(renewd.binary), *words, '--config', str(renewd.config)], stdin=subprocess.DEVNULL,
                                   stdout=other_end, stderr=other_end, env=ENVIRONMENT)
        os.close(other_end)
        shown = ''
        while f'is locked by process {os.getpid()}' not in shown:
            assert select.select([terminal], [], [], 10)[0], f'it says nothing: {shown}'
            shown += os.read(terminal, 65536).decode()
        assert f'{NAME}  waiting for another' in shown
    with contextlib.suppress(OSError):  # EIO: the end
        while os.read(terminal, 65536):
            pass
    os.close(terminal)
    assert process.wait(timeout=20) == 0


def test_lost_record_is_put_together_again(renewd, pebble, nginx):
    """Both copies of the record are gone, or no JSON: it is rebuilt from the generations; nothing is ordered."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    folder = renewd.live().parent
    for content in (None, '{"torn'):
        for record in folder.glob('record.json*'):
            if content is None:
                record.unlink()
            else:
                record.write_text(content)
        renewd.run('run', '--once', expect=0)
        seen = renewd.certificate()
        assert seen['generation'] == 1 and seen['state'] == 'ok'
    assert pebble.orders() == 1


def test_record_of_a_newer_version_is_refused(renewd, pebble):
    """Written by a later renewd: exit 7, and it is not touched."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    for record in renewd.live().parent.glob('record.json*'):
        text = json.loads(record.read_text())
        text['version'] = 99
        record.write_text(json.dumps(text))
    before = {path: path.read_bytes() for path in renewd.live().parent.glob('record.json*')}
    outcome = renewd.run('renew', NAME, '--force', expect=7)
    assert 'state/newer-version' in outcome.text or 'newer' in outcome.text
    assert before == {path: path.read_bytes() for path in renewd.live().parent.glob('record.json*')}
    assert pebble.orders() == 1


@pytest.mark.parametrize('words', [['renew', NAME, '--force'], ['revoke', NAME], ['revoke', NAME, '--now'], ['replace', NAME, '--reason', 'superseded']])
def test_order_of_a_newer_version_is_refused(renewd, pebble, words):
    """An open order of a later renewd: exit 7 with its place, it is not touched, and nothing is ordered or revoked."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    folder = renewd.live().parent / 'next-test'
    folder.mkdir()
    order = folder / 'order.json'
    order.write_text('{"version": 99, "digest": "", "order": {}}')
    outcome = renewd.run(*words, expect=7)
    assert f'{order}: was written by a later renewd' in outcome.text and 'use that version' in outcome.text
    assert [one.name for one in folder.iterdir()] == ['order.json'] and json.loads(order.read_text())['version'] == 99
    record = json.loads((renewd.live().parent / 'record.json').read_text())['record']
    assert record['revocations'] == [] and pebble.orders() == 1


def test_too_little_space_starts_no_order(renewd, pebble):
    """Less free than min_free: exit 7, said so, nothing asked of the CA."""
    renewd.configure(certificate(), agent='min_free = "1000000GiB"')
    outcome = renewd.run('renew', expect=7)
    assert 'free' in outcome.text and pebble.orders() == 0


def test_killed_while_the_other_certificates_go_on(renewd, pebble, ca_proxy):
    """Three certificates, killed at the first finalize: in the end each was issued once."""
    names = ['a.example.test', 'b.example.test', 'c.example.test']
    renewd.ca_url = ca_proxy.url
    renewd.configure(*(certificate(name=name) for name in names))
    ca_proxy.hold_answer('/finalize-order')
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    wait_until(lambda: pebble.orders() == 3, 'the others to be ordered', 20)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    renewd.run('renew', expect=0)
    assert pebble.issued() == 3
    assert [renewd.certificate(name)['generation'] for name in names] == [1, 1, 1]
