# SPDX-License-Identifier: Apache-2.0
"""An agent that is not root: what needs root on this machine goes through the root helper, and no further than its list."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess

import pytest

from helper import Helper
from nginx import SlowReload
from processes import ENVIRONMENT, free_port, run, wait_until
from renewd import BINARY, NAME, certificate, nginx_target
from sshd import User
from tls import leaf_of, served


ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(name='agent')
def fixture_agent(renewd, user):
    """renewd as a user of its own, as its unit has it."""
    user.own(renewd.directory, renewd.webroot)
    renewd.wrapper = ['runuser', '-u', user.name, '--']
    renewd.binary = shutil.copy(BINARY, renewd.directory / 'renewd')  # the tree may be where only root can go
    return renewd


@pytest.fixture(name='helper')
def fixture_helper(place, user, open_for_test):
    helper = Helper(place / 'helper', user.name)
    return open_for_test(helper, helper.stop)


def configure(agent, helper, *targets, **keys):
    agent.configure(certificate(*targets, **keys), agent=f'helper = "{helper.socket}"')


def owner_of(path):
    return path.stat().st_uid


def findings(agent):
    """What `check` has to say, as {subject: texts} of what is well and of what is not; but for port 80, where nobody listens."""
    said = {'ok': {}, 'note': {}, 'fail': {}}
    for one in json.loads(agent.run('check', '--json').out)['findings']:
        if one['subject'].endswith(', http-01'):
            continue
        texts = said[one['result']]
        texts[one['subject']] = texts.get(one['subject'], '') + one['text'] + '\n'
    return said['ok'], said['fail']


@pytest.mark.parametrize('form', ['include', 'fixed'])
def test_nginx_of_roots_is_served_by_an_agent_that_is_not(agent, helper, make_nginx, form):
    """Issued by the user, deployed through the helper, seen to be served; and a second time."""
    nginx = make_nginx(form=form)
    helper.permit_nginx(nginx)
    configure(agent, helper, nginx_target(nginx, restart=[]))
    agent.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    assert first == leaf_of(agent.live() / 'cert.pem').sha256
    key = next(nginx.versions.glob('*/privkey.pem')) if form == 'include' else nginx.key
    assert owner_of(key) == 0 and key.stat().st_mode & 0o7777 == 0o600
    assert owner_of(agent.state) != 0
    agent.run('renew', NAME, '--force', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(agent.live() / 'cert.pem').sha256 != first
    assert agent.certificate()['state'] == 'ok'
    assert 'PRIVATE KEY' not in helper.log.read_text() and 'committed' in helper.log.read_text()
    assert len(helper.started) >= 2, 'one process for each connection'
    wait_until(lambda: all(process.poll() == 0 for process in helper.started), 'the helpers to end')


def test_what_is_not_listed_is_refused_and_the_line_is_named(agent, pebble, helper, nginx):
    """The reload is not in the list: nothing is written, the line is told; once it is there, the same certificate is deployed."""
    helper.permit(f'write {nginx.include.parent} root:root 0644', f'run {" ".join(nginx.test_argv)}')
    configure(agent, helper, nginx_target(nginx, restart=[]))
    outcome = agent.run('renew', expect=4)
    missing = f'run {" ".join(nginx.reload_argv)}'
    assert f'{helper.allow} has no line  {missing}' in outcome.text
    error = agent.target('web')['last_error']
    assert error['code'] == 'deploy/not-allowed' and missing in error['hint']
    assert nginx.published() == {} and served(nginx.port, NAME) is None
    _, bad = findings(agent)
    assert missing in bad[f'{NAME} on web']
    helper.permit_nginx(nginx)
    good, bad = findings(agent)
    assert 'its list has 4 lines' in ' '.join(good.values()) and not bad
    assert nginx.published() == {}, 'check changes nothing'
    agent.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(agent.live() / 'cert.pem').sha256
    assert pebble.orders() == 1


def test_test_that_fails_takes_the_files_back(agent, helper, nginx):
    """The same guarantees as everywhere: what does not pass the service's test was never there."""
    picky = nginx.script('picky', 'umask >umask; test -e accept || { echo "nginx: [emerg] not with me" >&2; exit 1; }\n$NGINX -t')
    helper.permit_nginx(nginx, picky)
    configure(agent, helper, nginx_target(nginx, test=picky, restart=[]))
    outcome = agent.run('renew', expect=4)
    assert 'not with me' in outcome.text and nginx.published() == {}
    assert agent.target('web')['last_error']['code'] == 'deploy/test-failed'
    assert (nginx.directory / 'umask').read_text() == '0022\n', 'whatever the unit has'
    (nginx.directory / 'accept').touch()
    agent.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(agent.live() / 'cert.pem').sha256


