# SPDX-License-Identifier: Apache-2.0
"""What holds a deployment back, and what never does: windows, pauses, and certificates that are gone from the configuration."""
import datetime
import fcntl
import hashlib
import json
import pathlib
import time

import jsonschema

from renewd import NAME, certificate, nginx_target
from test_renewal import LIFE, SHORT, window as suggested
from tls import leaf_of, served

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / 'docs/status.schema.json').read_text(encoding='utf-8'))


def closed_window():
    """Of an hour that begins in three."""
    opens = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    closes = opens + datetime.timedelta(hours=1)
    return f'{opens:%H:%M}-{closes:%H:%M} UTC', f'{opens:%Y-%m-%dT%H:%M:%SZ}'


def history(renewd, name=NAME):
    return (renewd.state / 'certificates' / name / 'history.jsonl').read_text()


def test_a_closed_window_holds_what_is_not_urgent(renewd, nginx):
    """The first deployment is urgent; a renewal is ordered and waits; --now and a replacement do not."""
    window, opens = closed_window()
    renewd.configure(certificate(nginx_target(nginx), window=[window], window_ends_at='20%'))
    renewd.run('renew', expect=0)
    first = served(nginx.port, NAME).sha256
    assert renewd.certificate()['state'] == 'ok'

    forced = renewd.run('renew', '--force', NAME, expect=0)
    assert 'web is held until' in forced.err and f'window {window}' in forced.err and f'renewd deploy {NAME} --now' in forced.err
    whole = renewd.status()
    jsonschema.validate(whole, SCHEMA)
    shown = whole['certificates'][0]
    assert shown['generation'] == 2 and shown['state'] == 'held' and shown['attention'] is None
    assert shown['held'] == {'by': 'window', 'reason': f'window {window}', 'until': opens}
    assert shown['targets'][0]['state'] == 'held' and shown['targets'][0]['installed'] == 1
    assert shown['conditions'][0]['code'] == 'deploy/held' and shown['served'] == {
        'expected': 1, 'serving': 1, 'oldest_not_after': shown['served']['oldest_not_after']}
    assert served(nginx.port, NAME).sha256 == first
    assert f'= {NAME}' in renewd.run('status', expect=0).out
    assert f'window {window}' in renewd.run('why', NAME, expect=0).out

    assert renewd.run('run', '--once', expect=0).text == ''
    assert 'is held until' in renewd.run('renew', NAME, expect=8).err
    assert 'is held until' in renewd.run('deploy', NAME, expect=8).err
    assert served(nginx.port, NAME).sha256 == first
    renewd.run('deploy', NAME, '--now', expect=0)
    assert served(nginx.port, NAME).sha256 == leaf_of(renewd.live() / 'fullchain.pem').sha256 != first

    renewd.run('replace', NAME, '--reason', 'keyCompromise', expect=0)
    shown = renewd.certificate()
    assert shown['state'] == 'ok' and shown['generation'] == 3
    assert served(nginx.port, NAME).sha256 == shown['sha256']


def test_an_open_window_holds_nothing(renewd, nginx):
    """Daily and all day, in a zone of the database."""
    renewd.configure('[certificate.unused]\nnames = ["unused.example.test"]\n' +
                     certificate(nginx_target(nginx), window=['00:00-12:00 Europe/Berlin', '12:00-24:00 Europe/Berlin']))
    renewd.run('renew', NAME, expect=0)
    renewd.run('renew', '--force', NAME, expect=0)
    assert renewd.target('web')['serving'] == 2
    checked = renewd.run('check').out
    assert 'window 00:00-12:00 Europe/Berlin' in checked and 'open now, opens' in checked


def test_a_window_that_is_none(renewd):
    """Told with its place and what would be accepted; nothing was done."""
    renewd.configure(certificate(window=['Mon..Fri 01:00-05:00 Europe/Atlantis']))
    refused = renewd.run('renew', expect=2)
    assert 'there is no time zone "Europe/Atlantis"; accepted: UTC, or' in refused.err
    line = renewd.config.read_text().splitlines().index('window = ["Mon..Fri 01:00-05:00 Europe/Atlantis"]') + 1
    assert f'{renewd.config}:{line}:11: "window" in certificate "{NAME}"' in refused.err


