# SPDX-License-Identifier: Apache-2.0
"""renewd as a service of a whole machine: under systemd, beside Debian's own nginx, with a clock that is set wrong, sleep, and the plug
pulled. The CA is outside and keeps the right time. The tests go in their order, each from where the one before has left the machine."""
import datetime
import itertools
import json
import random
import re
import time

import pytest

from machine import ROOT, Machine
from pebble import Pebble, make_https_pair
from processes import free_port, run, wait_until
from renewd import BINARY
from tls import served

NAME = 'www.example.test'
AGENT = '''[agent]
helper = "/run/renewd/apply.sock"
metrics_file = "/var/lib/renewd/metrics.prom"
[dns]
public = false
servers = ["10.0.2.2:{dns}"]
[ca.test]
directory = "{url}"
roots = "/etc/renewd/roots.pem"
contact = "ops@example.test"
agree_tos = true
[solver.web]
type = "http-01"
webroot = "/var/www/html"
[defaults]
ca = "test"
solver = "web"
'''
CERTIFICATE = '''[certificate."{name}"]
{more}
  [[certificate."{name}".target]]
  name = "web"
  deployer = "nginx"
  include = "/etc/nginx/renewd/{{certificate}}.conf"
  versions = "/etc/nginx/renewd/{{certificate}}.d"
  endpoints = ["https://{name}?address=127.0.0.1:443"]
'''
SHORT = '''[ca.short]
directory = "{url}"
roots = "/etc/renewd/short.pem"
contact = "ops@example.test"
agree_tos = true
'''
SITE = 'server {{ listen 443 ssl; server_name {name}; include /etc/nginx/renewd/{name}.conf; return 200 "secure\\n"; }}\n'
# The CA's address on the machine is its address here: what it says of its own URLs holds for both.
CA_UNITS = {'socket': '[Socket]\nListenStream=127.0.0.1:{port}\n[Install]\nWantedBy=sockets.target\n',
            'service': '[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 10.0.2.2:{port}\n'}


@pytest.fixture(name='pebble', scope='module')
def fixture_pebble(tmp_path_factory):
    place = tmp_path_factory.mktemp('ca')
    pebble = Pebble(place / 'pebble', make_https_pair(place))
    pebble.start()
    yield pebble
    pebble.close()


@pytest.fixture(name='short_lived', scope='module')
def fixture_short_lived(tmp_path_factory, pebble):
    """Another CA, for the same machine."""
    place = tmp_path_factory.mktemp('short')
    short_lived = Pebble(place / 'pebble', make_https_pair(place), validity=240, settings={'httpPort': pebble.http_port})
    short_lived.start()
    yield short_lived
    short_lived.close()


@pytest.fixture(name='tls_port', scope='module')
def fixture_tls_port():
    return free_port()


@pytest.fixture(name='machine', scope='module')
def fixture_machine(tmp_path_factory, pebble, short_lived, tls_port):
    """A machine on which somebody has followed README.md and docs/security.md."""
    place = tmp_path_factory.mktemp('machine')
    machine = Machine(place, BINARY, {pebble.http_port: 80, tls_port: 443})
    try:
        machine.start()
        run('meson', 'install', '-C', BINARY.parents[1], '--no-rebuild', '--destdir', place / 'tree', timeout=120)
        machine.install(place / 'tree')
        for ca, kind in itertools.product((pebble, short_lived), CA_UNITS):
            machine.write(f'/etc/systemd/system/ca-{ca.port}.{kind}', CA_UNITS[kind].format(port=ca.port))
        machine.write('/etc/renewd/roots.pem', pebble.roots.read_text())
        machine.write('/etc/renewd/renewd.toml', AGENT.format(url=pebble.url, dns=pebble.dns))
        machine.write('/etc/renewd/conf.d/www.toml', CERTIFICATE.format(name=NAME, more=''))
        machine.write('/etc/renewd/allow', (ROOT / 'agent/examples/allow').read_text())
        machine.run('systemd-sysusers && systemd-tmpfiles --create --prefix /etc/renewd --prefix /var/lib/renewd --prefix /run/renewd')
        machine.run('install -d -o renewd /var/www/html/.well-known/acme-challenge')
        machine.run('systemctl daemon-reload && systemctl enable --now '
                    f'ca-{pebble.port}.socket ca-{short_lived.port}.socket nginx')
        machine.write(f'/etc/nginx/conf.d/{NAME}.conf', SITE.format(name=NAME))
        yield machine
    finally:
        machine.stop()


def status(machine):
    return json.loads(machine.ask('renewd status --json').stdout)


def certificate(machine, name=NAME):
    return next(one for one in status(machine)['certificates'] if one['name'] == name)


def show(machine, *properties, unit='renewd'):
    said = machine.run(f'systemctl show {unit} {" ".join("-p " + one for one in properties)}')
    return dict(line.split('=', 1) for line in said.splitlines())


def said(machine, unit='renewd'):
    """All that it has written into the journal."""
    return machine.run(f'journalctl -u {unit} -o cat --no-pager')


def check_served(machine, port):
    """Seen from outside of the machine."""
    assert served(port, NAME).sha256 == certificate(machine)['sha256']


