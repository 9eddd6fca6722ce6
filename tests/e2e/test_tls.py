# SPDX-License-Identifier: MIT
"""TLS: what is served, which certificate, resumption across slots, reloads, and everything that a
client or a file can get wrong."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from e2e.harness import (BINARY, BUILD, MODES, Conn, Failure, Server, Skip, check, check_equal,
                         paused, run_cowshed, test, wait_until)
from e2e.tls import Pki, TlsConn, address, context

SMALL = b"<p>hello\n"
CACHED = bytes(range(256)) * 300  # 75 KiB: more records than one
BIG = bytes((i * 7) % 251 for i in range(1 << 16)) * 48  # 3 MiB: sent from the file
FILES = {"index.html": SMALL, "cached.bin": CACHED, "big.bin": BIG}


def counters(server):
    total = {}
    for slot in server.status()["slots"]:
        for name, value in slot["counters"].items():
            total[name] = total.get(name, 0) + value
    return total


@test
def what_is_served_is_the_same_byte_for_byte_in_every_mode():
    with Pki() as pki:
        pki.make("one", "localhost")
        for mode in MODES:
            with Server(FILES, mode=mode, slots=2,
                        options=pki.options("one", cache_object_max="1m")) as server:
                for _ in range(2):  # fetched, then from the cache
                    with TlsConn(server) as conn:
                        for name, body in FILES.items():
                            got = conn.request("/" + name)
                            check_equal((got.status, got.body == body), (200, True), name)
                            check_equal(conn.request("/" + name, "HEAD").header("content-length"),
                                        str(len(body)), f"HEAD of {name}")
                        got = conn.request("/big.bin", headers=[("Range", "bytes=65535-70000")])
                        check_equal((got.status, got.body), (206, BIG[65535:70001]), "a range")
                        conn.send("GET /cached.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 5
                                  + "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        for _ in range(5):
                            check(conn.response().body == CACHED, "one of five in a row")
                        check_equal(conn.response().status, 404, "the sixth")
                        check(conn.ends(), "it goes on")
                check_equal(server.get("/").body, SMALL, "without TLS, beside it")
                wait_until(lambda s=server: counters(s)["tls_handshakes"] == 2, "the count")


@test
def records_that_come_together_are_all_read_and_then_the_end():
    with Pki() as pki:
        pki.make("one", "localhost")
        with Server(FILES, options=pki.options("one", keepalive_timeout="60s")) as server:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with TlsConn(server, context(version)) as conn:
                    check_equal(conn.request("/").body, SMALL, "the first body")
                    for count in (1, 3, 700):  # the last: more bytes than are read at once
                        with paused(server.workers()[0]):
                            for _ in range(count):
                                conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                        for _ in range(count):
                            check_equal(conn.response().body, SMALL, f"one of {count} bodies")
                    with paused(server.workers()[0]):
                        conn.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                        socket.socket.shutdown(conn.sock, socket.SHUT_WR)
                    check_equal(conn.response().body, SMALL, "the last body")
                    check(conn.ends(), "it goes on")


@test
def sixty_four_clients_at_once_get_what_they_ask_for():
    def client(server, wrong):
        try:
            with TlsConn(server) as conn:
                for number in range(20):
                    name = list(FILES)[number % 3]
                    check(conn.request("/" + name).body == FILES[name], name)
        except (OSError, Failure) as fault:
            wrong.append(repr(fault))

    with Pki() as pki:
        pki.make("one", "localhost")
        for mode in ("shared", "threads"):
            with Server(FILES, mode=mode, slots=4, options=pki.options("one")) as server:
                wrong = []
                threads = [threading.Thread(target=client, args=(server, wrong)) for _ in range(64)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                check_equal(wrong, [], f"what went wrong in mode {mode}")


@test
def sessions_are_resumed_by_whichever_slot_comes_next():
    count = 200
    with Pki() as pki:
        pki.make("one", "localhost")
        for mode in ("shared", "threads"):
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with Server(FILES, mode=mode, slots=4, options=pki.options("one")) as server:
                    ctx, session, reused = context(version), None, 0
                    for _ in range(count):
                        with TlsConn(server, ctx, session=session) as conn:
                            check_equal(conn.request("/").body, SMALL, "the body")
                            reused += conn.sock.session_reused
                            session = conn.sock.session
                    check(reused >= 0.99 * (count - 1), f"{version.name}: {reused} of {count}")
                    wait_until(lambda s=server, r=reused: counters(s)["tls_resumed"] == r,
                               "the count")
                    slots = [s["counters"]["tls_resumed"] for s in server.status()["slots"]]
                    check(all(slots), f"resumed by slot: {slots}")


@test
def tickets_live_for_one_rotation_more():
    with Pki() as pki:
        pki.make("one", "localhost")
        options = pki.options("one", **{"tls.ticket_rotation": "2s"})
        with Server(FILES, slots=1, options=options) as server:
            ctx = context(ssl.TLSVersion.TLSv1_2)
            with TlsConn(server, ctx) as conn:
                conn.request("/")
                session = conn.sock.session
            time.sleep(2.2)  # one rotation: this is what is tested
            with TlsConn(server, ctx, session=session) as conn:
                check(conn.sock.session_reused, "a ticket of the key before is refused")
                conn.request("/")
                renewed = conn.sock.session
            time.sleep(2.2)
            with TlsConn(server, ctx, session=renewed) as conn:
                check(conn.sock.session_reused, "the ticket was not renewed")
            time.sleep(2.2)
            with TlsConn(server, ctx, session=session) as conn:
                check(not conn.sock.session_reused, "a ticket of a forgotten key is taken")
                check_equal(conn.request("/").body, SMALL, "the body all the same")


@test
def the_name_chooses_the_certificate():
    with Pki() as pki:
        pki.make("one", "localhost")
        pki.make("two", "two.test", "*.two.test")
        pki.make("three", "three.test", rsa=True)
        with Server(FILES, options=pki.options("one", "two", "three")) as server:
            for name, want in (("localhost", "one"), ("two.test", "two"), ("a.two.test", "two"),
                               ("a.b.two.test", "one"), ("THREE.test", "three"),
                               ("elsewhere.test", "one")):
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    with TlsConn(server, context(version), name=name) as conn:
                        check_equal(conn.issuer(), want, f"the certificate for {name}")
            with TlsConn(server, name=None) as conn:
                check_equal(conn.issuer(), "one", "the certificate without a name")


@test
def protocols_and_versions_are_agreed_upon_or_refused():
    with Pki() as pki:
        pki.make("one", "localhost")
        with Server(FILES, options=pki.options("one")) as server:
            with TlsConn(server, context(alpn=["h2", "http/1.1"])) as conn:
                check_equal(conn.sock.selected_alpn_protocol(), "http/1.1", "the protocol")
            with TlsConn(server) as conn:
                check_equal(conn.sock.selected_alpn_protocol(), None, "none was offered")
            try:
                TlsConn(server, context(alpn=["h2"])).close()
                check(False, "h2 alone was taken")
            except ssl.SSLError as error:
                check("no application protocol" in str(error).lower().replace("_", " "), str(error))
        with Server(FILES, options=pki.options("one", **{"tls.min_version": "1.3"})) as server:
            with TlsConn(server) as conn:
                check_equal(conn.sock.version(), "TLSv1.3", "the version")
            try:
                TlsConn(server, context(ssl.TLSVersion.TLSv1_2)).close()
                check(False, "1.2 was taken")
            except ssl.SSLError as error:
                check("protocol version" in str(error).lower().replace("_", " "), str(error))
            wait_until(lambda: counters(server)["tls_failed"] == 1, "the failure to be counted")


@test
def a_handshake_may_come_byte_by_byte():
    with Pki() as pki:
        pki.make("one", "localhost")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with Server(FILES, options=pki.options("one")) as server, \
                    socket.create_connection(address(server), 20) as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                client = context(version).wrap_bio(incoming, outgoing)

                def step(action, raw=raw, incoming=incoming, outgoing=outgoing):
                    while True:
                        try:
                            result = action()
                        except ssl.SSLWantReadError:
                            result = None
                        for byte in outgoing.read():
                            raw.sendall(bytes([byte]))
                        if result is not None:
                            return result
                        incoming.write(raw.recv(1))

                step(lambda: client.do_handshake() or True)
                step(lambda: client.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
                text = b""
                with contextlib.suppress(ssl.SSLZeroReturnError):
                    while not text.endswith(SMALL):
                        text += step(lambda: client.read(65536))
                check(text.startswith(b"HTTP/1.1 200 ") and text.endswith(SMALL), f"{text}")


@test
def who_does_not_speak_tls_is_told_or_closed():
    with Pki() as pki:
        pki.make("one", "localhost")
        with Server(FILES, options=pki.options("one", header_timeout="700ms")) as server:
            with Conn(address(server)) as conn:
                got = conn.request("/")
                check_equal((got.status, got.body), (400, b"this port speaks TLS: ask by https://"),
                            "the answer to plain HTTP")
                check(conn.ends(), "it goes on")
            for rubbish in (b"\0" * 50, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 300):
                with Conn(address(server)) as conn:
                    conn.send(rubbish)
                    conn.read_to_end()
            wait_until(lambda: counters(server)["tls_failed"] == 4, "the count of failures")
            with Conn(address(server)) as silent, Conn(address(server)) as half:
                half.send(b"\x16\x03\x01\x02\x00\x01\x00")
                start = time.monotonic()
                check_equal((silent.read_to_end(), half.read_to_end()), (b"", b""), "the bytes")
                check(time.monotonic() - start > 0.4, "they were closed at once")
            Conn(address(server)).close()  # only a look whether the port is open
            with TlsConn(server) as conn:
                check_equal(conn.request("/").body, SMALL, "the body afterwards")
            check_equal((counters(server)["tls_failed"], counters(server)["timeouts"]), (4, 2),
                        "failures, and those who made us wait")


@test
def a_proxy_header_comes_before_the_handshake():
    with Pki() as pki:
        pki.make("one", "localhost")
        options = pki.options("one", proxy_from="127.0.0.1", access_log="access.log")
        with Server(FILES, options=options) as server:
            with TlsConn(server, before=b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n") as conn:
                check_equal(conn.request("/").body, SMALL, "the body")
                check(conn.request("/big.bin").body == BIG, "a large body")
            # header and hello in one segment
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context().wrap_bio(incoming, outgoing)
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            with socket.create_connection(address(server), 20) as raw:
                raw.sendall(b"PROXY TCP4 192.0.2.8 127.0.0.1 1 2\r\n" + outgoing.read())
                done = False
                while not done:
                    incoming.write(raw.recv(65536))
                    try:
                        client.do_handshake()
                        done = True
                    except ssl.SSLWantReadError:
                        pass
                client.write(b"GET /in-one HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                raw.sendall(outgoing.read())
                while raw.recv(65536):  # tickets, the answer, the end
                    pass
            log = server.folder / "access.log"
            wait_until(lambda: "192.0.2.8 - - [" in log.read_text(), "the line of 192.0.2.8")
            check("192.0.2.7 - - [" in log.read_text(), "the line of 192.0.2.7")


@test
def certificates_are_reloaded_all_or_nothing_and_nobody_notices():
    with Pki() as pki:
        pki.make("one", "localhost")
        pki.make("two", "localhost")
        current, key = f"{pki.path}/now.pem", f"{pki.path}/now.key"

        def use(name):
            for new, old in zip(pki.at(name), (current, key)):
                shutil.copy(new, old + ".new")
                os.replace(old + ".new", old)

        use("one")
        options = {"tls.listen": "127.0.0.1:0", "tls.certificate": current, "tls.key": key,
                   "pid_file": "pid"}
        with Server(FILES, options=options, slots=2, errors=["could not reload"]) as server:
            stop, wrong, answers = threading.Event(), [], [0]

            def client():
                try:
                    while not stop.is_set():
                        with TlsConn(server) as conn:
                            check_equal(conn.request("/").body, SMALL, "the body")
                            answers[0] += 1
                except (OSError, Failure) as fault:
                    wrong.append(repr(fault))

            thread = threading.Thread(target=client)
            thread.start()
            with TlsConn(server) as conn:
                check_equal(conn.issuer(), "one", "the first certificate")
                use("two")
                check_equal(server.admin_get("/ctl/reload", "POST").status, 200, "the reload")
                check_equal(conn.request("/").body, SMALL, "a connection from before")
            wait_until(lambda: issuer_of(server) == "two", "the second certificate")
            shutil.copy(pki.at("one")[1], key)  # the key of another
            got = server.admin_get("/ctl/reload", "POST")
            check_equal(got.status, 400, "the status of a bad reload")
            check(b"now.key' is not that of certificate" in got.body, f"{got.body}")
            os.remove(key)
            got = server.admin_get("/ctl/reload", "POST")
            check(b"no such file or directory" in got.body, f"{got.body}")
            check_equal(issuer_of(server), "two", "the certificate after bad reloads")
            seen = answers[0]
            wait_until(lambda: answers[0] > seen + 20 or wrong, "more answers")
            stop.set()
            thread.join()
            check_equal(wrong, [], "what the client saw")


def issuer_of(server):
    with TlsConn(server) as conn:
        return conn.issuer()


@test
def what_is_wrong_with_files_is_told_before_anything_starts():
    with Pki() as pki:
        one, two = pki.make("one", "localhost"), pki.make("two", "localhost")
        pki.run("pkey", "-in", one[1], "-aes128", "-passout", "pass:secret", "-out", "secret.key")
        (rubbish := f"{pki.path}/rubbish.pem")
        with open(rubbish, "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
        for settings, words in (
                ({}, "tls.certificate names none, and tls.listen is on"),
                ({"certificate": "/none.pem"}, "certificate '/none.pem': no such file"),
                ({"certificate": rubbish}, f"certificate '{rubbish}': "),
                ({"certificate": one[0]}, f"key '{one[0]}': "),
                ({"certificate": one[0], "key": two[1]}, "is not that of certificate"),
                ({"certificate": one[0], "key": f"{pki.path}/secret.key"}, "secret.key': "),
                ({"certificate": one[0], "key": f"{one[1]} {two[1]}"},
                 "tls.key names more files than tls.certificate"),
                ({"certificate": one[0], "key": one[1], "ocsp": "- /none"},
                 "tls.ocsp names more files"),
                ({"certificate": one[0], "key": one[1], "ocsp": "/none"}, "'/none': no such file"),
                ({"certificate": one[0], "key": one[1], "ciphers": "NONSENSE"},
                 "tls.ciphers = 'NONSENSE': none of these is known"),
                ({"certificate": one[0], "key": one[1], "min_version": "1.1"}, "1.2, 1.3"),
                ({"certificate": one[0], "key": one[1], "listen": "here"}, "tls.listen = 'here'")):
            words_of = {"listen": "127.0.0.1:0", **settings}
            options = [w for name, value in words_of.items() for w in ("-o", f"tls.{name}={value}")]
            for argv, code in (([str(BINARY), "-t"], 1), ([str(BINARY), "-l", "127.0.0.1:0"], 2)):
                done = subprocess.run([*argv, "-o", "admin=off", *options], capture_output=True,
                                      text=True, timeout=20, check=False)
                check_equal(done.returncode, code, f"{settings}: {done.stderr}")
                check(words in done.stderr, f"{settings}: no {words!r} in {done.stderr}")
        pki.make("old", "localhost", days=3)
        with Server(FILES, options=pki.options("old")) as server:
            server.wait_for_log("old.pem' expires in [23] days")


@test
def of_two_kinds_of_key_a_client_gets_the_one_that_it_can_verify():
    with Pki() as pki:
        pki.make("other", "other.test")
        pki.make("ec", "a.test", "b.test")
        pki.make("rsa", "b.test", "a.test", rsa=True)

        def sent(server, *words):
            host, port = address(server)
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "b.test", *words],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
            found = re.search(r"^subject=CN ?= ?(\S+)", done.stdout, re.M)
            return found.group(1) if found else done.stdout + done.stderr

        for names in (("other", "ec", "rsa"), ("rsa", "other", "ec")):
            with Server(FILES, options=pki.options(*names)) as server:
                for kind, words in (("ec", ("-sigalgs", "ECDSA+SHA256")),
                                    ("rsa", ("-sigalgs", "RSA-PSS+SHA256"))):
                    for version in ("-tls1_2", "-tls1_3"):
                        check_equal(sent(server, version, *words), kind, f"{names} {version}")
                check("never sent" not in server.log(), server.log())
        pki.make("again", "a.test", "b.test")
        with Server(FILES, options=pki.options("ec", "rsa", "again")) as server:
            server.wait_for_log(r"certificate '\S+/again.pem' is never sent: one before it has")
        wrong = pki.options("ec", "rsa")
        wrong["tls.key"] = f"{pki.path}/ec.key {pki.path}/ec.key"
        done = subprocess.run([str(BINARY), "-t", "-o", "root=/", *(
            word for name, value in wrong.items() for word in ("-o", f"{name}={value}"))],
            capture_output=True, text=True, timeout=20, check=False)
        check_equal(done.returncode, 1, "the exit code of -t")
        check(f"ec.key' is not that of certificate '{pki.path}/rsa.pem'" in done.stderr, done.stderr)


def worst_case(options, part):
    """Bytes of a part of what -t prints, of one connection."""
    _, _, said = run_cowshed("-t", "-o", "root=/", "-o", "connections=1", "-w", "1",
                       *(word for name, value in options.items() for word in ("-o", f"{name}={value}")))
    number, unit = re.search(rf"^cowshed: +{part} +([\d.]+)([kmg]?) ", said, re.M).groups()
    return float(number) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[unit] / 2  # generations


@test
def a_connection_costs_no_more_memory_than_is_said_of_the_worst_case():
    if "-" in BUILD.name:
        raise Skip("a sanitizer has memory of its own")
    with Pki() as pki, Server(FILES, options=pki.made("one")) as server:
        idle = worst_case(pki.made("one"), "connections")
        at_work = idle + worst_case(pki.made("one"), "their requests")
        shaking = at_work - worst_case({}, "their requests")

        def memory():
            with open(f"/proc/{server.workers()[0]}/status", encoding="ascii") as file:
                return int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1)) << 10

        def each(what, make, most, count=300):
            with contextlib.ExitStack() as stack:
                for _ in range(30):
                    make(stack)
                before = memory()
                for _ in range(count):
                    make(stack)
                wait_until(lambda: counters(server)["connections"] == count + 30, "the connections")
                cost = (memory() - before) / count
                check(8192 < cost <= most, f"{what}: {cost:.0f} bytes each, {most:.0f} are counted")
            wait_until(lambda: counters(server)["connections"] == 0, "the end of the connections")

        def asked(stack, text="GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            conn = stack.enter_context(TlsConn(server))
            conn.send(text)
            if text.endswith("\r\n\r\n"):
                check_equal(conn.response().status, 200, "the status")

        each("idle", asked, idle)
        each("half a head", lambda stack: asked(stack, "GET / HTTP/1.1\r\nHo"), at_work)
        each("no handshake", lambda stack: stack.enter_context(Conn(address(server))), shaking)


@test
def a_response_of_the_issuer_is_stapled_while_it_is_good():
    with Pki() as pki:
        pki.make("ca", "ca")
        pki.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf")
        pki.run("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial",
                "0x1234", "-days", "9", "-out", "leaf.pem")
        with open(f"{pki.path}/index.txt", "w", encoding="ascii") as file:
            file.write("V\t351231235959Z\t\t1234\tunknown\t/CN=leaf\n")
        pki.run("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA",
                "ca.pem", "-issuer", "ca.pem", "-cert", "leaf.pem", "-ndays", "3", "-respout",
                "good.der")
        with open(f"{pki.path}/bad.der", "wb") as file:
            file.write(b"rubbish")

        def asked(server):
            host, port = address(server)
            done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", "-status"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=20, check=False)
            return done.stdout

        leaf = pki.options("leaf")
        with Server(FILES, options={**leaf, "tls.ocsp": f"{pki.path}/good.der"}) as server:
            check("OCSP Response Status: successful" in asked(server), "nothing was stapled")
        with Server(FILES, options={**leaf, "tls.ocsp": f"{pki.path}/bad.der"}) as server:
            server.wait_for_log("bad.der' is not stapled: it is no OCSP response")
            check("OCSP response: no response sent" in asked(server), "rubbish was stapled")


@test
def an_upgrade_keeps_the_port_and_the_sessions():
    with Pki() as pki:
        pki.make("one", "localhost")
        with Server(FILES, options=pki.options("one"), slots=2) as server:
            ctx = context()
            with TlsConn(server, ctx) as kept:
                check_equal(kept.request("/").body, SMALL, "the body")
                session = kept.sock.session
                server.signal(signal.SIGUSR2)
                server.wait_for_log("the new program serves")
                check_equal(kept.request("/").header("connection"), "close", "the last answer")
            check_equal(server.wait_for_exit(), 0, "the exit code")
            newer = int(re.findall(r"^ready .* pid=(\d+)", server.log(), re.M)[-1])
            with TlsConn(server, ctx, session=session) as conn:
                check(conn.sock.session_reused, "the new program has other keys")
                check_equal(conn.request("/").body, SMALL, "the body from the new program")
            os.kill(newer, signal.SIGTERM)
            wait_until(lambda: not server.leftovers(), "the new program to end")


@test
def curl_and_sslscan_find_nothing_to_mend():
    with Pki() as pki:
        pki.make("one", "localhost")
        with Server(FILES, options=pki.options("one")) as server:
            host, port = address(server)
            if shutil.which("curl"):
                done = subprocess.run(
                    ["curl", "-sS", "--cacert", pki.at("one")[0], "--resolve",
                     f"localhost:{port}:{host}", f"https://localhost:{port}/cached.bin"],
                    capture_output=True, check=False, timeout=30)
                check_equal((done.returncode, done.stdout == CACHED), (0, True), f"{done.stderr}")
            if shutil.which("sslscan") is None:
                raise Skip("sslscan is not installed")
            done = subprocess.run(["sslscan", "--no-colour", f"{host}:{port}"], capture_output=True,
                                  text=True, check=True, timeout=120)
            for words in (r"SSLv2 +disabled", r"SSLv3 +disabled", r"TLSv1\.0 +disabled",
                          r"TLSv1\.1 +disabled", r"TLSv1\.2 +enabled", r"TLSv1\.3 +enabled",
                          r"TLS renegotiation:\n(?:Session renegotiation not supported|Secure)",
                          r"TLS Compression:\n(?:Compression disabled|OpenSSL version does not)",
                          r"TLSv1\.3 not vulnerable to heartbleed"):
                check(re.search(words, done.stdout), f"no {words!r} in\n{done.stdout}")
            for weak in ("RC4", "3DES", "CBC", "NULL", "EXPORT", "anonymous"):
                check(weak not in done.stdout, f"{weak} in\n{done.stdout}")
