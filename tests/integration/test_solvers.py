# SPDX-License-Identifier: Apache-2.0
"""Names proven in every way, by a real CA and real name servers; nothing that was presented stays behind."""
import json
import os
import pathlib

import pytest

from caproxy import CaProxy
from processes import listens, run
from renewd import NAME, certificate
from test_check import WRONG_DS
from tls import leaf_of

APEX = 'example.test'
CHALLENGE = f'_acme-challenge.{APEX}'


def tls_solver(pebble, **more):
    lines = ['[solver.tls]', 'type = "tls-alpn-01"', f'listen = "127.0.0.1:{pebble.tls_port}"']
    return '\n'.join(lines + [f'{key} = {value}' for key, value in more.items()]) + '\n'


def names_in(renewd, name=NAME):
    """The subject alternative names of the current generation, as OpenSSL prints them."""
    text = run('openssl', 'x509', '-in', renewd.live(name) / 'cert.pem', '-noout', '-ext', 'subjectAltName').stdout
    return sorted(part.strip() for part in text.split('\n')[1].split(','))


@pytest.fixture(name='with_dns')
def fixture_with_dns(make_pebble, make_renewd, name_server):
    """renewd, and a CA that sees what it writes to the name server."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    renewd.dns = name_server
    return renewd


def test_tls_alpn_01(renewd, pebble):
    """Several names over one listener, which is gone afterwards."""
    names = [NAME, 'mail.example.test', 'example.test']
    renewd.configure(tls_solver(pebble), certificate(names=names, solver='tls'))
    renewd.run('renew', expect=0)
    assert names_in(renewd) == sorted(f'DNS:{name}' for name in names)
    assert not listens(pebble.tls_port)


@pytest.mark.parametrize('solver', ['web', 'tls'])
def test_addresses(renewd, pebble, solver):
    """An address is proven over http-01 and tls-alpn-01, beside a name."""
    renewd.configure(tls_solver(pebble), certificate(names=['127.0.0.1', NAME], solver=solver))
    renewd.run('renew', expect=0)
    assert names_in(renewd) == [f'DNS:{NAME}', 'IP Address:127.0.0.1']
    assert renewd.certificate()['names'] == ['127.0.0.1', NAME]
    renewd.run('renew', '--force', NAME, expect=0)
    assert renewd.certificate()['generation'] == 2


@pytest.mark.parametrize('solver', ['web', 'tls'])
def test_an_ipv6_address(renewd, pebble, solver):
    """The same for one of IPv6, which the CA asks in brackets, and by its reverse name."""
    tls = tls_solver(pebble).replace('127.0.0.1', '[::1]')
    renewd.configure(tls, certificate(names=['::1'], solver=solver), solver=f'listen = "[::1]:{pebble.http_port}"')
    renewd.run('renew', expect=0)
    assert names_in(renewd) == ['IP Address:0:0:0:0:0:0:0:1'] and renewd.certificate()['names'] == ['::1']


def test_wildcard_and_apex_are_two_values_at_one_name(with_dns):
    """Both are there at once and are removed by value: what somebody else has put there stays."""
    dns = with_dns.dns
    dns.add_txt(CHALLENGE, 'somebody else')
    names = [APEX, f'*.{APEX}']
    with_dns.configure(dns.dns_toml, dns.solver_toml(), certificate(name=APEX, names=names, solver='dns'))
    with_dns.run('renew', expect=0)
    assert names_in(with_dns, APEX) == [f'DNS:*.{APEX}', f'DNS:{APEX}']
    assert dns.txt(CHALLENGE) == ['somebody else']


def test_the_slowest_name_server_is_waited_for(make_pebble, make_renewd, make_name_server):
    """A secondary learns of a change a second later: until then the CA, which asks it alone, is not told to look."""
    dns = make_name_server(secondary=True)
    renewd = make_renewd(make_pebble(name_server=dns, asks=dns.second_address))
    renewd.configure(dns.dns_toml, dns.solver_toml(), certificate(name=APEX, names=[f'*.{APEX}'], solver='dns'))
    renewd.run('renew', expect=0)
    assert renewd.pebble.orders() == renewd.pebble.issued() == 1


def test_a_zone_whose_dnssec_is_broken(make_pebble, make_renewd, name_server, make_resolver, open_for_test):
    """A DS of a key that the zone does not have: told as such, and no authorization is burnt. Once it is mended the same order goes on."""
    pebble = make_pebble(name_server=name_server)
    proxy = CaProxy(pebble)
    open_for_test(proxy, proxy.close)
    renewd = make_renewd(pebble)
    renewd.ca_url = proxy.url
    strict = make_resolver(name_server, anchor=WRONG_DS)
    renewd.configure(strict.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    assert 'DNSSEC' in renewd.run('renew', expect=3).text
    assert renewd.certificate()['last_error']['code'] == 'dns/bogus'
    assert pebble.orders() == 1 and not proxy.requests('^/chalZ/')
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    renewd.run('renew', expect=0)
    assert pebble.orders() == pebble.issued() == 1


def test_a_delegated_challenge_is_written_where_it_leads(make_pebble, make_renewd, name_server, make_resolver):
    """Into another zone; the CA's resolver goes the same way."""
    renewd = make_renewd(make_pebble(name_server=make_resolver(name_server)))
    name_server.cname(f'_acme-challenge.{NAME}', 'www.delegated.test')
    name_server.add_txt('www.delegated.test', 'somebody else')
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    renewd.run('renew', expect=0)
    assert name_server.txt('www.delegated.test') == ['somebody else']