def time_of(machine, unit, words):
    """When it first said this, in seconds since 1970."""
    return int(machine.until(f"journalctl -u {unit} -o short-unix --no-pager | grep -m 1 '{words}' | cut -d. -f1 | grep .", seconds=90))


def wait_for_state(machine, state='ok', name=NAME, seconds=120):
    wait_until(lambda: certificate(machine, name)['state'] == state, f'{name} to be {state}', seconds)


def test_enabled_it_issues_and_is_served(machine, pebble, tls_port):
    """`systemctl enable --now`, as the documentation says: ready, without root, behind the helper."""
    machine.run('systemctl enable --now renewd-apply.socket renewd')
    assert show(machine, 'ActiveState', 'SubState', 'User', 'NRestarts') == {
        'ActiveState': 'active', 'SubState': 'running', 'User': 'renewd', 'NRestarts': '0'}
    wait_for_state(machine)
    check_served(machine, tls_port)
    assert (pebble.orders(), pebble.issued()) == (1, 1)
    assert re.search(r'StatusText=.*1 certificate', machine.run('systemctl show renewd -p StatusText'))
    machine.run('renewd check')
    machine.run('renewd status')
    assert 'renewd_config_ok 1' in machine.run('cat /var/lib/renewd/metrics.prom')


def test_sandbox_is_what_systemd_makes_of_the_unit(machine):
    """Not by its text: by what the process may do."""
    pid = show(machine, 'MainPID')['MainPID']
    told = machine.run(f'cat /proc/{pid}/status')
    assert re.search(r'^CapEff:\t0+$', told, re.M) and re.search(r'^CapBnd:\t0+$', told, re.M)
    assert re.search(r'^NoNewPrivs:\t1$', told, re.M) and re.search(r'^Seccomp:\t2$', told, re.M)
    machine.run(f'nsenter -t {pid} -m touch /etc/renewd/here', expect=1)
    assert f'root {pid}' not in machine.run('ps -eo user,pid')


def test_commands_of_root_leave_nothing_of_roots(machine, pebble):
    before = certificate(machine)['generation']
    machine.run(f'renewd renew {NAME} --force')
    assert certificate(machine)['generation'] == before + 1
    assert pebble.issued() == 2
    assert machine.run('find /var/lib/renewd ! -user renewd') == ''
    wait_for_state(machine)


def test_reload_takes_what_is_right_and_refuses_what_is_not(machine, pebble):
    machine.write('/etc/nginx/conf.d/mail.conf', SITE.format(name='mail.example.test'))
    machine.write('/etc/renewd/conf.d/mail.toml', CERTIFICATE.format(name='mail.example.test', more=''))
    machine.run('systemctl reload renewd')
    wait_for_state(machine, name='mail.example.test')
    assert pebble.issued() == 3
    machine.write('/etc/renewd/conf.d/broken.toml', '[certificate."x.example.test"]\nnmaes = ["x"]\n')
    machine.run('systemctl reload renewd')
    machine.until("journalctl -u renewd -o cat --no-pager | grep 'broken.toml:2'")
    machine.until('grep -q "renewd_config_ok 0" /var/lib/renewd/metrics.prom', seconds=90)
    assert show(machine, 'ActiveState')['ActiveState'] == 'active'
    machine.run('systemctl restart renewd')
    assert status(machine)['agent']['config'] == 'last_accepted'
    assert {one['name'] for one in status(machine)['certificates']} == {NAME, 'mail.example.test'}
    machine.run('rm /etc/renewd/conf.d/broken.toml && systemctl reload renewd')
    wait_until(lambda: status(machine)['agent']['config'] == 'ok', 'the mended configuration', 60)


def test_without_its_helper_it_runs_and_says_so(machine):
    machine.run('systemctl stop renewd-apply.socket && systemctl restart renewd')
    assert show(machine, 'ActiveState')['ActiveState'] == 'active'
    machine.until("journalctl -u renewd -o cat --no-pager | grep 'apply.sock'")
    machine.run('systemctl start renewd-apply.socket')
    machine.run(f'renewd deploy {NAME}')


def test_one_that_hangs_is_replaced(machine):
    """The watchdog, and its restart, sooner than the unit has them."""
    machine.write('/etc/systemd/system/renewd.service.d/sooner.conf', '[Service]\nWatchdogSec=20s\nRestartSec=1s\n')
    machine.run('systemctl daemon-reload && systemctl restart renewd')
    time.sleep(45)
    assert show(machine, 'NRestarts') == {'NRestarts': '0'}, 'it is fed while the loop turns'
    hung = show(machine, 'MainPID')['MainPID']
    machine.run(f'kill -STOP {hung}')
    wait_until(lambda: show(machine, 'NRestarts')['NRestarts'] == '1', 'the watchdog', 90)
    wait_until(lambda: show(machine, 'SubState')['SubState'] == 'running', 'another agent', 60)
    assert show(machine, 'MainPID')['MainPID'] != hung
    machine.run('kill -KILL $(systemctl show renewd -p MainPID --value)')
    wait_until(lambda: show(machine, 'NRestarts', 'SubState') == {'NRestarts': '2', 'SubState': 'running'}, 'another agent', 60)
    machine.run('rm -r /etc/systemd/system/renewd.service.d && systemctl daemon-reload')
    machine.run('renewd status')


