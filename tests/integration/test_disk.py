# SPDX-License-Identifier: Apache-2.0
"""Disks that fill up, run out of inodes, or cannot be written any more: no certificate is lost, and none is ordered twice."""
import collections
import errno
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from processes import ENVIRONMENT, run, wait_until
from renewd import NAME, certificate, nginx_target
from test_agent import fixture_start_agent, wait_for_state  # noqa: F401 (a fixture)
from test_metrics import value
from tls import is_pair


@pytest.fixture(name='small_disk')
def fixture_small_disk(renewd, open_for_test):
    """renewd's state on a file system of its own: small_disk('size=4m')."""
    def make(options):
        renewd.state.mkdir()
        run('mount', '-t', 'tmpfs', '-o', f'{options},mode=0700', 'renewd-test', renewd.state)
        open_for_test(renewd.state, lambda: run('umount', '-l', renewd.state))
    return make


@pytest.fixture(name='read_only')
def fixture_read_only(renewd, open_for_test):
    """The state is read-only from now on, until read_only.remount('rw')."""
    class Mount:
        @staticmethod
        def remount(mode):
            run('mount', '-o', f'remount,{mode},bind', renewd.state)

        def begin(self):
            run('mount', '--bind', renewd.state, renewd.state)
            open_for_test(renewd.state, lambda: run('umount', '-l', renewd.state))
            self.remount('ro')
    return Mount()


def fill_with_bytes(directory):
    """Leaves not one block."""
    with (directory / 'filler').open('wb', buffering=0) as filler:
        for size in (65536, 4096, 512):
            try:
                while True:
                    filler.write(b'x' * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC


def fill_with_files(directory):
    """Leaves not one inode."""
    (directory / 'filler').mkdir()
    with pytest.raises(OSError, match='No space'):
        for number in range(100000):
            (directory / 'filler' / str(number)).touch()


def make_room(directory):
    run('rm', '-rf', directory / 'filler')


@pytest.mark.parametrize('options, fill', [('size=4m', fill_with_bytes), ('size=4m,nr_inodes=200', fill_with_files)],
                         ids=['bytes', 'inodes'])
def test_disk_fills_up_while_the_ca_is_at_work(renewd, pebble, ca_proxy, small_disk, options, fill):
    """Room was taken before the order was placed: the certificate is written although nothing else could be."""
    small_disk(options)
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(), agent='min_free = "1MiB"')
    ca_proxy.on('^/certZ', delay=3)
    process = renewd.start('renew')
    wait_until(lambda: ca_proxy.requests('^/certZ'), 'the download', 20)
    fill(renewd.state)
    said = process.communicate(timeout=60)[0]
    assert is_pair(renewd.live() / 'fullchain.pem', renewd.live() / 'privkey.pem'), said
    assert renewd.certificate()['generation'] == 1
    make_room(renewd.state)
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


@pytest.mark.parametrize('options, fill', [('size=4m', fill_with_bytes), ('size=4m,nr_inodes=200', fill_with_files)],
                         ids=['bytes', 'inodes'])
def test_killed_and_resumed_on_a_full_disk(renewd, pebble, ca_proxy, small_disk, options, fill):
    """kill -9 before the download, then the disk fills up: the certificate is fetched into the room that its order has."""
    small_disk(options)
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate(), agent='min_free = "1MiB"')
    ca_proxy.hold_answer('/certZ')
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    ca_proxy.release()
    fill(renewd.state)
    outcome = renewd.run('renew')
    assert is_pair(renewd.live() / 'fullchain.pem', renewd.live() / 'privkey.pem'), str(outcome)
    assert renewd.certificate()['generation'] == 1
    make_room(renewd.state)
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


@pytest.mark.parametrize('options, fill', [('size=4m', fill_with_bytes), ('size=4m,nr_inodes=200', fill_with_files)],
                         ids=['bytes', 'inodes'])