def test_a_pause_holds_until_it_is_resumed(renewd, nginx):
    """Durable, with who and why; orders go on; one without an end waits for a person, and says so."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    assert 'which? name some, or --all (1 certificate)' in renewd.run('pause', expect=2).err
    assert 'accepted: "2h", "3d"' in renewd.run('pause', NAME, '--until', 'tomorrow', expect=2).err
    renewd.run('pause', NAME, '--until', '2h', '--reason', 'ledger migration, CHG-88120', expect=0)
    assert ', paused' in renewd.run('status', expect=0).out
    condition, = renewd.certificate()['conditions']
    assert condition['code'] == 'deploy/held' and 'ledger migration, CHG-88120; nothing is held back yet' in condition['message']
    assert 'is paused by' in renewd.run('why', NAME, expect=0).out
    renewd.run('renew', '--force', NAME, expect=0)
    shown = renewd.certificate()
    assert shown['state'] == 'held' and shown['held']['by'] == 'pause' and shown['attention'] is None
    assert 'ledger migration, CHG-88120' in shown['held']['reason'] and shown['targets'][0]['serving'] == 1
    renewd.run('status', expect=0)

    renewd.run('pause', '*.example.test', expect=0)
    status = renewd.run('status', expect=4)
    assert 'renewd resume' in status.out
    assert renewd.certificate()['attention']['severity'] == 'warning'
    renewd.run('run', '--once', expect=0)
    assert renewd.target('web')['serving'] == 1

    renewd.run('resume', NAME, expect=0)
    renewd.run('run', '--once', expect=0)
    assert renewd.target('web')['serving'] == 2 and renewd.certificate()['state'] == 'ok'
    assert '"paused"' in history(renewd) and 'CHG-88120' in history(renewd) and '"resumed"' in history(renewd)
    assert 'is not paused' in renewd.run('resume', '--all', expect=0).out


def test_states_and_contacts_select(renewd, nginx):
    """--state and --contact narrow what a command is about."""
    renewd.configure(certificate(nginx_target(nginx), contact='web team <web@example.test>'),
                     certificate(name='other.example.test', contact='mail team'))
    renewd.run('renew', NAME, expect=0)
    names = lambda *words: {one['name'] for one in renewd.status(*words)['certificates']}
    assert names('--state', 'ok') == {NAME} and names('--state', 'never_issued') == {'other.example.test'}
    assert names('--contact', 'mail team') == {'other.example.test'} and names('--contact', 'web@') == {NAME}
    assert 'accepted: deploying, due, expired' in renewd.run('status', '--state', 'fine', expect=2).err


def test_gone_from_the_configuration_is_removed_until_it_is_forgotten(renewd, nginx):
    """Kept, neither renewed nor deployed; goes on where it was when it comes back; dropped by name alone, and told what that is."""
    both = [certificate(nginx_target(nginx)), certificate(name='other.example.test')]
    renewd.configure(*both)
    renewd.run('renew', expect=0)
    refused = renewd.run('forget', NAME, expect=2).err
    assert 'is still in the configuration' in refused and f'renewd pause {NAME}' in refused
    renewd.configure(both[1])
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['state'] == 'removed' and renewd.pebble.orders() == 2
    why = ' '.join(renewd.run('why', NAME, expect=0).out.split())
    assert 'no longer in the configuration' in why and f'renewd forget {NAME}' in why

    renewd.configure(*both)
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['state'] == 'ok' and renewd.pebble.orders() == 2

    renewd.configure(both[1])
    assert 'did you mean' in renewd.run('forget', NAME[:-1], expect=2).err
    with (renewd.state / 'certificates' / NAME / '.lock').open('wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another renewd is at work on it: waited for
        renewd.run('forget', NAME, '--no-wait', expect=6)
        waiting = renewd.start('forget', NAME)
        time.sleep(1)
        assert waiting.poll() is None
    told = waiting.communicate(timeout=20)[0]
    assert f'{NAME}  waiting for another renewd' in told
    assert waiting.returncode == 0
    assert 'generation 1 with its key, still valid until' in told and 'last seen on web 127.0.0.1:' in told
    assert 'nobody renews it there any more' in told
    assert [one['name'] for one in renewd.status()['certificates']] == ['other.example.test']
    assert not (renewd.state / 'certificates' / NAME).exists() and not (renewd.state / 'forgotten').exists()
    assert served(nginx.port, NAME), 'what is served stays where it is'
    assert 'there is no certificate' in renewd.run('forget', NAME, expect=2).err
    renewd.configure(*both)
    renewd.run('renew', NAME, expect=0)
    assert renewd.certificate()['generation'] == 1 and renewd.pebble.orders() == 3


def amend(renewd, edit):
    """Changes a record as renewd itself would have written it."""
    file = renewd.state / 'certificates' / NAME / 'record.json'
    document = json.loads(file.read_text())
    edit(document['record'])
    content = json.dumps(document['record'], sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    document['digest'] = hashlib.sha256(content.encode()).hexdigest()
    file.write_text(json.dumps(document))


def test_a_challenge_of_a_removed_certificate_is_still_taken_away(renewd):
    """Where its solver still exists; a stranger's file beside it stays."""
    renewd.configure(certificate(), certificate(name='other.example.test'))
    renewd.run('renew', expect=0)
    challenges = renewd.webroot / '.well-known/acme-challenge'
    challenges.mkdir(parents=True, exist_ok=True)
    (challenges / 'token-left-behind').write_text('token-left-behind.thumbprint')
    (challenges / 'of-somebody-else').write_text('x')
    error = {'code': 'file/io', 'step': 'authorize', 'message': 'it is still there', 'hint': '', 'retry_at': None, 'problem': None}
    amend(renewd, lambda record: record['residue'].append(
        {'solver': 'web', 'identifier': NAME, 'token': 'token-left-behind', 'account_url': '',
         'key_authorization': 'token-left-behind.thumbprint',
         'failure': {'count': 1, 'since': '2026-01-01T00:00:00Z', 'next_attempt': '2026-01-01T00:00:00Z', 'error': error}}))
    renewd.configure(certificate(name='other.example.test'))
    assert renewd.certificate()['conditions'][0]['message'] == 'it is still there'
    renewd.run('run', '--once', expect=0)
    assert [path.name for path in challenges.iterdir()] == ['of-somebody-else']
    assert renewd.certificate()['conditions'] == []


