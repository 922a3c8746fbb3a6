# SPDX-License-Identifier: Apache-2.0
"""The two challenge types that only the newest Pebble has."""
import base64
import hashlib
import json
import re
import time

from renewd import certificate, other_ca

def account_label(url):
    """The label that draft-ietf-acme-dns-account-label makes of an account's URL."""
    return '_' + base64.b32encode(hashlib.sha256(url.encode()).digest()[:10]).decode().lower()


APEX = 'example.test'
NAMES = [APEX, f'*.{APEX}']
PERSIST = '[solver.p]\ntype = "dns-persist-01"\n'


def test_dns_account_01(make_pebble, make_renewd, name_server, newest_binaries):
    """Wildcard and apex below the account's own label, removed afterwards."""
    renewd = make_renewd(make_pebble(name_server=name_server, binaries=newest_binaries))
    solver = name_server.solver_toml().replace('"dns-01"', '"dns-account-01"')
    renewd.configure(name_server.dns_toml, solver, certificate(name=APEX, names=NAMES, solver='dns'))
    renewd.run('account', 'register', 'test', expect=0)
    challenge = f'{account_label(renewd.account()["url"])}._acme-challenge.{APEX}'
    name_server.add_txt(challenge, 'of somebody else')
    renewd.run('renew', expect=0)
    assert name_server.txt(challenge) == ['of somebody else']


def persisted(make_pebble, make_renewd, name_server, binaries):
    """A renewd that proves everything by a record of the user's."""
    renewd = make_renewd(make_pebble(name_server=name_server, binaries=binaries))
    renewd.configure(name_server.dns_toml, PERSIST, certificate(name=APEX, names=NAMES, solver='p'))
    return renewd


def record_in(text):
    """The record that a message says to add."""
    return re.search(r'(_validation-persist\S+)\. IN TXT "(.*?)"$', text, re.M).groups()


def conditions(renewd):
    return [one['code'] for one in renewd.certificate(APEX)['conditions']]


def test_dns_persist_01(make_pebble, make_renewd, name_server, newest_binaries):
    """The record to add is named before anything is ordered, one for both names; with it the certificate is issued, and it stays."""
    renewd = persisted(make_pebble, make_renewd, name_server, newest_binaries)
    outcome = renewd.run('renew', expect=3)
    assert renewd.certificate(APEX)['last_error']['code'] == 'solver/record-missing'
    assert renewd.pebble.orders() == 0
    name, value = record_in(outcome.text)
    name_server.add_txt(name, value)
    renewd.run('renew', expect=0)
    assert renewd.pebble.orders() == renewd.pebble.issued() == 1
    assert name_server.txt(name) == [value]
    assert conditions(renewd) == []


def test_dns_persist_01_record_is_watched(make_pebble, make_renewd, name_server, newest_binaries, off_by):  # noqa: F811
    """Between renewals, and though the CA would reuse an authorization: one that goes is told within a day, and nothing is ordered for it."""
    renewd = persisted(make_pebble, make_renewd, name_server, newest_binaries)
    name, value = record_in(renewd.run('renew', expect=3).text)
    soon = f'{value}; persistUntil={int(time.time()) + 80 * 86400}'
    name_server.add_txt(name, soon)
    outcome = renewd.run('renew', expect=0)
    assert 'give it a later persistUntil' in outcome.err, outcome
    assert conditions(renewd) == ['solver/record-ends']
    assert renewd.certificate(APEX)['attention'] is None
    name_server.update(f'del {name}. TXT')
    renewd.run('run', '--once', environment=off_by(2))
    assert conditions(renewd) == ['solver/record-missing']
    assert value in renewd.certificate(APEX)['conditions'][0]['hint']
    assert 'record' in renewd.run('why', APEX).out
    name_server.add_txt(name, value)
    renewd.run('run', '--once', expect=0)
    assert conditions(renewd) == []
    assert renewd.pebble.orders() == 1


def test_dns_persist_01_records_of_every_ca_are_watched(make_pebble, make_renewd, name_server, newest_binaries, off_by):  # noqa: F811
    """The record that a second CA of the list needs is watched from when there is an account there: it has to be there on a bad day."""
    renewd = persisted(make_pebble, make_renewd, name_server, newest_binaries)
    second = make_pebble('second', name_server=name_server, binaries=newest_binaries)
    renewd.configure(name_server.dns_toml, other_ca(second), PERSIST, certificate(name=APEX, names=NAMES, solver='p', ca=['test', 'other']))
    name_server.add_txt(*record_in(renewd.run('renew', expect=3).text))
    renewd.run('renew', expect=0)
    assert conditions(renewd) == [], 'nothing is ordered there yet'
    renewd.run('account', 'register', 'other', expect=0)
    url = next(one['url'] for one in json.loads(renewd.run('account', 'show', '--json').out)['accounts'] if one['ca'] == 'other')
    renewd.run('run', '--once', environment=off_by(2))
    assert conditions(renewd) == ['solver/record-missing']
    told, = renewd.certificate(APEX)['conditions']
    assert told['message'].startswith('CA other: ') and f'accounturi={url}' in told['hint']
    name_server.add_txt(*record_in(told['hint'].split('DNS:  ')[1]))
    renewd.run('run', '--once', expect=0)
    assert conditions(renewd) == []
    assert renewd.pebble.orders() == 1 and second.orders() == 0
