# SPDX-License-Identifier: Apache-2.0
"""A machine whose clock is days off, and a CA that knows the time: nothing is renewed for the clock alone, and nothing is put off."""
import datetime
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest
from caproxy import CaProxy
from processes import ENVIRONMENT, wait_until
from renewd import NAME, certificate, nginx_target
from test_agent import fixture_start_agent, wait_for_state  # noqa: F401 (a fixture)
from tls import leaf_of, served

LIFE = 30  # seconds
SHORT = {'profiles': {'default': {'description': 'a minute', 'validityPeriod': LIFE}}}
LONG = {'profiles': {'default': {'description': 'as usual', 'validityPeriod': 90 * 24 * 3600}}}


@pytest.fixture(name='make_due_in_months')
def fixture_make_due_in_months(make_pebble, make_renewd, newest_binaries, nginx):
    def make():
        renewd = make_renewd(make_pebble(binaries=newest_binaries, settings=LONG))
        renewd.configure(certificate(nginx_target(nginx)))
        renewd.run('renew', expect=0)
        return renewd
    return make


def http_date(**from_now):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**from_now)).strftime('%a, %d %b %Y %H:%M:%S GMT')


def ca_behind(proxy, pebble):
    """[ca.internal], another CA, behind a proxy, with [solver.internal] for it: each looks for challenges at a port of its own."""
    return (f'[ca.internal]\ndirectory = "{proxy.url}"\nroots = "{pebble.roots}"\nagree_tos = true\n'
            f'[solver.internal]\ntype = "http-01"\nlisten = "127.0.0.1:{pebble.http_port}"\n')


def kept(renewd):
    """What a run under a wrong clock must leave as it is."""
    leaf = leaf_of(renewd.live() / 'fullchain.pem')
    shown = renewd.certificate()
    return leaf.pem, shown['generation'], shown['state'], shown['last_error'], renewd.pebble.orders()


@pytest.mark.parametrize('days', [-3650, 3650])
def test_years_off_and_the_ca_cannot_even_say_so(renewd, pebble, off_by, days):
    """To such a clock the certificate of the CA's own HTTPS is not valid, so no Date is heard: the error names the clock, too."""
    renewd.configure(certificate())
    outcome = renewd.run('renew', environment=off_by(days), expect=3)
    assert 'is not trusted' in outcome.err and 'timedatectl' in outcome.err, outcome
    year = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=12 if days > 0 else -12)).year
    assert re.search(rf"this machine's clock shows {year}-", outcome.err), outcome
    assert pebble.orders() == 0
    renewd.run('renew', NAME, expect=0)


@pytest.mark.parametrize('knows', ['from an answer before', 'by asking first'])
def test_90_days_ahead_and_back(make_due_in_months, off_by, knows):
    """#22: no order, none of what is in place touched, exit 3 and the reason in run, renew, status and why; then all is as it was."""
    renewd = make_due_in_months()
    before = kept(renewd)
    for days in (61, 90):
        if knows == 'by asking first':
            (renewd.state / 'clock.json').unlink()
        outcome = renewd.run('run', '--once', environment=off_by(days), expect=3)
        assert 'ahead of the Date of the CA test' in outcome.err and 'timedatectl' in outcome.err
        assert renewd.pebble.orders() == 1
    for command in (['status'], ['renew', NAME], ['renew', NAME, '--force']):
        outcome = renewd.run(*command, environment=off_by(90), expect=3)
        assert '90 days ahead of' in outcome.text, outcome
    assert '90 days ahead of' in renewd.run('why', NAME, environment=off_by(90)).text
    assert renewd.pebble.orders() == 1
    assert not list((renewd.state / 'certificates' / NAME).glob('next*'))
    renewd.run('run', '--once', expect=0)
    assert kept(renewd) == before
    assert not renewd.status()['causes'] and renewd.status()['clock'] == {'ok': True, 'message': None}


