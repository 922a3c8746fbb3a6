# SPDX-License-Identifier: Apache-2.0
"""The same deployment on a machine over SSH, and everything that can happen to the line."""
import os
import pathlib
import shutil
import signal
import socket

import pytest

from nginx import SlowReload
from processes import children_of, free_port, run, wait_until
from renewd import BINARY, NAME, certificate, nginx_target
from tls import leaf_of, served


def test_host_that_is_down_does_not_stop_the_other_target(renewd, pebble, make_nginx, sshd):
    """One target is served; the other is told and remembered, and repaired by a later run with no new order."""
    here, there = make_nginx('here'), make_nginx('there')
    renewd.configure(sshd.host_toml('web2'), certificate(nginx_target(here, 'web1'), nginx_target(there, 'web2', 'web2')))
    sshd.stop()
    outcome = renewd.run('renew', expect=4)
    wanted = leaf_of(renewd.live() / 'cert.pem').sha256
    assert served(here.port, NAME).sha256 == wanted and served(there.port, NAME) is None
    assert 'web2' in outcome.text
    failed = renewd.target('web2')
    assert failed['last_error']['code'] == 'host/unreachable' and failed['next_attempt']
    sshd.start()
    before = here.published()
    renewd.run('deploy', NAME, expect=0)
    assert served(there.port, NAME).sha256 == wanted
    assert pebble.orders() == 1 and here.published() == before
    assert renewd.certificate()['state'] == 'ok'


def deployed_over(line, renewd, nginx, sshd, **changes):
    """A first deployment over `line`; returns how many bytes went up the line and what is served."""
    renewd.configure(sshd.host_toml('far', line.port), certificate(nginx_target(nginx, 'far', 'far', **changes)))
    renewd.run('renew', expect=0)
    return line.sent, served(nginx.port, NAME).sha256


def local_ssh(process):
    """The process id of the ssh that this renewd has started."""
    return next((pid for pid, line in children_of(process.pid).items() if line.startswith('ssh ')), None)


@pytest.mark.parametrize('bytes_missing', [600, 2500, 5000])
def test_ssh_killed_in_the_middle_of_the_transfer(renewd, pebble, make_nginx, sshd, make_line, bytes_missing):
    """The line stalls inside the bundle and the local ssh is killed: nothing partial is published, nothing runs on there, and a later
    run brings the same certificate."""
    nginx = make_nginx('far', form='fixed')
    line = make_line(sshd.port)
    whole, first = deployed_over(line, renewd, nginx, sshd)
    before = nginx.published()
    line.stall_after = whole - bytes_missing
    process = renewd.start('renew', NAME, '--force')
    assert line.stalled.wait(30)
    everything = ' '.join(children_of(process.pid).values()) + ' '.join(sshd.remote_processes().values())
    assert 'PRIVATE KEY' not in everything and 'ssh ' in everything
    os.kill(local_ssh(process), signal.SIGKILL)
    line.stall_after = None
    process.wait(timeout=60)
    wait_until(lambda: not sshd.remote_processes(), 'the remote side to end', 20)
    assert served(nginx.port, NAME) is not None
    if process.returncode != 0:  # it may as well have asked, and done it again
        assert process.returncode == 4
        assert nginx.published() == before and served(nginx.port, NAME).sha256 == first
        renewd.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != first
    assert pebble.orders() == 2


def test_ssh_killed_during_the_reload(renewd, pebble, make_nginx, sshd, make_line):
    """The files are published when the line dies: what is proven stays, the reload is not cut off, the outcome is asked for."""
    nginx = make_nginx('far')
    line = make_line(sshd.port)
    slow = SlowReload(nginx)
    _, first = deployed_over(line, renewd, nginx, sshd, reload=slow.command)
    slow.slow_down()
    process = renewd.start('renew', NAME, '--force')
    slow.wait_until_begun()
    os.kill(local_ssh(process), signal.SIGKILL)
    process.wait(timeout=60)
    wait_until(lambda: not sshd.remote_processes(), 'the remote side to end', 20)
    if process.returncode != 0:
        renewd.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != first
    assert pebble.orders() == 2 and renewd.certificate()['state'] == 'ok'