def test_no_room_no_order(renewd, pebble, small_disk, options, fill):
    """Where room cannot be taken nothing is asked of the CA but an account, exit 7 says why, and it goes on by itself."""
    small_disk(options)
    renewd.configure(certificate(), agent='min_free = "1KiB"')
    renewd.run('account', 'register', 'test', expect=0)
    renewd.run('status')
    fill(renewd.state)
    outcome = renewd.run('renew', expect=7)
    assert 'No space left' in outcome.text or 'free' in outcome.text, str(outcome)
    assert pebble.orders() == 0
    make_room(renewd.state)
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


def test_too_little_room_is_told_by_all(renewd):
    """status, verify and why: each with what is missing, and as what it is."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    renewd.configure(certificate(), agent='min_free = "900000GiB"')
    assert 'KiB free' in json.loads(renewd.run('status', '--json', expect=7).out)['store']['message']
    assert 'KiB free' in renewd.run('verify', expect=7).err
    obstacle, = json.loads(renewd.run('why', NAME, '--json', expect=0).out)['obstacles']
    assert obstacle['error']['code'] == 'state/no-space' and obstacle['do'] == 'free some space there'


def test_state_that_cannot_be_written(renewd, pebble, read_only):
    """Read-only: exit 7 and no order; status still says what there is, and that nothing will come of it."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    assert renewd.status()['store']['ok']
    read_only.begin()
    outcome = renewd.run('renew', NAME, '--force', expect=7)
    assert 'Read-only file system' in outcome.text, str(outcome)
    assert renewd.certificate()['generation'] == 1
    assert pebble.orders() == 1
    told = renewd.run('status', expect=7).out
    assert f'cannot write in {renewd.state}: Read-only file system' in told and 'all well' not in told
    store = json.loads(renewd.run('status', '--json', expect=7).out)['store']
    assert store['ok'] is False and 'Nothing is renewed or deployed' in store['message'] and store['free_bytes'] > 0
    obstacle, = json.loads(renewd.run('why', NAME, '--json', expect=0).out)['obstacles']
    assert obstacle['error']['code'] == 'state/unwritable' and 'writable' in obstacle['do']
    assert 'Read-only file system' in renewd.run('check', expect=3).text
    read_only.remount('rw')
    assert renewd.status()['store']['ok']


def test_no_inodes_are_told_while_there_are_bytes(renewd, small_disk):
    """Nothing can be renewed, and nobody can note that: status and why find it out by themselves."""
    small_disk('size=16m,nr_inodes=200')
    renewd.configure(certificate(), agent='min_free = "1KiB"')
    renewd.run('renew', expect=0)
    assert renewd.status()['store']['ok']
    fill_with_files(renewd.state)
    told = renewd.run('status', expect=7).out
    assert 'no room for more than 0 files' in told and 'all well' not in told
    obstacle, = json.loads(renewd.run('why', NAME, '--json', expect=0).out)['obstacles']
    assert obstacle['error']['code'] == 'state/no-space' and 'df -i' in obstacle['do']
    make_room(renewd.state)
    assert renewd.run('status').code == 0


def test_a_pass_that_the_state_has_ended_is_none_in_the_metrics(renewd, read_only):
    """A timer's passes end with 7, and a monitor sees that they come to nothing."""
    metrics = renewd.directory / 'renewd.prom'
    renewd.configure(certificate(), agent=f'metrics_file = "{metrics}"')
    renewd.run('account', 'register', 'test', expect=0)
    read_only.begin()
    renewd.run('run', '--once', expect=7)
    assert value(metrics, 'renewd_store_ok') == 0 and value(metrics, 'renewd_last_pass_seconds') is None
    read_only.remount('rw')
    renewd.run('run', '--once', expect=0)
    assert value(metrics, 'renewd_store_ok') == 1 and value(metrics, 'renewd_last_pass_seconds') > 0