def test_90_days_ahead_and_a_life_that_ends(make_pebble, make_renewd, nginx, off_by):
    """With a sixth of it left by the CA's time, a new one is ordered, deployed and seen served: what it is judged by is the CA's time, too."""
    pebble = make_pebble(validity=LIFE)
    renewd = make_renewd(pebble)
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    ends = leaf_of(renewd.live() / 'cert.pem').not_after
    renewd.run('run', '--once', environment=off_by(90), expect=3)
    assert pebble.orders() == 1
    wait_until(lambda: ends - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(seconds=LIFE / 6 - 1), 'the last sixth', seconds=LIFE)
    outcome = renewd.run('run', '--once', environment=off_by(90))
    assert pebble.orders() == pebble.issued() == 2, outcome
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256, outcome
    assert renewd.certificate()['targets'][0]['installed'] == 2, outcome


def test_work_that_nobody_does_is_told(make_due_in_months, off_by):
    """No agent, no timer, two months later: long before the last days, as one cause, by status and by why, which say that none runs."""
    renewd = make_due_in_months()
    (renewd.state / 'clock.json').unlink()  # or it would be known that it is not two months later
    for days, code, words in ((30, 5, 'should have been looked at on web 30 days ago'), (62, 3, 'should have been renewed 2 days ago')):
        outcome = renewd.run('status', '--width', '200', environment=off_by(days), expect=code)
        assert words in outcome.out and 'no agent runs' in outcome.out.splitlines()[-1], outcome
    shown = json.loads(renewd.run('status', '--json', environment=off_by(62), expect=3).out)
    cause, = shown['causes']
    assert cause['id'] == cause['code'] == 'agent/overdue' and 'renewd-once.timer' in cause['hint']
    assert shown['certificates'][0]['attention']['severity'] == 'warning'
    why = json.loads(renewd.run('why', NAME, '--json', environment=off_by(62), expect=0).out)
    assert [one['about'] for one in why['obstacles']] == ['agent'] and {'about': 'agent', 'text': 'none runs'} in why['facts']
    renewd.run('run', '--once', expect=0)
    assert not renewd.status()['causes']


def test_held_by_the_clock_in_json(make_due_in_months, off_by):
    """Forced, and held: the code, for scripts."""
    renewd = make_due_in_months()
    outcome = renewd.run('renew', NAME, '--force', '--json', environment=off_by(minutes=150), expect=3)
    assert json.loads(outcome.err.splitlines()[-1])['code'] == 'clock/wrong'
    shown = json.loads(renewd.run('status', '--json', environment=off_by(minutes=150), expect=3).out)
    assert not shown['clock']['ok'] and '2 h ahead of' in shown['clock']['message']


def test_30_days_behind(make_pebble, make_renewd, newest_binaries, nginx, off_by):
    """#23: what is due by the CA's time is renewed, once, deployed and seen served; told in the log."""
    pebble = make_pebble(binaries=newest_binaries, settings=SHORT)
    renewd = make_renewd(pebble)
    # At an instant of ours: whoever looks but once an hour would renew for the CA's suggestion as soon as 3 seconds have passed.
    renewd.configure(certificate(nginx_target(nginx), renew=f'{LIFE // 3}s'))
    renewd.run('renew', expect=0)
    renewd.run('run', '--once', environment=off_by(-30), expect=0)
    assert pebble.orders() == 1, 'not due by the CA\'s time either'
    time.sleep(LIFE)
    outcome = renewd.run('run', '--once', environment=off_by(-30), expect=0)
    assert '30 days behind the Date of the CA test' in outcome.err
    assert pebble.orders() == 2 and renewd.certificate()['generation'] == 2
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert renewd.target('web')['serving'] == 2
    renewd.run('run', '--once', environment=off_by(-30), expect=0)
    assert pebble.orders() == 2


def test_half_an_hour_behind(renewd, nginx, off_by):
    """Less than is wrong, so a line in the log and no more, and more than a certificate may be too new: it is deployed all the same."""
    renewd.configure(certificate(nginx_target(nginx)))
    outcome = renewd.run('run', '--once', environment=off_by(minutes=-30), expect=0)
    assert outcome.err.count('30 min behind the Date of the CA test') == 1, outcome
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert renewd.target('web')['serving'] == 1


