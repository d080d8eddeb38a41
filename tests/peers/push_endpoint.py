"""A push service whose browser opens messages with http-ece, and whose signatures cryptography checks.

Prints the subscription as JSON, then a line of JSON for each message: what it says, and the claims of its signature.
"""

import base64
import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


KEY = ec.generate_private_key(ec.SECP256R1())
AUTH = os.urandom(16)


def claims_of(header):
    scheme, rest = header.split(" ", 1)
    assert scheme == "vapid", scheme
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, signature = parts["t"].rsplit(".", 1)
    head, claims = (json.loads(decode(part)) for part in signed.split("."))
    assert head["alg"] == "ES256", head
    raw = decode(signature)
    assert len(raw) == 64, len(raw)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(parts["k"]))
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    return claims


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        text = http_ece.decrypt(body, private_key=KEY, auth_secret=AUTH, version="aes128gcm")
        said = {
            "text": text.decode(),
            "claims": claims_of(self.headers["authorization"]),
            "ttl": self.headers["ttl"],
            "encoding": self.headers["content-encoding"],
        }
        print(json.dumps(said), flush=True)
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Endpoint)
point = KEY.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
address = f"http://127.0.0.1:{server.server_address[1]}/push"
print(json.dumps({"endpoint": address, "p256dh": encode(point), "auth": encode(AUTH)}), flush=True)
server.serve_forever()