def test_the_agent_tells_when_its_state_cannot_be_written_any_more(renewd, nginx, read_only, start_agent):
    """Read-only under its hands: metrics say so as soon as it is found out, the agent stays, and goes on."""
    metrics = renewd.directory / 'renewd.prom'
    broken = renewd.directory / 'broken'
    broken.touch()
    target = nginx_target(nginx, test=['/bin/sh', '-c', f'test ! -e {broken}'])
    renewd.configure(certificate(target), agent=f'metrics_file = "{metrics}"')
    agent = start_agent()
    wait_until(lambda: metrics.exists() and value(metrics, 'renewd_attempts_total', step='deploy', result='failed'), 'a failure', 30)
    assert value(metrics, 'renewd_store_ok') == 1
    read_only.begin()
    agent.hang_up()  # tries the deployment again at once
    wait_until(lambda: value(metrics, 'renewd_store_ok') == 0, 'the metric to say so', 30)
    agent.wait_for('Read-only file system')
    broken.unlink()
    read_only.remount('rw')
    agent.hang_up()
    wait_for_state(renewd, 'ok')
    wait_until(lambda: value(metrics, 'renewd_store_ok') == 1, 'the metric to say so', 30)


@pytest.mark.parametrize('share', [0, 0.3, 0.6, 0.9])
def test_a_disk_that_answers_with_errors_from_some_write_on(renewd, pebble, share):
    """For good: exit 7 says so, what is there stays, and the next run on a disk that is well ends with one certificate of one order."""
    log = renewd.directory / 'strace.log'
    strace = ['strace', '-f', '-qq', '-o', str(log), '-e', 'trace=fsync']
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    renewd.wrapper = strace
    renewd.run('renew', NAME, '--force', expect=0)
    most = collections.Counter(re.findall(r'^(\d+) +fsync\(', log.read_text(), re.M)).most_common(1)[0][1]
    renewd.wrapper = [*strace, '-e', f'inject=fsync:error=EIO:when={int(most * share) + 1}+']
    outcome = renewd.run('renew', NAME, '--force', expect=7)
    renewd.wrapper = []
    assert 'Input/output error' in outcome.text, str(outcome)
    assert is_pair(renewd.live() / 'fullchain.pem', renewd.live() / 'privkey.pem')
    if share == 0:
        assert pebble.orders() == 2, 'nothing is ordered'
        renewd.run('renew', NAME, '--force', expect=0)
    renewd.run('renew', expect=0)
    assert (pebble.orders(), pebble.issued()) == (3, 3)
    assert renewd.certificate()['generation'] == 3
    assert renewd.status()['store']['ok']


def is_traced(pid, tracer):
    """Every thread of it."""
    try:
        return all(f'TracerPid:\t{tracer}\n' in (task / 'status').read_text() for task in pathlib.Path(f'/proc/{pid}/task').iterdir())
    except OSError:  # one has just ended
        return False


@pytest.fixture(name='sync_errors')
def fixture_sync_errors(open_for_test):
    """From now on nothing that this process syncs is written, until what is given here is terminated."""
    def begin(pid):
        strace = subprocess.Popen(['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', '-e', 'inject=fsync:error=EIO', '-p', str(pid)], env=ENVIRONMENT)
        open_for_test(strace, strace.kill)
        wait_until(lambda: is_traced(pid, strace.pid), 'strace to have attached')
        return strace
    return begin