def test_a_wildcard_cname_is_no_delegation(make_pebble, make_renewd, name_server, make_resolver):
    """Every name of the zone is led to a stranger's: the record stays where it was asked for, and ends that for its name."""
    renewd = make_renewd(make_pebble(name_server=make_resolver(name_server)))
    name_server.update('delete *.example.test. A', 'add *.example.test. 60 CNAME www.delegated.test.')
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    renewd.run('renew', expect=0)
    assert not name_server.txt('www.delegated.test') and not name_server.txt(f'_acme-challenge.{NAME}')


def test_each_name_by_the_solver_that_takes_it(with_dns):
    """http-01, tls-alpn-01 and dns-01 in one certificate; the most specific solver takes a name."""
    dns, pebble = with_dns.dns, with_dns.pebble
    names = ['web.example.test', 'tls.example.test', '*.dns.example.test', '127.0.0.1']
    with_dns.configure(dns.dns_toml, dns.solver_toml(**{'for': '["*.dns.example.test"]'}),
                       tls_solver(pebble, **{'for': '["tls.example.test", "127.0.0.1"]'}),
                       certificate(name='mixed', names=names, solver='web'))
    with_dns.run('renew', expect=0)
    assert names_in(with_dns, 'mixed') == sorted(
        [f'DNS:{name}' for name in names[:3]] + ['IP Address:127.0.0.1'])
    assert not dns.txt('_acme-challenge.dns.example.test')
    assert not listens(pebble.tls_port)
    assert not list(with_dns.webroot.rglob('acme-challenge/*'))


def test_what_was_presented_goes_away_when_the_ca_refuses(renewd, pebble, name_server):
    """This CA asks a DNS that knows nothing of our records: it refuses, and nothing is left behind."""
    names = ['*.example.test', 'tls.example.test']
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), tls_solver(pebble, **{'for': '["tls.example.test"]'}),
                     certificate(names=names, solver='dns'))
    outcome = renewd.run('renew', expect=3)
    assert '*.example.test' in outcome.text
    assert renewd.certificate()['last_error']['code'] == 'ca/validation-failed'
    assert not name_server.txt(CHALLENGE)
    assert not listens(pebble.tls_port)


