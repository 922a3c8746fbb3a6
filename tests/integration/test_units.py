# SPDX-License-Identifier: Apache-2.0
"""What `meson install` puts where, and what systemd thinks of the units."""
import json
import pathlib
import re

import pytest

from processes import run
from renewd import BINARY

BUILD = BINARY.parents[1]
ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ['renewd-apply.socket', 'renewd-apply@.service', 'renewd-once.service', 'renewd-once.timer', 'renewd.service']
SERVICES = ['renewd-apply@.service', 'renewd-once.service', 'renewd.service']


@pytest.fixture(name='installed', scope='module')
def fixture_installed(tmp_path_factory):
    """The tree that an installation makes, and the prefix in it."""
    tree = tmp_path_factory.mktemp('install')
    run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', tree, timeout=120)
    options = json.loads(run('meson', 'introspect', BUILD, '--buildoptions').stdout)
    prefix = next(one['value'] for one in options if one['name'] == 'prefix')
    return tree / prefix.lstrip('/'), prefix


@pytest.fixture(name='units')
def fixture_units(installed, place):
    """The units as files of this machine, with a program that is there."""
    inside, prefix = installed
    for name in UNITS:
        text = (inside / 'lib/systemd/system' / name).read_text()
        assert '@' not in re.sub(r'renewd-apply@|@system-service|@privileged|@resources|@chown', '', text)
        (place / name).write_text(text.replace(f'{prefix}/bin/', f'{inside}/bin/'))
    return place


def settings(unit):
    """What a unit sets, in its order."""
    return [line for line in unit.read_text().splitlines() if '=' in line and not line.startswith('#')]


def exposure(unit):
    said = run('systemd-analyze', 'security', '--offline=true', '--no-pager', unit).stdout
    return float(re.search(r'Overall exposure level for \S+: ([0-9.]+)', said).group(1))


def check_documented(what, figure):
    """The documentation has the figures of Debian 12; each version of systemd weighs a little differently."""
    if run('systemd-analyze', '--version').stdout.startswith('systemd 252'):
        assert f'| {what} | {figure} |' in (ROOT / 'docs/security.md').read_text()


def test_everything_is_where_debian_has_it(place):
    """With the prefix of a package."""
    run('meson', 'setup', '--prefix=/usr', '-Dtests=false', place / 'package', ROOT, timeout=180)
    targets = set(json.loads(run('meson', 'introspect', place / 'package', '--installed').stdout).values())
    docs = {path for path in targets if path.startswith('/usr/share/doc/renewd/')}
    assert targets - docs == {'/usr/bin/renewd', '/usr/lib/sysusers.d/renewd.conf', '/usr/lib/tmpfiles.d/renewd.conf',
                              '/usr/share/man/man8/renewd.8', '/usr/share/bash-completion/completions/renewd',
                              *(f'/usr/lib/systemd/system/{name}' for name in UNITS)}
    assert {f'/usr/share/doc/renewd/{name}' for name in
            ('security.md', 'installation.md', 'metrics.md', 'examples/renewd.toml', 'examples/allow', 'examples/ports.conf')} <= docs


def test_what_is_installed_can_be_used(installed):
    """One program, which runs; every file for everybody to read and root's to write."""
    inside, prefix = installed
    files = [path for path in inside.rglob('*') if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o111] == [inside / 'bin/renewd']
    assert {path.stat().st_mode & 0o7777 for path in files if path.parent.name != 'bin'} == {0o644}
    assert run(inside / 'bin/renewd', '--version').stdout.startswith('renewd ')
    assert f'ExecStart={prefix}/bin/renewd run\n' in (inside / 'lib/systemd/system/renewd.service').read_text()


def commands_of(program):
    """What `renewd --help` lists, each with the long options of its own help."""
    listed = run(program, '--help').stdout.partition('Subcommands:\n')[2].partition('\n\n')[0]
    commands = re.findall(r'^  ([a-z][a-z-]*) ', listed, re.M)
    return {command: set(re.findall(r'^  (?:-\w,)?(--[a-z-]+)', run(program, command, '--help').stdout, re.M)) for command in commands}


def test_the_manual_page_has_every_command_and_every_option(installed):
    """And what man has it set by does not warn of anything."""
    inside, _ = installed
    page = inside / 'share/man/man8/renewd.8'
    shown = run('groff', '-ww', '-mandoc', '-Tutf8', '-P-cbou', page)
    assert shown.stderr == ''
    commands = commands_of(inside / 'bin/renewd')
    assert len(commands) >= 16
    # groff 1.22 indents by five columns, 1.23 by seven.
    for command, options in commands.items():
        assert re.search(rf'^ {{5,7}}{command}( |$)', shown.stdout, re.M), f'{command} is missing'
        for option in options:
            assert re.search(rf'(?<![\w-]){option}(?![\w-])', shown.stdout), f'{option} of {command} is missing'
    for code in range(9):
        assert re.search(rf'^ {{5,7}}{code} ', shown.stdout, re.M), f'exit status {code} is missing'