def test_the_agent_tells_of_a_disk_that_answers_with_errors(renewd, pebble, nginx, start_agent, sync_errors):
    """For as long as it does, nothing is ordered, and log, metrics and status say why; then the agent goes on by itself."""
    metrics = renewd.directory / 'renewd.prom'
    renewd.configure(certificate(nginx_target(nginx), key_type='ecdsa-p256'), agent=f'metrics_file = "{metrics}"')
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    wait_until(lambda: metrics.exists() and value(metrics, 'renewd_store_ok') == 1, 'the metric to say so', 30)
    strace = sync_errors(agent.process.pid)
    renewd.configure(certificate(nginx_target(nginx), key_type='ecdsa-p384'), agent=f'metrics_file = "{metrics}"')
    agent.hang_up()
    agent.wait_for('Input/output error')
    wait_until(lambda: value(metrics, 'renewd_store_ok') == 0, 'the metric to say so', 30)
    told = ' '.join(renewd.run('status', expect=7).out.split())
    assert 'the running agent cannot read or write the state' in told and 'Input/output error' in told and 'all well' not in told
    assert (pebble.orders(), renewd.certificate()['generation']) == (1, 1)
    strace.terminate()
    strace.wait(timeout=10)
    wait_until(lambda: value(metrics, 'renewd_store_ok') == 1, 'the agent to have written', 90)
    wait_until(lambda: renewd.certificate()['generation'] == 2, 'the renewal', 90)
    wait_for_state(renewd, 'ok')
    assert renewd.status()['store']['ok']
    assert (pebble.orders(), pebble.issued()) == (2, 2)


def test_what_only_a_write_finds_out_is_told_by_status_while_an_agent_runs(renewd, nginx, start_agent, open_for_test):
    """One certificate's directory takes nothing any more, which nobody sees who only reads; the agent has met it."""
    broken = renewd.directory / 'broken'
    broken.touch()
    target = nginx_target(nginx, test=['/bin/sh', '-c', f'test ! -e {broken}'])
    renewd.configure(certificate(target))
    agent = start_agent()
    wait_for_state(renewd, 'failing')
    assert renewd.status()['store']['ok']
    place = renewd.state / 'certificates' / NAME
    run('mount', '--bind', place, place)
    open_for_test(place, lambda: run('umount', '-l', place))
    run('mount', '-o', 'remount,ro,bind', place)
    agent.hang_up()  # tries the deployment again at once
    wait_until(lambda: not renewd.status()['store']['ok'], 'the agent to have met it', 30)
    told = ' '.join(renewd.run('status', expect=7).out.split())
    assert 'the running agent cannot read or write the state' in told and 'Read-only file system' in told and 'all well' not in told
    assert 'Read-only file system' in renewd.run('why', NAME).out
    broken.unlink()
    run('mount', '-o', 'remount,rw,bind', place)
    agent.hang_up()
    wait_for_state(renewd, 'ok')
    wait_until(lambda: renewd.status()['store']['ok'], 'the agent to have written', 30)


def test_an_agent_that_finds_its_state_read_only_waits_for_it(renewd, nginx, read_only, start_agent, place, open_for_test):
    """It stays up and says so, to the log, the service manager and the metrics; and begins once the state can be written."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    open_for_test(listener, listener.close)
    listener.bind(str(place / 'notify'))
    listener.settimeout(20)
    metrics = renewd.directory / 'renewd.prom'
    renewd.configure(certificate(nginx_target(nginx)), agent=f'metrics_file = "{metrics}"')
    renewd.run('account', 'register', 'test', expect=0)
    read_only.begin()
    agent = start_agent(environment={'NOTIFY_SOCKET': str(place / 'notify'), 'WATCHDOG_USEC': '400000'})
    heard = listener.recv(4096).decode()
    assert 'READY=1' in heard and 'nothing is renewed or deployed' in heard and 'Read-only file system' in heard
    assert listener.recv(4096).decode() == 'WATCHDOG=1'
    agent.wait_for('Read-only file system')
    wait_until(metrics.exists, 'the metrics')
    assert value(metrics, 'renewd_store_ok') == 0 and value(metrics, 'renewd_last_pass_seconds') is None
    renewd.run('status', expect=7)
    assert agent.process.poll() is None
    read_only.remount('rw')
    agent.wait_for('the state can be written again')
    wait_for_state(renewd, 'ok')
    assert agent.stop() == -15


def test_an_agent_that_waits_for_its_state_can_be_stopped_and_sent_elsewhere(renewd, nginx, read_only, start_agent):
    """SIGHUP reads the configuration, which may name another directory; SIGTERM ends it."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('account', 'register', 'test', expect=0)
    read_only.begin()
    waiting = start_agent()
    waiting.wait_for('nothing is renewed or deployed')
    assert waiting.stop(seconds=5) == -15
    agent = start_agent()
    agent.wait_for('nothing is renewed or deployed')
    text = renewd.config.read_text()
    assert text.count(str(renewd.state)) == 1
    renewd.write(text.replace(str(renewd.state), str(renewd.directory / 'elsewhere')))
    agent.hang_up()
    wait_for_state(renewd, 'ok')


