# SPDX-License-Identifier: Apache-2.0
"""A wrong configuration: file, line, column, the key and what would be accepted; exit 2; nothing is touched."""
import json

import pytest

from dns import private_address
from renewd import NAME, certificate, nginx_target

GOOD_TARGET = f'''  [[certificate."{NAME}".target]]
  name = "web"
  deployer = "nginx"
  include = "/no/such/place/www.conf"
  versions = "/no/such/place/www.d"
'''

# What is written below the head, the code, and what the message must hold; "§" is the line that it must point to.
WRONG = {
    'syntax': ('[certificate."www\n§', 'config/syntax', []),
    'unknown key of a certificate': (f'[certificate."{NAME}"]\n§nmaes = ["x.test"]', 'config/unknown-key', ['"nmaes"', '"names"']),
    'unknown key of a target': (certificate(GOOD_TARGET + '§  endpoint = []'), 'config/unknown-key', ['"endpoint"', '"endpoints"']),
    'unknown table': ('§[certifcate."a.test"]', 'config/unknown-key', ['"certifcate"', '"certificate"']),
    'a bare name': ('§[certificate.example.com]', 'config/unknown-key', ['[certificate."example.com"]']),
    'wrong type': (f'[certificate."{NAME}"]\n§names = 5', 'config/wrong-value', ['"names"', 'string']),
    'key type': (f'[certificate."{NAME}"]\n§key_type = "rsa-1024"', 'config/wrong-value', ['rsa-1024', 'rsa-2048']),
    'duration': (certificate(GOOD_TARGET + '§  verify_for = "soon"'), 'config/wrong-value', ['soon', '90s']),
    'no DNS name': (f'[certificate."{NAME}"]\n§names = ["a..b"]', 'config/wrong-value', ['a..b']),
    'no such CA': (f'[certificate."{NAME}"]\n§ca = "tset"', 'config/wrong-value', ['tset', '"test"']),
    'no such solver': (f'[certificate."{NAME}"]\n§solver = "dns"', 'config/wrong-value', ['[solver.dns]']),
    'no such host': (certificate(GOOD_TARGET + '§  host = "web9"'), 'config/wrong-value', ['web9']),
    'no such deployer': (certificate(f'  [[certificate."{NAME}".target]]\n  name = "x"\n§  deployer = "ngnix"'),
                         'config/wrong-value', ['ngnix', '"nginx"']),
    'a deployer for later': (certificate(f'  [[certificate."{NAME}".target]]\n  name = "x"\n§  deployer = "haproxy"'),
                             'config/not-built', ['haproxy']),
    'a table for later': ('§[notice.mail]\ntype = "smtp"', 'config/not-built', ['notice']),
    'an endpoint for later': (certificate(GOOD_TARGET + '§  endpoints = ["smtp://mx.test:25"]'), 'config/not-built', ['smtp']),
    'no endpoint': (certificate(GOOD_TARGET + '§  endpoints = ["htps://x.test"]'), 'config/wrong-value', ['htps']),
    'include without versions': (certificate(f'§  [[certificate."{NAME}".target]]\n  name = "x"\n  deployer = "nginx"\n'
                                             '  include = "/no/such/place/x.conf"'), 'config/missing', ['versions']),
    'a relative path': (certificate(f'  [[certificate."{NAME}".target]]\n  name = "x"\n  deployer = "files"\n  endpoints = []\n'
                                    '§  key = "tls/key.pem"'), 'config/wrong-value', ['tls/key.pem', 'absolute']),
    'a path that leaves': (certificate(f'  [[certificate."{NAME}".target]]\n  name = "x"\n  deployer = "files"\n  endpoints = []\n'
                                       '§  key = "/etc/nginx/../shadow"'), 'config/wrong-value', ['..']),
    'a key for everybody': (certificate(GOOD_TARGET + '§  mode = "0644"'), 'config/wrong-value', ['"mode"', '"0600"']),
    'a shell line': (certificate(GOOD_TARGET + '§  reload = "systemctl reload nginx"'), 'config/wrong-value', ['["systemctl"']),
    'an unknown variable': (certificate(GOOD_TARGET + '§  test = ["nginx", "{site}"]'), 'config/wrong-value', ['{site}', '{certificate}']),
    'one path for two': (certificate(GOOD_TARGET, GOOD_TARGET.replace('"web"', '"web2"')), 'config/conflict', ['/no/such/place/www.conf']),
    'two targets of one name': (certificate(GOOD_TARGET, GOOD_TARGET.replace('/www.', '/other.')), 'config/conflict', ['"web"']),
    'a wildcard without DNS': ('[certificate."x.test"]\n§names = ["*.x.test"]', 'config/wrong-value', ['dns-01']),
    'plain http for a CA': ('[ca.plain]\n§directory = "http://127.0.0.1/dir"', 'config/wrong-value', ['https']),
    'a secret in the open': ('§[host.web1]\nssh = "root@127.0.0.1"\nidentity_file = "{open}"', 'config/secret-exposed', ['chmod 600']),
    'roots that cannot be read': ('§[ca.other]\ndirectory = "https://127.0.0.1/dir"\nroots = "{missing}"', 'config/unreadable', ['{missing}']),
}

