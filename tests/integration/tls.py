# SPDX-License-Identifier: Apache-2.0
"""What somebody sees who connects: one fresh full handshake each time, judged by nobody."""
import base64
import dataclasses
import datetime
import hashlib
import pathlib
import re
import socket
import ssl

from processes import ENVIRONMENT
import subprocess


def _openssl(*argv, pem):
    return subprocess.run(['openssl', *argv], input=pem, env=ENVIRONMENT, check=True, text=True, capture_output=True).stdout


@dataclasses.dataclass(frozen=True)
class Leaf:
    sha256: str
    pem: str

    @property
    def not_after(self):
        text = _openssl('x509', '-noout', '-enddate', pem=self.pem).strip().removeprefix('notAfter=')
        return datetime.datetime.strptime(text, '%b %d %H:%M:%S %Y %Z').replace(tzinfo=datetime.timezone.utc)

    @property
    def names(self):
        return sorted(re.findall(r'DNS:([^\s,]+)', _openssl('x509', '-noout', '-ext', 'subjectAltName', pem=self.pem)))

    @property
    def renewal_id(self):
        """What RFC 9773 §4.1 names it by: key identifier of the issuer and serial number, from DER."""
        text = _openssl('x509', '-noout', '-ext', 'authorityKeyIdentifier', '-serial', pem=self.pem)
        issuer = bytes.fromhex(re.search(r'(?:[0-9A-F]{2}:){8,}[0-9A-F]{2}', text).group().replace(':', ''))
        serial = bytes.fromhex(re.search(r'serial=([0-9A-F]+)', text).group(1))
        serial = b'\0' + serial if serial[0] & 0x80 else serial
        return '.'.join(base64.urlsafe_b64encode(part).decode().rstrip('=') for part in (issuer, serial))

    @property
    def key(self):
        """'id-ecPublicKey 256', 'rsaEncryption 2048'."""
        text = _openssl('x509', '-noout', '-text', pem=self.pem)
        return '{} {}'.format(*(re.search(pattern, text).group(1)
                                for pattern in (r'Public Key Algorithm: (\S+)', r'Public-Key: \((\d+) bit\)')))


def leaf_of(file):
    """The first certificate of a PEM file."""
    text = pathlib.Path(file).read_text()
    pem = re.search(r'-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n', text, re.DOTALL).group()
    return Leaf(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest(), pem)


def served(port, name, host='127.0.0.1'):
    """The leaf that `host`:`port` shows to somebody who asks for `name`; None if there is no handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                der = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return Leaf(hashlib.sha256(der).hexdigest(), ssl.DER_cert_to_PEM_cert(der))


def is_pair(fullchain, key):
    """True if the private key in one file belongs to the leaf in the other."""
    public = ['pkey', '-pubout']
    of_leaf = _openssl('x509', '-noout', '-pubkey', pem=leaf_of(fullchain).pem)
    return of_leaf == _openssl(*public, pem=pathlib.Path(key).read_text())
