# SPDX-License-Identifier: Apache-2.0
"""Continuous verification against a real nginx: what comes about behind renewd's back is noticed, told and put right; and what
somebody else keeps putting back is let be."""
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from processes import ENVIRONMENT, wait_until
from renewd import NAME, certificate, nginx_target
from test_agent import fixture_start_agent  # noqa: F401 (a fixture)
from test_hooks import hook, notes
from tls import served


@pytest.fixture(name='fixed')
def fixture_fixed(make_nginx):
    """With two fixed paths, which others may write as well."""
    return make_nginx(form='fixed')


def history(renewd):
    return (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()


def set_up(renewd, nginx):
    """Two generations, the second one served, looked at every second; returns how to put the first one back."""
    for event in ('drifted', 'deployed'):
        hook(renewd, event)
    renewd.configure(certificate(nginx_target(nginx)), agent='verify_every = "1s"')
    renewd.run('renew', expect=0)
    old = nginx.fullchain.read_bytes(), nginx.key.read_bytes()
    renewd.run('renew', '--force', NAME, expect=0)

    def put_back():
        nginx.fullchain.write_bytes(old[0])
        nginx.key.write_bytes(old[1])
        before = served(nginx.port, NAME).sha256
        nginx.reload()
        deadline = time.monotonic() + 10
        while served(nginx.port, NAME).sha256 == before and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.1)
    return put_back


def drifts(renewd):
    return [note for note in notes(renewd) if note.startswith('drifted')]


def test_a_restored_backup_is_put_right_three_times_an_hour(renewd, fixed):
    """Told once each time; after three repairs it is somebody's doing, and is left to a person."""
    put_back = set_up(renewd, fixed)
    current = renewd.certificate()['sha256']
    for count in range(1, 4):
        put_back()
        assert served(fixed.port, NAME).sha256 != current
        renewd.run('run', '--once', expect=0)
        assert served(fixed.port, NAME).sha256 == current
        assert len(drifts(renewd)) == count and history(renewd).count('"what":"drifted"') == count
    assert renewd.pebble.orders() == 2, 'never an order'

    put_back()
    for _ in range(2):
        renewd.run('run', '--once', expect=5)
        assert served(fixed.port, NAME).sha256 != current
    shown = renewd.certificate()
    assert shown['targets'][0]['state'] == 'drifted' and shown['state'] == 'unserved'
    assert shown['targets'][0]['last_error']['code'] == 'deploy/contested'
    assert shown['attention']['cause'].startswith('deploy/contested/')
    assert 'put it right 3 times' in ' '.join(renewd.run('why', NAME, expect=0).out.split())
    assert len(drifts(renewd)) == 4
    renewd.run('deploy', NAME, expect=0)
    assert served(fixed.port, NAME).sha256 == current


def test_the_agent_notices_and_repairs_by_itself(renewd, fixed, start_agent):
    """At its next look, within verify_every, and with the pauses of the backoff; and again when the backup is back."""
    put_back = set_up(renewd, fixed)
    current = renewd.certificate()['sha256']
    start_agent()
    for count in (1, 2):
        put_back()
        wait_until(lambda count=count: len(drifts(renewd)) == count, 'the word of it', seconds=10)
        wait_until(lambda: served(fixed.port, NAME).sha256 == current, 'the repair', seconds=50)
        wait_until(lambda: renewd.target('web')['state'] == 'serving', 'the verdict')
    assert renewd.pebble.orders() == 2, 'never an order'


def test_a_deployed_file_that_is_overwritten(renewd, fixed, make_renewd, make_pebble):
    """A stranger's certificate is served after somebody's reload: noticed, told, put right."""
    set_up(renewd, fixed)
    other_pebble = make_pebble('other-ca')
    other = make_renewd(other_pebble, 'other')
    other.configure(certificate())
    other.run('renew', expect=0)
    fixed.fullchain.write_bytes((other.live() / 'fullchain.pem').read_bytes())
    fixed.key.write_bytes((other.live() / 'privkey.pem').read_bytes())
    fixed.reload()
    time.sleep(1.5)
    assert 'FOREIGN' in renewd.run('verify', NAME, expect=5).out
    assert renewd.target('web')['state'] == 'drifted'
    assert renewd.run('status').code == 5
    renewd.run('run', '--once', expect=0)
    assert served(fixed.port, NAME).sha256 == renewd.certificate()['sha256']
    assert renewd.target('web')['state'] == 'serving' and renewd.pebble.orders() == 2


def test_a_server_that_dies_later_is_told_and_not_restarted(renewd, nginx):
    """Noticed by the next look; nothing of ours starts it again and again; well when it is back."""
    hook(renewd, 'drifted')
    renewd.configure(certificate(nginx_target(nginx)), agent='verify_every = "1s"')
    renewd.run('renew', expect=0)
    nginx.stop()
    time.sleep(1.1)
    for _ in range(3):
        assert renewd.run('run', '--once').code in (4, 5)
        assert nginx.master() is None
    assert len(drifts(renewd)) == 1
    assert renewd.run('status').code in (4, 5)
    assert renewd.target('web')['state'] in ('unknown', 'drifted')
    nginx.start(tls=True)
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['state'] == 'ok' and renewd.pebble.orders() == 1


def test_what_runs_out_is_told_once(make_pebble, make_renewd, make_nginx):
    """The CA is gone, and the last tenth begins: `expiring`, once for the generation."""
    life = 30
    pebble = make_pebble(validity=life)
    renewd = make_renewd(pebble)
    nginx = make_nginx()
    hook(renewd, 'expiring')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    issued = time.monotonic()
    pebble.stop()
    assert renewd.run('run', '--once').code in (0, 3)
    assert notes(renewd) == []
    time.sleep(max(0.0, life * 0.9 + 1 - (time.monotonic() - issued)))
    for _ in range(2):
        assert renewd.run('run', '--once').code == 3
    assert [note.split()[0] for note in notes(renewd)] == ['expiring']
    assert '"expiring"' in history(renewd)


def test_status_is_watched_on_a_terminal_until_ctrl_c(renewd, nginx):
    """Drawn again every two seconds; Ctrl-C ends it with 130."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(renewd.binary), 'status', '--watch', '--config', str(renewd.config)], stdin=theirs,
                               stdout=theirs, stderr=theirs, env=ENVIRONMENT, start_new_session=True)
    os.close(theirs)
    try:
        drawn = b''
        deadline = time.monotonic() + 15
        while drawn.count(b'1 certificate, all well.') < 2 and time.monotonic() < deadline:
            drawn += os.read(ours, 65536)
        assert len(re.findall(rb'\x1b\[H\x1b\[J', drawn)) >= 2, drawn
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.wait()
        os.close(ours)