def test_nothing_is_answered_while_a_name_server_lags(make_pebble, make_renewd, make_name_server):
    """A value that not every name server shows is not shown to the CA either, and is taken away again."""
    dns, other = make_name_server(), make_name_server('other')
    dns.update('add example.test. 60 NS ns9.example.test.', f'add ns9.example.test. 60 A {other.address}')
    renewd = make_renewd(make_pebble(name_server=dns))
    solver = dns.solver_toml(propagation_timeout='"1s"')
    renewd.configure(dns.dns_toml, solver, certificate(name=APEX, names=[f'*.{APEX}'], solver='dns'))
    renewd.run('renew', expect=3)
    error = renewd.certificate(APEX)['last_error']
    assert error['code'] == 'dns/not-propagated'
    assert other.address in error['message'], error
    assert not any('/chalZ' in request for request in renewd.pebble.requests())
    assert not dns.txt(CHALLENGE)


def test_international_names(with_dns):
    """Names in Unicode are ordered, proven and shown as A-labels."""
    dns = with_dns.dns
    dns.address_of('xn--bcher-kva.example.test')
    with_dns.configure(dns.dns_toml, dns.solver_toml(**{'for': '["*.bücher.example.test"]'}),
                       certificate(name='buecher', names=['Bücher.example.test', '*.bücher.example.test'], solver='web'))
    with_dns.run('renew', expect=0)
    wanted = ['xn--bcher-kva.example.test', '*.xn--bcher-kva.example.test']
    assert names_in(with_dns, 'buecher') == sorted(f'DNS:{name}' for name in wanted)
    assert with_dns.certificate('buecher')['names'] == wanted


def test_check_tells_what_a_solver_lacks(renewd, name_server, place):
    """A secret that cannot be had is told before it is needed, and never what it is."""
    secret = place / 'token'
    secret.write_text('s3cret')
    secret.chmod(0o600)
    solver = f'''[solver.dns]
type = "dns-01"
provider = "rfc2136"
server = "{name_server.address}"
tsig = {{ name = "acme.", secret_env = "NOT_SET_ANYWHERE" }}
[solver.good]
type = "dns-account-01"
provider = "rfc2136"
server = "{name_server.address}"
tsig = {{ name = "acme.", secret_file = "{secret}" }}
'''
    renewd.configure(solver, certificate())
    outcome = renewd.run('check', '--json', expect=3)
    found = {one['subject']: one for one in json.loads(outcome.out)['findings']}
    assert found['solver dns']['result'] == 'fail' and 'NOT_SET_ANYWHERE' in found['solver dns']['text']
    assert found['solver good']['result'] == 'ok'
    assert 's3cret' not in outcome.text


@pytest.mark.parametrize('names, says', [
    (['*.example.test'], 'a wildcard is proven through DNS alone'),
    (['a_b.example.test'], 'only letters, digits and hyphens'),
])
def test_a_name_that_cannot_be_proven_is_told_before_anything_is_done(renewd, pebble, names, says):
    renewd.configure(certificate(names=names))
    outcome = renewd.run('renew', expect=2)
    assert says in outcome.text
    assert pebble.orders() == 0


ACME_SH = """
_initpath() { [ ! -f "$LE_CONFIG_HOME/account.conf" ] || . "$LE_CONFIG_HOME/account.conf"; }
_info() { echo "$1"; }
_err() { echo "$1" >&2; return 1; }
_saveaccountconf_mutable() { echo "SAVED_$1='$2'" >> "$LE_CONFIG_HOME/account.conf"; }
"$@"
"""


def acme_sh_solver(place, name_server):
    """acme.sh, or what stands in for it, and a script for it that adds values one by one and can only remove all of a name; its [solver.sh]."""
    home, config = place / 'acme.sh', place / 'acme.sh-config'
    home.mkdir()
    original = os.environ.get('ACME_SH_HOME')
    (home / 'acme.sh').write_text(pathlib.Path(original, 'acme.sh').read_text() if original else ACME_SH)
    (home / 'dns_knot.sh').write_text(f'''
dns_knot_add() {{
  [ -n "$KNOT_SERVER" ] || {{ _err "no server"; return 1; }}
  _saveaccountconf_mutable KNOT_SERVER "$KNOT_SERVER"
  _info "adding $2"
  knot_update "add $1. 60 TXT $2"
}}
dns_knot_rm() {{ KNOT_SERVER=$SAVED_KNOT_SERVER; knot_update "del $1. TXT"; }}
knot_update() {{ printf '%s\\n' "server $KNOT_SERVER 53" 'zone {APEX}.' "$1" send | knsupdate -v -k {name_server._key_file}; }}
''')
    return config, f'''[solver.sh]
type = "dns-01"
provider = "acme.sh"
hook = "dns_knot"
home = "{home}"
config_home = "{config}"
environment = {{ KNOT_SERVER = "{name_server.address}" }}
'''


