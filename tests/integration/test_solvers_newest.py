# SPDX-License-Identifier: Apache-2.0
"""The two challenge types that only the newest Pebble has."""
import base64
import hashlib
import re

from renewd import certificate

def account_label(url):
    """The label that draft-ietf-acme-dns-account-label makes of an account's URL."""
    return '_' + base64.b32encode(hashlib.sha256(url.encode()).digest()[:10]).decode().lower()


APEX = 'example.test'
NAMES = [APEX, f'*.{APEX}']


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


def test_dns_persist_01(make_pebble, make_renewd, name_server, newest_binaries):
    """The record to add is named; once it is there, the certificate is issued, and the record stays."""
    renewd = make_renewd(make_pebble(name_server=name_server, binaries=newest_binaries))
    renewd.configure(name_server.dns_toml, '[solver.p]\ntype = "dns-persist-01"\n', certificate(name=APEX, names=NAMES, solver='p'))
    outcome = renewd.run('renew', expect=3)
    assert renewd.certificate(APEX)['last_error']['code'] == 'solver/record-missing'
    assert not any('/chalZ' in request for request in renewd.pebble.requests())
    name, value = re.search(r'(_validation-persist\S+)\. IN TXT "(.*?)"$', outcome.text, re.M).groups()
    value = value if 'policy' in value else value + '; policy=wildcard'
    name_server.add_txt(name, value)
    renewd.run('renew', '--force', APEX, expect=0)
    assert name_server.txt(name) == [value]
