# SPDX-License-Identifier: Apache-2.0
"""Stands between renewd and Pebble: passes everything on, and can hold back or lose the answer to one kind of request, after the CA
has done what was asked. Pebble builds its URLs from the Host header, so everything goes through here."""
import http.client
import http.server
import ssl
import threading

from processes import free_port


class CaProxy:
    def __init__(self, pebble):
        self._pebble = pebble
        self._trust = ssl.create_default_context(cafile=str(pebble.https / 'ca.pem'))
        self.held = threading.Event()      # an answer is being held back
        self._release = threading.Event()
        self._hold = None                  # (method, beginning of the path)
        self._answers = {}                 # (method, beginning of the path): [answers instead of the CA's]
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = 60

            def handle_one(self):
                proxy._pass_on(self)

            do_GET = do_HEAD = do_POST = handle_one

            def log_message(self, *_):
                pass

        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(pebble.https / 'cert.pem', pebble.https / 'key.pem')
        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', free_port()), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that was killed
        self._server.socket = server_side.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f'https://127.0.0.1:{self._server.server_address[1]}/dir'

    def hold_answer(self, path, method='POST'):
        """The next answer to such a request does not come; `held` is set once the CA has done its part."""
        self.held.clear()
        self._release.clear()
        self._hold = (method, path)

    def release(self):
        """Everything passes again; what was held back is lost."""
        self._hold = None
        self._release.set()

    def answer_once(self, path, status, body, headers=None, method='POST'):
        """The next such request is answered like this, and never reaches the CA."""
        self._answers.setdefault((method, path), []).append((status, body, headers or {}))

    def _pass_on(self, request):
        body = request.rfile.read(int(request.headers.get('Content-Length') or 0))
        for (method, path), answers in self._answers.items():
            if answers and request.command == method and request.path.startswith(path):
                status, text, headers = answers.pop(0)
                self._answer(request, status, headers.items(), text.encode())
                return
        upstream = http.client.HTTPSConnection('127.0.0.1', self._pebble.port, context=self._trust, timeout=60)
        headers = {key: value for key, value in request.headers.items() if key.lower() != 'connection'}
        upstream.request(request.command, request.path, body or None, headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if self._hold and request.command == self._hold[0] and request.path.startswith(self._hold[1]):
            self._hold = None
            self.held.set()
            self._release.wait(60)
            request.close_connection = True
            return
        dropped = ('content-length', 'connection', 'transfer-encoding')
        self._answer(request, answer.status, [(k, v) for k, v in answer.getheaders() if k.lower() not in dropped], content)

    @staticmethod
    def _answer(request, status, headers, content):
        request.send_response_only(status)
        for key, value in headers:
            request.send_header(key, value)
        request.send_header('Content-Length', str(len(content)))
        request.end_headers()
        if request.command != 'HEAD':
            request.wfile.write(content)

    def close(self):
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
