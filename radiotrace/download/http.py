"""HTTP: an address becomes bytes or a file, within limits, from hosts that are listed. The only module that
opens a connection; it knows nothing of data sets.

https alone, but for servers of this machine; a redirect is followed where its host is listed. A transfer that
broke off goes on where it was, if the server says that the file is still the same.
"""

import ipaddress
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from radiotrace import errors
from radiotrace.download.catalogue import shown_bytes

PIECE = 2**18
PROGRESS_BYTES = 2**20  # an attempt that brought less has failed, else a server could keep us for years
SMALL_BYTES_MAX = 64 * 2**20  # of an answer that is kept in memory
REDIRECTS_MAX = 5
WAIT_S_MAX = 60.0  # that a server may ask for
REPORT_S = 10.0
REDIRECTS = (301, 302, 303, 307, 308)
LATER = (408, 425, 429, 500, 502, 503, 504)  # of these the same request may succeed
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "radiotrace"}


class Refused(Exception):
    """What a server gave cannot be taken, and asking again would not help; its text says why."""


class Later(Exception):
    """A transfer broke off, or the server is busy; what has come stays.

    Attributes:
        wait_s: that the server asked for, None where it did not.
    """

    def __init__(self, text: str, wait_s: float | None = None):
        super().__init__(text)
        self.wait_s = wait_s


class Unreachable(Exception):
    """All attempts failed; its text says how the last one did."""


@dataclass(frozen=True)
class Patience:
    """How long is waited.

    Attributes:
        timeout_s: for a connection, and between two pieces of an answer.
        attempts: in a row that bring less than PROGRESS_BYTES.
        pause_s: after the first failure; doubles with each.
    """

    timeout_s: float = 60.0
    attempts: int = 5
    pause_s: float = 1.0


