"""NATS's keys and the tokens that are signed with them, by OpenSSL's program."""

import base64
import json
import os
import subprocess
import tempfile
import time

# What PKCS #8 has around the 32 bytes of an Ed25519 key.
PREFIX = bytes.fromhex("302e020100300506032b657004220420")
OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3
NO_LIMIT = {name: -1 for name in ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
                                  "disk_storage", "streams", "consumer")}


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


def sign(secret, data):
    with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as text:
        key.write(PREFIX + secret)
        key.flush()
        text.write(data)
        text.flush()
        return openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", key.name, "-in", text.name)


def public_of(secret):
    return openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=PREFIX + secret)[-32:]


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc.to_bytes(2, "little")


def base32(data):
    return base64.b32encode(data + crc16(data)).decode().rstrip("=")


def secret_of(seed):
    return base64.b32decode(seed + "=" * (-len(seed) % 8))[2:34]


class Key:
    """One of an operator, an account or a user."""

    def __init__(self, kind):
        self.secret = os.urandom(32)
        self.public = base32(bytes([kind]) + public_of(self.secret))
        self.seed = base32(bytes([18 << 3 | kind >> 5, (kind & 31) << 3]) + self.secret)

    def token(self, about, kind, **claims):
        """A JWT in which this key's owner says something about the owner of another."""
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"},
                 {"jti": base32(os.urandom(16)), "iat": int(time.time()), "iss": self.public, "name": kind,
                  "sub": about.public, "nats": {"type": kind, "version": 2, **claims}}]
        text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
        return (text + b"." + base64.urlsafe_b64encode(sign(self.secret, text)).rstrip(b"=")).decode()


def server_and_credentials():
    """The configuration of a server with one account, and a credentials file for it."""
    operator, system, account, user = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
    limits = {"limits": {**NO_LIMIT, "wildcards": True}}
    config = f"""
        operator: "{operator.token(operator, "operator", system_account=system.public)}"
        system_account: {system.public}
        resolver: MEMORY
        resolver_preload: {{
          {system.public}: "{operator.token(system, "account")}"
          {account.public}: "{operator.token(account, "account", **limits)}"
        }}
        """
    token = account.token(user, "user", subs=-1, data=-1, payload=-1)
    credentials = (f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                   f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
    return config, credentials, user
