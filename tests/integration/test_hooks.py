# SPDX-License-Identifier: Apache-2.0
"""Other people's programs at each event: told everything, trusted with nothing."""
import json
import os

from renewd import NAME, certificate, nginx_target


def hook(renewd, event, name='50-note', body=''):
    """An executable in the hooks directory that notes its event, environment and input, then runs `body`."""
    folder = renewd.hooks / event
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / name
    notes = renewd.directory / 'notes'
    script.write_text(f'#!/bin/sh\necho "$RENEWD_EVENT {name}" >>{notes}\nenv >{notes}.{event}.env\ncat >{notes}.{event}.json\n{body}\n')
    script.chmod(0o755)
    return script


def notes(renewd):
    file = renewd.directory / 'notes'
    return file.read_text().splitlines() if file.exists() else []


def test_events_of_a_renewal(renewd, nginx):
    """renewed, deployed and served, once each, in this order; files in byte order; JSON and environment as promised."""
    for event in ('renewed', 'deployed', 'served', 'failed'):
        hook(renewd, event)
    hook(renewd, 'served', '10-first')
    hook(renewd, 'served', '90-backup~')
    hook(renewd, 'served', '95-not-executable').chmod(0o644)
    renewd.configure(certificate(nginx_target(nginx), names=[NAME, 'mail.example.test']))
    renewd.run('renew', expect=0)
    assert notes(renewd) == ['renewed 50-note', 'deployed 50-note', 'served 10-first', 'served 50-note']
    told = json.loads((renewd.directory / 'notes.deployed.json').read_text())
    assert told['version'] == 1 and told['event'] == 'deployed' and told['error'] is None
    assert told['certificate']['name'] == NAME and told['target']['name'] == 'web'
    environment = dict(line.split('=', 1) for line in (renewd.directory / 'notes.served.env').read_text().splitlines())
    assert environment['RENEWD_CERTIFICATE'] == NAME and environment['RENEWD_GENERATION'] == '1'
    assert environment['RENEWD_NAMES'].split() == environment['RENEWED_DOMAINS'].split() == [NAME, 'mail.example.test']
    assert environment['RENEWED_LINEAGE'] == environment['RENEWD_DIRECTORY']
    renewd.run('run', '--once', expect=0)
    assert len(notes(renewd)) == 4, 'served comes once per generation'


def test_environment_of_a_hook_is_clean(renewd, nginx):
    """Nothing of the caller's environment gets through."""
    hook(renewd, 'renewed')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0, environment={'SECRET_TOKEN': 'canary', 'LD_PRELOAD': '', 'BASH_ENV': '/tmp/x'})
    assert 'canary' not in (renewd.directory / 'notes.renewed.env').read_text()
    names = {line.split('=')[0] for line in (renewd.directory / 'notes.renewed.env').read_text().splitlines()}
    assert names <= {'PATH', 'LANG', 'LC_ALL', 'HOME', 'PWD', 'SHLVL', '_', 'OLDPWD', *(n for n in names if n.startswith('RENEW'))}


def test_failed_event(renewd, pebble, nginx):
    """A failed issuance raises `failed` with the error's code."""
    pebble.tell_names('add-a', host=NAME, addresses=['127.0.0.9'])
    hook(renewd, 'failed')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=3)
    assert notes(renewd) == ['failed 50-note']
    told = json.loads((renewd.directory / 'notes.failed.json').read_text())
    assert told['error']['code'] == 'ca/validation-failed'
    assert 'RENEWD_ERROR=ca/validation-failed' in (renewd.directory / 'notes.failed.env').read_text()


def test_hook_that_fails_is_told_and_retried(renewd, pebble, nginx):
    """Exit 4 and a condition; the certificate is served all the same; retried until it succeeds, without an order."""
    broken = hook(renewd, 'renewed', body='echo "no room in the mailbox" >&2; exit 9')
    renewd.configure(certificate(nginx_target(nginx)))
    outcome = renewd.run('renew', expect=4)
    assert 'no room in the mailbox' in outcome.text and str(broken) in outcome.text
    seen = renewd.certificate()
    assert seen['targets'][0]['state'] == 'serving'
    assert [one['code'] for one in seen['conditions']] == ['hook/failed']
    hook(renewd, 'renewed')
    renewd.run('run', '--once', expect=0)
    assert notes(renewd) == ['renewed 50-note'] * 2 and renewd.certificate()['conditions'] == []
    assert pebble.orders() == 1


