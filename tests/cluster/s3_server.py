"""A server that speaks as S3 does, with one bucket, over a folder. It checks each request's
signature (AWS Signature Version 4) by computing it itself, and the body's SHA-256.

    s3_server.py FOLDER BUCKET REGION KEY SECRET
"""

import datetime
import hashlib
import hmac
import os
import pathlib
import re
import sys
import tempfile
import urllib.parse
import xml.sax.saxutils

import store_server

ROOT, BUCKET, REGION, KEY, SECRET = pathlib.Path(sys.argv[1]), *sys.argv[2:6]
PAGE = 5  # keys to a page, so that lists have several


def sign(date, scope, stamp, canonical):
    key = b"AWS4" + SECRET.encode()
    for part in (date, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Handler(store_server.Handler):
    def refuse(self, status, code):
        self.answer(status, f'<?xml version="1.0"?><Error><Code>{code}</Code></Error>'.encode())

    def canonical_request(self, signed):
        path, _, query = self.path.partition("?")
        # Decoded and encoded again: a client that encodes otherwise is wrong.
        path = urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~")
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        quoted = [tuple(urllib.parse.quote(part, safe="-_.~") for part in pair) for pair in pairs]
        query = "&".join(f"{name}={value}" for name, value in sorted(quoted))
        headers = "".join(f"{name}:{' '.join(self.headers[name].split())}\n" for name in signed)
        return "\n".join([self.command, path, query, headers, ";".join(signed), self.headers["x-amz-content-sha256"]])

    def is_let_in(self):
        authorization = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?"
            r"Signature=([0-9a-f]{64})", self.headers.get("Authorization", ""))
        if not authorization:
            return self.refuse(403, "AccessDenied")
        key, date, region, signed, signature = authorization.groups()
        signed = signed.split(";")
        stamp = self.headers.get("x-amz-date", "")
        now = datetime.datetime.now(datetime.timezone.utc)
        is_fresh = stamp[:8] == date and abs(
            datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc) -
            now) < datetime.timedelta(minutes=15)
        if key != KEY or region != REGION or not is_fresh or self.headers.get("x-amz-security-token") != "T0ken":
            return self.refuse(403, "InvalidAccessKeyId")
        must = {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
        scope = f"{date}/{region}/s3/aws4_request"
        if not must <= set(signed) or sign(date, scope, stamp, self.canonical_request(signed)) != signature:
            return self.refuse(403, "SignatureDoesNotMatch")
        return True

    def key(self):
        bucket, _, key = urllib.parse.unquote(self.path.partition("?")[0]).lstrip("/").partition("/")
        return key if bucket == BUCKET else None

    def file(self, key):
        return ROOT / urllib.parse.quote(key, safe="")

    def do_GET(self):
        if not self.is_let_in():
            return
        key = self.key()
        if key is None:
            self.refuse(404, "NoSuchBucket")
        elif key == "":
            self.list()
        elif self.file(key).is_file():
            self.send_file(self.file(key))
        else:
            self.refuse(404, "NoSuchKey")

    def list(self):
        query = dict(urllib.parse.parse_qsl(self.path.partition("?")[2], keep_blank_values=True))
        if query.get("list-type") != "2":
            return self.refuse(400, "InvalidArgument")
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "").removeprefix("after+/=")
        keys = sorted(urllib.parse.unquote(file.name) for file in ROOT.iterdir())
        keys = [key for key in keys if key.startswith(prefix) and "/" not in key[len(prefix):] and key > after]
        page = keys[:PAGE]
        contents = "".join(f"<Contents><Key>{xml.sax.saxutils.escape(key)}</Key>"
                           f"<Size>{self.file(key).stat().st_size}</Size></Contents>" for key in page)
        more = (f"<IsTruncated>true</IsTruncated><NextContinuationToken>after+/={page[-1]}</NextContinuationToken>"
                if len(keys) > PAGE else "<IsTruncated>false</IsTruncated>")
        self.answer(200, ('<?xml version="1.0" encoding="UTF-8"?>'
                          '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                          f"{more}{contents}</ListBucketResult>").encode())

    def do_PUT(self):
        if not self.is_let_in():
            return
        if not self.key():
            return self.refuse(404, "NoSuchBucket")
        digest = hashlib.sha256()
        with tempfile.NamedTemporaryFile(delete=False) as file:
            try:
                for piece in self.body():
                    digest.update(piece)
                    file.write(piece)
            except ConnectionError:
                os.unlink(file.name)
                raise
        if digest.hexdigest() != self.headers["x-amz-content-sha256"]:
            os.unlink(file.name)
            return self.refuse(400, "XAmzContentSHA256Mismatch")
        os.replace(file.name, self.file(self.key()))
        self.answer(200)

    def do_DELETE(self):
        if not self.is_let_in():
            return
        if not self.key():
            return self.refuse(404, "NoSuchBucket")
        self.file(self.key()).unlink(missing_ok=True)
        self.answer(204)


store_server.serve(Handler)
