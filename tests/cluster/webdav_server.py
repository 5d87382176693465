"""A WebDAV server over a folder: as much of RFC 4918 as a store of snapshots needs.

    webdav_server.py FOLDER USER PASSWORD
"""

import base64
import os
import pathlib
import sys
import urllib.parse
import xml.sax.saxutils

import store_server

ROOT, USER, PASSWORD = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]


class Handler(store_server.Handler):
    def is_let_in(self):
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            return True
        self.answer(401, headers=[("WWW-Authenticate", 'Basic realm="snapshots"')])
        return False

    def place(self, url=None):
        path = urllib.parse.unquote(urllib.parse.urlsplit(url or self.path).path)
        parts = [part for part in path.split("/") if part]
        assert ".." not in parts
        return ROOT.joinpath(*parts)

    def do_GET(self):
        if not self.is_let_in():
            return
        place = self.place()
        self.send_file(place) if place.is_file() else self.answer(404)

    def do_PUT(self):
        if not self.is_let_in():
            return
        place = self.place()
        if not place.parent.is_dir():
            return self.answer(409)
        with open(place, "wb") as file:  # it shows while it grows, as with most servers
            for piece in self.body():
                file.write(piece)
        self.answer(201)

    def do_MKCOL(self):
        if not self.is_let_in():
            return
        place = self.place()
        if place.exists():
            return self.answer(405)
        if not place.parent.is_dir():
            return self.answer(409)
        place.mkdir()
        self.answer(201)

    def do_MOVE(self):
        if not self.is_let_in():
            return
        source, target = self.place(), self.place(self.headers["Destination"])
        if not source.exists():
            return self.answer(404)
        if target.exists() and self.headers.get("Overwrite", "T") != "T":
            return self.answer(412)
        os.replace(source, target)
        self.answer(204)

    def do_DELETE(self):
        if not self.is_let_in():
            return
        place = self.place()
        if not place.is_file():
            return self.answer(404)
        place.unlink()
        self.answer(204)

    def do_PROPFIND(self):
        if not self.is_let_in():
            return
        wanted = b"".join(self.body())
        place = self.place()
        if self.headers.get("Depth") != "1" or b"getcontentlength" not in wanted:
            return self.answer(400)
        if not place.is_dir():
            return self.answer(404)
        responses = [self.response(place)] + [self.response(child) for child in sorted(place.iterdir())]
        body = ('<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:">' + "".join(responses) +
                "</D:multistatus>")
        self.answer(207, body.encode(), [("Content-Type", "application/xml")])

    def response(self, place):
        is_folder = place.is_dir()
        href = "/" + urllib.parse.quote(str(place.relative_to(ROOT))) + ("/" if is_folder else "")
        about = ("<D:resourcetype><D:collection/></D:resourcetype>" if is_folder else
                 f"<D:getcontentlength>{place.stat().st_size}</D:getcontentlength><D:resourcetype/>")
        return (f"<D:response><D:href>{xml.sax.saxutils.escape(href)}</D:href><D:propstat><D:prop>{about}</D:prop>"
                "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>")


store_server.serve(Handler)
