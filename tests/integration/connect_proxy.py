# SPDX-License-Identifier: Apache-2.0
"""A proxy that leads every name to one port of this machine: so a CA of the tests is asked under the name of another one."""
import contextlib
import socket
import socketserver
import threading


class ConnectProxy:
    """Takes CONNECT to any host and connects to 127.0.0.1:`port`."""

    def __init__(self, port):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while self.rfile.readline() not in (b'\r\n', b''):
                    pass
                with socket.create_connection(('127.0.0.1', port)) as there:
                    self.wfile.write(b'HTTP/1.1 200 connected\r\n\r\n')
                    back = threading.Thread(target=copy, args=(there, self.connection), daemon=True)
                    back.start()
                    copy(self.connection, there)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_address[1]}'
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def copy(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
