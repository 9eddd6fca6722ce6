# SPDX-License-Identifier: MIT
"""Requests that two servers in a row may read as two different things: all refused.

Each row: the rule of server/README.md, the bytes, the status of the answer.  What only looks
like that, and can be read in one way alone, is in CLEAR: a request that follows it in the
same bytes must be answered as a request of its own.
"""

HOST = "Host: x\r\n"
END = "\r\n"


def get(fields, version="HTTP/1.1", host=HOST):
    return f"GET / {version}\r\n{host}{fields}{END}"


def post(fields, body=""):
    return f"POST / HTTP/1.1\r\n{HOST}{fields}{END}{body}"


def chunked(body):
    return post("Transfer-Encoding: chunked\r\n", body)


REFUSED = [
    # A1: length and coding
    ("A1", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
    ("A1", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"), 400),
    ("A1", post("Content-Length: 0\r\nTransfer-Encoding: gzip, chunked\r\n"), 400),
    ("A1", post("Content-Length: 5\r\nTransfer-Encoding: \r\n", "hello"), 400),
    # A2: more than one length
    ("A2", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400),
    ("A2", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400),
    ("A2", post("Content-Length: 5, 5\r\n", "hello"), 400),
    ("A2", post("Content-Length: 5\r\ncontent-length: 5\r\n", "hello"), 400),
    # A3: a length that is no plain number
    ("A3", post("Content-Length: +5\r\n", "hello"), 400),
    ("A3", post("Content-Length: -5\r\n", "hello"), 400),
    ("A3", post("Content-Length: 0x5\r\n", "hello"), 400),
    ("A3", post("Content-Length: 5 \t5\r\n", "hello"), 400),
    ("A3", post("Content-Length: \r\n"), 400),
    ("A3", post("Content-Length: 5.0\r\n", "hello"), 400),
    ("A3", post("Content-Length: 5;a\r\n", "hello"), 400),
    ("A3", post("Content-Length: 18446744073709551616\r\n"), 400),
    ("A3", post("Content-Length: 18446744073709551621\r\n", "hello"), 400),
    # A4: a coding in HTTP/1.0
    ("A4", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("A4", f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: identity\r\n\r\n", 400),
    # A5: a coding other than one "chunked" at the end
    ("A5", post("Transfer-Encoding: gzip\r\n"), 400),
    ("A5", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501),
    ("A5", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: identity\r\n"), 400),
    ("A5", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding: chunked\xa0\r\n", "0\r\n\r\n"), 400),
    ("A5", post("Transfer-Encoding:\r\n"), 400),
    # A6: a line that ends, or seems to end, in something else than CR LF
    ("A6", f"GET / HTTP/1.1\n{HOST}{END}", 400),
    ("A6", f"GET / HTTP/1.1\r\nHost: x\n{END}", 400),
    ("A6", f"GET / HTTP/1.1\r\n{HOST}X: y\n\r\n", 400),
    ("A6", f"GET / HTTP/1.1\r\n{HOST}\n", 400),
    ("A6", get("X: a\rb\r\n"), 400),
    ("A6", get("X: a\r\r\n"), 400),
    ("A6", f"GET /\rx HTTP/1.1\r\n{HOST}{END}", 400),
    ("A6", "\n" + get(""), 400),
    # A7: a folded field
    ("A7", get("X: a\r\n b\r\n"), 400),
    ("A7", get("X: a\r\n\tb\r\n"), 400),
    ("A7", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400),
    ("A7", f"GET / HTTP/1.1\r\n {HOST}{END}", 400),
    # A8: a name that is no token
    ("A8", post("Content-Length : 5\r\n", "hello"), 400),
    ("A8", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400),
    ("A8", post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), 400),
    ("A8", get(": y\r\n"), 400),
    ("A8", get("X y: z\r\n"), 400),
    ("A8", get("X\r\n"), 400),
    ("A8", get("X(: y\r\n"), 400),
    ("A8", get("\xc3\xa9: y\r\n"), 400),
    ("A8", get("\x00X: y\r\n"), 400),
    # A9: control bytes in a value
    ("A9", get("X: a\x00b\r\n"), 400),
    ("A9", get("X: a\x01b\r\n"), 400),
    ("A9", get("X: a\x7fb\r\n"), 400),
    ("A9", get("X: a\x0bb\r\n"), 400),
    # A10: whose request is it
    ("A10", get("", host=""), 400),
    ("A10", get("", host="Host: a\r\nHost: b\r\n"), 400),
    ("A10", get("", host="Host: x\r\nHost: x\r\n"), 400),
    ("A10", get("", host="Host: a, b\r\n"), 400),
    ("A10", get("", host="Host: a b\r\n"), 400),
    ("A10", get("", host="Host: a@b\r\n"), 400),
    ("A10", get("", host="Host: a/b\r\n"), 400),
    ("A10", get("", host="Host: a:port\r\n"), 400),
    ("A10", f"GET http://a@b/ HTTP/1.1\r\n{HOST}{END}", 400),
    ("A10", f"GET http:///x HTTP/1.1\r\n{HOST}{END}", 400),
    # A11: a request line of another form
    ("A11", f"GET  / HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET /  HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET\t/ HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET / HTTP/1.1 \r\n{HOST}{END}", 400),
    ("A11", f" GET / HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET /a b HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", "GET /\r\n", 400),
    ("A11", f"GET / http/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET / HTTP/1.10\r\n{HOST}{END}", 400),
    ("A11", f"GET / HTTP/01.1\r\n{HOST}{END}", 400),
    ("A11", f"GET / HTTP/1,1\r\n{HOST}{END}", 400),
    ("A11", f"GET / HTTP/2.0\r\n{HOST}{END}", 505),
    ("A11", f"GET / HTTP/0.9\r\n{HOST}{END}", 505),
    ("A11", f"GET /#a HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET /\xff HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"GET x HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"G@T / HTTP/1.1\r\n{HOST}{END}", 400),
    ("A11", f"get / HTTP/1.1\r\n{HOST}{END}", 501),
    ("A11", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(""), 400),
    ("A11", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x00" + get(""), 400),
    ("A11", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    # A12: a chunk size that is no plain hexadecimal number
    ("A12", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("+5\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("-1\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("5 \r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("g\r\nhello\r\n0\r\n\r\n"), 400),
    ("A12", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    # A13: chunks whose ends are not where they should be
    ("A13", chunked("5\nhello\r\n0\r\n\r\n"), 400),
    ("A13", chunked("5\r\nhello\n0\r\n\r\n"), 400),
    ("A13", chunked("5\r\nhello0\r\n\r\n"), 400),
    ("A13", chunked("4\r\nhello\r\n0\r\n\r\n"), 400),
    ("A13", chunked("5\rhello\r\n0\r\n\r\n"), 400),
    ("A13", chunked("5\r\nhello\r\n0\r\n\n"), 400),
    # A14: what stands behind a chunk size
    ("A14", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), 400),
    ("A14", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), 400),
    ("A14", chunked("5;\x00\r\nhello\r\n0\r\n\r\n"), 400),
    ("A14", chunked("5;" + "a" * 5000 + "\r\nhello\r\n0\r\n\r\n"), 400),
    # A15: trailers
    ("A15", chunked("0\r\nX : y\r\n\r\n"), 400),
    ("A15", chunked("0\r\nX: a\r\n b\r\n\r\n"), 400),
    ("A15", chunked("0\r\nX: y\n\r\n"), 400),
    ("A15", chunked("0\r\nContent-Length: 50\r\n\r\n"), 400),
    ("A15", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
    # A16: an expectation that is not understood
    ("A16", post("Expect: 100-continue, x\r\nContent-Length: 5\r\n", "hello"), 417),
    ("A16", post("Expect: 200\r\nContent-Length: 5\r\n", "hello"), 417),
]

# Read in one way: the answer, then the one of the request that follows in the same bytes.
CLEAR = [
    ("A17", post("Content-Length: 5\r\n", "hello"), 405),
    ("A17", chunked("5\r\nhello\r\n0\r\n\r\n"), 405),
    ("A17", chunked("5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"), 405),
    ("A17", chunked("0\r\nHost: y\r\nConnection: close\r\n\r\n"), 405),
    ("A17", post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"), 405),
    ("A17", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200),
    ("A17", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
    ("A17", "\r\n" + get(""), 200),
    ("A17", get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: a\r\n"), 200),
    ("A17", get("Content_Length: 5\r\nTransfer_Encoding: chunked\r\n"), 200),
    ("A17", get("Connection: content-length, host\r\n"), 200),
    ("A17", f"GET http://x/ HTTP/1.1\r\n{HOST}{END}", 200),
    ("A17", f"GET http://other/ HTTP/1.1\r\n{HOST}{END}", 200),
]
