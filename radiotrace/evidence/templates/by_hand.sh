(cd evidence && sha256sum -c --quiet SHA256SUMS)                       # every file has the sum that is listed
new=$(mktemp -d)
field() { grep -o "\"$1\":\"[^\"]*\"" signatures/evidence.oms.json | cut -d '"' -f 4 | base64 -d; }
field payload > $new/payload.json; field sig > $new/sig.bin
(printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(stat -c %s $new/payload.json); cat $new/payload.json) > $new/signed.bin
openssl dgst -sha256 -verify keys/*.pub -signature $new/sig.bin $new/signed.bin            # the key signed this payload,
grep -q $(sha256sum < evidence/SHA256SUMS | cut -c -64) $new/payload.json && echo listed   # which lists these sums
