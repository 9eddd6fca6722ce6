# SPDX-License-Identifier: MIT
"""A small HTTPS server that remembers what it was told in its handshakes."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

from e2e.harness import Skip


def certificate(out, name="localhost", alt="DNS:localhost,IP:127.0.0.1"):
    """A new key and a certificate that it signed itself, in one file of folder `out`."""
    if shutil.which("openssl") is None:
        raise Skip("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-addext", f"subjectAltName={alt}", "-keyout",
                    out / "key.pem", "-out", out / "cert.pem"],
                   check=True, capture_output=True, timeout=60)
    return out / "cert.pem"


class TlsServer:
    """Thread per connection. Behaviour by path: /big many records, /cut ends the socket in
    the middle of a body, /close answers without a length and closes."""

    def __init__(self, out, version=None, preface=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(out / "cert.pem", out / "key.pem")
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.context.sni_callback = lambda _, name, __: self.names.add(name)
        if version is not None:
            self.context.maximum_version = version
        self.preface = preface
        self.names, self.protocols, self.prefaces = set(), set(), []
        self.fresh = self.resumed = self.requests = 0
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.open = set()
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(plain,), daemon=True).start()

    def talk(self, plain):
        with contextlib.suppress(OSError), plain:
            if self.preface:
                line = b""
                while not line.endswith(b"\r\n"):
                    line += plain.recv(1)
                self.prefaces.append(line)
            with self.context.wrap_socket(plain, server_side=True) as tls:
                with self.lock:
                    self.resumed += tls.session_reused
                    self.fresh += not tls.session_reused
                    self.protocols.add(tls.selected_alpn_protocol())
                while self.answer(tls):
                    pass

    def answer(self, tls):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            some = tls.recv(4096)
            if not some:
                return False
            head += some
        with self.lock:
            self.requests += 1
        path = head.split()[1]
        if path == b"/close":
            tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
            tls.unwrap()
            return False
        body = b"x" * (200_000 if path == b"/big" else 20)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        if path == b"/cut":
            tls.sendall(body[:7])
            return False
        tls.sendall(body)
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.acceptor.join()
