# SPDX-License-Identifier: Apache-2.0
"""A CA of our own that means ill. Left alone it does what RFC 8555 asks for (signatures are not looked at) and issues; a twist
changes one of its answers."""
import base64
import datetime
import json
import pathlib
import re

from httpd import Answer, Httpd
from processes import ENVIRONMENT, clock_that_is_off, run

CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
TOKEN = 'a-token-of-an-honest-length_0123456789'


def read(path):
    return pathlib.Path(path).read_text()


def window(days=0.0, hours=0.0, width=24):
    """A suggested window of so many hours, which begins so long from now."""
    start = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=hours)
    return {end: at.strftime('%Y-%m-%dT%H:%M:%SZ') for end, at in (('start', start), ('end', start + datetime.timedelta(hours=width)))}


class HostileCa:
    """`twists` is {step: function(answer, ca)}: it changes the answer, whose `body` is still an object then, or gives back another.
    The steps are 'directory', 'nonce', 'account', 'new', 'order', 'authz', 'challenge', 'finalize', 'cert', 'ari' and 'orders'."""

    def __init__(self, directory, https):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.twists = {}
        self.names = []         # of the last order
        self.status = 'pending'  # its status
        self.profile = ['subjectAltName={names}', 'basicConstraints=CA:FALSE', 'authorityKeyIdentifier=keyid']  # what a certificate gets, as openssl reads it
        self.days = '5'
        self._nonces = 0
        for issuer in ('issuer', 'stranger'):
            run('openssl', 'req', '-x509', *CURVE, '-keyout', f'{issuer}.key', '-out', f'{issuer}.pem', '-days', '30', '-subj',
                f'/CN=The {issuer}', '-addext', 'keyUsage=critical,keyCertSign,cRLSign', cwd=self.directory)
        self.roots = self.directory / 'roots.pem'
        self.roots.write_text(read(https / 'ca.pem') + read(self.directory / 'issuer.pem'))
        self._server = Httpd(https, self._answer)
        self.origin = f'https://127.0.0.1:{self._server.port}'
        self.url = self.origin + '/dir'
        self.close = self._server.close

    def asked(self, step=None):
        """The steps that were asked for, in order, or how often one was."""
        steps = [re.match('/([a-z]*)', one.path).group(1) for one in self._server.requests]
        steps = ['directory' if one == 'dir' else one for one in steps]
        return steps if step is None else steps.count(step)

    @property
    def method(self):
        """Of the last request."""
        return self._server.requests[-1].method

    def order(self):
        """The order as it is now."""
        seen = {'status': self.status, 'expires': '2099-01-01T00:00:00Z', 'finalize': f'{self.origin}/finalize',
                'identifiers': [{'type': 'dns', 'value': name} for name in self.names],
                'authorizations': [f'{self.origin}/authz/{i}' for i in range(len(self.names))]}
        return seen | ({'certificate': f'{self.origin}/cert'} if self.status == 'valid' else {})

    def issue(self, csr, key=None):
        """Signs the request (DER) with what `profile` and `days` say; with `key`, that one instead of the request's own."""
        (self.directory / 'csr.der').write_bytes(csr)
        names = ','.join(f'DNS:{name}' for name in self.names)
        (self.directory / 'extensions').write_text('\n'.join(self.profile).format(names=names))
        # A certificate that is over by now was made when it was not.
        days, when = (self.days, {}) if int(self.days) > 0 else (1, clock_that_is_off('-3d'))
        run('openssl', 'x509', '-req', '-inform', 'DER', '-in', 'csr.der', '-CA', 'issuer.pem', '-CAkey', 'issuer.key', '-CAcreateserial',
            '-days', days, '-out', 'leaf.pem', '-extfile', 'extensions', *(['-force_pubkey', key] if key else []), cwd=self.directory,
            env={**ENVIRONMENT, **when})

    def chain(self, issuer='issuer'):
        return read(self.directory / 'leaf.pem') + read(self.directory / f'{issuer}.pem')

    async def _answer(self, request):
        self._nonces += 1
        answer = Answer(200, [('Replay-Nonce', f'nonce-{self._nonces:08}'), ('Content-Type', 'application/json')])
        step = self.asked()[-1]
        getattr(self, f'_at_{step}')(request, answer)
        if step in self.twists:
            answer = self.twists[step](answer, self) or answer
        if isinstance(answer.body, (dict, list)):
            answer.body = json.dumps(answer.body)
        if isinstance(answer.body, str):
            answer.body = answer.body.encode()
        return answer

    def _at_directory(self, _, answer):
        answer.body = {'newNonce': f'{self.origin}/nonce', 'newAccount': f'{self.origin}/account', 'newOrder': f'{self.origin}/new',
                       'renewalInfo': f'{self.origin}/ari'}

    def _at_nonce(self, _, answer):
        pass

    def _at_account(self, _, answer):
        answer.status, answer.body = 201, {'status': 'valid'}
        answer.headers.append(('Location', f'{self.origin}/account/1'))

    def _at_new(self, request, answer):
        self.names, self.status = [one['value'] for one in json.loads(request.payload)['identifiers']], 'pending'
        answer.status, answer.body = 201, self.order()
        answer.headers.append(('Location', f'{self.origin}/order/1'))

    def _at_order(self, _, answer):
        answer.body = self.order()

    def _at_authz(self, request, answer):
        name = self.names[min(int(request.path.rpartition('/')[2]), len(self.names) - 1)]
        answer.body = {'status': 'pending' if self.status == 'pending' else 'valid', 'identifier': {'type': 'dns', 'value': name},
                       'challenges': [{'type': 'http-01', 'url': f'{self.origin}/challenge', 'status': 'pending', 'token': TOKEN}]}

    def _at_challenge(self, _, answer):
        self.status = 'ready'
        answer.body = {'type': 'http-01', 'url': f'{self.origin}/challenge', 'status': 'valid', 'token': TOKEN}

    def _at_finalize(self, request, answer):
        csr = json.loads(request.payload)['csr']
        self.issue(base64.urlsafe_b64decode(csr + '=' * (-len(csr) % 4)))
        self.status = 'valid'
        answer.body = self.order()

    def _at_cert(self, _, answer):
        answer.body = self.chain()

    def _at_orders(self, _, answer):
        """The account's, of which the CA says nothing by itself."""
        answer.body = {'orders': []}

    def _at_ari(self, _, answer):
        answer.body = {'suggestedWindow': window(days=2), 'explanationURL': f'{self.origin}/why'}