def test_bash_completes_commands_and_options(installed):
    """As the program itself tells them."""
    inside, _ = installed
    script = ('. "$1"; COMP_WORDS=(renewd "${@:3}"); COMP_CWORD=$(($# - 2)); _renewd "$2"; printf "%s\\n" "${COMPREPLY[@]}"')

    def complete(*words):
        completion = inside / 'share/bash-completion/completions/renewd'
        return run('bash', '-c', script, 'bash', completion, inside / 'bin/renewd', *words).stdout.split()
    assert set(complete('')) == set(commands_of(inside / 'bin/renewd'))
    assert complete('fore') == ['forecast'] and complete('re') == ['renew', 'revoke', 'replace', 'resume']
    assert complete('renew', '--f') == ['--force'] and '--until' in complete('pause', 'www.example.test', '--')


def test_examples_are_right(installed, place):
    """The example configuration is read without a complaint, and the example list is what its target needs."""
    inside, _ = installed
    examples = inside / 'share/doc/renewd/examples'
    text = (examples / 'renewd.toml').read_text().replace('[agent]\n', f'[agent]\nstate_dir = "{place}/state"\n', 1)
    (place / 'renewd.toml').write_text(text)
    said = json.loads(run(inside / 'bin/renewd', 'status', '--json', '--config', place / 'renewd.toml', check=False).stdout)
    assert [one['name'] for one in said['certificates']] == ['www.example.com']
    assert 'write /etc/nginx/renewd root:root 0644' in (examples / 'allow').read_text()


def test_accounts_and_directories(installed, place):
    """sysusers and tmpfiles take their files, and make what the units count on."""
    inside, _ = installed
    (place / 'etc').mkdir()
    run('systemd-sysusers', f'--root={place}', inside / 'lib/sysusers.d/renewd.conf')
    assert re.search(r'^renewd:x:\d+:\d+:[^:]*:/var/lib/renewd:/usr/sbin/nologin$', (place / 'etc/passwd').read_text(), re.M)
    run('systemd-tmpfiles', f'--root={place}', '--create', inside / 'lib/tmpfiles.d/renewd.conf')
    modes = {name: (place / name).stat().st_mode & 0o7777 for name in
             ('etc/renewd', 'etc/renewd/conf.d', 'etc/renewd/hooks.d', 'etc/renewd/secret', 'var/lib/renewd', 'run/renewd')}
    assert modes == {'etc/renewd': 0o755, 'etc/renewd/conf.d': 0o755, 'etc/renewd/hooks.d': 0o755, 'etc/renewd/secret': 0o700,
                     'var/lib/renewd': 0o700, 'run/renewd': 0o755}
    assert (place / 'etc/renewd').stat().st_uid == 0 != (place / 'var/lib/renewd').stat().st_uid


def test_systemd_takes_the_units(units):
    done = run('systemd-analyze', 'verify', '--man=no', *(units / name for name in UNITS), check=False)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if 'renewd' in line]
    assert not ours and done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize('name,most', [('renewd.service', 1.5), ('renewd-once.service', 1.5), ('renewd-apply@.service', 2.5)])
def test_exposure(units, name, most):
    """The figures of docs/security.md."""
    figure = exposure(units / name)
    assert figure <= most
    check_documented(f'`{name}`', figure)


def test_exposure_with_ports(installed, units):
    """The drop-in that lets the agent listen below port 1024 keeps it within the bound."""
    inside, _ = installed
    drop_in = (inside / 'share/doc/renewd/examples/ports.conf').read_text()
    unit = units / 'renewd.service'
    unit.write_text(unit.read_text().replace('\n[Install]', '\n' + drop_in.split('[Service]\n')[1] + '\n[Install]'))
    figure = exposure(unit)
    assert figure <= 1.5
    check_documented('`renewd.service` with `ports.conf`', figure)


def test_helper_leaves_services_alone_and_units_too(units):
    """What a listed command has started outlives the helper, and what systemd and cron would run is not the helper's to write."""
    lines = settings(units / 'renewd-apply@.service')
    assert 'KillMode=process' in lines
    fixed = ' '.join(line.partition('=')[2] for line in lines if line.startswith('ReadOnlyPaths=')).split()
    assert {'-/run/systemd/system', '-/var/spool/cron'} <= set(fixed)


def test_both_variants_have_one_sandbox(units):
    """What differs between the daemon and the timer's run is how they are started, not what they may."""
    start = 'NoNewPrivileges=yes'
    one, other = ([line for line in settings(units / name)] for name in ('renewd.service', 'renewd-once.service'))
    one = [line for line in one if not line.startswith('WantedBy=')]
    assert one[one.index(start):] == other[other.index(start):]
