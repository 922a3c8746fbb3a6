# SPDX-License-Identifier: Apache-2.0
"""When, from whom and with what a certificate is renewed: renewal information, a second CA, chains, profiles, a rehearsal."""
import datetime
import json
import random
import re
import time

import pytest

from caproxy import CaProxy
from processes import wait_until
from renewd import NAME, certificate, nginx_target, other_ca
from test_agent import fixture_start_agent  # noqa: F401 (a fixture)
from tls import leaf_of, served

LIFE = 100  # seconds: the CA is asked for its suggestion a twentieth of it after issuance
SHORT = {'profiles': {'default': {'description': 'a minute or two', 'validityPeriod': LIFE}}}


def window(begins, ends):
    """A RenewalInfo object, `begins` and `ends` seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    start, end = ((now + datetime.timedelta(seconds=each)).strftime('%Y-%m-%dT%H:%M:%SZ') for each in (begins, ends))
    return json.dumps({'suggestedWindow': {'start': start, 'end': end}, 'explanationURL': 'https://ca.test/why'})


def issue_and_ask(renewd, suggestion, command=('run', '--once')):
    """A certificate, and a run that has asked the CA for its suggestion, which is `suggestion`: its leaf, and what the run has logged."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    leaf = leaf_of(renewd.live() / 'fullchain.pem')
    renewd.pebble.set_renewal_info(leaf.pem, suggestion)
    time.sleep(LIFE / 20 + 1)
    return leaf, renewd.run(*command, expect=0).err


def test_the_suggested_window_is_kept(make_pebble, make_renewd, newest_binaries):
    """An instant within it, drawn once and kept; the reason is told."""
    renewd = make_renewd(make_pebble(binaries=newest_binaries, settings=SHORT))
    issue_and_ask(renewd, window(20, 40), command=('renew', NAME))
    renewal = renewd.certificate()['renewal']
    assert renewd.certificate()['generation'] == 1 and renewal['reason'] == 'ari'
    assert renewal['window']['start'] <= renewal['at'] <= renewal['window']['end']
    assert renewal['explanation_url'] == 'https://ca.test/why'
    renewd.run('renew', NAME, expect=0)
    assert renewd.certificate()['renewal'] == renewal
    suggested, = [line for line in json.loads(renewd.run('history', NAME, '--json', expect=0).out) if line['what'] == 'suggested']
    assert suggested['text'] == f"renewal at {renewal['at']}; the CA explains: https://ca.test/why" and suggested['generation'] == 1
    asked = [request for request in renewd.pebble.requests() if 'draft-ietf' in request or 'renewalInfo' in request]
    assert len(asked) == 1, 'not again before its Retry-After'


def test_a_window_between_two_runs_of_a_timer_means_now(make_pebble, make_renewd, newest_binaries):
    """It will be over when `run --once` is run again, in an hour."""
    renewd = make_renewd(make_pebble(binaries=newest_binaries, settings=SHORT))
    _, said = issue_and_ask(renewd, window(20, 40))
    assert renewd.certificate()['generation'] == 2
    assert 'the CA explains: https://ca.test/why' in said


