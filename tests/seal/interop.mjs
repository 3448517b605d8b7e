// Seals or opens one token with the npm library `jose`: JWE, `A256KW` with `A256GCM`, or `dir` with `A256CBC-HS512`.
//
// Reads one JSON job from standard input and writes one JSON object to standard output:
//
//     {"library": "jose", "op": "seal", "jwks": {...}, "kid": "...", "typ": "...", "plaintext": "..."}  ->  {"token": "..."}
//     {"library": "jose", "op": "open", "jwks": {...}, "token": "..."}  ->  {"plaintext": "...", "header": {...}}
//     either, where the library refuses  ->  {"error": "..."}
//
// The key set goes in as telescribe wrote it; the length of a key says what it is for. Needs `npm install jose`; `import` does not heed NODE_PATH, so where the library is
// not above this file, JOSE_FOLDER names the folder in which it was installed.
// A job that is itself wrong ends with a stack trace and exit status 1.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

const folder = process.env.JOSE_FOLDER;
const place = folder ? createRequire(`${folder}/package.json`).resolve("jose") : "jose";
const { CompactEncrypt, compactDecrypt, decodeProtectedHeader, errors } = await import(folder ? pathToFileURL(place).href : place);

const keyOf = (job, kid) => {
  const key = job.jwks.keys.find((key) => key.kid === kid);
  if (!key) throw new errors.JWKSNoMatchingKey();
  return key;
};

// A key of 32 bytes has 43 characters.
const algorithmsFor = (key) => (key.k.length === 43 ? { alg: "A256KW", enc: "A256GCM" } : { alg: "dir", enc: "A256CBC-HS512" });

const operations = {
  async seal(job) {
    const header = { ...algorithmsFor(keyOf(job, job.kid)), kid: job.kid, typ: job.typ, cty: "application/json" };
    const sealing = new CompactEncrypt(new TextEncoder().encode(job.plaintext)).setProtectedHeader(header);
    return { token: await sealing.encrypt(keyOf(job, job.kid)) };
  },
  async open(job) {
    const key = keyOf(job, decodeProtectedHeader(job.token).kid);
    const { alg, enc } = algorithmsFor(key);
    const options = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] };
    const { plaintext, protectedHeader } = await compactDecrypt(job.token, key, options);
    return { plaintext: new TextDecoder().decode(plaintext), header: protectedHeader };
  },
};

const job = JSON.parse(await text(process.stdin));
if (job.library !== "jose") throw new Error(`this script speaks for jose, not for ${job.library}`);
let result;
try {
  result = await operations[job.op](job);
} catch (error) {
  if (!(error instanceof errors.JOSEError)) throw error;
  result = { error: `${error.code}: ${error.message}` };
}
process.stdout.write(JSON.stringify(result));
