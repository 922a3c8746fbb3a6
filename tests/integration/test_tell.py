# SPDX-License-Identifier: Apache-2.0
"""The commands that only tell: why, history, forecast. What they say is held against what has really happened."""
import json
import re

import pytest

from pebble import Since
from renewd import NAME, certificate, nginx_target


@pytest.fixture(name='pebble')
def fixture_pebble(shared_pebble):
    return Since(shared_pebble)


def everything_below(directory):
    return {path: path.read_bytes() for path in directory.rglob('*') if path.is_file()}


def test_of_a_certificate_that_is_served(renewd, nginx):
    """When it is renewed and why, what has happened, and when the next ones come; nothing on disk is changed by asking."""
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=0)
    before = everything_below(renewd.state)

    text = renewd.run('why', NAME, expect=0).out
    assert re.match(rf'{NAME} renews in \d+ days, on .* UTC\. It is served by 1/1 addresses\.', text.replace('\n', ' ')), text
    assert re.search(r'^  reason +2/3 of its 90 days will have passed$', text, re.M)
    assert max(map(len, text.splitlines())) <= 80 and '\x1b' not in text
    told = json.loads(renewd.run('why', NAME, '--json', expect=0).out)
    assert told['next'] == {'action': 'renew', 'at': renewd.certificate()['renewal']['at']} and told['reason'] == 'lifetime'
    assert told['obstacles'] == [] and told['state'] == 'ok'

    text = renewd.run('history', NAME, expect=0).out
    assert re.match(rf'{NAME}, no generation, .*\n .* ordered +at test\n{NAME}, generation 1, ', text), text
    assert text.index('issued') < text.index('deployed') < text.index('served          by 1 target')
    lines = json.loads(renewd.run('history', '--json', expect=0).out)
    assert [line['what'] for line in lines] == ['ordered', 'issued', 'deployed', 'served'] and lines[2]['target'] == 'web'
    assert {line['certificate'] for line in lines} == {NAME}
    assert json.loads(renewd.run('history', NAME, '--lines', '1', '--json', expect=0).out) == lines[-1:]

    text = renewd.run('forecast', '--width', '120', expect=0).out
    assert '1 renewal of 1 certificate in 90 days' in text and '▼ 1 on' in text
    assert 'The limits of test are not known.' in text
    told = json.loads(renewd.run('forecast', '--days', '200', '--json', expect=0).out)
    assert [day['total'] for day in told['days']].count(1) == told['total'] == 3
    assert next(day for day in told['days'] if day['total'])['date'] == renewd.certificate()['renewal']['at'][:10]
    assert everything_below(renewd.state) == before


def test_of_a_ca_that_fails(renewd, ca_proxy, pebble):
    """The CA's words, how often, the next try, and what to type; and after a change of the configuration, what has changed."""
    renewd.ca_url = ca_proxy.url
    renewd.configure(certificate())
    ca_proxy.refuse('/order-plz', 503, 'serverInternal', 'we are on fire', times=99)
    for _ in range(2):
        renewd.run('renew', expect=3)
    text = renewd.run('why', NAME, '--width', '200', expect=0).out
    assert text.startswith(f'{NAME} cannot be issued. Nothing of it is served yet.')
    assert re.search(r'^  at +order \(\w+\)$', text, re.M) and 'we are on fire' in text
    assert re.search(r'^  tried +2 times, first .* UTC\); next in ', text, re.M) and f'renewd renew {NAME}' in text
    told = json.loads(renewd.run('why', NAME, '--json', expect=0).out)
    obstacle, = told['obstacles']
    assert (obstacle['about'], obstacle['failures'], obstacle['error']['code']) == ('order', 2, 'ca/server-error')
    assert obstacle['next_attempt'] == told['next']['at'] and told['reason'] == 'never_issued'
    assert renewd.run('history', NAME, expect=0).out.count('not issued') == 2
    told = json.loads(renewd.run('forecast', '--json', expect=0).out)
    assert told['days'][0]['total'] + told['days'][1]['total'] == 1 and told['assumed_lifetimes'] == 1

    ca_proxy.heal()
    renewd.run('renew', expect=0)
    renewd.configure(certificate(names=[NAME, 'mail.example.test']))
    text = renewd.run('why', NAME, '--width', '200', expect=0).out
    assert f'{NAME} is due for renewal.' in text and 'its names: +mail.example.test' in text
    assert json.loads(renewd.run('why', NAME, '--json', expect=0).out)['changes'] == ['its names: +mail.example.test']


def test_of_a_target_that_fails(renewd, nginx):
    """Which target, at which step, and the command for it alone; the failure is in the history."""
    nginx.include.parent.rmdir()
    nginx.include.parent.write_text('a file where the directory should be')
    renewd.configure(certificate(nginx_target(nginx)))
    renewd.run('renew', expect=4)
    text = renewd.run('why', NAME, '--width', '200', expect=0).out
    assert text.startswith(f'Generation 1 of {NAME} is issued, but not deployed to web.')
    assert re.search(r'^  at +target web', text, re.M) and f'renewd deploy {NAME}' in text
    told = json.loads(renewd.run('why', NAME, '--json', expect=0).out)
    assert told['next']['action'] == 'deploy' and told['obstacles'][0]['about'] == 'target web'
    assert told['next']['at'] == renewd.target('web')['next_attempt']
    assert 'not deployed' in renewd.run('history', expect=0).out


def test_of_what_was_removed_and_what_never_was(renewd):
    """A certificate that left the configuration is still told of; a name that is nowhere is a usage error with the likely meaning."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    renewd.configure(certificate(name='other.example.test'))
    assert 'is no longer in the configuration' in renewd.run('why', NAME, expect=0).out
    assert 'issued' in renewd.run('history', NAME, expect=0).out
    assert 'has never been issued' in renewd.run('why', 'other.example.test', expect=0).out
    assert renewd.run('history', 'other.example.test', expect=0).out == 'Nothing has happened yet.\n'
    for command in ('why', 'history'):
        outcome = renewd.run(command, 'other.example.tets', expect=2)
        assert 'did you mean "other.example.test"?' in outcome.err and not outcome.out
    renewd.run('why', expect=2)
    renewd.run('forecast', '--days', '0', expect=2)


def test_of_a_state_that_cannot_be_read(renewd):
    """A record of a later renewd: exit 7, by name; history needs no record and goes on."""
    renewd.configure(certificate())
    renewd.run('renew', expect=0)
    for record in renewd.live().parent.glob('record.json*'):
        record.write_text(json.dumps(json.loads(record.read_text()) | {'version': 99}))
    assert 'renewd' in renewd.run('why', NAME, expect=7).err
    renewd.run('forecast', expect=7)
    renewd.run('history', NAME, expect=0)
    history = renewd.live().parent / 'history.jsonl'
    history.unlink()
    history.mkdir()
    assert 'history.jsonl' in renewd.run('history', NAME, expect=7).err


def test_help_names_them(renewd):
    """Each has its line in --help, and its own."""
    overview = renewd.run('--help', expect=0).out
    for command in ('why', 'history', 'forecast'):
        assert re.search(rf'^  {command} +\w', overview, re.M)
        assert '--json' in renewd.run(command, '--help', expect=0).out
