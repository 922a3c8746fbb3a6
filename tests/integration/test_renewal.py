# SPDX-License-Identifier: Apache-2.0
"""When, from whom and with what a certificate is renewed: renewal information, a second CA, chains, profiles, a rehearsal."""
import datetime
import json
import random
import time

from caproxy import CaProxy
from renewd import NAME, certificate, nginx_target
from tls import leaf_of, served

LIFE = 100  # seconds: the CA is asked for its suggestion a twentieth of it after issuance
SHORT = {'profiles': {'default': {'description': 'a minute or two', 'validityPeriod': LIFE}}}


def window(begins, ends):
    """A RenewalInfo object, `begins` and `ends` seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = ((now + datetime.timedelta(seconds=each)).strftime('%Y-%m-%dT%H:%M:%SZ') for each in (begins, ends))
    return json.dumps({'suggestedWindow': {'start': start, 'end': end}, 'explanationURL': 'https://ca.test/why'})


def issue_and_ask(renewd, suggestion):
    """A certificate, and a run that has asked the CA for its suggestion, which is `suggestion`."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    leaf = leaf_of(renewd.live() / 'fullchain.pem')
    renewd.pebble.set_renewal_info(leaf.pem, suggestion)
    time.sleep(LIFE / 20 + 1)
    renewd.run('run', '--once', expect=0)
    return leaf


def test_the_suggested_window_is_kept(make_pebble, make_renewd, newest_binaries):
    """An instant within it, drawn once and kept; the reason is told."""
    renewd = make_renewd(make_pebble(binaries=newest_binaries, settings=SHORT))
    issue_and_ask(renewd, window(20, 40))
    renewal = renewd.certificate()['renewal']
    assert renewd.certificate()['generation'] == 1 and renewal['reason'] == 'ari'
    assert renewal['window']['start'] <= renewal['at'] <= renewal['window']['end']
    assert renewal['explanation_url'] == 'https://ca.test/why'
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['renewal'] == renewal
    asked = [request for request in renewd.pebble.requests() if 'draft-ietf' in request or 'renewalInfo' in request]
    assert len(asked) == 1, 'not again before its Retry-After'


