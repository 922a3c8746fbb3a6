# SPDX-License-Identifier: Apache-2.0
"""`renewd check` tries what a CA would look at, says only what it has seen, and orders nothing."""
import json
import signal

import pytest

from dns import private_address
from processes import Daemon, wait_until
from renewd import NAME, certificate
from test_renewal import other_ca

APEX = 'example.test'
ELSEWHERE = 'delegated.test'
PERSIST = '[solver.p]\ntype = "dns-persist-01"\n'
# Of a key that the zone does not have (RFC 4034 §5.3).
WRONG_DS = f'{APEX}. DS 12345 13 2 {"00" * 32}'


def checked(renewd, expect):
    """What was found, as {subject: (result, text)}."""
    return {one['subject']: (one['result'], one['text'])
            for one in json.loads(renewd.run('check', '--json', expect=expect).out)['findings']}


def test_check_presents_and_fetches_a_challenge(make_pebble, make_renewd, name_server):
    """http-01, the way a CA sees it, at every address of the name: one that nobody answers at is named. Nothing is ordered."""
    pebble = make_pebble(name_server=name_server)
    renewd = make_renewd(pebble)
    address = private_address(name_server)
    renewd.configure(name_server.dns_toml, certificate(), solver=f'listen = "{address}:80"')
    assert f'answered at {address}' in renewd.run('check', expect=0).out
    elsewhere = private_address(name_server)
    outcome = renewd.run('check', expect=3)
    assert f'answered at {address}' in outcome.out and f'{elsewhere}: ' in outcome.out and 'FAIL' in outcome.out
    assert pebble.orders() == 0 and pebble.accounts() == 0


def test_check_writes_and_removes_a_record(make_pebble, make_renewd, name_server):
    """dns-01: the rights are tried by really writing; what is there of others stays, what is ours goes."""
    pebble = make_pebble(name_server=name_server)
    renewd = make_renewd(pebble)
    name_server.add_txt(f'_acme-challenge.{NAME}', 'of somebody else')
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(names=[NAME, f'*.{NAME}'], solver='dns'))
    assert 'presented and seen' in renewd.run('check', expect=0).out
    assert name_server.txt(f'_acme-challenge.{NAME}') == ['of somebody else']
    name_server.secret_file.write_text('AAAA\n')
    outcome = renewd.run('check', expect=3)
    assert 'dns-01' in outcome.out and pebble.orders() == 0


def test_check_follows_a_delegation(make_pebble, make_renewd, make_name_server):
    """_acme-challenge is a CNAME into another zone: the value is put there, and waited for at the name servers of that zone."""
    dns, slow = make_name_server(), make_name_server('slow')
    there = f'www.{ELSEWHERE}'
    dns.update(*(f'add {line}' for line in lags(slow, ELSEWHERE)))
    dns.cname(f'_acme-challenge.{NAME}', there)
    renewd = make_renewd(make_pebble(name_server=dns))
    renewd.configure(dns.dns_toml, dns.solver_toml(), certificate(solver='dns'))
    process = renewd.start('check')
    wait_until(lambda: dns.txt(there), 'the value where the CNAME leads', 20)
    value, = dns.txt(there)
    assert process.poll() is None, 'one of two servers does not show it yet'
    slow.add_txt(there, value)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and 'presented and seen' in said, said
    assert dns.txt(there) == []


def test_check_names_a_circle_of_cnames(make_pebble, make_renewd, name_server):
    """Into another zone and back: the way is told."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    asked, back = f'_acme-challenge.{NAME}', f'www.{ELSEWHERE}'
    name_server.cname(asked, back)
    name_server.cname(back, asked)
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    result, text = checked(renewd, 3)[f'{NAME}, dns-01']
    assert result == 'fail' and 'in a circle' in text and text.index(asked) < text.index(back), text


@pytest.fixture(name='lagging')
def fixture_lagging(make_pebble, make_renewd, make_name_server):
    """A renewd whose check waits for a name server that lags, beside a value of somebody else's; and both name servers."""
    dns, slow = make_name_server(), make_name_server('slow')
    dns.update(*(f'add {line}' for line in lags(slow)))
    dns.add_txt(f'_acme-challenge.{APEX}', 'somebody else')
    renewd = make_renewd(make_pebble(name_server=dns))
    renewd.configure(dns.dns_toml, dns.solver_toml(), certificate(name=APEX, names=[f'*.{APEX}'], solver='dns'))
    return renewd, dns, slow