def test_a_window_in_the_past_means_now(make_pebble, make_renewd, newest_binaries, open_for_test):
    """The CA will revoke: renewed in the same run, long before its time, saying what it replaces."""
    pebble = make_pebble(binaries=newest_binaries, settings=SHORT)
    renewd = make_renewd(pebble)
    proxy = CaProxy(pebble)
    open_for_test(proxy, proxy.close)
    renewd.ca_url = proxy.url
    leaf, _ = issue_and_ask(renewd, window(-60, -30))
    assert renewd.certificate()['generation'] == 2
    assert [json.loads(one.payload).get('replaces') for one in proxy.requests('/order-plz')] == [None, leaf.renewal_id]
    assert 'ordered without' not in (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()


def test_the_agent_keeps_to_the_window_and_asks_again(make_pebble, make_renewd, newest_binaries, open_for_test, start_agent):
    """It renews by itself inside the window; asks again at the Retry-After of the CA; and a window that was moved into the past meanwhile
    means now, long before the time it had in mind."""
    pebble = make_pebble(binaries=newest_binaries, settings=SHORT)
    proxy = CaProxy(pebble)
    open_for_test(proxy, proxy.close)
    proxy.on('renewalInfo|renewal-info|draft-ietf', 'GET', times=None, set_headers={'Retry-After': '60'})
    renewd = make_renewd(pebble)
    renewd.ca_url = proxy.url
    renewd.configure(certificate())
    start_agent(renewd=renewd)

    def issued(generation, seconds):
        """When it came, by its own metadata, and its certificate."""
        directory = renewd.state / 'certificates' / NAME / str(generation)
        wait_until(directory.exists, f'generation {generation}', seconds=seconds)
        return directory.stat().st_mtime, leaf_of(directory / 'cert.pem')

    def asked():
        return len([each for each in pebble.requests() if 'draft-ietf' in each or 'renewalInfo' in each])

    _, leaf = issued(1, 20)
    suggestion = window(10, 20)
    pebble.set_renewal_info(leaf.pem, suggestion)
    opens, closes = (datetime.datetime.fromisoformat(json.loads(suggestion)['suggestedWindow'][end]).timestamp()
                     for end in ('start', 'end'))
    at, leaf = issued(2, 40)
    assert opens <= at <= closes + 3
    assert asked() == 1
    pebble.set_renewal_info(leaf.pem, window(3600, 7200))
    wait_until(lambda: asked() == 2, 'the first question for it', seconds=20)
    first = time.monotonic()
    pebble.set_renewal_info(leaf.pem, window(-60, -30))
    again, _ = issued(3, 75)
    assert 58 <= time.monotonic() - first <= 70
    assert asked() == 3 and again - at < 0.8 * LIFE
    assert pebble.issued() == 3


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
    assert re.search(rf'{NAME} +other +1 ', renewd.run('status', '--width', '120', expect=0).out)
    assert served(nginx.port, NAME).sha256 == shown['sha256']
    proxy.heal()
    renewd.run('run', '--once', expect=0)
    assert renewd.certificate()['generation'] == 1, 'kept until the next renewal'
    history = (renewd.state / 'certificates' / NAME / 'history.jsonl').read_text()
    assert 'turned_to' in history


def test_another_directory_is_another_ca(make_pebble, make_renewd, open_for_test):
    """From a staging to the CA itself, under one name: neither its account nor its open order is taken there; one certificate."""
    staging, real = make_pebble('staging'), make_pebble()
    renewd = make_renewd(real)
    proxy = CaProxy(staging)
    open_for_test(proxy, proxy.close)
    roots = renewd.directory / 'roots.pem'
    roots.write_text(staging.roots.read_text() + real.roots.read_text())
    listen = f'listen = "127.0.0.1:{staging.http_port}"'

    def ordered_at(url, **head):
        renewd.write(renewd.head(**head).replace(renewd.ca_url, url).replace(str(real.roots), str(roots)) +
                     '[dns]\npublic = false\n' + certificate())
    ordered_at(proxy.url, solver=listen)
    proxy.on('^/finalize-order', drop='after', times=None)
    proxy.on('^/my-order', drop='before', times=None)
    renewd.run('renew', expect=3)
    ordered_at(real.url)
    renewd.run('renew', expect=0)
    assert real.orders() == real.issued() == 1 and renewd.certificate()['generation'] == 1
    proxy.heal()
    ordered_at(proxy.url, solver=listen)
    assert renewd.certificate()['renewal']['reason'] == 'config_changed'
    renewd.run('renew', expect=0)
    assert renewd.certificate()['generation'] == 2 and staging.orders() == 2


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


def test_our_dns_fails_and_a_second_ca_is_asked(make_pebble, make_renewd, open_for_test):
    """That CAA could not be looked at is no refusal: the CA looks for itself."""
    first, second = make_pebble(), make_pebble('second')
    renewd = make_renewd(first)
    proxy = CaProxy(first)
    open_for_test(proxy, proxy.close)
    renewd.ca_url = proxy.url
    proxy.refuse('/order-plz', 503, 'serverInternal', 'we are on fire', times=99)
    nobody = '[dns]\nservers = ["127.0.0.1:1"]\n'
    renewd.configure(nobody, other_ca(second), f'[solver.second]\ntype = "http-01"\nlisten = "127.0.0.1:{second.http_port}"\n',
                     certificate(ca=['test', 'other'], solver='second'))
    for _ in range(2):
        renewd.run('renew', expect=3)
    outcome = renewd.run('renew', '--verbose', expect=0)
    assert renewd.certificate()['ca'] == 'other' and second.orders() == 1
    assert 'CAA could not be looked at' in outcome.err


@pytest.mark.parametrize('which', ['system', 'newest'])
def test_a_preferred_chain_is_chosen(make_pebble, make_renewd, newest_binaries, which):
    """By the name of the issuer at its top; one that is not offered stops nothing, and is told."""
    pebble = make_pebble(environment={'PEBBLE_ALTERNATE_ROOTS': '2'}, binaries='/usr/bin' if which == 'system' else newest_binaries)
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


def test_dry_run_with_an_account_that_the_staging_has_lost(make_pebble, make_renewd):
    """Stagings are wiped now and then: the account is registered again in the same rehearsal."""
    real, staging = make_pebble(), make_pebble('staging')
    renewd = make_renewd(real)
    renewd.configure(certificate(), ca=f'staging = "{staging.url}"', solver=f'listen = "127.0.0.1:{staging.http_port}"')
    renewd.run('renew', '--dry-run', expect=0)
    staging.stop()
    staging.start()
    renewd.run('renew', '--dry-run', expect=0)
    assert real.orders() == 0


def test_dry_run_without_a_staging_says_so(renewd):
    """A private CA rarely has one."""
    renewd.configure(certificate())
    outcome = renewd.run('renew', '--dry-run', expect=2)
    assert 'has no staging' in outcome.text and 'staging =' in outcome.text
    assert renewd.pebble.accounts() == 0