def test_a_ca_in_a_hurry_is_not_held_up(make_pebble, make_renewd, make_nginx, newest_binaries):
    """Its window has moved into the past, so it is about to revoke: ordered and deployed at once, whatever our window says."""
    renewd, nginx = make_renewd(make_pebble(binaries=newest_binaries, settings=SHORT)), make_nginx()
    renewd.configure(certificate(nginx_target(nginx), window=[closed_window()[0]]))
    renewd.run('renew', expect=0)
    renewd.pebble.set_renewal_info(leaf_of(renewd.live() / 'fullchain.pem').pem, suggested(-60, -30))
    time.sleep(LIFE / 20 + 1)
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['generation'] == 2 and renewd.target('web')['serving'] == 2
    assert served(nginx.port, NAME).sha256 == renewd.certificate()['sha256']


def test_what_is_to_be_revoked_is_not_forgotten(renewd, nginx):
    """Its key is needed for that, and a person is told how."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    nginx.stop()
    renewd.run('revoke', NAME, '--no-wait')
    waiting = json.loads((renewd.state / 'certificates' / NAME / 'record.json').read_text())['record']['revocations']
    assert waiting, 'somebody may still serve it'
    renewd.configure(certificate(name='other.example.test'))
    assert renewd.run('run', '--once').code in (0, 3)
    assert 'nobody looks any more' in ' '.join(renewd.run('status', expect=5).out.split())
    refused = renewd.run('forget', NAME, expect=2).err
    assert 'is to be revoked' in refused and f'renewd revoke {NAME} --now' in refused
    assert (renewd.state / 'certificates' / NAME / 'record.json').exists()
