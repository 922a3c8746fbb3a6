# SPDX-License-Identifier: Apache-2.0
"""Putting a certificate on a service of this machine, and what was there before back where that goes wrong."""
import os

import pytest

from renewd import NAME, certificate, nginx_target
from tls import is_pair, leaf_of, served


@pytest.mark.parametrize('form', ['include', 'fixed'])
def test_first_deployment_where_the_files_do_not_exist_yet(renewd, make_nginx, form):
    """nginx -t fails because of our own missing files: publish first, test then."""
    nginx = make_nginx(form=form)
    assert served(nginx.port, NAME) is None
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256
    keys = [nginx.key] if form == 'fixed' else [path for path in nginx.versions.rglob('*') if 'key' in path.name]
    assert keys and all(path.stat().st_mode & 0o777 == 0o600 for path in keys)


def test_first_deployment_to_a_service_that_does_not_run(renewd, make_nginx):
    """It is not started, which is told; once a person has started it, the next run finds it serving and writes nothing."""
    nginx = make_nginx(start=False)
    renewd.configure(certificate(nginx_target(nginx, verify_for='2s')))
    outcome = renewd.run('renew')
    assert outcome.code in (4, 5), str(outcome)
    assert nginx.master() is None, 'a service that was not running is not started'
    error = renewd.target('web')['last_error']
    assert error['code'] in ('deploy/not-running', 'deploy/reload-failed', 'verify/unreachable')
    if outcome.code == 5:
        before = nginx.published()
        nginx.start(tls=True)
        renewd.run('deploy', NAME, expect=0)
        assert nginx.published() == before
    else:
        nginx.start(tls=False)
        nginx.configure(tls=True)
        renewd.run('deploy', NAME, expect=0)
    assert renewd.pebble.orders() == 1
    assert renewd.target('web')['state'] == 'serving'


@pytest.mark.parametrize('kill_at', [1, 2])
def test_kill_between_the_two_renames_of_fixed_paths(renewd, pebble, make_nginx, kill_at):
    """Killed on entering the first or the second rename: nginx goes on with the old pair, and the next run puts the new one in place."""
    nginx = make_nginx(form='fixed')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    temporary = renewd.renames_onto([nginx.fullchain, nginx.key], 'renew', NAME, '--force')
    first = served(nginx.port, NAME).sha256
    before = [nginx.fullchain.read_text(), nginx.key.read_text()]
    assert renewd.run_killed_at_rename(kill_at, temporary, 'renew', NAME, '--force')
    after = [nginx.fullchain.read_text(), nginx.key.read_text()]
    changed = sum(old != new for old, new in zip(before, after))
    assert changed == kill_at - 1, 'it was killed where this test wants it'
    assert served(nginx.port, NAME).sha256 == first
    renewd.run('run', '--once', expect=0)
    assert is_pair(nginx.fullchain, nginx.key)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'cert.pem').sha256 != first
    assert pebble.orders() == pebble.issued() == 3
    assert renewd.certificate()['state'] == 'ok'
    assert sorted(path.name for path in nginx.fullchain.parent.iterdir()) == ['www.crt', 'www.key'], 'nothing is left beside'


def test_config_test_that_fails_restores_the_files(renewd, nginx):
    """The new files do not pass nginx -t: files restored, old certificate served, no reload, the test's own words, exit 4."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    before = nginx.include.read_text()
    (nginx.directory / 'accepted').write_text(before)
    picky = nginx.script('picky', f'cmp -s {nginx.include} accepted || {{ echo "nginx: [emerg] not with me" >&2; exit 1; }}\n$NGINX -t')
    count = nginx.script('count', 'echo reload >>reloads; $NGINX -s reload')
    renewd.configure(certificate(nginx_target(nginx, test=picky, reload=count)))
    outcome = renewd.run('renew', NAME, '--force', expect=4)
    assert 'not with me' in outcome.text
    assert nginx.include.read_text() == before
    assert served(nginx.port, NAME).sha256 == first
    assert not (nginx.directory / 'reloads').exists()
    target = renewd.target('web')
    assert (target['wanted'], target['installed'], target['serving']) == (2, 1, 1)
    assert target['last_error']['code'] == 'deploy/test-failed'
    assert renewd.certificate()['state'] in ('failing', 'unserved')


def test_service_that_is_broken_without_us_is_left_alone(renewd, nginx):
    """Its own test fails while all our files are fine: nothing is written, exit 4, its words are told."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    before, first = nginx.published(), served(nginx.port, NAME).sha256
    nginx.configure(tls=True, extra='sss_certificate oops;')
    outcome = renewd.run('renew', NAME, '--force', expect=4)
    assert 'sss_certificate' in outcome.text
    assert renewd.target('web')['last_error']['code'] == 'deploy/service-broken'
    assert nginx.published() == before and served(nginx.port, NAME).sha256 == first
    nginx.configure(tls=True)
    renewd.run('deploy', NAME, expect=0)
    assert served(nginx.port, NAME).sha256 != first and renewd.pebble.orders() == 2


