# SPDX-License-Identifier: Apache-2.0
"""A CA whose renewal information (RFC 9773) means ill: no storm of orders or questions, no renewal later than is safe, and what was wrong is
told. The CA's certificates live for five days; it is asked about one six hours after it was issued."""
import datetime
import json
import re

import pytest

from hostile_ca import window
from renewd import NAME
from test_hostile_ca import DEEP, ESCAPES, fixture_ca, fixture_watched, header, problem, put, send, text  # noqa: F401 (two are fixtures)

ASKED = 370  # minutes after issuance


def span(start, end):
    return put('suggestedWindow', {'start': start, 'end': end})


def at(moment):
    return datetime.datetime.fromisoformat(moment.replace('Z', '+00:00'))


@pytest.fixture(name='run_after')
def fixture_run_after(watched, off_by):
    """`run --once`, so many minutes from now; what it has said."""
    def run_after(minutes):
        outcome = watched.renew(environment=off_by(minutes=minutes), command=('run', '--once'))
        assert outcome.code == 0, outcome
        return outcome.text
    return run_after


BOTH = '2090-01-01T00:00:00Z', '2090-01-02T00:00:00Z'
NO_ANSWER = {
    'an end before its start': (span(*BOTH[::-1]), 'ends before it starts'),
    'an end that is its start': (span(BOTH[0], BOTH[0]), 'ends before it starts'),
    'the first year of all': (span('0001-01-01T00:00:00Z', '0001-01-02T00:00:00Z'), 'nobody will see'),
    'an end after all certificates': (span(BOTH[0], '9999-12-31T23:59:59Z'), 'nobody will see'),
    'dates that are words': (span('tomorrow', 'next week'), 'no start or no end'),
    'dates of no calendar': (span('2090-02-30T00:00:00Z', '2090-13-01T25:61:61Z'), 'no start or no end'),
    'dates that are numbers': (span(1, 2e300), 'no start or no end'),
    'dates with terminal escapes': (span(BOTH[0] + ESCAPES, BOTH[1] + ESCAPES), 'no start or no end'),
    'dates of 500 KB': (span(BOTH[0] + '0' * 500_000, BOTH[1]), 'no start or no end'),
    'a window that is a list': (put('suggestedWindow', [*BOTH]), 'no suggested window'),
    'no window': (lambda answer, _: answer.body.clear(), 'no suggested window'),
    'a list': (text(lambda body: f'[{body}]'), 'no JSON object'),
    'HTML': (text(lambda body: '<html>\x1b[2Jwindow</html>'), 'no JSON object'),
    'nothing': (text(lambda body: ''), 'no JSON object'),
    'half of it': (text(lambda body: body[:40]), 'no JSON object'),
    'a deep window': (text(lambda body: '{"suggestedWindow": ' + DEEP + '}'), 'no suggested window'),
    'a redirect to http': (send(302, [('Location', 'http://127.0.0.1/ari')]), 'https'),
    'a refusal with escapes': (problem(404, detail=ESCAPES), 'pwned'),
}


@pytest.mark.parametrize('scenario', NO_ANSWER)
def test_what_is_no_answer(watched, ca, run_after, scenario):
    """It is told, the certificate is renewed by its age, and the CA is not asked again for six hours."""
    ca.twists['ari'], words = NO_ANSWER[scenario]
    assert watched.renew().code == 0
    renewal = watched.certificate()['renewal']
    said, = [line for line in run_after(ASKED).splitlines() if 'renewal information' in line]
    assert words in said and 'the CA test' in said and len(said) < 1000
    assert watched.certificate()['renewal'] == renewal and renewal['reason'] == 'lifetime'
    questions = ca.asked('ari')
    run_after(ASKED + 340)
    assert ca.asked('ari') == questions == 1
    run_after(ASKED + 380)
    assert ca.asked('ari') == 2 and ca.asked('new') == 1


def test_redirects_in_a_loop(watched, ca, run_after):
    """As if it could not be reached: asked again after one minute, two, four."""
    ca.twists['ari'] = send(302, [('Location', '/ari/x')])
    assert watched.renew().code == 0
    for minutes, is_asked in ((0, True), (0, False), (2, True), (3, False), (5, True), (8, False), (10, True)):
        before = ca.asked('ari')
        assert ('redirect' in run_after(ASKED + minutes)) == is_asked, minutes
        assert 0 < ca.asked('ari') - before <= 12 if is_asked else ca.asked('ari') == before
    assert ca.asked('new') == 1