def test_a_script_of_acme_sh_that_removes_all_values_of_a_name(with_dns, place):
    """A wildcard and its parent are both proven before either is removed; what the script saves is where it looks for it."""
    config, solver = acme_sh_solver(place, with_dns.dns)
    with_dns.configure(with_dns.dns.dns_toml, solver, certificate(name=APEX, names=[APEX, f'*.{APEX}'], solver='sh'))
    with_dns.run('renew', expect=0)
    assert names_in(with_dns, APEX) == [f'DNS:*.{APEX}', f'DNS:{APEX}'] and with_dns.pebble.orders() == 1
    assert with_dns.dns.txt(CHALLENGE) == []
    assert [one.name for one in config.iterdir()] == ['account.conf'] and config.stat().st_mode & 0o777 == 0o700


def solver_with_an_api_that_is_down(place, name_server):
    """A DNS program that presents and cannot clean up, until the file that is returned is there; and its [solver.run]."""
    works = place / 'works-again'
    program = place / 'own-dns'
    update = f'knsupdate -v -k {name_server._key_file}'
    program.write_text(f'''#!/bin/sh
server='server {name_server.address} 53
zone example.test.'
case $1 in
  present) printf '%s\nadd %s 60 TXT "%s"\nsend\n' "$server" "$2" "$3" | {update} ;;
  cleanup) [ -e {works} ] || {{ echo 'the API is down' >&2; exit 1; }}
           printf '%s\ndel %s 60 TXT "%s"\nsend\n' "$server" "$2" "$3" | {update} ;;
esac
''')
    program.chmod(0o755)
    return works, f'[solver.run]\ntype = "dns-01"\nprovider = "exec"\nprogram = "{program}"\n'


def test_a_record_that_a_rehearsal_leaves_is_removed_later(make_pebble, make_renewd, name_server, place):
    """A DNS API that is down when the staging's order ends: told by the rehearsal, remembered, and gone with the next run."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    staging = make_pebble('staging', name_server=name_server)
    works, solver = solver_with_an_api_that_is_down(place, name_server)
    renewd.configure(name_server.dns_toml, solver, certificate(solver='run'), ca=f'staging = "{staging.url}"')
    assert f'a challenge for {NAME} is still there, and is taken away later' in renewd.run('renew', '--dry-run', expect=0).out
    challenge = f'_acme-challenge.{NAME}'
    assert len(name_server.txt(challenge)) == 1 and renewd.pebble.orders() == 0
    assert [one['code'] for one in renewd.certificate()['conditions']] == ['provider/failed']
    works.touch()
    renewd.run('run', '--once', expect=0)
    assert name_server.txt(challenge) == [] and renewd.certificate()['conditions'] == []


def test_a_record_that_could_not_be_removed_is_removed_later(make_pebble, make_renewd, name_server, place):
    """A DNS API that is down when the order ends: told, remembered, tried again by the next run, and gone."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    works, solver = solver_with_an_api_that_is_down(place, name_server)
    renewd.configure(name_server.dns_toml, solver, certificate(solver='run'))
    renewd.run('renew', expect=0)
    challenge = f'_acme-challenge.{NAME}'
    assert len(name_server.txt(challenge)) == 1
    told = [one for one in renewd.certificate()['conditions'] if one['code'] == 'provider/failed']
    assert len(told) == 1 and f'a challenge for {NAME} could not be taken away: ' in told[0]['message'] and 'the API is down' in told[0]['message']
    works.touch()
    renewd.run('run', '--once', expect=0)
    assert name_server.txt(challenge) == [] and renewd.certificate()['conditions'] == []
    assert renewd.pebble.orders() == 1
