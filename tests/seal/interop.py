"""Seals or opens one token with a stock Python library: JWE, `A256KW` with `A256GCM`, or `dir` with `A256CBC-HS512`.

Reads one JSON job from standard input and writes one JSON object to standard output:

    {"library": "jwcrypto" | "joserfc", "op": "seal", "jwks": {...}, "kid": "...", "typ": "...", "plaintext": "..."}
        -> {"token": "..."}
    {"library": "jwcrypto" | "joserfc", "op": "open", "jwks": {...}, "token": "..."}
        -> {"plaintext": "...", "header": {...}}
    either, where the library refuses
        -> {"error": "..."}

The key set goes in as telescribe wrote it, and the key is found by its `kid`, as a client would do it; its length says what it is for.
Needs `pip install jwcrypto joserfc`. A job that is itself wrong ends with a traceback and exit status 1.
"""

import base64
import json
import sys

CIPHERTEXT_MAX = 64 * 1024 * 1024


def algorithms_for(job, kid):
    """`alg` and `enc`; a key of 32 bytes has 43 characters. Of a key that is not there the library is to complain."""
    is_short = all(len(key["k"]) == 43 for key in job["jwks"]["keys"] if key["kid"] == kid)
    return ["A256KW", "A256GCM"] if is_short else ["dir", "A256CBC-HS512"]


def header_of(job):
    alg, enc = algorithms_for(job, job["kid"])
    return {"alg": alg, "enc": enc, "kid": job["kid"], "typ": job["typ"], "cty": "application/json"}


def kid_of(token):
    header = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


def jwcrypto_library():
    from jwcrypto import jwe, jwk
    from jwcrypto.common import JWException, json_decode

    def seal(job):
        key = jwk.JWKSet.from_json(json.dumps(job["jwks"])).get_key(job["kid"])
        token = jwe.JWE(job["plaintext"].encode(), protected=json.dumps(header_of(job)), recipient=key)
        return {"token": token.serialize(compact=True)}

    def open_(job):
        keys = jwk.JWKSet.from_json(json.dumps(job["jwks"]))
        token = jwe.JWE(algs=algorithms_for(job, kid_of(job["token"])))
        token.deserialize(job["token"])
        header = json_decode(token.objects["protected"])
        token.decrypt(keys.get_key(header["kid"]))
        return {"plaintext": token.payload.decode(), "header": header}

    # jwcrypto says ValueError, not JWException, for an empty plaintext and for some malformed tokens.
    return seal, open_, (JWException, ValueError)


def joserfc_library():
    from joserfc import jwe, jwk
    from joserfc.errors import JoseError

    class Registry(jwe.JWERegistry):
        # The library's own limit is 65,536 characters.
        max_ciphertext_length = CIPHERTEXT_MAX

    def registry(job, kid):
        # "stock_limits" shows what a client meets that has not raised them.
        return (jwe.JWERegistry if job.get("stock_limits") else Registry)(algorithms=algorithms_for(job, kid))

    def seal(job):
        keys = jwk.KeySet.import_key_set(job["jwks"])
        return {"token": jwe.encrypt_compact(header_of(job), job["plaintext"], keys, registry=registry(job, job["kid"]))}

    def open_(job):
        keys = jwk.KeySet.import_key_set(job["jwks"])
        opened = jwe.decrypt_compact(job["token"], keys, registry=registry(job, kid_of(job["token"])))
        return {"plaintext": opened.plaintext.decode(), "header": opened.headers()}

    return seal, open_, (JoseError, ValueError)


def main():
    job = json.load(sys.stdin)
    seal, open_, refusals = {"jwcrypto": jwcrypto_library, "joserfc": joserfc_library}[job["library"]]()
    try:
        result = {"seal": seal, "open": open_}[job["op"]](job)
    except refusals as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    json.dump(result, sys.stdout)


main()