def test_hook_that_hangs_is_ended(renewd, nginx):
    """Its time limit holds for the whole process group."""
    hook(renewd, 'renewed', body='sleep 100 & sleep 100')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.write(renewd.config.read_text().replace('timeout = "5s"', 'timeout = "1s"'))
    renewd.run('renew', expect=4, timeout=30)
    assert renewd.certificate()['conditions'][0]['code'] == 'hook/failed'


def test_hook_of_one_certificate(renewd, place):
    """[certificate.X] hooks: argv, no shell."""
    renewd.configure(certificate(hooks=None).replace('hooks = null', f'hooks = {{ renewed = ["touch", "{place}/$(id) told"] }}'))
    renewd.run('renew', expect=0)
    assert (place / '$(id) told').exists()


def test_hook_that_others_may_change_is_not_run(renewd, nginx):
    """Root runs it: writable by others means anybody is root."""
    hook(renewd, 'renewed').chmod(0o777)
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=4)
    assert notes(renewd) == [] and renewd.certificate()['conditions'][0]['code'] == 'hook/failed'


def test_hook_with_a_name_that_is_no_text(renewd, nginx):
    """A file's name may hold any byte: it is told, without them, and the record is written all the same."""
    broken = hook(renewd, 'renewed', body='exit 9')
    os.rename(broken, os.fsencode(broken) + b'-\xff\n\x1b[31m')
    renewd.configure(certificate(nginx_target(nginx)))
    outcome = renewd.run('renew', expect=4)
    assert f'{broken}-???[31m at event renewed: exit 9' in outcome.text
    seen = renewd.certificate()
    assert [one['code'] for one in seen['conditions']] == ['hook/failed'] and seen['targets'][0]['state'] == 'serving'


def test_events_before_and_after_each_step(renewd, nginx):
    """before_renew, before_deploy and verified, each in its place among the others."""
    for event in ('before_renew', 'renewed', 'before_deploy', 'deployed', 'verified', 'served'):
        hook(renewd, event)
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    assert [line.split()[0] for line in notes(renewd)] == ['before_renew', 'before_deploy', 'renewed', 'deployed', 'verified', 'served']
    told = json.loads((renewd.directory / 'notes.verified.json').read_text())
    assert told['target']['name'] == 'web' and told['target']['state'] == 'serving'
    before = json.loads((renewd.directory / 'notes.before_renew.json').read_text())
    assert before['target'] is None and before['certificate']['generation'] == 0
    renewd.run('run', '--once', expect=0)
    renewd.run('verify', expect=0)
    assert len(notes(renewd)) == 6, 'what goes on as it was is no event'


def test_hook_that_objects_to_a_renewal(renewd, pebble, nginx):
    """before_renew: nothing is asked of the CA, it is told and tried again; then it goes its way."""
    broken = hook(renewd, 'before_renew', body='echo "backup is running" >&2; exit 1')
    renewd.configure(certificate(nginx_target(nginx)))
    outcome = renewd.run('renew', expect=3)
    assert 'backup is running' in outcome.text and str(broken) in outcome.text and pebble.orders() == 0
    seen = renewd.certificate()
    assert seen['last_error']['code'] == 'hook/failed' and seen['failures'] == 1 and seen['renewal']['at']
    hook(renewd, 'before_renew')
    renewd.run('renew', expect=0)
    assert renewd.certificate()['state'] == 'ok' and pebble.orders() == 1


def test_hook_that_objects_to_a_deployment(renewd, make_nginx):
    """before_deploy: that target is left as it is, the other one gets it; the certificate is kept, not ordered again."""
    first, second = make_nginx('first'), make_nginx('second')
    broken = hook(renewd, 'before_deploy', body='[ "$RENEWD_TARGET" = two ] || exit 0; echo "not during the sale" >&2; exit 1')
    before = second.published()
    renewd.configure(certificate(nginx_target(first, 'one') + nginx_target(second, 'two')))
    outcome = renewd.run('renew', expect=4)
    assert 'not during the sale' in outcome.text and str(broken) in outcome.text
    assert renewd.target('one')['state'] == 'serving'
    assert renewd.target('two')['state'] == 'failing' and renewd.target('two')['last_error']['code'] == 'hook/failed'
    assert second.published() == before
    hook(renewd, 'before_deploy')
    renewd.run('deploy', expect=0)
    assert renewd.target('two')['state'] == 'serving'