# Names that become directories.
ESCAPES = ['..', '../x', 'a/b', '/etc/x', '.hidden', 'a\\u0000b', 'Upper.test', 'x' * 201, '-rf', 'a b', '']


def nothing_was_touched(renewd):
    return not renewd.state.exists() and not renewd.pebble.requests()[1:] and renewd.pebble.orders() == 0


@pytest.mark.parametrize('case', WRONG)
def test_wrong_configuration(renewd, place, case):
    """Each mistake is told with its place, the key and what would be accepted, before anything is touched."""
    text, code, words = WRONG[case]
    exposed = place / 'open.key'
    exposed.write_text('secret')
    exposed.chmod(0o644)
    fill = {'{open}': str(exposed), '{missing}': str(place / 'missing.pem')}
    for variable, value in fill.items():
        text = text.replace(variable, value)
        words = [word.replace(variable, value) for word in words]
    whole = renewd.head() + text
    line = whole[:whole.index('§')].count('\n') + 1 if '§' in text else None
    renewd.write(whole.replace('§', ''))
    for command in (['renew'], ['run', '--once'], ['check']):
        outcome = renewd.run(*command, expect=2)
        assert f'{renewd.config}:' in outcome.err, str(outcome)
        assert all(word in outcome.err for word in words), f'{words}: {outcome}'
    if line is not None and case not in ('syntax', 'a secret in the open', 'roots that cannot be read'):
        assert f'{renewd.config}:{line}:' in outcome.err, str(outcome)
    answer = renewd.run('check', '--json', expect=2)
    assert code in answer.text, str(answer)
    assert nothing_was_touched(renewd)


@pytest.mark.parametrize('name', ESCAPES)
def test_names_that_try_to_leave_the_state_directory(renewd, place, name):
    """A certificate's name becomes a directory: what is no plain name is refused before it is a path."""
    renewd.write(renewd.head() + f'[certificate."{name}"]\nnames = ["{NAME}"]\n')
    before = {path for path in place.rglob('*')}
    renewd.run('renew', expect=2)
    assert nothing_was_touched(renewd)
    assert {path for path in place.rglob('*')} == before


def test_all_problems_are_told_at_once(renewd):
    renewd.write(renewd.head() + f'[certificate."{NAME}"]\nnames = 5\nsolvr = "web"\nkey_type = "none"\n')
    outcome = renewd.run('renew', expect=2)
    assert all(word in outcome.err for word in ('"names"', '"solvr"', 'none'))


def test_configuration_that_is_not_there_or_no_file(renewd, place):
    renewd.config = place / 'nowhere.toml'
    assert str(renewd.config) in renewd.run('renew', expect=2).err
    renewd.config.mkdir()
    assert str(renewd.config) in renewd.run('renew', expect=2).err


def test_conf_d_is_merged_and_conflicts_name_both_places(renewd):
    """A certificate of its own file; a table in two files is an error that names both; [agent] only in the main file."""
    conf_d = renewd.directory / 'conf.d'
    conf_d.mkdir()
    (conf_d / '10-mail.toml').write_text('[certificate."mail.example.test"]\n')
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    assert {one['name'] for one in renewd.status()['certificates']} == {NAME, 'mail.example.test'}
    (conf_d / '20-again.toml').write_text(f'\n[certificate."{NAME}"]\n')
    outcome = renewd.run('renew', expect=2)
    assert '20-again.toml:2:' in outcome.err and str(renewd.config) in outcome.err
    (conf_d / '20-again.toml').write_text('[agent]\njobs = 2\n')
    assert 'only in the main file' in renewd.run('renew', expect=2).err
    (conf_d / '20-again.toml').unlink()
    (conf_d / '30-gone.toml').symlink_to('nowhere')
    assert '30-gone.toml' in renewd.run('renew', expect=2).err


