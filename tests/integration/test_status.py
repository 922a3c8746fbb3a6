# SPDX-License-Identifier: Apache-2.0
"""What people and monitors read."""
import contextlib
import json
import os
import pathlib
import pty
import re
import subprocess

import jsonschema
import pytest

from renewd import BINARY, NAME, certificate, nginx_target
from tls import leaf_of

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / 'docs/status.schema.json').read_text(encoding='utf-8'))
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ')


def test_json_of_a_certificate_that_is_served(renewd, nginx):
    """Every field of INTERFACE.md, with what is true; held against the published schema."""
    renewd.configure(certificate(nginx_target(nginx), contact='web team <web@example.test>'))
    renewd.run('renew', expect=0)
    whole = json.loads(renewd.run('status', '--json', expect=0).out)
    jsonschema.validate(whole, SCHEMA)
    seen, leaf = whole['certificates'][0], leaf_of(renewd.live() / 'cert.pem')
    assert whole['version'] == 1 and whole['store']['ok'] is True and whole['store']['free_bytes'] > 0
    assert whole['summary']['certificates'] == whole['summary']['ok'] == 1 and whole['summary']['attention'] == 0
    assert (seen['name'], seen['names'], seen['ca']) == (NAME, [NAME], 'test')
    assert (seen['generation'], seen['wanted_generation'], seen['sha256']) == (1, 1, leaf.sha256)
    assert seen['not_after'] == leaf.not_after.strftime('%Y-%m-%dT%H:%M:%SZ') == seen['served']['oldest_not_after']
    assert seen['last_error'] is None and seen['failures'] == 0 and seen['attention'] is None
    assert TIME.fullmatch(seen['renewal']['at']) and seen['renewal']['reason'] == 'lifetime'
    address = seen['targets'][0]['endpoints'][0]['addresses'][0]
    assert address['address'] == f'127.0.0.1:{nginx.port}' and address['sha256'] == leaf.sha256
    assert whole['summary']['next']['name'] == NAME and whole['summary']['next']['action'] in ('renew', 'verify')


@pytest.mark.parametrize('situation', ['never issued', 'cannot be issued', 'cannot be deployed', 'removed'])
def test_json_of_other_situations(renewd, nginx, situation):
    """The schema holds in trouble, too."""
    if situation == 'cannot be issued':
        renewd.pebble.tell_names('add-a', host=NAME, addresses=['127.0.0.9'])
    if situation == 'cannot be deployed':
        nginx.include.parent.rmdir()
        nginx.include.parent.write_text('a file where the directory should be')
    renewd.configure(certificate(nginx_target(nginx)))
    if situation != 'never issued':
        renewd.run('renew')
    if situation == 'removed':
        renewd.configure(certificate(name='other.example.test'))
    whole = renewd.status()
    jsonschema.validate(whole, SCHEMA)
    state = {one['name']: one['state'] for one in whole['certificates']}[NAME]
    assert state in {'never issued': ['never_issued', 'due'], 'cannot be issued': ['failing', 'never_issued'],
                     'cannot be deployed': ['failing', 'unserved'], 'removed': ['removed']}[situation]