def test_stops_within_seconds_and_cleanly(machine):
    began = time.monotonic()
    machine.run('systemctl stop renewd')
    assert time.monotonic() - began < 15
    assert show(machine, 'Result', 'ActiveState') == {'Result': 'success', 'ActiveState': 'inactive'}


def test_timer_in_its_place(machine, pebble):
    issued = pebble.issued()
    machine.run('systemctl start renewd-once.timer && systemctl list-timers --no-pager | grep renewd-once')
    machine.run('systemctl start renewd-once.service')
    assert show(machine, 'Result', 'ExecMainStatus', unit='renewd-once') == {'Result': 'success', 'ExecMainStatus': '0'}
    assert pebble.issued() == issued
    machine.run('systemctl stop renewd-once.timer && systemctl start renewd')


def set_clock(machine, by):
    """By so much. The agent notices at once: nothing but the clock's being set wakes it this soon. Then it has time to do what is wrong."""
    told = said(machine).count('the clock was set')
    machine.run(f"date -s '{by}'")
    wait_until(lambda: said(machine).count('the clock was set') > told, f'the agent to notice {by}', 20)
    time.sleep(20)


@pytest.mark.parametrize('by', ['90 days', '-90 days', '-30 days', '50 years'])
def test_clock_set_wrong_orders_nothing(machine, pebble, by):
    """While the agent runs, and back again: it notices each, places not one order, and keeps the schedule as it was."""
    at, orders = certificate(machine)['renewal']['at'], pebble.orders()
    set_clock(machine, by if by.startswith('-') else f'+{by}')
    told = machine.ask('renewd status').stdout
    set_clock(machine, by[1:] if by.startswith('-') else f'-{by}')
    assert pebble.orders() == orders, told
    assert certificate(machine)['renewal']['at'] == at
    wait_for_state(machine)
    if not by.startswith('-'):
        assert 'clock' in told


def test_what_falls_due_in_sleep_is_done_on_waking(machine, short_lived):
    """A certificate of four minutes, renewed after two: the machine sleeps until just after that. A timer that stands still meanwhile would
    be late by as long as it slept."""
    name = 'nap.example.test'
    machine.write(f'/etc/nginx/conf.d/{name}.conf', SITE.format(name=name))
    machine.write('/etc/renewd/short.pem', short_lived.roots.read_text())
    machine.write('/etc/renewd/conf.d/nap.toml', SHORT.format(url=short_lived.url) + CERTIFICATE.format(name=name, more='ca = "short"'))
    machine.run('systemctl reload renewd')
    wait_for_state(machine, name=name)
    held = certificate(machine, name)
    due = int(datetime.datetime.fromisoformat(held['renewal']['at']).timestamp())
    machine.run(f'systemd-run --unit=nap --no-block rtcwake -m mem -t {due + 5}')
    time.sleep(max(0, due + 5 - time.time()))
    assert due - time_of(machine, 'nap', 'wakeup') > 30, 'it sleeps long enough to tell the two apart'
    wait_until(lambda: certificate(machine, name)['generation'] > held['generation'], 'the renewal', 60)
    assert time_of(machine, 'renewd', f'{name}: generation {held["generation"] + 1} issued') - due < 30
    machine.run('rm /etc/renewd/conf.d/nap.toml && systemctl reload renewd')
    wait_for_state(machine, 'removed', name)
    machine.run(f'renewd forget {name}')


def test_after_a_restart_of_the_machine_all_is_there(machine, pebble, tls_port):
    issued = pebble.issued()
    machine.ask('systemctl reboot')
    time.sleep(10)
    machine.until('systemctl is-active renewd', 300)
    wait_for_state(machine)
    assert pebble.issued() == issued
    check_served(machine, tls_port)


@pytest.mark.parametrize('after', sorted(random.sample(range(2, 60), 3)))
def test_plug_pulled_during_a_renewal(machine, pebble, tls_port, after):
    """`after` tenths of a second into it. The order goes on, or was never placed; the pair is whole; nginx starts with it."""
    orders, issued = pebble.orders(), pebble.issued()
    machine.ask(f'systemd-run --no-block renewd renew {NAME} --force')
    time.sleep(after / 10)
    machine.pull_the_plug()
    machine.start()
    machine.until('systemctl is-active nginx', 60)
    # All is well before the agent goes on with what was ordered, too.
    machine.until("""! grep -Eqs '"url": "http|"is_asked_for": true' /var/lib/renewd/certificates/*/next-*/order.json""", 120)
    wait_for_state(machine)
    assert pebble.issued() - issued <= 1 and pebble.orders() - orders <= 2
    check_served(machine, tls_port)
    machine.run('renewd status')
    assert machine.run('find /var/lib/renewd ! -user renewd; find /etc/nginx/renewd -name "*.tmp*" -o -name ".*new*"') == ''
