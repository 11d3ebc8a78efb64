export LC_ALL=C
(cd evidence && sha256sum -c --quiet SHA256SUMS)                       # every file has the sum that is listed,
diff <(cd evidence && find . -mindepth 1 ! -name SHA256SUMS | sort) <(cut -c 67- evidence/SHA256SUMS | sed 's|^|./|' | sort)  # no other is there,
test -z "$(grep '[^ -~]' evidence/SHA256SUMS)"                         # and no name has a letter that only looks like one
new=$(mktemp -d)
field() { grep -o "\"$1\":\"[^\"]*\"" signatures/evidence.oms.json | cut -d '"' -f 4 | base64 -d; }
field payload > $new/payload.json; field sig > $new/sig.bin
(printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(stat -c %s $new/payload.json); cat $new/payload.json) > $new/signed.bin
openssl dgst -sha256 -verify keys/*.pub -signature $new/sig.bin $new/signed.bin            # the key signed this payload,
openssl pkey -pubin -in keys/*.pub -outform DER | sha256sum | cut -c -64                   # whose key? its owner can tell you this fingerprint
grep -q $(sha256sum < evidence/SHA256SUMS | cut -c -64) $new/payload.json && echo listed   # which lists these sums