def test_renewd_killed_during_the_remote_reload(renewd, pebble, make_nginx, sshd):
    """renewd itself dies; the remote side keeps what is proven and ends; the next run sees it and writes nothing twice."""
    nginx = make_nginx('far')
    slow = SlowReload(nginx)
    renewd.configure(sshd.host_toml('far'), certificate(nginx_target(nginx, 'far', 'far', reload=slow.command)))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    slow.slow_down()
    process = renewd.start('renew', NAME, '--force')
    slow.wait_until_begun()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    wait_until(lambda: not sshd.remote_processes(), 'the remote side to end', 20)
    renewd.run('run', '--once', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != first
    assert pebble.orders() == pebble.issued() == 2


def test_host_that_accepts_and_says_nothing(renewd, make_nginx, sshd):
    """TCP is accepted, and no SSH server ever speaks: ended by our own deadline."""
    nginx = make_nginx('far')
    with socket.create_server(('127.0.0.1', free_port())) as silent:
        renewd.configure(sshd.host_toml('far', silent.getsockname()[1]), certificate(nginx_target(nginx, 'far', 'far')))
        renewd.run('renew', expect=4, timeout=40)
    assert renewd.target('far')['last_error']['code'] == 'host/timeout'


def test_line_that_goes_dead_during_the_login(renewd, make_nginx, sshd, make_line):
    """The host speaks, but nothing of ours arrives any more."""
    nginx, line = make_nginx('far'), make_line(sshd.port)
    line.stall_after = 100
    renewd.configure(sshd.host_toml('far', line.port), certificate(nginx_target(nginx, 'far', 'far')))
    renewd.run('renew', expect=4, timeout=40)
    assert renewd.target('far')['last_error']['code'] == 'host/timeout'


def test_changed_host_key_stops_everything(renewd, make_nginx, sshd, make_sshd):
    """Another machine answers at the pinned host's address: nothing is sent, both fingerprints are told."""
    nginx, other = make_nginx('far'), make_sshd('other')
    text = sshd.host_toml('far', other.port).replace(str(sshd.identity), str(other.identity))
    renewd.configure(text, certificate(nginx_target(nginx, 'far', 'far')))
    outcome = renewd.run('renew', expect=4)
    assert renewd.target('far')['last_error']['code'] == 'host/key-changed'
    assert outcome.text.count('SHA256:') >= 1 or 'host key' in outcome.text
    assert other.logins() == 0 and not nginx.include.exists()


def test_unpinned_host_that_nobody_knows(renewd, make_nginx, sshd):
    """Not pinned and not in the user's known_hosts: no trust on first use by a robot."""
    nginx = make_nginx('far')
    renewd.configure(sshd.host_toml('far', pinned=False), certificate(nginx_target(nginx, 'far', 'far')))
    renewd.run('renew', expect=4)
    assert renewd.target('far')['last_error']['code'] == 'host/key-unknown'
    assert sshd.logins() == 0


def test_login_that_is_refused(renewd, make_nginx, sshd, make_sshd):
    """The host does not take our key."""
    nginx, other = make_nginx('far'), make_sshd('other')
    renewd.configure(sshd.host_toml('far').replace(str(sshd.identity), str(other.identity)),
                     certificate(nginx_target(nginx, 'far', 'far')))
    renewd.run('renew', expect=4)
    assert renewd.target('far')['last_error']['code'] == 'host/login-refused'


def exact_rule(place):
    """What sudoers must say for renewd's remote command and nothing else (deployers/hosts/ssh_command.cpp says why so)."""
    hosts = pathlib.Path(__file__).resolve().parents[2] / 'deployers/hosts'
    run('/usr/bin/python3', hosts / 'embed.py', hosts / 'receiver.sh', place / 'script.cpp')
    script = (place / 'script.cpp').read_text().split('R"SCRIPT(')[1].split(')SCRIPT"')[0]
    escapes = {'\n': '?', '\\': '\\' * 4} | {character: '\\' + character for character in '*?[]!:,=#'}
    return 'ALL=(root) NOPASSWD: /bin/sh -c ' + ''.join(escapes.get(one, one) for one in script) + ' renewd'


def test_sudo_with_an_exact_line(renewd, pebble, make_nginx, make_sshd, user, place):
    """A login without rights, and a sudoers line for what renewd runs there: served; the user itself never owns the key."""
    nginx = make_nginx('far', form='fixed')
    user.allow_sudo(exact_rule(place))
    sshd = make_sshd(user=user.name)
    renewd.configure(sshd.host_toml('far', sudo=True), certificate(nginx_target(nginx, 'far', 'far')))
    renewd.run('renew', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert nginx.key.owner() == 'root' and nginx.key.stat().st_mode & 0o777 == 0o600
    assert pebble.orders() == 1


def test_sudo_that_is_refused(renewd, make_nginx, make_sshd, user):
    """sudo = true, but no line for it: told as that, nothing is written."""
    nginx, sshd = make_nginx('far'), make_sshd(user=user.name)
    renewd.configure(sshd.host_toml('far', sudo=True), certificate(nginx_target(nginx, 'far', 'far')))
    renewd.run('renew', expect=4)
    assert renewd.target('far')['last_error']['code'] == 'host/sudo-refused'
    assert not nginx.include.exists()


def test_agent_without_root_and_with_its_own_ssh_setup(renewd, make_nginx, sshd, user):
    """An unprivileged renewd, an unpinned host that is in its user's known_hosts, and "ssh://" in place of a name."""
    nginx = make_nginx('far')
    dot_ssh = user.home / '.ssh'
    dot_ssh.mkdir(mode=0o700)
    (dot_ssh / 'known_hosts').write_text(f'[127.0.0.1]:{sshd.port} {sshd.host_key}\n')
    (dot_ssh / 'config').write_text(f'Host 127.0.0.1\n  IdentityFile {dot_ssh}/identity\n  IdentitiesOnly yes\n')
    (dot_ssh / 'identity').write_text(sshd.identity.read_text())
    (dot_ssh / 'identity').chmod(0o600)
    renewd.configure(certificate(nginx_target(nginx, 'far', f'ssh://root@127.0.0.1:{sshd.port}')))
    user.own(user.home, renewd.directory, renewd.webroot)
    renewd.wrapper = ['runuser', '-u', user.name, '--']
    renewd.binary = shutil.copy(BINARY, renewd.directory / 'renewd')  # the tree may be where only root can go
    renewd.run('renew', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert renewd.state.owner() == user.name


def test_auto_endpoints_are_the_hosts_own_address(renewd, make_nginx, sshd):
    """endpoints = "auto": looked at where the host says it is, at the service's usual port, with the name as SNI."""
    address = f'127.83.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}'
    nginx = make_nginx('far')
    nginx.configure(extra=f'server {{ listen {address}:443 ssl; server_name {NAME}; include {nginx.include}; }}')
    renewd.configure(sshd.host_toml('far') + f'address = "{address}"\n',
                     certificate(nginx_target(nginx, 'far', 'far', endpoints='auto')))
    renewd.run('renew', expect=0)
    target = renewd.target('far')
    assert target['state'] == 'serving'
    assert [one['address'] for one in target['endpoints'][0]['addresses']] == [f'{address}:443']
