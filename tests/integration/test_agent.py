# SPDX-License-Identifier: Apache-2.0
"""The agent itself, `renewd run`: what it does while nobody watches, and how it takes a stop, a reload, a word from the shell, a rival."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from processes import ENVIRONMENT, children_of, wait_until
from renewd import NAME, certificate, nginx_target
from tls import leaf_of, served


class Agent:
    """`renewd run`, its log in a file."""

    def __init__(self, renewd, *arguments, environment=None):
        self.log_file = renewd.directory / f'agent-{time.monotonic_ns()}.log'
        with self.log_file.open('wb') as log:
            self.process = subprocess.Popen([str(renewd.binary), 'run', *arguments, '--config', str(renewd.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env={**ENVIRONMENT, **(environment or {})})

    @property
    def log(self):
        return self.log_file.read_text()

    @property
    def ticks(self):
        """Processor time it has used, in ticks of 10 ms."""
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rpartition(')')[2].split()
        return int(fields[11]) + int(fields[12])

    def wait_for(self, text, seconds=20):
        wait_until(lambda: text in self.log, f'"{text}" in the log', seconds)

    def hang_up(self):
        os.kill(self.process.pid, signal.SIGHUP)

    def stop(self, number=signal.SIGTERM, seconds=15):
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(timeout=seconds)


@pytest.fixture(name='start_agent')
def fixture_start_agent(request, open_for_test):
    def start(*arguments, renewd=None, **options):
        agent = Agent(renewd or request.getfixturevalue('renewd'), *arguments, **options)
        return open_for_test(agent, lambda: agent.stop(signal.SIGKILL))
    return start


def wait_for_state(renewd, state, name=NAME, seconds=30):
    wait_until(lambda: name in [one['name'] for one in renewd.status()['certificates']]
               and renewd.certificate(name)['state'] == state, f'{name} to be {state}', seconds)


def test_from_nothing_to_served_and_then_asleep(renewd, nginx, start_agent):
    """Without a command; then no processor time at all while nothing is due; `status` knows that it runs; SIGTERM ends it at once."""
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    said = renewd.status()['agent']
    assert said['running'] and said['since'] and said['config'] == 'ok'
    before = agent.ticks
    time.sleep(2)
    assert agent.ticks - before <= 1
    assert agent.stop(seconds=5) == -signal.SIGTERM
    assert not renewd.status()['agent']['running']
    assert 'ended by SIGTERM' in agent.log


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stop_in_the_middle_of_an_order_is_gone_on_with(make_pebble, make_renewd, nginx, start_agent, number):
    """Whatever ends it while the CA validates: the next start finishes the same order. One certificate at the CA."""
    pebble = make_pebble(environment={'PEBBLE_VA_NOSLEEP': '0', 'PEBBLE_VA_SLEEPTIME': '3'})
    renewd = make_renewd(pebble)
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent(renewd=renewd)
    wait_until(lambda: (renewd.state / 'certificates' / NAME / 'next-test' / 'order.json').exists(), 'the order to be begun')
    time.sleep(0.5)
    agent.stop(number)
    start_agent(renewd=renewd)
    wait_for_state(renewd, 'ok')
    assert pebble.issued() == 1
    assert renewd.certificate()['generation'] == 1


def test_a_ca_that_was_away_is_gone_on_with_by_itself(make_pebble, make_renewd, nginx, start_agent):
    """Stopped just as a renewal is due, and back without anything it knew: what is there goes on being served, and nobody but the agent asks
    again, one step of its backoff later."""
    pebble = make_pebble()
    renewd = make_renewd(pebble)
    renewd.configure(certificate(nginx_target(nginx), key_type='ecdsa-p256'))
    agent = start_agent(renewd=renewd)
    wait_for_state(renewd, 'ok')
    before = served(nginx.port, NAME)
    pebble.stop()
    renewd.configure(certificate(nginx_target(nginx), key_type='ecdsa-p384'))
    agent.hang_up()
    agent.wait_for('could not be reached')
    assert renewd.certificate()['last_error']['code'] == 'ca/unreachable'
    assert served(nginx.port, NAME).sha256 == before.sha256
    pebble.start()
    wait_until(lambda: renewd.certificate()['generation'] == 2, 'the agent to ask again', 100)
    wait_for_state(renewd, 'ok')
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != before.sha256
    assert (pebble.orders(), pebble.issued()) == (2, 2)


def test_a_changed_configuration_is_taken_on_sighup(renewd, make_nginx, start_agent):
    """A certificate that is added is issued and served; one that is gone is `removed`, and kept."""
    first, second = make_nginx('one'), make_nginx('two', name='shop.example.test')
    renewd.configure(certificate(nginx_target(first)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    renewd.configure(certificate(nginx_target(second), name='shop.example.test'))
    agent.hang_up()
    wait_for_state(renewd, 'ok', 'shop.example.test')
    assert renewd.certificate(NAME)['state'] == 'removed'
    assert renewd.live(NAME).exists()


def test_a_reload_of_unchanged_files_tries_again_what_a_person_may_have_mended(renewd, nginx, start_agent):
    """A config test that failed is tried again at once on SIGHUP, although no file of the configuration is another."""
    broken = renewd.directory / 'broken'
    broken.touch()
    test = ['/bin/sh', '-c', f'test ! -e {broken}']
    renewd.configure(certificate(nginx_target(nginx, test=test)))
    agent = start_agent()
    wait_until(lambda: (renewd.state / 'certificates' / NAME).exists() and renewd.target('web')['failures'] > 0, 'a failure')
    broken.unlink()
    agent.hang_up()
    wait_for_state(renewd, 'ok', seconds=15)  # by itself it would have come back after 22 s, at the earliest


def test_a_broken_configuration_never_stops_renewals(renewd, nginx, start_agent):
    """On reload the one before stays in force; on a start the last accepted one is used; log and status say so, and why."""
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    good = renewd.config.read_text()
    renewd.write(good.replace('agree_tos', 'agree_toss'))
    agent.hang_up()
    agent.wait_for('the one before stays in force')
    assert 'did you mean "agree_tos"?' in agent.log
    told = renewd.run('status', '--json', expect=2)
    assert json.loads(told.out)['agent']['config'] == 'last_accepted'
    assert json.loads(told.out)['agent']['config_accepted_at'] <= json.loads(told.out)['generated_at']
    assert json.loads(told.out)['certificates'][0]['state'] == 'ok'
    assert re.search(r'the configuration is not in force: .*; the one of .* UTC is$', renewd.run('status', expect=2).out, re.M)
    agent.stop()
    assert re.search(r'; the one of .* UTC is$', renewd.run('status', expect=2).out, re.M), 'it is known without the agent, too'

    again = start_agent()
    again.wait_for('stays in force')
    renewd.run('renew', NAME, '--force', expect=2)  # nobody orders by hand what the files may not mean
    wait_until(lambda: renewd.run('status', '--json').code == 2, 'a status')
    renewd.write(good)
    again.hang_up()
    again.wait_for('the configuration was read again')
    wait_until(lambda: renewd.status()['agent']['config'] == 'ok', 'the configuration to be in force')


def test_a_timer_goes_on_with_what_it_had_accepted(renewd, pebble, nginx):
    """Without an agent: `run --once` keeps what it works by, so that a file which is broken later stops nothing; and says so."""
    renewd.configure(certificate())
    renewd.run('run', '--once', expect=0)
    accepted = renewd.state / 'accepted.toml'
    first = accepted.stat()
    renewd.run('run', '--once', expect=0)
    assert accepted.stat().st_ino == first.st_ino, 'it is written only when it differs'
    flag = renewd.directory / 'broken'
    flag.touch()
    renewd.configure(certificate(nginx_target(nginx, test=['/bin/sh', '-c', f'test ! -e {flag}'])))
    renewd.run('run', '--once', expect=4)
    renewd.write(renewd.config.read_text().replace('agree_tos', 'agree_toss'))
    flag.unlink()
    outcome = renewd.run('run', '--once', expect=0)
    assert 'did you mean "agree_tos"?' in outcome.err and 'stays in force' in outcome.err
    assert renewd.target('web')['serving'] == 1, 'by the configuration that was accepted last, which has a target'
    assert pebble.orders() == 1
    renewd.run('status', expect=2)


def test_a_lost_copy_of_the_configuration_is_made_again(renewd, nginx, start_agent):
    """By a start with files that were known already, and by a reload of them."""
    renewd.configure(certificate(nginx_target(nginx)))
    accepted = renewd.state / 'accepted.toml'
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    accepted.unlink()
    agent.hang_up()
    wait_until(accepted.exists, 'the copy')
    agent.stop()
    accepted.write_text('torn')
    agent = start_agent()
    agent.wait_for('looks after 1 certificate')
    assert str(renewd.webroot) in accepted.read_text()


def test_a_renewal_by_hand_while_it_runs(renewd, pebble, nginx, start_agent):
    """The shell does the work there and then, under the certificate's lock; the agent takes notice, and does none of it again."""
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    done = renewd.run('renew', NAME, '--force', expect=0)
    assert 'served by 1/1' in done.out
    assert renewd.certificate()['generation'] == 2
    time.sleep(1)
    assert pebble.issued() == 2
    assert agent.process.poll() is None


