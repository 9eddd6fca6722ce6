# SPDX-License-Identifier: MIT
"""Certificates of a test, and connections that speak TLS."""

import os
import shutil
import ssl
import subprocess
import tempfile

from e2e.harness import Conn, Skip


class Pki:
    """Certificates of a test, in a folder of its own."""

    def __init__(self):
        if shutil.which("openssl") is None:
            raise Skip("openssl is not installed")
        self.folder = tempfile.TemporaryDirectory(prefix="cowshed-tls-")
        self.path = self.folder.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def run(self, *words, **how):
        return subprocess.run(["openssl", *map(str, words)], cwd=self.path, check=True,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, **how)

    def make(self, name, *hosts, days=30, rsa=False):
        """NAME.pem and NAME.key, signed by itself."""
        kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        self.run("req", "-x509", "-newkey", *kind, "-nodes", "-keyout", f"{name}.key", "-out",
                 f"{name}.pem", "-days", days, "-subj", f"/CN={name}", "-addext",
                 "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts or (name,)))
        return self.at(name)

    def at(self, name):
        return f"{self.path}/{name}.pem", f"{self.path}/{name}.key"

    def made(self, name):
        """Options of a certificate that is made when it is first asked for."""
        if not os.path.exists(f"{self.path}/{name}.pem"):
            self.make(name)
        return self.options(name)

    def options(self, *names, **more):
        pairs = [self.at(name) for name in names]
        return {"tls.listen": "127.0.0.1:0", "tls.certificate": " ".join(p[0] for p in pairs),
                "tls.key": " ".join(p[1] for p in pairs), **more}


def address(server):
    host, _, port = server.ready["tls"].rpartition(":")
    return host, int(port)


def context(version=None, alpn=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if version is not None:
        ctx.minimum_version = ctx.maximum_version = version
    if alpn:
        ctx.set_alpn_protocols(alpn)
    return ctx


class TlsConn(Conn):
    """A connection that speaks TLS."""

    def __init__(self, server, ctx=None, name="localhost", session=None, before=b""):
        super().__init__(address(server))
        if before:
            self.send(before)
        self.sock = (ctx or context()).wrap_socket(self.sock, server_hostname=name,
                                                   session=session)

    def issuer(self):
        der = self.sock.getpeercert(binary_form=True)
        at = der.index(b"\x55\x04\x03\x0c") + 4  # commonName, a UTF8String
        return der[at + 1:at + 1 + der[at]].decode()