def test_a_ca_whose_date_is_a_year_ahead_renews_no_other_ones(make_pebble, make_renewd, newest_binaries, open_for_test):
    """It speaks last, and the next process knows: its Date counts for its own certificates alone."""
    pebble, internal = make_pebble(binaries=newest_binaries, settings=LONG), make_pebble('internal')
    proxy = CaProxy(internal)
    open_for_test(proxy, proxy.close)
    proxy.on('', None, times=None, set_headers={'Date': http_date(days=365)})
    renewd = make_renewd(pebble)
    renewd.configure(ca_behind(proxy, internal), certificate(),
                     certificate(name='shop.example.test', ca='internal', solver='internal'))
    renewd.run('renew', NAME, expect=0)
    renewd.run('renew', 'shop.example.test', expect=0)
    renewd.run('run', '--once', expect=0)
    assert pebble.orders() == 1 and renewd.status()['clock']['ok']
    renewd.run('renew', 'shop.example.test', '--force', expect=0)
    renewd.run('renew', expect=0)
    assert (pebble.orders(), internal.orders()) == (1, 2)


def test_a_ca_whose_date_is_a_day_behind_holds_its_own_orders_alone(make_pebble, make_renewd, open_for_test):
    """Those of the other CA go out, also when it is not the one that has spoken last."""
    pebble, internal = make_pebble(), make_pebble('internal')
    proxy = CaProxy(internal)
    open_for_test(proxy, proxy.close)
    proxy.on('', None, times=None, set_headers={'Date': http_date(hours=-30)})
    renewd = make_renewd(pebble)
    renewd.configure(ca_behind(proxy, internal), certificate(),
                     certificate(name='shop.example.test', ca='internal', solver='internal'))
    renewd.run('renew', NAME, expect=0)
    for words in (['renew', 'shop.example.test'], ['run', '--once']):
        assert '30 h ahead of the Date of the CA internal' in renewd.run(*words, expect=3).text
    renewd.run('renew', NAME, '--force', expect=0)
    assert (pebble.orders(), internal.orders()) == (2, 0)


@pytest.mark.parametrize('unit', ['renewd.service', 'renewd-once.service'])
def test_what_was_heard_is_believed_in_the_sandbox(make_due_in_months, off_by, unit):
    """Where /proc shows processes alone, as under our units, the next process still knows which start of the machine this is."""
    renewd = make_due_in_months()
    heard, = json.loads((renewd.state / 'clock.json').read_text())['dates']
    text = (pathlib.Path(__file__).parents[2] / 'agent/systemd' / f'{unit}.in').read_text()
    assert 'ProcSubset=pid\n' in text and '\nEnvironment=RENEWD_BOOT_ID=%b\n' in text
    # /proc alone is made private: in a chroot / is no mount, and cannot be.
    renewd.wrapper = ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c',
                      'mount --make-private /proc && mount -t proc -o subset=pid proc /proc && exec "$@"', 'sh']
    told = {'RENEWD_BOOT_ID': heard['boot']}  # as systemd writes it: 32 digits
    assert len(heard['boot']) == 32
    assert '90 days ahead of' in renewd.run('status', environment={**off_by(90), **told}, expect=3).text
    renewd.run('status', environment=off_by(90))  # without it nobody knows, and the order would ask first
    (renewd.state / 'clock.json').unlink()
    renewd.run('renew', NAME, '--force', environment=told, expect=0)
    again, = json.loads((renewd.state / 'clock.json').read_text())['dates']
    assert again['boot'] == heard['boot']


def test_agent_under_a_clock_90_days_ahead(make_due_in_months, off_by, start_agent):
    """It holds, and says so in `status`; an agent with the right clock then finds everything as it was."""
    renewd = make_due_in_months()
    before = kept(renewd)
    agent = start_agent(renewd=renewd, environment=off_by(90))
    agent.wait_for('90 days ahead of the Date of the CA test')
    time.sleep(2)
    told = renewd.run('status', environment=off_by(90), expect=3)
    assert told.out.startswith('! this machine\'s clock says ') and NAME in told.out
    assert renewd.pebble.orders() == 1
    agent.stop()
    start_agent(renewd=renewd)
    wait_for_state(renewd, 'ok')
    time.sleep(1)
    assert kept(renewd) == before


