"""DSSE envelopes: a payload, its type, and an ECDSA P-256 signature over both.

Written on `cryptography`, which the runtime pins already, so that a stranger's verify needs no further
package. securesystemslib would save one line of encoding and one call, and none of the checks: its reader
demands key ids, which DSSE leaves open, takes base64 in two alphabets and drops keys that it does not know.
It reads our envelopes in the tests, as model_signing and openssl do.

Source: DSSE v1.0, https://github.com/secure-systems-lab/dsse, protocol.md and envelope.md.
"""

import base64
import binascii
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ALGORITHM = ec.ECDSA(hashes.SHA256())
SHOWN = 100  # characters of a strange value that a message repeats
DEEPEST = 64  # levels of JSON that are read; no format here has more than a dozen


class Refused(ValueError):
    """A signature that is not accepted, with every reason that could be told."""

    def __init__(self, *faults: str):
        self.faults = list(faults)
        super().__init__("; ".join(faults))


def parse(content: bytes):
    """The JSON value in untrusted bytes.

    Raises:
        Refused: it is not JSON in UTF-8, holds a NaN, nests too deep, or has a key twice: some readers take
            the first, some the last.
    """
    try:
        value = json.loads(
            content.decode("utf-8"), object_pairs_hook=_dict_without_repeats, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise Refused(f"not JSON: {str(error)[:SHOWN]}") from None
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _children(outer)]
    if level:
        raise Refused(f"not JSON that is read here: it nests more than {DEEPEST} levels deep")
    return value


def _children(value):
    """The values directly in a JSON value; none in a text, a number or null."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def compact(value) -> bytes:
    """A JSON value as the bytes that are signed: sorted keys, no white space."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that the signature is over."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload: bytes, payload_type: str, key: ec.EllipticCurvePrivateKey, keyid: str) -> dict:
    """An envelope with one signature. ECDSA draws a number each time, so that no two are the same."""
    signature = key.sign(pae(payload_type, payload), ALGORITHM)
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
    }


def open_envelope(envelope, payload_type: str, key_of) -> bytes:
    """The payload of an envelope, known to be signed.

    Args:
        envelope: any JSON value.
        payload_type: the only one that is accepted here.
        key_of: keyid -> public key; keyid is "" where the envelope has none. Raises Refused when it knows
            none of that name.

    Raises:
        Refused: the envelope is not as DSSE has it, is of another type, has not just one signature, or the
            signature does not fit.
    """
    faults = list(_faults(envelope, payload_type))
    if faults:
        raise Refused(*faults)
    payload = from_base64(envelope["payload"])
    signature = from_base64(envelope["signatures"][0]["sig"])
    key = key_of(envelope["signatures"][0].get("keyid") or "")
    try:
        key.verify(signature, pae(payload_type, payload), ALGORITHM)
    except InvalidSignature:
        raise Refused(
            "the signature does not fit: the payload, its type or the signature was changed"
        ) from None
    return payload


def from_base64(text: str) -> bytes:
    """Bytes of standard base64, in its only spelling: without white space, with padding, with no stray bits
    in the last digit.

    Raises:
        Refused: it is something else.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or base64.b64encode(content).decode() != text:
        raise Refused("not plain base64")
    return content


def _faults(envelope, payload_type):
    if not isinstance(envelope, dict) or set(envelope) != {"payload", "payloadType", "signatures"}:
        yield "not a DSSE envelope: expected payload, payloadType and signatures"
        return
    if envelope["payloadType"] != payload_type:
        yield f"unknown payload type: found {quoted(envelope['payloadType'])}, expected {payload_type!r}"
    yield from _not_base64("payload", envelope["payload"])
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else "no list"
        yield f"signatures: found {count}, expected 1"
    elif not isinstance(signatures[0], dict) or not {"sig"} <= set(signatures[0]) <= {"sig", "keyid"}:
        yield "signatures: expected sig and keyid"
    else:
        yield from _not_base64("sig", signatures[0]["sig"])
        if not isinstance(signatures[0].get("keyid"), (str, type(None))):
            yield "keyid: expected a string"


def _not_base64(name, text):
    try:
        if not isinstance(text, str):
            raise Refused("not plain base64")
        from_base64(text)
    except Refused as refused:
        yield f"{name}: {refused}"


def quoted(value) -> str:
    """A strange value as a message repeats it: no control characters, not too long."""
    return ascii(value)[:SHOWN]


def brief(fault: str) -> str:
    """A fault, cut short: it may repeat a long value."""
    return fault if len(fault) <= 2 * SHOWN else fault[: 2 * SHOWN] + " …"


def _dict_without_repeats(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"{name} is no number")
