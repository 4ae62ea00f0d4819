# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A data and model hub on this machine, which answers the requests of huggingface_hub from a folder.

It stands in for the network only; the clients are the real ones. A repository is a folder ``owner/name`` below
``datasets/`` or ``models/``, with one commit.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(/.*)?)?")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a hub over ``root``; gives its address, and the list of the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer()

        do_HEAD = do_POST = do_GET

        def log_message(self, *_):
            pass

        def _answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = unquote(urlparse(self.path).path)
            asked.append(f"{self.command} {path}")
            if found := _API.fullmatch(path):
                self._api(found, body)
            elif found := _FILE.fullmatch(path):
                self._file(found)
            else:
                self._missing("EntryNotFound")

        def _api(self, found, body):
            kind, name, what, revision, below = found.groups()
            repository = root / kind / name
            if not repository.is_dir():
                return self._missing("RepoNotFound")
            if revision not in (None, "main", COMMIT):
                return self._missing("RevisionNotFound")
            files = sorted(p for p in repository.rglob("*") if p.is_file())
            entries = [_entry(repository, file) for file in files]
            if what == "tree":
                prefix = (below or "/").strip("/")
                entries = [e for e in entries if e["path"].startswith(prefix)]
                if not entries:
                    return self._missing("EntryNotFound")
                return self._json(entries)
            if what == "paths-info":
                fields = parse_qs(body.decode())
                try:
                    wanted = json.loads(body)["paths"]
                except ValueError:
                    wanted = fields["paths"]
                return self._json([e for e in entries if e["path"] in wanted])
            siblings = [{"rfilename": entry["path"]} for entry in entries]
            return self._json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": []})

        def _file(self, found):
            kind, name, revision, path = found.groups()
            file = root / (kind or "models") / name / path
            if revision not in ("main", COMMIT) or not file.is_file():
                return self._missing("EntryNotFound")
            return self._send(file.read_bytes(), "application/octet-stream")

        def _json(self, content):
            self._send(json.dumps(content).encode(), "application/json")

        def _send(self, content: bytes, kind: str):
            first, last = 0, len(content) - 1
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range") or "")
            if wanted:
                first, last = int(wanted[1]), int(wanted[2] or last)
            self.send_response(206 if wanted else 200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(last - first + 1))
            if wanted:
                self.send_header("content-range", f"bytes {first}-{last}/{len(content)}")
            self.send_header("etag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("x-repo-commit", COMMIT)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[first : last + 1])

        def _missing(self, code: str):
            self.send_response(404)
            self.send_header("x-error-code", code)
            self.send_header("content-length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _entry(repository: Path, file: Path) -> dict:
    content = file.read_bytes()
    return {
        "type": "file",
        "path": file.relative_to(repository).as_posix(),
        "size": len(content),
        "oid": hashlib.sha1(content).hexdigest(),
    }