def lags(slow, zone=APEX):
    return [f'{zone}. 60 NS ns9.{zone}.', f'ns9.{zone}. 60 A {slow.address}']


def start_check(renewd, dns):
    process = renewd.start('check')
    wait_until(lambda: len(dns.txt(f'_acme-challenge.{APEX}')) == 2, 'the value', 20)
    return process


@pytest.mark.parametrize('sent, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_check_that_is_ended_takes_its_record_away(lagging, sent, code):
    """Ctrl-C at a machine that has no state yet: nothing would be there to remember it, and nothing is made for it."""
    renewd, dns, _ = lagging
    process = start_check(renewd, dns)
    process.send_signal(sent)
    assert process.wait(timeout=20) == code and 'taking away what was put up' in process.stdout.read()
    assert dns.txt(f'_acme-challenge.{APEX}') == ['somebody else'] and not renewd.state.exists()


def test_record_of_a_killed_check_is_taken_away(lagging):
    """kill -9: the next pass takes it away, and leaves a stranger's."""
    renewd, dns, slow = lagging
    renewd.state.mkdir()
    process = start_check(renewd, dns)
    process.kill()
    process.wait(timeout=10)
    assert len(dns.txt(f'_acme-challenge.{APEX}')) == 2
    dns.update(*(f'delete {line}' for line in lags(slow)))
    renewd.run('run', '--once', expect=0)
    assert dns.txt(f'_acme-challenge.{APEX}') == ['somebody else']
    renewd.run('check', expect=0)
    record = json.loads((renewd.state / 'certificates' / APEX / 'record.json').read_text())['record']
    assert record['residue'] == []


def test_second_signal_ends_check_at_once(make_pebble, make_renewd, name_server, place):
    """Whoever does not want to wait for a DNS API that hangs."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    up, going, program = place / 'up', place / 'going', place / 'own-dns'
    program.write_text(f'#!/bin/sh\n[ "$1" = present ] && touch {up} || touch {going}\nexec sleep 15\n')
    program.chmod(0o755)
    solver = f'[solver.run]\ntype = "dns-01"\nprovider = "exec"\nprogram = "{program}"\n'
    renewd.configure(name_server.dns_toml, solver, certificate(solver='run'))
    process = renewd.start('check')
    wait_until(up.exists, 'the challenge to be put up', 20)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline().startswith('taking away what was put up')
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130 and not going.exists()


def test_check_reads_caa(make_pebble, make_renewd, name_server):
    """A CAA record that lets nobody issue is found before the renewal in sixty days is refused."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    address = private_address(name_server)
    name_server.caa(NAME, ';')
    renewd.configure(name_server.dns_toml, certificate(), solver=f'listen = "{address}:80"')
    outcome = renewd.run('check', expect=3)
    assert 'CAA for test' in outcome.out and NAME in outcome.out


def test_check_reads_caa_for_each_ca(make_pebble, make_renewd, name_server, newest_binaries):
    """Each CA of the list by the names that its own directory says: the one that the record does not name fails, and that one alone."""
    first, second = (make_pebble(name, name_server=name_server, binaries=newest_binaries, settings={'caaIdentities': [f'{name}.test']})
                     for name in ('first', 'second'))
    renewd = make_renewd(first)
    address = private_address(name_server)
    renewd.configure(name_server.dns_toml, other_ca(second), certificate(ca=['test', 'other']), solver=f'listen = "{address}:80"')
    for allowed, kept_out in (('first', 'other'), ('second', 'test')):
        name_server.update(f'del {NAME}. CAA')
        name_server.caa(NAME, f'{allowed}.test')
        failed = {subject: text for subject, (result, text) in checked(renewd, 3).items() if result == 'fail'}
        assert len(failed) == 1 and f'{allowed}.test' in failed[f'{NAME}, CAA for {kept_out}'], failed
    name_server.caa(NAME, 'first.test')
    assert not [subject for subject, (result, _) in checked(renewd, 0).items() if result == 'fail'], 'both are named'
    assert first.orders() == second.orders() == 0


def test_check_shakes_hands(make_pebble, make_renewd, name_server):
    """tls-alpn-01, the way a CA sees it: one address where it is answered, one where nobody listens, one where a web server does."""
    pebble = make_pebble(name_server=name_server)
    renewd = make_renewd(pebble)
    address = private_address(name_server)
    renewd.configure(name_server.dns_toml, f'[solver.tls]\ntype = "tls-alpn-01"\nlisten = "{address}:443"\n', certificate(solver='tls'))
    assert checked(renewd, 0)[f'{NAME}, tls-alpn-01'] == ('ok', f'answered at {address}')
    elsewhere = private_address(name_server)
    outcome = renewd.run('check', expect=3)
    assert f'answered at {address}' in outcome.out and f'{elsewhere}:443: ' in outcome.out
    assert pebble.orders() == 0 and pebble.accounts() == 0


def test_check_finds_another_server_at_port_443(make_pebble, make_renewd, name_server, https, place, open_for_test):
    """One that even speaks acme-tls/1: its certificate is not the one that was put there."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    address = private_address(name_server)
    other = Daemon(['openssl', 's_server', '-www', '-accept', f'{address}:443', '-alpn', 'acme-tls/1',
                    '-cert', https / 'cert.pem', '-key', https / 'key.pem'], place / 's_server.log')
    open_for_test(other, other.stop)
    other.start(443, address)
    solver = f'[solver.tls]\ntype = "tls-alpn-01"\nlisten = "127.0.0.1:{renewd.pebble.tls_port}"\n'
    renewd.configure(name_server.dns_toml, solver, certificate(solver='tls'))
    result, text = checked(renewd, 3)[f'{NAME}, tls-alpn-01']
    assert result == 'fail' and text.startswith(f'{address}:443 shows another certificate')


def test_check_says_what_it_has_not_looked_at(make_pebble, make_renewd, name_server):
    """propagation = "none": presented, and no more is claimed."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    renewd.configure(name_server.dns_toml, name_server.solver_toml(propagation='"none"'), certificate(solver='dns'))
    result, text = checked(renewd, 0)[f'{NAME}, dns-01']
    assert result == 'note' and text.startswith('presented; not looked at')
    assert name_server.txt(f'_acme-challenge.{NAME}') == []


def test_check_of_private_names(make_pebble, make_renewd, name_server):
    """public = false takes away CAA, and nothing else: a port that is shut and a key that is wrong are found for a private CA, too."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    address = private_address(name_server)
    private = name_server.dns_toml + 'public = false\n'
    name_server.caa(NAME, ';')
    wild = f'*.dns.{APEX}'
    solver = name_server.solver_toml(**{'for': f'["{wild}"]'})
    renewd.configure(private, solver, certificate(names=[NAME, wild]), solver=f'listen = "{address}:80"')
    found = checked(renewd, 0)
    assert found[f'{NAME}, http-01'] == ('ok', f'answered at {address}')
    assert found[f'{NAME}, {wild}, dns-01'] == ('ok', 'presented and seen')
    assert not [one for one in found if 'CAA' in one]
    name_server.secret_file.write_text('AAAA\n')
    assert checked(renewd, 3)[f'{NAME}, {wild}, dns-01'][0] == 'fail'


def test_check_tries_the_account_of_each_ca(make_pebble, make_renewd, name_server, newest_binaries):
    """dns-persist-01 and dns-account-01 depend on who asks: what a CA without an account would be shown is not made up."""
    first, second = (make_pebble(name, name_server=name_server, binaries=newest_binaries) for name in ('pebble', 'second'))
    renewd = make_renewd(first)
    both = certificate(name=APEX, names=[APEX, f'*.{APEX}'], solver='p', ca=['test', 'other'])
    renewd.configure(name_server.dns_toml, other_ca(second), PERSIST, both)
    found = checked(renewd, 3)
    for ca in ('test', 'other'):
        result, text = found[f'{APEX}, dns-persist-01 for {ca}']
        assert result == 'fail' and f'renewd account register {ca}' in text and 'accounturi' not in text
    urls = []
    for ca in ('test', 'other'):
        renewd.run('account', 'register', ca, expect=0)
        urls.append(json.loads(renewd.run('account', 'show', ca, '--json').out)['accounts'][0]['url'])
    found = checked(renewd, 3)
    for ca, url in zip(('test', 'other'), urls):
        result, text = found[f'{APEX}, dns-persist-01 for {ca}']
        assert result == 'fail' and f'accounturi={url}; policy=wildcard"' in text
        name_server.add_txt(f'_validation-persist.{APEX}', text.split('IN TXT "')[1].split('"')[0])
    found = checked(renewd, 0)
    assert {found[f'{APEX}, dns-persist-01 for {ca}'] for ca in ('test', 'other')} == {('ok', 'the records are there')}
    solver = name_server.solver_toml().replace('"dns-01"', '"dns-account-01"')
    renewd.configure(name_server.dns_toml, other_ca(second), solver, both.replace('"p"', '"dns"'))
    assert checked(renewd, 0)[f'{APEX}, dns-account-01'] == ('ok', 'presented and seen, and 3 more')
    assert first.orders() == second.orders() == 0


def test_caa_is_bound_to_an_account_and_a_challenge(make_pebble, make_renewd, name_server, newest_binaries):
    """RFC 8657, with a CA that says its name: an account that is none yet, another one, ours; another challenge, and ours."""
    pebble = make_pebble(name_server=name_server, binaries=newest_binaries)
    identity = json.loads(pebble.ask(pebble.url))['meta']['caaIdentities'][0]
    renewd = make_renewd(pebble)
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))

    def allows(value):
        name_server.update(f'del {NAME}. CAA')
        name_server.caa(NAME, f'{identity}; {value}')
        outcome = renewd.run('check')
        assert outcome.code == (3 if 'CAA for test' in '\n'.join(line for line in outcome.out.split('\n') if 'FAIL' in line) else 0), outcome
        return outcome

    assert 'there is no account of ours yet' in allows('accounturi=https://ca.test/acct/1').out
    renewd.run('account', 'register', 'test', expect=0)
    url = renewd.account()['url']
    refused = allows('accounturi=https://ca.test/acct/1')
    assert refused.code == 3 and f'and ours is {url}' in refused.out
    assert allows(f'accounturi={url}').code == 0
    refused = allows('validationmethods=http-01')
    assert refused.code == 3 and 'validation by http-01, and ours is dns-01' in refused.out
    assert allows('validationmethods=http-01,dns-01').code == 0
    renewd.run('renew', expect=0)


def test_broken_dnssec_is_named(make_pebble, make_renewd, name_server, make_resolver):
    """A DS of a key that the zone does not have: said by a resolver that checks; one that does not is told of."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    strict = make_resolver(name_server, anchor=WRONG_DS)
    renewd.configure(strict.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    outcome = renewd.run('check', expect=3)
    assert f'DNSSEC for {NAME}. is broken' in outcome.out and 'does not check DNSSEC' not in outcome.out
    renewd.configure(name_server.dns_toml, name_server.solver_toml(), certificate(solver='dns'))
    outcome = renewd.run('check', expect=0)
    assert 'the resolver does not check DNSSEC' in outcome.out
    assert renewd.pebble.orders() == 0