@pytest.mark.parametrize('arguments', [['renwe'], ['renew', '--fource'], [], ['renew', '--force'], ['renew', 'unknown.test'],
                                       ['status', '--width', 'wide']])
def test_wrong_usage(renewd, arguments):
    """Exit 2, one line that says what is wrong, nothing done; --force without a name asks which."""
    renewd.configure(certificate())
    outcome = renewd.run(*arguments, expect=2)
    assert outcome.err.strip() or outcome.out.strip()
    assert nothing_was_touched(renewd)


@pytest.mark.parametrize('arguments, meant', [(['renw'], '"renew"'), (['status', '--jso'], '"--json"'), (['renew', '--focre'], '"--force"')])
def test_what_was_probably_meant(renewd, arguments, meant):
    outcome = renewd.run(*arguments, expect=2)
    assert f'"{arguments[-1]}"; did you mean {meant}?' in outcome.err and '--help' in outcome.err


def test_no_words_at_all(renewd):
    assert 'Usage: renewd' in renewd.run(expect=2).err


def test_wrong_usage_as_json(renewd):
    """With --json the error is one object on stderr, with its code."""
    renewd.configure(certificate())
    error = json.loads(renewd.run('renew', 'unknown.test', '--json', expect=2).err)
    assert error['code'] == 'usage/wrong' and 'unknown.test' in error['message']


def test_help_and_version(renewd):
    renewd.configure(certificate())
    assert 'renew' in renewd.run('--help', expect=0).out
    assert '0.1.0' in renewd.run('--version', expect=0).out


def test_state_on_a_volatile_place_is_refused(renewd):
    """/tmp is emptied at a reboot, and every certificate would be ordered again: only with allow_volatile."""
    renewd.configure(certificate())
    renewd.write(renewd.config.read_text().replace('allow_volatile = true', ''))
    outcome = renewd.run('renew')
    assert outcome.code in (2, 7) and 'allow_volatile' in outcome.text
    assert renewd.pebble.orders() == 0


def test_check_tries_the_surroundings_and_touches_nothing(renewd, nginx, sshd, name_server):
    """All well: 0. A directory, a program or a host that is not there: exit 4, each by its name. Nothing is written or ordered."""
    solver = f'listen = "{private_address(name_server)}:80"'
    renewd.configure(name_server.dns_toml, sshd.host_toml('far'), certificate(nginx_target(nginx)), solver=solver)
    before = nginx.published()
    renewd.run('check', expect=0)
    assert nginx.published() == before and renewd.pebble.orders() == 0
    wrong = nginx_target(nginx, reload=['no-such-program-anywhere'], include='/no/such/place/www.conf')
    renewd.configure(name_server.dns_toml, certificate(wrong), solver=solver)
    outcome = renewd.run('check', expect=4)
    assert 'no-such-program-anywhere' in outcome.text and '/no/such/place' in outcome.text


def test_check_says_what_would_stop_an_issuance(renewd, place):
    """The webroot is not there: exit 3."""
    renewd.configure(certificate(), solver=f'webroot = "{place}/no-webroot"')
    assert 'no-webroot' in renewd.run('check', expect=3).text


def test_service_keys_fill_their_ports(renewd, nginx):
    """endpoints = "auto": this machine's address, SNI each name, port 443; nobody answers there in this test."""
    target = nginx_target(nginx, verify_for='1s').replace(
        f'endpoints = ["https://{NAME}:{nginx.port}?address=127.0.0.1:{nginx.port}"]', 'endpoints = "auto"')
    renewd.configure(certificate(target, names=[NAME, 'mail.example.test']))
    renewd.run('renew')
    endpoints = [one['endpoint'] for one in renewd.target('web')['endpoints']]
    assert len(endpoints) == 2 and all('127.0.0.1' in endpoint for endpoint in endpoints)
    assert NAME in endpoints[0] and 'mail.example.test' in endpoints[1]


def test_check_looks_up_the_name_of_every_host(renewd, name_server):
    """Pinned: a name that does not resolve is a failure; unpinned: it may be an alias of ssh_config, and is a note."""
    target = GOOD_TARGET.replace('deployer =', 'host = "far"\n  deployer =')
    solver = f'listen = "{private_address(name_server)}:80"'
    for pin, code in (('', 0), ('host_key = "ssh-ed25519 AAAA"\n', 4)):
        host = f'[host.far]\nssh = "root@no-such-host.invalid"\naddress = "127.0.0.1"\n{pin}'
        renewd.configure(name_server.dns_toml, host, certificate(target), solver=solver)
        assert 'no-such-host.invalid does not resolve' in renewd.run('check', expect=code).out