def test_a_window_in_the_past_means_now(make_pebble, make_renewd, newest_binaries):
    """The CA will revoke: renewed in the same run, long before its time, saying what it replaces."""
    pebble = make_pebble(binaries=newest_binaries, settings=SHORT)
    renewd = make_renewd(pebble)
    issue_and_ask(renewd, window(-60, -30))
    assert renewd.certificate()['generation'] == 2
    assert 'ordered without' not in (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()


def test_nonsense_for_a_suggestion_changes_nothing(make_pebble, make_renewd, newest_binaries):
    """An end before the start: as if there were no answer."""
    renewd = make_renewd(make_pebble(binaries=newest_binaries, settings=SHORT))
    issue_and_ask(renewd, window(-30, -60))
    assert renewd.certificate()['generation'] == 1 and renewd.certificate()['renewal']['reason'] == 'lifetime'


def test_replaces_is_dropped_where_the_ca_refuses_it(make_pebble, make_renewd, newest_binaries, open_for_test):
    """409 alreadyReplaced: ordered again at once without, in the same run, and told."""
    pebble = make_pebble(binaries=newest_binaries)
    renewd = make_renewd(pebble)
    proxy = CaProxy(pebble)
    open_for_test(proxy, proxy.close)
    renewd.ca_url = proxy.url
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    proxy.refuse('/order-plz', 409, 'alreadyReplaced', 'somebody was first')
    renewd.run('renew', '--force', NAME, expect=0)
    assert len(proxy.requests('/order-plz')) == 3 and pebble.orders() == 2
    history = (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()
    assert 'ordered without naming what it replaces' in history and 'somebody was first' in history


def other_ca(pebble, name='other', **more):
    lines = [f'[ca.{name}]', f'directory = "{pebble.url}"', f'roots = "{pebble.roots}"', 'agree_tos = true']
    return '\n'.join(lines + [f'{key} = {json.dumps(value)}' for key, value in more.items()]) + '\n'


def test_a_second_ca_when_the_first_keeps_failing(make_pebble, make_renewd, nginx, open_for_test):
    """Three orders fail for the first CA's own reasons: the second is asked, once; its certificate is kept, deployed and shown."""
    first, second = make_pebble(), make_pebble('second')
    renewd = make_renewd(first)
    # Both CAs look for challenges at the same port.
    proxy = CaProxy(first)
    open_for_test(proxy, proxy.close)
    renewd.ca_url = proxy.url
    proxy.refuse('/order-plz', 503, 'serverInternal', 'we are on fire', times=99)
    renewd.configure(other_ca(second), f'[solver.second]\ntype = "http-01"\nlisten = "127.0.0.1:{second.http_port}"\n',
                     certificate(nginx_target(nginx), ca=['test', 'other'], solver='second'))
    for _ in range(2):
        assert 'on fire' in renewd.run('renew', expect=3).text
    assert second.orders() == 0
    renewd.run('renew', expect=0)
    shown = renewd.certificate()
    assert shown['ca'] == 'other' and shown['state'] == 'ok' and second.orders() == 1
    assert served(nginx.port, NAME).sha256 == shown['sha256']
    proxy.heal()
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['generation'] == 1, 'kept until the next renewal'
    history = (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()
    assert 'turned_to' in history


def test_caa_is_asked_before_a_second_ca(make_pebble, make_renewd, name_server, open_for_test):
    """CAA lets nobody issue: the second CA is not asked at all, and the record is named."""
    first, second = make_pebble(name_server=name_server), make_pebble('second', name_server=name_server)
    renewd = make_renewd(first)
    proxy = CaProxy(first)
    open_for_test(proxy, proxy.close)
    renewd.ca_url = proxy.url
    proxy.refuse('/order-plz', 503, 'serverInternal', 'we are on fire', times=99)
    name_server.caa(NAME, ';')
    renewd.configure(name_server.dns_toml, other_ca(second), certificate(ca=['test', 'other']))
    for _ in range(4):
        outcome = renewd.run('renew', expect=3)
    assert 'CAA' in outcome.text and second.accounts() == 0


def test_a_preferred_chain_is_chosen(make_pebble, make_renewd):
    """By the name of the issuer at its top; one that is not offered stops nothing, and is told."""
    pebble = make_pebble(environment={'PEBBLE_ALTERNATE_ROOTS': '2'})
    renewd = make_renewd(pebble)
    roots = [pebble.ask(f'https://127.0.0.1:{pebble.management}/roots/{n}').decode() for n in range(3)]
    pebble.roots.write_text(pebble.roots.read_text() + ''.join(roots))
    names = [leaf_of_text(root) for root in roots]
    renewd.configure(certificate(), ca=f'preferred_chain = "{names[2]}"')
    renewd.run('renew', expect=0)
    assert top_issuer(renewd) == names[2]
    renewd.configure(certificate(), ca='preferred_chain = "Nobody Root"')
    renewd.run('renew', '--force', NAME, expect=0)
    history = (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()
    assert top_issuer(renewd) == names[0] and 'Nobody Root' in history


def leaf_of_text(pem):
    from tls import _openssl
    return _openssl('x509', '-noout', '-subject', '-nameopt', 'multiline', pem=pem).split('commonName')[1].split('=')[1].strip()


def top_issuer(renewd):
    from tls import _openssl
    last = (renewd.live() / 'fullchain.pem').read_text().split('-----BEGIN CERTIFICATE-----')[-1]
    shown = _openssl('x509', '-noout', '-issuer', '-nameopt', 'multiline', pem='-----BEGIN CERTIFICATE-----' + last)
    return shown.split('commonName')[1].split('=')[1].strip()


def test_a_profile_for_each_ca(make_pebble, make_renewd, newest_binaries):
    """profile = { test = "shortlived" }: six days; a profile that the CA does not offer is refused before anything is ordered."""
    profiles = {'profiles': {'default': {'description': 'x', 'validityPeriod': 7776000},
                             'shortlived': {'description': 'y', 'validityPeriod': 518400}}}
    pebble = make_pebble(binaries=newest_binaries, settings=profiles)
    renewd = make_renewd(pebble)
    renewd.configure(certificate() + 'profile = { test = "shortlived" }\n')
    renewd.run('renew', expect=0)
    left = leaf_of(renewd.live() / 'fullchain.pem').not_after - datetime.datetime.now(datetime.timezone.utc)
    assert left < datetime.timedelta(days=7)
    renewd.configure(certificate() + 'profile = "gone"\n')
    outcome = renewd.run('renew', expect=3)
    assert 'has no profile "gone"' in outcome.text and 'shortlived' in outcome.text and pebble.orders() == 1
    assert renewd.certificate()['last_error']['code'] == 'ca/profile-refused'


def test_dry_run_orders_at_the_staging_and_keeps_nothing(make_pebble, make_renewd, make_nginx):
    """Nothing at the CA itself, no generation, no file changed; the service's own test is run."""
    real, staging = make_pebble(), make_pebble('staging')
    renewd = make_renewd(real)
    nginx = make_nginx()
    listen = f'listen = "127.0.0.1:{staging.http_port}"'
    renewd.configure(certificate(nginx_target(nginx)), ca=f'staging = "{staging.url}"', solver=listen)
    assert 'thrown away' in renewd.run('renew', '--dry-run', expect=0).out
    assert staging.orders() == 1 and real.orders() == 0 and not (renewd.state / 'certificates' / NAME / '1').exists()

    renewd.configure(certificate(nginx_target(nginx)), ca=f'staging = "{staging.url}"')
    renewd.run('renew', expect=0)
    renewd.configure(certificate(nginx_target(nginx)), ca=f'staging = "{staging.url}"', solver=listen)
    before = nginx.published()
    assert 'its config test passes' in renewd.run('renew', '--dry-run', NAME, expect=0).out
    key = next(nginx.directory / path for path in before if 'key' in path)
    key.chmod(0o640)  # would be put right by a deployment
    assert 'its config test passes' in renewd.run('renew', '--dry-run', NAME, expect=0).out
    assert key.stat().st_mode & 0o777 == 0o640 and nginx.published() == before
    nginx.configure(extra='no_such_directive on;')
    outcome = renewd.run('renew', '--dry-run', NAME, expect=4)
    assert 'config test fails' in outcome.text and nginx.published() == before
    assert renewd.certificate()['generation'] == 1


def test_dry_run_without_a_staging_says_so(renewd):
    """A private CA rarely has one."""
    renewd.configure(certificate())
    outcome = renewd.run('renew', '--dry-run', expect=2)
    assert 'has no staging' in outcome.text and 'staging =' in outcome.text
    assert renewd.pebble.accounts() == 0


def private_port_80(name_server):
    """A loopback address of this test's own, given to NAME: http-01 is always looked for at port 80."""
    address = f'127.{random.randrange(64, 96)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}'
    name_server.address_of(NAME, address)
    return address


def test_check_presents_and_fetches_a_challenge(make_pebble, make_renewd, name_server):
    """http-01, the way a CA sees it, at every address of the name: one that nobody answers at is named. Nothing is ordered."""
    pebble = make_pebble(name_server=name_server)
    renewd = make_renewd(pebble)
    address = private_port_80(name_server)
    renewd.configure(name_server.dns_toml, certificate(), solver=f'listen = "{address}:80"')
    assert f'answered at {address}' in renewd.run('check', expect=0).out
    elsewhere = private_port_80(name_server)
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


def test_check_reads_caa(make_pebble, make_renewd, name_server):
    """A CAA record that lets nobody issue is found before the renewal in sixty days is refused."""
    renewd = make_renewd(make_pebble(name_server=name_server))
    address = private_port_80(name_server)
    name_server.caa(NAME, ';')
    renewd.configure(name_server.dns_toml, certificate(), solver=f'listen = "{address}:80"')
    outcome = renewd.run('check', expect=3)
    assert 'CAA for test' in outcome.out and NAME in outcome.out