def test_renewd_killed_during_the_reload(agent, pebble, helper, nginx):
    """The agent dies while the helper reloads: the helper ends what it has begun, what is proven stays, and the next run sees it."""
    slow = SlowReload(nginx)
    helper.permit_nginx(nginx, slow.command)
    configure(agent, helper, nginx_target(nginx, reload=slow.command, restart=[]))
    agent.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    slow.slow_down()
    process = agent.start('renew', NAME, '--force')
    slow.wait_until_begun()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    wait_until(lambda: all(one.poll() is not None for one in helper.started), 'the helper to end', 20)
    agent.run('run', '--once', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(agent.live() / 'cert.pem').sha256 != first
    assert pebble.orders() == pebble.issued() == 2


def test_without_a_helper_it_does_what_its_user_may_and_says_the_rest(agent, user, nginx, place):
    """Issued and kept; the user's own file is written; root's is not, and what to do about it is told: at start, by check, by status."""
    own = place / 'home' / 'www.pem'
    user_target = f'''  [[certificate."{NAME}".target]]
  name = "own"
  deployer = "files"
  combined = "{own}"
  owner = "{user.name}"
  group = "{user.name}"
  endpoints = []
'''
    agent.configure(certificate(user_target, nginx_target(nginx)))
    outcome = agent.run('run', '--once', expect=4)
    assert own.read_text().count('BEGIN') == 3 and own.stat().st_mode & 0o7777 == 0o600
    assert f'cannot deploy {NAME} on web ({nginx.include.parent})' in outcome.err and 'agent.helper' in outcome.err
    error = agent.target('web')['last_error']
    assert error['code'] in ('deploy/write-failed', 'deploy/unsafe-path') and 'agent.helper' in error['hint']
    assert served(nginx.port, NAME) is None and nginx.published() == {}
    _, bad = findings(agent)
    assert 'there is no root helper' in bad[f'{NAME} on web'] and list(bad) == [f'{NAME} on web']


def test_helper_that_is_not_there(agent, place, nginx):
    """Told once, with what to do; the certificate is issued all the same."""
    agent.configure(certificate(nginx_target(nginx, restart=[])), agent=f'helper = "{place}/nowhere.sock"')
    outcome = agent.run('run', '--once', expect=4)
    remark = outcome.err[outcome.err.index('nothing can be deployed on this machine for now'):].splitlines()[0]
    assert 'nowhere.sock' in remark and 'systemctl enable --now renewd-apply.socket' in remark
    outcome = agent.run('deploy', expect=4)
    assert 'systemctl enable --now renewd-apply.socket' in outcome.text
    assert agent.target('web')['last_error']['code'] == 'host/unreachable'
    _, bad = findings(agent)
    assert 'cannot be reached' in bad['helper']
    assert (agent.live() / 'cert.pem').exists()
    with socket.socket(socket.AF_UNIX) as nobody_listens:
        nobody_listens.bind(str(place / 'nowhere.sock'))
        (place / 'nowhere.sock').chmod(0o666)
    agent.wrapper += ['timeout', '3']
    outcome = agent.run('run', expect=124)
    assert outcome.err.count('nothing can be deployed on this machine for now') == 1
    assert 'systemctl enable --now renewd-apply.socket' in outcome.err


def test_helper_that_works_for_somebody_else_is_told_at_start(agent, helper, nginx):
    """A refusal is no better than a socket that is not there."""
    helper.peer = 'root'
    configure(agent, helper, nginx_target(nginx, restart=[]))
    outcome = agent.run('run', '--once', expect=4)
    assert 'nothing can be deployed on this machine for now' in outcome.err and '--peer' in outcome.err


def test_check_asks_for_no_more_than_challenges_need(agent, user):
    """A webroot of root's in which only .well-known/acme-challenge is renewd's (docs/security.md), or that is a link, will do."""
    run('chown', '-R', 'root:', agent.webroot)
    agent.configure(certificate())
    challenges = agent.webroot / '.well-known' / 'acme-challenge'
    outcome = agent.run('check', expect=3)
    assert f'install -d -o {pwd.getpwnam(user.name).pw_uid} {challenges}' in outcome.out
    challenges.mkdir(parents=True, exist_ok=True)
    user.own(challenges)
    assert f'challenges can be written to {challenges}' in findings(agent)[0]['solver web']
    agent.run('renew', expect=0)
    link = agent.directory / 'link'
    link.symlink_to(agent.webroot)
    agent.configure(certificate(), solver=f'webroot = "{link}"')
    assert findings(agent)[1] == {}
    challenges.parent.rename(agent.webroot / 'real')
    challenges.parent.symlink_to('real')
    assert 'no link is followed' in agent.run('check', expect=3).out


def test_somebody_else_asks(agent, helper, nginx, user, place, open_for_test):
    """The helper works for one user; another, and be it the one who can read the agent's configuration, gets a refusal."""
    helper.permit_nginx(nginx)
    other = User(f'renewd-{free_port()}', place / 'other')
    open_for_test(other, other.remove)
    ask = ['/usr/bin/python3', '-c', 'import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n'
           'print(s.makefile().readline())', str(helper.socket)]
    assert run('runuser', '-u', user.name, '--', *ask).stdout.strip() == 'renewd-1 ready'
    answer = run('runuser', '-u', other.name, '--', *ask).stdout
    assert '"host/login-refused"' in answer and str(pwd.getpwnam(other.name).pw_uid) in answer
    configure(agent, helper, nginx_target(nginx, restart=[]))
    other.own(agent.directory, agent.webroot)
    agent.wrapper = ['runuser', '-u', other.name, '--']
    agent.run('renew', expect=4)
    assert agent.target('web')['last_error']['code'] == 'host/login-refused' and nginx.published() == {}


def test_list_that_others_can_write(agent, helper, nginx):
    """Whoever can write the list could become root by it: nothing at all is done, and the chmod is named."""
    helper.permit_nginx(nginx)
    helper.allow.chmod(0o664)
    configure(agent, helper, nginx_target(nginx, restart=[]))
    outcome = agent.run('renew', expect=4)
    assert f'chmod go-w {helper.allow}' in outcome.text
    assert agent.target('web')['last_error']['code'] == 'file/unsafe' and nginx.published() == {}


def test_directory_that_leads_elsewhere(agent, helper, nginx, place):
    """A link below the listed directory: nothing is written behind it."""
    precious = place / 'precious'
    precious.mkdir()
    (nginx.include.parent / 'link').symlink_to(precious)
    helper.permit_nginx(nginx)
    configure(agent, helper, nginx_target(nginx, restart=[], include=str(nginx.include.parent / 'link' / 'www.conf')))
    agent.run('renew', expect=4)
    assert agent.target('web')['last_error']['code'] == 'deploy/unsafe-path'
    assert not list(precious.iterdir())


@pytest.fixture(name='make_read_only')
def fixture_make_read_only(open_for_test):
    """Makes a directory read-only, for root, too; gives what ends that."""
    def make(folder):
        run('mount', '--bind', folder, folder)
        run('mount', '-o', 'remount,ro,bind', folder)
        return open_for_test(lambda: run('umount', folder), lambda: os.path.ismount(folder) and run('umount', folder))
    return make


def test_sandbox_that_is_narrower_than_the_list(agent, helper, nginx, make_read_only):
    """The list allows what the helper's unit may not write: check and the deployment both say what to add to the unit."""
    folder = nginx.include.parent
    make_writable = make_read_only(folder)
    helper.permit_nginx(nginx)
    configure(agent, helper, nginx_target(nginx, restart=[]))
    outcome = agent.run('renew', expect=4)
    assert 'Read-only file system' in outcome.text
    error = agent.target('web')['last_error']
    assert error['code'] == 'deploy/write-failed' and 'systemctl edit renewd-apply@.service' in error['hint']
    _, bad = findings(agent)
    assert f'ReadWritePaths={folder}' in bad[f'{NAME} on web']
    make_writable()
    agent.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(agent.live() / 'cert.pem').sha256


def calls_of(name):
    """The system calls of one of systemd's sets, those of the sets in it included; a name of a call is itself."""
    if not name.startswith('@'):
        return {name}
    lines = (line.strip() for line in run('systemd-analyze', 'syscall-filter', name).stdout.splitlines()[1:])
    return set().union(*(calls_of(line) for line in lines if line and not line.startswith('#')))


def allowed_by(unit, key):
    """What the lines of one key come to: in their order, those with ~ take away."""
    allowed = set()
    for line in re.findall(rf'^{key}=(.*)$', (ROOT / 'agent/systemd' / unit).read_text(), re.M):
        for word in line.removeprefix('~').split():
            names = calls_of(word) if key == 'SystemCallFilter' else {word}
            allowed = allowed - names if line.startswith('~') else allowed | names
    return allowed


def check_sandbox(unit, log):
    """Every system call in the log of an strace is one that the unit allows, and none asks for what another line forbids."""
    text, trace = (ROOT / 'agent/systemd' / unit).read_text(), log.read_text()
    used, allowed = set(re.findall(r'^\d+ +(\w+)\(', trace, re.M)), allowed_by(unit, 'SystemCallFilter')
    assert len(used) > 40 and used <= allowed, used - allowed
    assert set(re.findall(r'socket\((AF_\w+)', trace)) <= allowed_by(unit, 'RestrictAddressFamilies')
    if 'MemoryDenyWriteExecute=yes' in text:
        assert not re.search(r'(mmap|mprotect)\(.*PROT_WRITE\|PROT_EXEC', trace)
    assert 'RestrictNamespaces=yes' in text and not re.search(r'(unshare|setns)\(|clone3?\(.*CLONE_NEW', trace)


def test_what_both_do_is_what_their_sandboxes_allow(agent, helper, nginx, make_nginx, sshd, user):
    """A renewal with a target through the helper and one over SSH, every system call of it held against the units."""
    far = make_nginx('far')
    helper.permit_nginx(nginx)
    helper_log, agent_log = helper.directory / 'strace', pathlib.Path(user.home) / 'strace'
    helper.wrapper = ['strace', '-f', '-qq', '-A', '-o', str(helper_log)]
    identity = pathlib.Path(shutil.copy(sshd.identity, user.home))
    user.own(identity)
    agent.configure(sshd.host_toml('far').replace(str(sshd.identity), str(identity)),
                    certificate(nginx_target(nginx, restart=[]), nginx_target(far, 'far', 'far')),
                    agent=f'helper = "{helper.socket}"')
    agent.wrapper += ['strace', '-f', '-qq', '-o', str(agent_log)]
    agent.run('run', '--once', expect=0, timeout=120)
    assert agent_log.read_text().count('execve("/usr/bin/ssh"') == 1 and 'execve("/usr/sbin/nginx"' in helper_log.read_text()
    check_sandbox('renewd.service.in', agent_log)
    check_sandbox('renewd-apply@.service.in', helper_log)


def test_helper_says_what_it_is_for():
    """Started by hand it is no use, and says so."""
    done = subprocess.run([BINARY, 'apply', '--peer', 'root'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, env=ENVIRONMENT)
    assert done.returncode == 2 and 'renewd-apply.socket' in done.stderr
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run([BINARY, 'apply', '--peer', 'nobody-of-that-name'], stdin=theirs, capture_output=True, text=True,
                              check=False, env=ENVIRONMENT)
    assert done.returncode == 2 and "no user 'nobody-of-that-name'" in done.stderr


def test_root_becomes_the_owner_of_the_state(renewd, user, helper, nginx):
    """`sudo renewd …`: nothing of root's is left in a state directory of somebody's, and root's files still go through the helper."""
    helper.permit_nginx(nginx)
    renewd.state.mkdir()
    user.own(renewd.state, renewd.webroot)
    configure(renewd, helper, nginx_target(nginx, restart=[]))
    renewd.run('renew', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    everything = [renewd.state, *renewd.state.rglob('*')]
    assert len(everything) > 10 and {path.lstat().st_uid for path in everything} == {pwd.getpwnam(user.name).pw_uid}
    assert len(helper.started) >= 1
    renewd.run('status', expect=0)
    renewd.run('renew', NAME, '--force', expect=0)
    assert {path.lstat().st_uid for path in renewd.state.rglob('*')} == {pwd.getpwnam(user.name).pw_uid}


def test_root_becomes_the_owner_behind_a_link(renewd, user):
    """The configuration is a link, as into a store: its state_dir is found all the same."""
    renewd.state.mkdir()
    user.own(renewd.state, renewd.webroot)
    renewd.configure(certificate())
    real = renewd.config.rename(renewd.config.with_name('real.toml'))
    renewd.config.symlink_to(real)
    renewd.run('renew', expect=0)
    assert {path.lstat().st_uid for path in renewd.state.rglob('*')} == {pwd.getpwnam(user.name).pw_uid}


def test_root_with_a_state_of_its_own_needs_no_helper(renewd, helper, nginx):
    """The state is root's: root it stays, and does everything itself."""
    configure(renewd, helper, nginx_target(nginx))
    renewd.run('renew', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    assert not helper.started and owner_of(renewd.state) == 0


def test_owner_has_nothing_left_of_root(renewd, user):
    """Neither groups nor rights of root's go along, but for the one to listen below port 1024; and hooks do not even have that."""
    renewd.state.mkdir()
    user.own(renewd.state, renewd.webroot)
    hook = renewd.directory / 'hook'
    seen = pathlib.Path(user.home) / 'seen'
    hook.write_text(f'#!/bin/sh\ngrep -E "^(Uid|Gid|Groups|Cap)" /proc/self/status >{seen}\n')
    hook.chmod(0o755)
    renewd.configure(certificate(hooks={'renewed': [str(hook)]}).replace('{"renewed": ', '{ renewed = '))
    renewd.run('renew', expect=0)
    entry = pwd.getpwnam(user.name)
    lines = dict(line.split(':', 1) for line in seen.read_text().splitlines())
    assert set(lines['Uid'].split()) == {str(entry.pw_uid)} and set(lines['Gid'].split()) == {str(entry.pw_gid)}
    assert lines['Groups'].split() in ([], [str(entry.pw_gid)])
    assert all(int(lines[which], 16) == 0 for which in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb'))


def test_configuration_that_only_root_can_read(renewd, user):
    """What the agent could not read is told now, instead of being used by root's command alone."""
    renewd.state.mkdir()
    user.own(renewd.state)
    renewd.configure(certificate())
    renewd.config.chmod(0o600)
    outcome = renewd.run('status', expect=2)
    assert 'Permission denied' in outcome.text and f'as user {user.name}' in outcome.text