@dataclass(frozen=True)
class Wanted:
    """A file behind an address.

    Attributes:
        bytes: its size, None where it is not known.
        bytes_max: a larger one is refused.
        is_known: whether its content is held against a hash afterwards, so that it may be resumed where the
            server names no version of it.
    """

    url: str
    name: str
    bytes_max: int
    bytes: int | None = None
    is_known: bool = False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(url: str) -> str:
    """Host of an address, with its port where one is named.

    Raises:
        Refused: it is not https (http only for this machine), names no host, or has a user's name in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(f"{url!r} is no address") from None
    if not host or parts.username is not None or parts.password is not None:
        raise Refused(f"{url!r} names no host, or a user")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise Refused(f"{host} is to be asked by {parts.scheme or 'no scheme'}; only https is taken")
    return host if port is None else f"{host}:{port}"


class Client:
    """Asks servers.

    Args:
        hosts: that may be asked, with their ports where they have one.
    """

    def __init__(
        self, hosts: frozenset[str], patience: Patience, sleep: Callable[[float], None] = time.sleep
    ):
        self.hosts, self.patience, self.sleep = hosts, patience, sleep
        self.session = requests.Session()
        self.session.auth = _nobody  # else a password of ~/.netrc would go out
        # a proxy of the environment is for hosts outside
        self.session.trust_env = not all(is_loopback(urlsplit(f"//{host}").hostname or "") for host in hosts)

    def small(self, url: str) -> bytes:
        """The bytes of an answer.

        Raises:
            Refused, Unreachable
        """

        def once() -> tuple[bytes, int]:
            with self._answer(url, {}) as answer:
                _expect(answer, 200)
                content = bytearray()
                for piece in _pieces(answer, self.patience.timeout_s):
                    content += piece
                    if len(content) > SMALL_BYTES_MAX:
                        raise Refused(f"{_host(url)} answers with more than {SMALL_BYTES_MAX} bytes")
                return bytes(content), 0

        return self._patiently(url, once)

    def json(self, url: str) -> Any:
        """The JSON of an answer.

        Raises:
            Refused, Unreachable
        """
        try:
            return json.loads(self.small(url))
        except (ValueError, RecursionError):
            raise Refused(f"{_host(url)} answers with what is not JSON") from None

    def fetch(self, wanted: Wanted, partial: Path) -> None:
        """Brings a file, and goes on with what is there of it.

        A file beside it (.version) says which version of the remote file its bytes are of.

        Raises:
            Refused: also where it is larger than allowed or than declared; then nothing of it stays.
            Unreachable: what came stays.
        """
        partial.parent.mkdir(parents=True, exist_ok=True)

        def once() -> tuple[None, int]:
            try:
                self._go_on(wanted, partial)
            except Refused:
                forget(partial)
                raise
            return None, 0

        self._patiently(wanted.url, once, lambda: _size(partial))

    def _patiently(
        self, url: str, once: Callable[[], tuple[Any, int]], reached: Callable[[], int] = lambda: 0
    ):
        """Asks until it succeeds, or as many attempts in a row as patience has brought hardly anything."""
        failures, furthest = 0, reached()
        while True:
            try:
                return once()[0]
            except Later as error:
                if reached() - furthest >= PROGRESS_BYTES:
                    failures, furthest = 0, reached()
                failures += 1
                if failures >= self.patience.attempts:
                    raise Unreachable(str(error)) from None
                pause = self.patience.pause_s * 2 ** (failures - 1)
                wait_s = pause if error.wait_s is None else max(pause, min(error.wait_s, WAIT_S_MAX))
                errors.log(f"download: {error}; again in {wait_s:g} s")
                self.sleep(wait_s)

    def _go_on(self, wanted: Wanted, partial: Path) -> None:
        start, headers = _size(partial), {}
        version = _version_of(partial)
        if start and (version or wanted.is_known):
            headers["Range"] = f"bytes={start}-"
            if version:
                headers["If-Range"] = version
        else:
            start = 0
        with self._answer(wanted.url, headers) as answer:
            if answer.status_code == 416 and start:
                if answer.headers.get("Content-Range") == f"bytes */{start}":
                    return  # all of it is there
                forget(partial)
                raise Later(f"{wanted.name}: {_host(wanted.url)} has no bytes from {start} on")
            _expect(answer, 200, 206)
            if answer.status_code == 206:
                begins = answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
                if not (start and begins):
                    forget(partial)
                    raise Later(f"{wanted.name}: {_host(wanted.url)} gives other bytes than were asked for")
            else:
                start = 0  # the server does not resume, or has another version
            declared = _declared(answer)
            _check_size(wanted, None if declared is None else start + declared)
            if start == 0:
                forget(partial)
                if version := answer.headers.get("ETag", ""):
                    _version_file(partial).write_text(version, "utf-8")
            self._write(wanted, answer, partial, start)

    def _write(self, wanted: Wanted, answer: requests.Response, partial: Path, start: int) -> None:
        count, reported = start, time.monotonic()
        with open(partial, "ab" if start else "wb") as file:
            for piece in _pieces(answer, self.patience.timeout_s):
                count += len(piece)
                if count > (wanted.bytes or wanted.bytes_max):
                    raise Refused(
                        f"{wanted.name}: more than {wanted.bytes or wanted.bytes_max} bytes come, "
                        f"{'its size' if wanted.bytes else 'the most that is taken'}"
                    )
                file.write(piece)
                if time.monotonic() - reported > REPORT_S:
                    reported = time.monotonic()
                    errors.log(f"download: {wanted.name} {shown_bytes(count)}{_of(wanted, answer, start)}")
        if wanted.bytes and count < wanted.bytes:
            raise Later(f"{wanted.name}: {count} of {wanted.bytes} bytes came")

    def _answer(self, url: str, headers: dict[str, str]) -> requests.Response:
        """The answer of a listed host, after redirects among listed hosts."""
        for _ in range(REDIRECTS_MAX + 1):
            place = place_of(url)
            if place not in self.hosts:
                raise Refused(f"leads to {place}, which is not listed: {', '.join(sorted(self.hosts))}")
            try:
                answer = self.session.get(
                    url,
                    headers=HEADERS | headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=self.patience.timeout_s,
                )
            except requests.RequestException as error:
                raise _fault(place, error, self.patience.timeout_s) from None
            if answer.status_code not in REDIRECTS or "Location" not in answer.headers:
                return answer
            answer.close()
            url = urljoin(url, answer.headers["Location"])
        raise Refused(f"{place_of(url)} redirects more than {REDIRECTS_MAX} times")


def forget(partial: Path) -> None:
    """Takes away what there is of a file that was fetched in part."""
    partial.unlink(missing_ok=True)
    _version_file(partial).unlink(missing_ok=True)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.version")


def _version_of(partial: Path) -> str:
    """The strong ETag that the bytes are of; "" where there is none (RFC 9110, 13.1.5)."""
    path = _version_file(partial)
    version = path.read_text("utf-8") if path.is_file() else ""
    return "" if version.startswith("W/") else version


def _declared(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _check_size(wanted: Wanted, total: int | None) -> None:
    if total is None:
        return
    if wanted.bytes is not None and total != wanted.bytes:
        raise Refused(f"{wanted.name}: declares {total} bytes, expected {wanted.bytes}")
    if total > wanted.bytes_max:
        raise Refused(f"{wanted.name}: declares {total} bytes; at most {wanted.bytes_max} are taken")


def _expect(answer: requests.Response, *statuses: int) -> None:
    place, status = _host(answer.url), answer.status_code
    if status in LATER:
        asked = answer.headers.get("Retry-After", "")
        raise Later(f"{place} answers {status}", float(asked) if asked.isdecimal() else None)
    if status not in statuses:
        gone = " (there is no such file; has it moved?)" if status in (404, 410) else ""
        raise Refused(f"{place} answers {status} to {urlsplit(answer.url).path}{gone}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(f"{place} sends the file encoded, as {answer.headers['Content-Encoding']}")


def _pieces(answer: requests.Response, timeout_s: float) -> Iterator[bytes]:
    """The body as it comes: requests would wait for whole pieces, and drop what came of the last one.

    urllib3 raises where it is shorter than its Content-Length.
    """
    try:
        while piece := answer.raw.read1(PIECE):
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise _fault(_host(answer.url), error, timeout_s) from None


def _fault(place: str, error: Exception, timeout_s: float) -> Exception:
    """What a person is told of a connection that failed."""
    causes = _causes(error)
    if isinstance(error, requests.exceptions.SSLError):
        return Refused(f"{place} has a certificate that does not hold, or speaks no TLS")
    if isinstance(error, requests.exceptions.ProxyError):
        return Later(f"the proxy on the way to {place} cannot be reached")
    if any(isinstance(cause, urllib3.exceptions.NameResolutionError) for cause in causes):
        return Later(f"{place} is not found: no network, or no name server")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Later(f"{place} refuses the connection")
    # which urllib3 counts among timeouts
    if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
        return Later(f"{place} cannot be reached: no network, or no way to it")
    timeouts = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    if any(isinstance(cause, timeouts) for cause in causes):
        return Later(f"{place} said nothing for {timeout_s:g} s")
    if isinstance(error, (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError)):
        return Later(f"{place} broke off")
    return Refused(f"{place}: {type(error).__name__}")


def _causes(error: BaseException) -> list[BaseException]:
    """An error, and all that it was raised of."""
    causes, left = [], [error]
    while left:
        cause = left.pop()
        if cause in causes:
            continue
        causes.append(cause)
        within = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        left += [item for item in within if isinstance(item, BaseException)]
    return causes


def _of(wanted: Wanted, answer: requests.Response, start: int) -> str:
    declared = _declared(answer)
    total = wanted.bytes or (None if declared is None else start + declared)
    return "" if total is None else f" of {shown_bytes(total)}"
