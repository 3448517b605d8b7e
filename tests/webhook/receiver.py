#!/usr/bin/env python3
"""A receiver of web hooks that verifies requests by the specification's own library, and answers as it is told.

Writes one line of JSON to OUT for each request, before it is answered: what came, whether it is verified, and how it is answered.
Reads from its input how to answer: `500` (the next request by this status), `503 Retry-After: 2` (with a header), `long` (200 with a
body that is too long to be read), `close` (by closing the connection) or `silent` (not at all); each line is for one request, in
order. `always 503` is for all behind them; at first that is 204. Ends when its input does. Prints its URL when it is ready.

With --tls it has a certificate that nobody knows; what has issued it is written to that file.
"""

import argparse
import collections
import datetime
import ipaddress
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

lock = threading.Lock()
answers = collections.deque()
always = ["204"]


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            self.server.webhook.verify(body, dict(self.headers))
            refusal = None
        except WebhookVerificationError as error:
            refusal = str(error)
        with lock:
            answer = answers.popleft() if answers else always[0]
            if refusal:
                answer = "401"
            line = {
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "body": body.decode(),
                "refusal": refusal,
                "answer": answer,
                "at": time.monotonic(),
                "port": self.client_address[1],
            }
            self.server.out.write(json.dumps(line) + "\n")
            self.server.out.flush()
        if answer == "silent":
            threading.Event().wait()
        if answer == "close":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if answer == "long":
            self.send_response(200)
            self.send_header("content-length", str(100_000_000))
            self.end_headers()
            self.wfile.write(b"x" * 100_000)
            threading.Event().wait()
        status, _, header = answer.partition(" ")
        self.send_response(int(status))
        if header:
            self.send_header(*header.split(": "))
        text = b"s3cret of the receiver" if int(status) != 204 else b""
        if text:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A connection that was made and left, or a client that does not trust us."""


def certificate(issuer_file):
    """A TLS context with a new certificate for 127.0.0.1, by a new authority that is written to a file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc)
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def issue(subject, issuer, key, issuer_key, *extensions):
        builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=2))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256())

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = issue("authority", "authority", authority_key, authority_key, (x509.BasicConstraints(True, 0), True))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = issue("receiver", "authority", key, authority_key, (names, False), (x509.BasicConstraints(False, None), True))
    with open(issuer_file, "wb") as out:
        out.write(authority.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(server.public_bytes(serialization.Encoding.PEM) + private)
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--secret", required=True)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--tls", metavar="FILE")
    a = arguments.parse_args()
    server = Server(("127.0.0.1", 0), Receiver)
    server.webhook, server.out = Webhook(a.secret), open(a.out, "w", encoding="utf-8")
    scheme = "http"
    if a.tls:
        scheme = "https"
        # The handshake is made by the connection's own thread.
        server.socket = certificate(a.tls).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{scheme}://127.0.0.1:{server.server_address[1]}/hooks/s3cret?token=s3cret", flush=True)
    for line in sys.stdin:
        with lock:
            word, _, rest = line.strip().partition(" ")
            if word == "always":
                always[0] = rest
            else:
                answers.append(line.strip())
        print("told", flush=True)
    os._exit(0)


main()