def test_what_is_broken_by_hand_is_repaired_by_the_agent(renewd, nginx, start_agent):
    """A deployment that fails under a command is tried again by the agent, which hears of it at once."""
    flag = nginx.directory / 'broken'
    test = nginx.script('test', f'[ ! -e {flag} ] || exit 1; exec $NGINX -t')
    renewd.configure(certificate(nginx_target(nginx, test=test)))
    start_agent()
    wait_for_state(renewd, 'ok')
    flag.write_text('')
    renewd.run('renew', NAME, '--force', expect=4)
    flag.unlink()
    wait_for_state(renewd, 'ok', seconds=50)
    assert renewd.certificate()['generation'] == 2


def test_status_asks_the_agent_that_runs(renewd, start_agent):
    """Its note may be an old one (a disk that was full when it was to be written), or gone: what it says itself is what counts."""
    renewd.configure(certificate())
    start_agent().wait_for('looks after 1 certificate')
    before = renewd.status()['agent']
    assert before['running'] and before['config'] == 'ok'
    note = renewd.state / 'agent.json'
    note.write_text(json.dumps({**json.loads(note.read_text()), 'config_error': 'renewd.toml:3:1: long since mended'}))
    assert renewd.status()['agent'] == before
    note.unlink()
    assert renewd.status()['agent'] == before