def test_target_added_later_gets_the_current_generation(renewd, pebble, make_nginx):
    """No order, no change of the other target's files."""
    one, two = make_nginx('one'), make_nginx('two')
    renewd.configure(certificate(nginx_target(one, 'one')))
    renewd.run('renew', expect=0)
    before = one.published()
    renewd.configure(certificate(nginx_target(one, 'one'), nginx_target(two, 'two')))
    renewd.run('run', '--once', expect=0)
    assert served(two.port, NAME).sha256 == served(one.port, NAME).sha256
    assert pebble.orders() == 1 and one.published() == before


def test_one_target_fails_and_is_retried_alone(renewd, pebble, make_nginx):
    """The other target is served; the failed one is remembered, and mended later without an order."""
    good, bad = make_nginx('good'), make_nginx('bad')
    bad.include.parent.rmdir()
    bad.include.parent.write_text('a file where the directory should be')
    renewd.configure(certificate(nginx_target(good, 'good'), nginx_target(bad, 'bad')))
    renewd.run('renew', expect=4)
    assert renewd.target('good')['state'] == 'serving'
    failed = renewd.target('bad')
    assert failed['failures'] == 1 and failed['next_attempt'] and failed['last_error']['code'].startswith('deploy/')
    bad.include.parent.unlink()
    bad.include.parent.mkdir()
    before = good.published()
    renewd.run('deploy', NAME, expect=0)
    assert renewd.certificate()['state'] == 'ok' and renewd.target('bad')['failures'] == 0
    assert pebble.orders() == 1 and good.published() == before


def test_files_with_owner_mode_and_every_form(renewd, place):
    """The deployer "files": each form where it was asked for, with its owner and mode; nobody looks: unverified, exit 0."""
    tls = place / 'tls'
    tls.mkdir()
    renewd.configure(certificate(f'''  [[certificate."{NAME}".target]]
  name = "files"
  deployer = "files"
  fullchain = "{tls}/full.pem"
  chain = "{tls}/chain.pem"
  cert = "{tls}/cert.pem"
  key = {{ path = "{tls}/key.pem", group = "daemon", mode = "0640" }}
  combined = {{ path = "{tls}/all.pem", order = "key-first" }}
  endpoints = []
'''))
    renewd.run('renew', expect=0)
    modes = {path.name: (path.stat().st_mode & 0o777, path.group()) for path in tls.iterdir()}
    assert modes == {'full.pem': (0o644, 'root'), 'chain.pem': (0o644, 'root'), 'cert.pem': (0o644, 'root'),
                     'key.pem': (0o640, 'daemon'), 'all.pem': (0o600, 'root')}
    live = renewd.live()
    assert (tls / 'full.pem').read_text() == (live / 'fullchain.pem').read_text()
    assert (tls / 'all.pem').read_text() == (live / 'privkey.pem').read_text() + (live / 'fullchain.pem').read_text()
    assert renewd.target('files')['state'] == 'unverified'


def test_directory_that_others_may_write_to_is_refused(renewd, nginx):
    """Whoever may write to the directory could take the key elsewhere: deploy/unsafe-path, nothing is written."""
    nginx.include.parent.chmod(0o777)
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=4)
    assert renewd.target('web')['last_error']['code'] == 'deploy/unsafe-path'
    assert not list(nginx.include.parent.iterdir())


def test_symbolic_link_in_the_way_is_not_followed(renewd, make_nginx, place):
    """A link where the key goes: what it points to is not overwritten."""
    nginx = make_nginx(form='fixed')
    victim = place / 'victim'
    victim.write_text('mine')
    os.symlink(victim, nginx.key)
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew')
    assert victim.read_text() == 'mine'


def test_deploy_puts_back_what_somebody_removed(renewd, pebble, make_nginx):
    """Files gone (a reinstalled machine): deploy writes the current generation again, and orders nothing."""
    nginx = make_nginx(form='fixed')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    nginx.fullchain.unlink()
    nginx.key.unlink()
    renewd.run('deploy', NAME, expect=0)
    assert is_pair(nginx.fullchain, nginx.key) and pebble.orders() == 1


def test_old_versions_are_cleared_away(renewd, nginx):
    """With `include`, no more versions stay on disk than generations are kept; no key is left lying about."""
    renewd.configure(certificate(nginx_target(nginx)), agent='keep = 2')
    for _ in range(4):
        renewd.run('renew', NAME, '--force', expect=0)
    assert len(list(nginx.versions.iterdir())) == 2
    kept = [path.name for path in renewd.live().parent.iterdir() if path.name.isdigit()]
    assert len(kept) == 2 and '4' in kept
