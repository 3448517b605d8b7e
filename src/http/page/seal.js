// The seal: JWE in compact form, by WebCrypto (RFC 7516, RFC 7518); see docs/sealing.md. Keys cannot be exported, and go with the tab.

const utf8 = new TextEncoder();
const random = (length) => crypto.getRandomValues(new Uint8Array(length));
const base64url = (bytes) => {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};
const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/// A fresh key encrypts each text, and is wrapped in the client's.
const GCM = {
  alg: "A256KW",
  enc: "A256GCM",
  keyFrom: (bytes) => crypto.subtle.importKey("raw", bytes, "AES-KW", false, ["wrapKey", "unwrapKey"]),

  async encrypt(key, additionalData, plaintext) {
    const [iv, contentKey] = [random(12), await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"])];
    const wrapped = await crypto.subtle.wrapKey("raw", contentKey, key, "AES-KW");
    const encrypted = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, contentKey, plaintext));
    return [wrapped, iv, encrypted.subarray(0, -16), encrypted.subarray(-16)];
  },

  async decrypt(key, additionalData, [wrapped, iv, ciphertext, tag]) {
    if (tag.length !== 16) throw new Error("a tag that is cut short is none");
    const contentKey = await crypto.subtle.unwrapKey("raw", wrapped, key, "AES-KW", "AES-GCM", false, ["decrypt"]);
    return crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, contentKey, joined(ciphertext, tag));
  },
};

/// For keys of earlier versions: the first half authenticates, the second encrypts.
const CBC_HS512 = {
  alg: "dir",
  enc: "A256CBC-HS512",

  async keyFrom(bytes) {
    const mac = await crypto.subtle.importKey("raw", bytes.subarray(0, 32), { name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
    return { mac, cipher: await crypto.subtle.importKey("raw", bytes.subarray(32), "AES-CBC", false, ["encrypt", "decrypt"]) };
  },

  async tag(key, aad, iv, ciphertext) {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setBigUint64(0, BigInt(aad.length * 8));
    const all = joined(aad, iv, ciphertext, new Uint8Array(bits.buffer));
    return new Uint8Array(await crypto.subtle.sign("HMAC", key.mac, all)).subarray(0, 32);
  },

  async encrypt(key, aad, plaintext) {
    const iv = random(16);
    const ciphertext = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key.cipher, plaintext));
    return [new Uint8Array(0), iv, ciphertext, await this.tag(key, aad, iv, ciphertext)];
  },

  async decrypt(key, aad, [wrapped, iv, ciphertext, tag]) {
    const right = await this.tag(key, aad, iv, ciphertext);
    let difference = wrapped.length | (tag.length ^ right.length);
    for (let i = 0; i < right.length; i++) difference |= right[i] ^ tag[i];
    if (difference !== 0) throw new Error("not authentic");
    return crypto.subtle.decrypt({ name: "AES-CBC", iv }, key.cipher, ciphertext);
  },
};

/// The length of a key says how it seals, so that no token can ask for another way.
const CIPHERS = { 32: GCM, 64: CBC_HS512 };

/// The key in a key file; of several, the newest.
export async function readKey(text) {
  // Browsers offer their cryptography to pages from this machine or over TLS only.
  if (!crypto.subtle) throw new Error("this browser opens sealed responses only on localhost or over TLS: use a tunnel (ssh -L) or a proxy with TLS");
  const parsed = JSON.parse(text);
  const jwk = parsed.keys ? parsed.keys.at(-1) : parsed;
  if (jwk?.kty !== "oct" || !jwk.kid || !jwk.k) throw new Error("this is not a key of Telescribe");
  if (!jwk.aud) throw new Error("this key does not say which server it is for: use the file that `telescribe key export` makes");
  const bytes = bytesOf(jwk.k);
  const cipher = CIPHERS[bytes.length];
  if (!cipher) throw new Error("the key must have 32 bytes, or 64 if it is of an earlier version");
  const secret = await cipher.keyFrom(bytes);
  bytes.fill(0);
  return { kid: jwk.kid, server: jwk.aud, cipher, secret };
}

export const nonce = () => base64url(random(16));

/// A request as it is sent.
export async function seal({ kid, cipher, secret }, plaintext) {
  const members = { alg: cipher.alg, enc: cipher.enc, kid, typ: "telescribe-req+jwe", cty: "application/json" };
  const header = base64url(utf8.encode(JSON.stringify(members)));
  const parts = await cipher.encrypt(secret, utf8.encode(header), utf8.encode(JSON.stringify(plaintext)));
  return [header, ...parts.map(base64url)].join(".");
}

/// The plaintext of a token for this purpose, if it is authentic.
export async function openToken({ kid, cipher, secret }, token, typ) {
  const [header, ...parts] = token.trim().split(".");
  if (parts.length !== 4) throw new Error("the response is not sealed");
  const members = JSON.parse(new TextDecoder().decode(bytesOf(header)));
  const expected = { alg: cipher.alg, enc: cipher.enc, kid, typ };
  for (const [name, value] of Object.entries(expected)) if (members[name] !== value) throw new Error("the response is sealed with another key or for another purpose");
  try {
    return new Uint8Array(await cipher.decrypt(secret, utf8.encode(header), parts.map(bytesOf)));
  } catch {
    throw new Error("the response was changed on the network");
  }
}

/// The answer to the request with this nonce.
export async function open(key, token, jti) {
  const answer = JSON.parse(new TextDecoder().decode(await openToken(key, token, "telescribe-res+jwe")));
  if (answer.req !== jti) throw new Error("the response belongs to another request");
  return answer;
}