def test_two_agents_on_one_state_directory_do_no_harm(renewd, pebble, nginx, start_agent):
    """The second waits for as long as it is told to, says who is there, and leaves with 6."""
    renewd.configure(certificate(nginx_target(nginx)))
    first = start_agent()
    wait_for_state(renewd, 'ok')
    second = start_agent('--no-wait')
    assert second.process.wait(timeout=10) == 6
    assert 'another agent runs in this state directory' in second.log and str(first.process.pid) in second.log
    third = start_agent('--wait', '30s')
    time.sleep(0.5)
    first.stop()
    third.wait_for('looks after 1 certificate')
    assert pebble.issued() == 1


def test_the_index_spares_a_start_the_records(renewd, nginx, start_agent):
    """After a clean stop a start opens no record; what a command changed meanwhile is looked into; a lost index costs nothing but that."""
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    agent.stop()
    record = renewd.state / 'certificates' / NAME / 'record.json'

    def opens_the_record():
        log = renewd.directory / 'strace.log'
        traced = subprocess.Popen(['strace', '-f', '-qq', '-o', str(log), '-e', 'trace=openat', str(renewd.binary), 'run',
                                   '--config', str(renewd.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        wait_until(lambda: 'agent.json' in log.read_text() if log.exists() else False, 'the agent to run')
        time.sleep(0.7)
        for pid in children_of(traced.pid):
            os.kill(pid, signal.SIGTERM)
        traced.wait(timeout=15)
        return str(record) in log.read_text()

    assert not opens_the_record()
    renewd.run('deploy', NAME, expect=0)
    assert opens_the_record()
    assert not opens_the_record()
    (renewd.state / 'index').write_bytes(b'renewd index 1\nnonsense\n')
    assert opens_the_record()


def test_the_service_manager_is_told(renewd, nginx, start_agent, place, open_for_test):
    """READY once it works, RELOADING and READY around a reload, the watchdog fed while the loop turns, STOPPING at the end."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    open_for_test(listener, listener.close)
    listener.bind(str(place / 'notify'))
    listener.settimeout(10)
    renewd.configure(certificate(nginx_target(nginx)))
    agent = start_agent(environment={'NOTIFY_SOCKET': str(place / 'notify'), 'WATCHDOG_USEC': '400000'})
    heard = []

    def wait_for(word):
        while not any(message.startswith(word) for message in heard):
            heard.append(listener.recv(4096).decode())

    wait_for('READY=1')
    wait_for('WATCHDOG=1')
    heard.clear()
    agent.hang_up()
    wait_for('RELOADING=1\nMONOTONIC_USEC=')
    wait_for('READY=1')
    heard.clear()
    began = time.monotonic()
    for _ in range(5):
        heard.clear()
        wait_for('WATCHDOG=1')
    assert time.monotonic() - began < 5
    os.kill(agent.process.pid, signal.SIGTERM)
    wait_for('STOPPING=1')


def test_one_certificate_in_trouble_does_not_hold_up_another(renewd, pebble, make_nginx, start_agent):
    """A target whose config test hangs keeps its own certificate busy, and nobody else's."""
    stuck, well = make_nginx('one'), make_nginx('two', name='shop.example.test')
    hanging = stuck.script('test', 'sleep 20')
    renewd.configure(certificate(nginx_target(stuck, test=hanging)), certificate(nginx_target(well), name='shop.example.test'))
    agent = start_agent()
    wait_for_state(renewd, 'ok', 'shop.example.test', seconds=15)
    assert renewd.certificate(NAME)['state'] != 'ok'
    assert agent.stop(seconds=15) == -signal.SIGTERM
    assert pebble.issued() == 2


def test_the_disk_is_full_and_then_it_is_not(renewd, nginx, start_agent):
    """Without room for the state no order is begun, and the agent says so and stays; it goes on by itself."""
    renewd.configure(certificate(nginx_target(nginx)), agent='min_free = "900000GiB"')
    agent = start_agent()
    agent.wait_for('no order is started')
    assert agent.process.poll() is None
    renewd.configure(certificate(nginx_target(nginx)))
    agent.hang_up()
    wait_for_state(renewd, 'ok')
    assert served(nginx.port, NAME) == leaf_of(renewd.live() / 'fullchain.pem')


class HangingProgram:
    """Does not come to an end before it is let go, and keeps a log of when it ran."""

    def __init__(self, place):
        self._log, self._gate = place / 'ran', place / 'gate'
        self.argv = [str(place / 'hanging')]
        script = place / 'hanging'
        script.write_text(f'#!/bin/sh\necho begin >>{self._log}\nwhile [ ! -e {self._gate} ]; do sleep 0.1; done\necho end >>{self._log}\n')
        script.chmod(0o755)

    @property
    def log(self):
        return self._log.read_text().split() if self._log.exists() else []

    def let_go(self):
        self._gate.touch()


def files_certificate(place, name, reload, hooks=''):
    """A certificate whose files lie in `place`, and which needs this reload."""
    return (f'[certificate."{name}"]\n{hooks}  [[certificate."{name}".target]]\n  name = "files"\n  deployer = "files"\n  endpoints = []\n'
            f'  fullchain = "{place}/{name}.crt"\n  key = "{place}/{name}.key"\n  reload = {json.dumps(reload)}\n')


@pytest.mark.parametrize('how', ['agent', 'once'])
def test_a_service_that_hangs_takes_a_share_of_the_hands(renewd, nginx, start_agent, place, how):
    """Two hands, three certificates of one service whose reload hangs, and one elsewhere, which is issued and served meanwhile. Then the
    three come to their turn, one reload at a time."""
    hanging = HangingProgram(place)
    stuck = [f'{letter}.example.test' for letter in 'abc']
    renewd.configure(*(files_certificate(place, name, hanging.argv) for name in stuck), certificate(nginx_target(nginx)), agent='jobs = 2')
    if how == 'agent':
        start_agent()
    else:
        once = renewd.start('run', '--once')
    wait_for_state(renewd, 'ok')
    wait_until(lambda: hanging.log, 'the reload to begin')
    assert hanging.log == ['begin']
    assert all(renewd.target('files', name)['state'] != 'unverified' for name in stuck)
    hanging.let_go()
    for name in stuck:
        wait_until(lambda name=name: renewd.target('files', name)['state'] == 'unverified', f'{name} to be deployed')
    assert hanging.log == ['begin', 'end'] * 3
    assert renewd.pebble.issued() == 4
    if how == 'once':
        assert once.wait(timeout=20) == 0


@pytest.mark.parametrize('event', ['before_renew', 'before_deploy', 'deployed'])
def test_hooks_that_hang_take_a_share_of_the_hands(renewd, nginx, start_agent, place, event):
    """Four hands, five certificates whose hook hangs, and one without, at the same CA and the same service, which is issued and served
    meanwhile. Then each of the five has its hook run, once."""
    hanging = HangingProgram(place)
    stuck = [f'{letter}.example.test' for letter in 'abcde']
    hooks = f'hooks = {{ {event} = {json.dumps(hanging.argv)} }}\n'
    reload = nginx.script('reload', '$NGINX -s reload || true')
    renewd.configure(*(files_certificate(place, name, reload, hooks) for name in stuck), certificate(nginx_target(nginx, reload=reload)),
                     agent='jobs = 4')
    start_agent()
    wait_until(lambda: len(hanging.log) == 2, 'two hooks to begin')
    wait_for_state(renewd, 'ok')
    assert hanging.log == ['begin'] * 2
    hanging.let_go()
    for name in stuck:
        wait_until(lambda name=name: renewd.target('files', name)['state'] == 'unverified', f'{name} to be deployed')
    wait_until(lambda: hanging.log.count('end') == 5, 'all hooks to end')
    assert hanging.log.count('begin') == 5
    assert renewd.pebble.issued() == 6


def test_a_pass_that_waits_for_a_turn_does_nothing_twice(renewd, place):
    """Two certificates of one service, each with another target whose reload fails: it fails as often for the one that waited."""
    hanging = HangingProgram(place)
    failing = []
    parts = []
    for name in ('a.example.test', 'b.example.test'):
        script = place / f'fail-{name}'
        script.write_text(f'#!/bin/sh\necho tried >>{script}.log\nexit 1\n')
        script.chmod(0o755)
        failing.append(place / f'fail-{name}.log')
        parts.append(files_certificate(place, name, hanging.argv) +
                     f'  [[certificate."{name}".target]]\n  name = "other"\n  deployer = "files"\n  endpoints = []\n'
                     f'  fullchain = "{place}/other-{name}.crt"\n  key = "{place}/other-{name}.key"\n  reload = ["{script}"]\n')
    renewd.configure(*parts)
    once = renewd.start('run', '--once')
    wait_until(lambda: hanging.log and all(log.exists() for log in failing), 'all to be tried')
    hanging.let_go()
    assert once.wait(timeout=30) == 5  # installed, and not reloaded
    assert hanging.log == ['begin', 'end'] * 2
    first, second = (log.read_text() for log in failing)
    assert first == second
    assert renewd.pebble.issued() == 2


def test_descriptors_are_few_stay_few_and_may_run_out(renewd, nginx, start_agent):
    """With room for 64 of them two hundred reloads leave none behind, each with a look at the endpoint; with room for none it says so and
    stays, and goes on by itself."""
    renewd.configure(certificate(nginx_target(nginx)), agent='verify_every = "1s"')
    agent = start_agent()
    wait_for_state(renewd, 'ok')
    descriptors = pathlib.Path(f'/proc/{agent.process.pid}/fd')

    def limit(number):
        subprocess.run(['prlimit', '--pid', str(agent.process.pid), f'--nofile={number}:1024'], check=True)

    def reloads(count):
        before = agent.log.count('the configuration was read again')
        for done in range(before, before + count):
            agent.hang_up()
            wait_until(lambda done=done: agent.log.count('the configuration was read again') > done, 'the reload')

    limit(64)
    reloads(5)
    few = len(list(descriptors.iterdir()))
    reloads(200)
    wait_until(lambda: len(list(descriptors.iterdir())) <= few, 'all descriptors to be closed')
    limit(1)
    agent.hang_up()
    agent.wait_for('Too many open files')
    assert agent.process.poll() is None
    limit(64)
    reloads(1)
    renewd.run('renew', NAME, '--force', expect=0)
    wait_for_state(renewd, 'ok')
    assert renewd.certificate()['generation'] == 2 and renewd.certificate()['last_error'] is None
