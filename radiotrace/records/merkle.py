"""The root hash of a set of files."""

import hashlib


def root(sha256_of_file: dict[str, str]) -> str:
    """Root of a binary hash tree over (path, SHA-256) pairs in the order of their paths.

    Leaves and inner nodes are told apart by a first byte, and an odd node is carried up, as in RFC 6962, so
    that one file's membership can be shown with log2(n) hashes. The root of no files is the SHA-256 of
    nothing.
    """
    level = [
        hashlib.sha256(b"\0" + path.encode() + b"\0" + bytes.fromhex(digest)).digest()
        for path, digest in sorted(sha256_of_file.items())
    ]
    if not level:
        return hashlib.sha256().hexdigest()
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0].hex()
