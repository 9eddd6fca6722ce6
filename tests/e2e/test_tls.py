# SPDX-License-Identifier: MIT
"""cowload as a client of TLS."""

import contextlib
import json
import socket
import ssl

from e2e.harness import check, check_equal, test
from e2e.load import MEASURED, cowload, folder
from e2e.tls_server import TlsServer, certificate


@contextlib.contextmanager
def server(**how):
    with folder() as out:
        cert = certificate(out)
        with TlsServer(out, **how) as tls:
            yield tls, cert


def run(*args, codes=MEASURED):
    """The result; the balance sheet adds up."""
    with folder() as out:
        cowload("--timeout", "60s", "--json", out / "json", *args, codes=codes)
        result = json.loads((out / "json").read_text())
    c = result["counts"]
    check_equal(c["planned"], c["sent"] + c["unsent"], f"planned in {c}")
    check_equal(result["latency"]["all"]["samples"], c["planned"], "samples")
    return result


@test
def https_is_measured_like_http():
    with server() as (tls, cert):
        for path, size in (("/x", 20), ("/big", 200_000)):
            result = run("-R100", "-c4", "-d1s", "--cacert", cert,
                         f"https://localhost:{tls.port}{path}")
            c = result["counts"]
            check_equal(c["ok"], c["planned"], f"successes in {c}")
            check(c["bytes"] > size * c["ok"], f"bytes in {c}")
            check(result["latency"]["connect"]["samples"] >= 4, "connections with a handshake")
        check_equal(tls.names, {"localhost"}, "the name that the server was told")
        check_equal(tls.protocols, {"http/1.1"}, "the protocol that was agreed on")


@test
def a_closed_loop_over_tls_has_one_handshake_per_connection():
    with server() as (tls, cert):
        result = run("-c4", "-d500ms", "--cacert", cert, f"https://127.0.0.1:{tls.port}/x")
        check_equal(tls.fresh + tls.resumed, 4, "handshakes")
        check_equal(tls.names, {None}, "an address is not told as a name")
        check(result["counts"]["ok"] > 20, f"{result['counts']}")


@test
def connections_that_are_opened_again_resume_their_session():
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with server(version=version) as (tls, cert):
            result = run("-R100", "-c4", "-d1s", "--conn-requests", "5", "--cacert", cert,
                         f"https://localhost:{tls.port}/x")
            c = result["counts"]
            check_equal(c["ok"], c["planned"], f"successes in {c}")
            check(c["connects"] >= 10, f"connections in {c}")
            check_equal(c["resumed"], c["connects"], f"{version}: resumed sessions in {c}")
            check_equal(tls.fresh, 4, f"{version}: full handshakes")
            check(tls.resumed >= c["resumed"], f"the server saw {tls.resumed} resumed")


@test
def a_certificate_that_is_not_trusted_ends_the_run():
    with server() as (tls, cert):
        url = f"https://localhost:{tls.port}/x"
        _, _, err = cowload("-c2", "-d300ms", "--timeout", "500ms", url, codes=(1,))
        check("certificate is not trusted" in err, err)
        check(not run("-c2", "-d300ms", "--insecure", url)["counts"]["read_errors"], "errors")
        _, _, err = cowload("-c2", "-d300ms", "--timeout", "500ms", "--cacert", cert, "--resolve",
                            f"other.example:{tls.port}:127.0.0.1",
                            f"https://other.example:{tls.port}/x", codes=(1,))
        check("certificate is not trusted" in err, f"for another name: {err}")


@test
def what_is_no_tls_says_so():
    with folder() as out:
        certificate(out)
        with TlsServer(out) as blunt:
            blunt.talk = lambda plain: (plain.sendall(b"HTTP/1.1 400 No\r\n\r\n"), plain.close())
            _, _, err = cowload("-c1", "-d300ms", "--timeout", "500ms",
                                f"https://127.0.0.1:{blunt.port}/x", codes=(1,))
    check("TLS handshake failed" in err, err)
    _, _, err = cowload("-c1", "-d1s", "--insecure", "http://127.0.0.1:1/x", codes=(1,))
    check("--insecure needs an https URL" in err, err)
    with folder() as out:
        (out / "no.pem").write_text("nothing\n")
        _, _, err = cowload("-d1s", "--cacert", out / "no.pem", "https://127.0.0.1:1/",
                            codes=(1,))
        check("could not read certificates from" in err and "no.pem" in err, err)


@test
def a_handshake_that_never_ends_times_out():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        _, _, err = cowload("-c2", "-d300ms", "--timeout", "300ms",
                            f"https://127.0.0.1:{port}/", codes=(1,))
    check(f"could not connect to 127.0.0.1:{port}: " in err and "timed out" in err, err)


@test
def a_body_that_is_cut_off_is_an_error_and_one_that_ends_is_not():
    with server() as (tls, cert):
        url = f"https://localhost:{tls.port}"
        c = run("-R50", "-c4", "-d1s", "--cacert", cert, f"{url}/cut")["counts"]
        check_equal((c["ok"], c["read_errors"]), (0, c["planned"]), f"{c}")
        c = run("-R50", "-c4", "-d1s", "--cacert", cert, f"{url}/close")["counts"]
        check_equal(c["ok"], c["planned"], f"{c}")
        check(c["connects"] >= c["ok"] - 4, f"{c}")


@test
def the_header_of_a_proxy_comes_before_tls():
    with server(preface=True) as (tls, cert):
        c = run("-R50", "-c3", "-d500ms", "--cacert", cert, "--proxy-protocol", "v1",
                f"https://localhost:{tls.port}/x")["counts"]
        check_equal(c["ok"], c["planned"], f"{c}")
        check_equal(len(tls.prefaces), 3, "headers")
        check(tls.prefaces[0].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 "), tls.prefaces[0])


@test
def a_request_body_of_many_records_arrives_whole():
    with server() as (tls, cert), folder() as out:
        (out / "body").write_bytes(b"y" * 300_000)
        received = []
        tls.answer = lambda peer: takes(peer, received)
        c = run("-R20", "-c2", "-d1s", "--cacert", cert, "--body", f"@{out / 'body'}",
                f"https://localhost:{tls.port}/x")["counts"]
        check_equal(c["ok"], c["planned"], f"{c}")
        check_equal(set(received), {300_000}, "bytes of the bodies")


def takes(peer, received):
    """Reads a request with its body slowly, then answers."""
    data = b""
    while b"\r\n\r\n" not in data:
        some = peer.recv(4096)
        if not some:
            return False
        data += some
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
               if line.lower().startswith(b"content-length:")]
    count = len(body)
    while count < lengths[0]:
        count += len(peer.recv(65536))
    received.append(count)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return True