class SettableClock:
    """The wall clock of a process, to be set while it runs; the clock that nobody sets goes on."""

    def __init__(self, place, environment):
        self._file = place / 'faketime'
        self.environment = {key: value for key, value in environment.items() if key != 'FAKETIME'}
        self.environment |= {'FAKETIME_TIMESTAMP_FILE': str(self._file), 'FAKETIME_NO_CACHE': '1'}
        self.set('+0')

    def set(self, offset):
        new = self._file.with_suffix('.new')
        new.write_text(offset + '\n')
        new.rename(self._file)


@pytest.fixture(name='clock')
def fixture_clock(place, off_by):
    return SettableClock(place, off_by())


def test_a_clock_that_jumps_under_the_agent(make_due_in_months, clock, start_agent, place, open_for_test):
    """Ninety days forwards, back, and ninety days the other way while it runs: noticed each time, and nothing done for it."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    open_for_test(manager, manager.close)
    manager.bind(str(place / 'notify'))
    threading.Thread(target=lambda: [None for _ in iter(lambda: manager.recv(4096), b'')], daemon=True).start()
    renewd = make_due_in_months()
    before = kept(renewd)
    # The kernel tells of a clock that is set, and nobody sets this one: the agent sees it when the watchdog wakes it.
    agent = start_agent(renewd=renewd, environment={**clock.environment, 'NOTIFY_SOCKET': str(place / 'notify'), 'WATCHDOG_USEC': '500000'})
    wait_for_state(renewd, 'ok')
    for count, (offset, word) in enumerate([('+90d', '90 days ahead of the Date'), ('+0', 'clock is right again'),
                                            ('-90d', '90 days behind the Date'), ('+0', 'clock is right again')], 1):
        said = agent.log.count(word)
        clock.set(offset)
        wait_until(lambda: agent.log.count('the clock was set') == count, 'the jump to be noticed')  # noqa: B023
        wait_until(lambda: agent.log.count(word) > said, word)  # noqa: B023
    wait_for_state(renewd, 'ok')
    assert agent.process.poll() is None
    assert kept(renewd) == before


@pytest.mark.parametrize('offset', ['+90d', '-90d'])
def test_a_clock_that_jumps_during_an_order(make_pebble, make_renewd, nginx, clock, offset):
    """While the CA validates: waits and deadlines go by the other clock, and the order comes to its end."""
    pebble = make_pebble(environment={'PEBBLE_VA_NOSLEEP': '0', 'PEBBLE_VA_SLEEPTIME': '3'})
    renewd = make_renewd(pebble)
    renewd.configure(certificate(nginx_target(nginx)))
    order = subprocess.Popen([str(renewd.binary), 'renew', '--config', str(renewd.config)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**ENVIRONMENT, **clock.environment})
    wait_until(lambda: pebble.orders() == 1, 'the order')
    clock.set(offset)
    said, _ = order.communicate(timeout=40)
    assert 'generation 1' in said, said
    clock.set('+0')
    renewd.run('run', '--once', expect=0)  # what a clock that is ahead took for expired is deployed
    assert pebble.orders() == 1 and pebble.issued() == 1
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256


def test_a_ca_whose_date_is_a_day_behind(pebble, ca_proxy, make_renewd):
    """The same to us as a clock that is ahead: nothing is asked for and nothing begun; gone on with when the two agree."""
    renewd = make_renewd(pebble)
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.on('', None, times=None, set_headers={'Date': http_date(hours=-30)})
    outcome = renewd.run('renew', expect=3)
    assert '30 h ahead of the Date of the CA test' in outcome.text, outcome
    assert pebble.orders() == 0 and pebble.accounts() == 0
    ca_proxy.heal()
    renewd.run('renew', expect=0)
    assert pebble.orders() == 1