def test_a_ca_that_is_busy_for_a_century(watched, ca, run_after):
    """503, come back in 2126: it is asked a day later."""
    ca.twists['ari'] = problem(503, [('Retry-After', '3155760000')], detail='see you')
    assert watched.renew().code == 0
    assert 'see you' in run_after(ASKED)
    questions = ca.asked('ari')
    run_after(ASKED + 1430)
    assert ca.asked('ari') == questions
    run_after(ASKED + 1450)
    assert ca.asked('ari') > questions and ca.asked('new') == 1


# Retry-After of an answer: (its value, minutes after which it is not asked, and is asked)
WAITS = {'a century': ('3155760000', 1430, 1450), 'zero': ('0', 0, 2), 'the past': ('-5', 0, 2), 'garbage': ('1e9 moons \xff', 350, 370),
         'a date of the past': ('Thu, 01 Jan 1970 00:00:00 GMT', 0, 2), 'nothing': ('', 350, 370)}


@pytest.mark.parametrize('wait', WAITS)
def test_when_it_is_asked_again(watched, ca, run_after, wait):
    """Within a minute and a day, whatever the CA wants."""
    value, early, late = WAITS[wait]
    ca.twists['ari'] = header('Retry-After', value)
    assert watched.renew().code == 0
    run_after(ASKED)
    run_after(ASKED + early)
    assert ca.asked('ari') == 1
    run_after(ASKED + late)
    assert ca.asked('ari') == 2 and ca.asked('new') == 1


@pytest.mark.parametrize('suggested', [BOTH, ('2099-01-01T00:00:00Z', '2099-12-31T00:00:00Z'), (None, '2099-12-31T00:00:00Z')],
                         ids=['after it has ended', 'the last year', 'decades from now on'])
def test_windows_that_are_too_late(watched, ca, run_after, suggested):
    """It is renewed with a twentieth of its life left, and once."""
    start, end = suggested
    assert watched.renew().code == 0
    ca.twists['ari'] = span(start or window(hours=7)['start'], end)
    run_after(ASKED)
    shown = watched.certificate()
    ends = at(shown['not_after'])
    life = datetime.timedelta(days=int(ca.days))
    assert shown['renewal']['reason'] == 'ari' and abs(ends - life / 20 - at(shown['renewal']['at'])) < datetime.timedelta(minutes=2)
    minutes = int((ends - life / 20 - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 60)
    run_after(minutes - 70)  # a timer's next run is soon enough
    assert ca.asked('new') == 1
    run_after(minutes + 5)
    assert ca.asked('new') == 2 and watched.certificate()['generation'] == 2


@pytest.mark.parametrize('ever', [{'start': '1970-01-01T00:00:00Z', 'end': '1970-01-02T00:00:00Z'}, None], ids=['since 1970', 'an hour ago'])
def test_every_certificate_is_to_be_replaced_at_once(watched, ca, run_after, off_by, ever):
    """It is believed twice, when it is heard of; what takes their place is kept for half a day each, a tenth of its life: no storm."""
    ca.twists['ari'] = lambda answer, _: answer.body.update(suggestedWindow=ever or window(hours=-1, width=0.5))
    assert watched.renew().code == 0
    for questions in (1, 2):
        assert 'suggests to renew between' in run_after(questions * ASKED)
        assert ca.asked('new') == watched.certificate()['generation'] == questions + 1
        for _ in range(2):
            run_after(questions * ASKED)
        assert ca.asked('new') == questions + 1 and ca.asked('ari') == questions
    for hours in (19, 23):
        run_after(hours * 60)
        assert ca.asked('new') == 3
    assert 'this one is kept for a while' in re.sub(r'\s+', ' ', watched.run('why', NAME, environment=off_by(minutes=23 * 60)).text)
    run_after(25 * 60)
    assert ca.asked('new') == watched.certificate()['generation'] == 4
    run_after(32 * 60)
    assert ca.asked('new') == 4


URLS = {'plain http': 'http://127.0.0.1/why', 'a script': 'javascript:alert(1)', 'terminal escapes': f'https://ca.test/{ESCAPES}',
        'two lines': 'https://ca.test/\nrenewd: all is well', '10 KB': 'https://ca.test/' + 'a' * 10240, 'a number': 7, 'a list': ['https://ca.test/']}


@pytest.mark.parametrize('url', URLS)
def test_explanations_that_are_none(watched, ca, run_after, url):
    """The window is kept; of its explanation nothing is shown anywhere."""
    ca.twists['ari'] = put('explanationURL', URLS[url])
    assert watched.renew().code == 0
    assert 'explains' not in run_after(ASKED)
    renewal = watched.certificate()['renewal']
    assert renewal['reason'] == 'ari' and not renewal['explanation_url']
    for shown in (json.dumps(watched.status()), watched.run('history', '--json').out, watched.run('status').text):
        assert not any(word in shown for word in ('alert', 'pwned', 'all is well', 'aaaaaa', '/why'))