def test_status_for_people(renewd, nginx):
    """Aligned, no colour where there is no terminal, the name, where it is served, and what comes next."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    text = renewd.run('status', expect=0).out
    assert '\x1b' not in text and max(map(len, text.splitlines())) <= 80
    row = next(line for line in text.splitlines() if NAME in line)
    assert '1/1' in row and re.search(r'in \d+ days', row) and 'renew' in row
    assert 'CERTIFICATE' in text and '1 certificate' in text
    wide = renewd.run('status', '--width', '120', expect=0).out
    assert max(map(len, wide.splitlines())) <= 120


def test_status_says_what_to_do(renewd, pebble, nginx):
    """Something needs attention: marked, in plain words, with the next step to type; exit 3."""
    pebble.tell_names('add-a', host=NAME, addresses=['127.0.0.9'])
    renewd.configure(certificate(nginx_target(nginx)))
    for _ in range(3):
        renewd.run('renew', NAME, expect=3)
    outcome = renewd.run('status', expect=3)
    row = next(line for line in outcome.out.splitlines() if NAME in line)
    assert row.startswith('!') and 'never issued' in row and 'reachable' in outcome.out
    assert f'renewd renew {NAME}' in outcome.out
    whole = renewd.status()
    assert whole['certificates'][0]['failures'] == 3 and whole['certificates'][0]['attention']['severity'] in ('warning', 'critical')
    assert whole['causes'] and whole['causes'][0]['certificates'] == 1


def test_status_works_without_any_state(renewd):
    """Before the first run: read-only, it says that nothing was issued yet, and makes no state directory."""
    renewd.configure(certificate())
    text = renewd.run('status').out
    assert NAME in text
    assert not renewd.state.exists()


def test_progress_is_told_in_quiet_lines_without_a_terminal(renewd, nginx):
    """Not a terminal: whole lines, no carriage returns, no colour; the steps of a renewal are among them."""
    renewd.configure(certificate(nginx_target(nginx)))
    outcome = renewd.run('renew', expect=0)
    assert '\r' not in outcome.text and '\x1b' not in outcome.text
    assert NAME in outcome.out and '1/1' in outcome.out or 'served' in outcome.out


def everything_shown_by(terminal):
    """What the other end wrote until it was closed. The kernel hands it over in pieces: one read is not enough."""
    shown = b''
    with contextlib.closing(os.fdopen(terminal, 'rb', buffering=0)) as end, contextlib.suppress(OSError):  # EIO: the end
        while piece := end.read(65536):
            shown += piece
    return shown.decode()


def test_progress_is_live_on_a_terminal(renewd, nginx):
    """A terminal sees one line that changes, and in the end the whole of it."""
    renewd.configure(certificate(nginx_target(nginx)))
    terminal, other_end = pty.openpty()
    done = subprocess.run(['renewd', 'renew', '--config', renewd.config], executable=BINARY, stdin=subprocess.DEVNULL,
                          stdout=other_end, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(other_end)
    shown = everything_shown_by(terminal)
    assert done.returncode == 0, done.stderr
    assert shown.count('\r\x1b[K') > 3
    assert re.search(NAME + r'.*order.*generation 1.*served by 1/1 address .* s\r\n$', shown)


def test_quiet_and_nothing_due(renewd, nginx):
    """--quiet says nothing when all is well."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    assert renewd.run('run', '--once', '--quiet', expect=0).out == ''


def test_select_by_name_and_glob(renewd, pebble):
    """SELECT takes names and globs; what matches nothing is a usage error."""
    renewd.configure(certificate(name='a.example.test'), certificate(name='b.example.test'), certificate(name='c.other.test'))
    renewd.run('renew', '*.example.test', expect=0)
    assert pebble.orders() == 2
    renewd.run('renew', '--force', 'a.example.test', expect=0)
    assert [renewd.certificate(name)['generation'] for name in ('a.example.test', 'b.example.test')] == [2, 1]


def test_state_of_another_machine(renewd, pebble):
    """A copy goes on, and says so: once by itself, in status for a week, and in the history."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    assert renewd.status()['conditions'] == []
    (renewd.state / 'machine').write_text('0' * 64 + '\n')
    assert 'another machine' in renewd.run('run', '--once', expect=0).err
    assert 'another machine' not in renewd.run('run', '--once', expect=0).err
    told, = renewd.status()['conditions']
    assert told['code'] == 'config/conflict' and 'another machine' in told['message']
    assert 'another machine' in renewd.run('status', expect=0).out
    assert 'written on another machine' in ' '.join(renewd.run('history', expect=0).out.split())
    assert pebble.orders() == 1