def test_damaged_record_is_told_kept_and_mended(renewd, pebble):
    """A torn record.json: status says so with exit 7; the next run mends it from the one before, keeps the torn one, and orders nothing."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    record = renewd.live().parent / 'record.json'
    record.write_text('{"torn')
    assert 'record.json is no record of renewd' in renewd.run('status', expect=7).text
    store = json.loads(renewd.run('status', '--json', expect=7).out)['store']
    assert store['ok'] is False and 'record.json is no record of renewd' in store['message']
    why = json.loads(renewd.run('why', NAME, '--json', expect=0).out)
    obstacle, = why['obstacles']
    assert obstacle['error']['code'] == 'state/corrupt' and 'space' not in obstacle['do']
    renewd.run('run', '--once', expect=0)
    assert (record.parent / 'record.json.corrupt').read_text() == '{"torn'
    assert renewd.run('status').code == 0
    assert 'is no record of renewd' in renewd.run('history', NAME, expect=0).text
    assert pebble.orders() == 1


def test_damaged_order_waits_for_a_person(renewd, pebble, ca_proxy):
    """The key of an open order is another one: nothing is ordered, exit 3 says what to decide; done as told, it goes on."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.refuse('^/finalize-order', 503, 'serverInternal', times=None)
    renewd.run('renew', expect=3)
    ca_proxy.heal()
    folder = renewd.state / 'certificates' / NAME / 'next-test'
    (folder / 'privkey.pem').write_text('torn')
    outcome = renewd.run('renew', NAME, '--force', expect=3)
    assert 'privkey.pem is not what was written' in outcome.text and f'rm -r {folder}' in outcome.text
    assert pebble.orders() == 1
    run('rm', '-r', folder)
    renewd.run('renew', NAME, '--force', expect=0)
    assert pebble.orders() == 2 and pebble.issued() == 1


def test_lost_account_is_not_replaced(renewd, pebble):
    """The accounts are gone, the certificates are there: nothing is registered or ordered until a person says so."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    run('rm', '-r', renewd.state / 'accounts')
    outcome = renewd.run('renew', NAME, '--force')
    assert outcome.code == 3 and 'is gone' in outcome.text and 'account register test --new' in outcome.text, str(outcome)
    assert pebble.orders() == pebble.accounts() == 1
    renewd.run('account', 'register', 'test', '--new', expect=0)
    renewd.run('renew', NAME, '--force', expect=0)
    assert pebble.accounts() == 2 and pebble.issued() == 2


def test_order_whose_url_was_lost_is_found_in_the_account(renewd, pebble, ca_proxy):
    """The answer to newOrder never came: the next run finds the order in the account's list, and goes on with it."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.hold_answer('/order-plz')
    process = renewd.start('renew')
    assert ca_proxy.held.wait(20)
    os.killpg(process.pid, 9)
    process.wait(timeout=10)
    ca_proxy.release()
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


def test_order_that_is_lost_after_another_was_given_up_is_found(renewd, pebble, ca_proxy):
    """The same where the CA has refused an order before, whose URL was known and has been forgotten."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.refuse('^/finalize-order/', 400, 'badCSR', 'not this one')
    renewd.run('renew', expect=3)
    ca_proxy.hold_answer('/order-plz')
    process = renewd.start('renew', NAME)
    assert ca_proxy.held.wait(20)
    os.killpg(process.pid, 9)
    process.wait(timeout=10)
    ca_proxy.release()
    renewd.run('renew', NAME, expect=0)
    assert (pebble.orders(), pebble.issued()) == (2, 1)
