"""Servers of this machine that speak as those of public data sets do, and as they should not.

`Server` has resources by path: bytes with Range and ETag, or a function of the request. `no_network` fails a
test that opens a connection to anything but this machine, or asks where another one is.
"""

import hashlib
import http.server
import io
import json
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape


@dataclass
class Resource:
    """Bytes behind a path, and how the server misbehaves with them.

    Attributes:
        statuses: of the first requests, in their order; then 200.
        cut: how many bytes of each answer are given before the connection closes, by request; then all.
        ranges: whether Range is understood.
        stall_s: how long nothing comes after the first `stall_after` bytes.
        etag: whether the answer has one; a weak one where it is "W/".
        declared: whether the answer has a Content-Length.
        shift: by how many bytes an answer to Range begins too late.
    """

    content: bytes
    statuses: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    stall_s: float = 0
    stall_after: int = 1
    etag: bool | str = True
    declared: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    shift: int = 0


class Server:
    """A threaded server on 127.0.0.1, with a free port.

    Attributes:
        resources: path -> what is there: a Resource, bytes, or a function of path and query that gives them.
        asked: path and query of each request, with its Range.
        headers: of the last request.
    """

    def __init__(self, context: ssl.SSLContext | None = None):
        self.resources: dict[str, Resource | bytes | Callable[[str, dict], Resource | bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.headers: dict[str, str] = {}
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server.server_port}"
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        """Stops it."""
        self.server.shutdown()
        self.server.server_close()

    def paths(self) -> list[str]:
        """What was asked for, without queries."""
        return [urlsplit(path).path for path, _ in self.asked]


def _handler(server: Server):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format, *args):
            pass

        def do_GET(self):
            with server.lock:
                server.asked.append((self.path, self.headers.get("Range")))
                server.headers = dict(self.headers)
            parts = urlsplit(self.path)
            resource = server.resources.get(parts.path)
            if callable(resource):
                resource = resource(parts.path, parse_qs(parts.query))
            if isinstance(resource, bytes):
                resource = Resource(resource)
            if resource is None:
                self.answer(404, b"", {})
            else:
                self.give(resource)

        def give(self, resource: Resource):
            with server.lock:
                status = resource.statuses.pop(0) if resource.statuses else 200
                cut = resource.cut.pop(0) if resource.cut else None
            if status != 200:
                self.answer(status, b"", resource.headers)
                return
            content, headers = resource.content, dict(resource.headers)
            etag = f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324
            if resource.etag:
                headers["ETag"] = f"W/{etag}" if resource.etag == "W/" else etag
            asked, fits = self.headers.get("Range"), self.headers.get("If-Range", etag) == etag
            if asked and resource.ranges and fits:
                start = int(asked.removeprefix("bytes=").removesuffix("-")) + resource.shift
                if start >= len(content):
                    self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                status, content = 206, content[start:]
            self.answer(status, content, headers, cut, resource)

        def answer(self, status, content, headers, cut=None, resource=None):
            self.send_response(status)
            declared = resource is None or resource.declared
            if declared:
                self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            if cut is not None or not declared:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            try:
                if resource is not None and resource.stall_s:
                    self.wfile.write(content[: resource.stall_after])
                    self.wfile.flush()
                    time.sleep(resource.stall_s)
                    content = content[resource.stall_after :]
                self.wfile.write(content if cut is None else content[:cut])
            except OSError:  # the client has gone
                self.close_connection = True

    return Handler


def nbia(server: Server, series: dict[str, dict], api: str = "/nbia-api/services/v1/") -> None:
    """Lets a server speak as NBIA does.

    Args:
        series: UID -> {"row": what getSeries says, "zip": bytes of the archive}.
    """

    def get_series(path, query):
        assert query["format"] == ["json"]
        rows = [one["row"] for one in series.values()]
        return json.dumps([row for row in rows if row["Collection"] == query["Collection"][0]]).encode()

    def get_image(path, query):
        return Resource(
            series[query["SeriesInstanceUID"][0]]["zip"], ranges=False, etag=False, declared=False
        )

    server.resources |= {f"{api}getSeries": get_series, f"{api}getImageWithMD5Hash": get_image}


def series_zip(images: dict[str, bytes], **wrong: bytes) -> bytes:
    """A ZIP as getImageWithMD5Hash gives it; `wrong` replaces the bytes of an image, and not its MD5."""
    lines = ["Filename,MD5Hash", *(f"{name},{md5(content)}" for name, content in images.items())]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, image in images.items():
            archive.writestr(name, wrong.get(name.removesuffix(".dcm"), image))
        archive.writestr("md5hashes.csv", "\n".join(lines) + "\n")
        archive.writestr("LICENSE", "CC BY 3.0")
    return content.getvalue()


def bucket(server: Server, name: str, objects: dict[str, bytes], page: int = 2, **etags: str) -> None:
    """Lets a server speak as a bucket of S3 does, which is the first part of its paths.

    Args:
        page: how many keys an answer to ListObjectsV2 has at most.
        etags: file name without its ending -> an ETag that is not the MD5 of its bytes.
    """

    def contents(key: str) -> str:
        stem = key.rpartition("/")[2].removesuffix(".dcm")
        etag = etags.get(stem, md5(objects[key]))
        return (
            f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{etag}&quot;</ETag>"
            f"<Size>{len(objects[key])}</Size></Contents>"
        )

    def listing(path, query):
        assert query["list-type"] == ["2"]
        keys = sorted(key for key in objects if key.startswith(query["prefix"][0]))
        start = int(query.get("continuation-token", ["0"])[0])
        goes_on = start + page < len(keys)
        token = f"<NextContinuationToken>{start + page}</NextContinuationToken>" if goes_on else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(goes_on).lower()}</IsTruncated>{token}"
            f"{''.join(contents(key) for key in keys[start : start + page])}</ListBucketResult>"
        ).encode()

    server.resources[f"/{name}/"] = listing
    for key, content in objects.items():
        server.resources[f"/{name}/{key}"] = content


def md5(content: bytes) -> str:
    """MD5, as servers tell it."""
    return hashlib.md5(content).hexdigest()  # noqa: S324


def no_network(monkeypatch) -> None:
    """Fails a test that opens a connection to anything but this machine, or asks where another one is."""

    def local(host) -> bool:
        return str(host) in ("127.0.0.1", "localhost", "::1")

    connect, connect_ex, resolve = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def only_here(self, address):
        assert self.family == socket.AF_UNIX or local(address[0]), f"a connection to {address}"
        return connect(self, address)

    def only_here_too(self, address):
        assert self.family == socket.AF_UNIX or local(address[0]), f"a connection to {address}"
        return connect_ex(self, address)

    def only_ours(host, *args, **kwargs):
        assert local(host), f"the name {host} is looked up"
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(socket.socket, "connect_ex", only_here_too)
    monkeypatch.setattr(socket, "getaddrinfo", only_ours)
