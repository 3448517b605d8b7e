// Asking the server, plainly or sealed (seal.js).
// Whoever asks gives the signal that ends it: a view's turn (view.js). There is no other way to ask.

import { nonce, open, openToken, seal } from "./seal.js";

const JOINED_BYTES = 8 << 20;

let held = null; // The key (seal.js).
let here = null; // Whom sealed requests must be for, and whether all must be sealed, as the server tells.
// Once there was a key, nothing is asked plainly any more, whatever the server says: what it says of that is not authenticated.
let sealedOnly = false;

export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the server answered ${status}`);
    this.status = status;
  }
}

/// Nothing is answered without a key, or without another one; `why` is what is wrong with the one that is held.
export class KeyNeeded extends Error {
  constructor(message, why = "") {
    super(message);
    this.why = why;
  }
}

export const isSealed = () => held !== null;
/// Whether asking can be of use at present.
export const mayAsk = () => isSealed() || !(sealedOnly || here?.required);

/// Uses a key from now on. What is asked already is to be ended in the same step, as it is not to be asked as it was.
export function takeKey(key) {
  [held, sealedOnly] = [key, true];
}

export function dropKey() {
  held = here = null;
}

async function fetched(signal, target, options) {
  try {
    return await fetch(target, { cache: "no-store", credentials: "omit", signal, ...options });
  } catch {
    signal.throwIfAborted();
    here = null;
    throw new Error("the server cannot be reached");
  }
}

async function whoIsHere(signal, again) {
  if (!here || again) {
    const response = await fetched(signal, "/v1/sealed");
    if (!response.ok) throw new Refused(response.status);
    here = await response.json();
  }
  return here;
}

/// Makes sure that a plain request may be sent: what is asked is not sent where it would have to be sealed.
export async function plainly(signal) {
  if (!sealedOnly && !(await whoIsHere(signal)).required) {
    signal.throwIfAborted();
    return;
  }
  throw new KeyNeeded(sealedOnly ? "the key was forgotten: choose one, or open the page anew" : "this server answers sealed requests only: a key is needed");
}

/// Sends a request sealed, so that nothing can be seen of what it asks; returns the response, and the nonce that it must answer.
async function send(signal, key, method, target, body) {
  let { start } = await whoIsHere(signal);
  for (let again = false; ; again = true) {
    const jti = nonce();
    const token = await seal(key, { iat: Math.floor(Date.now() / 1000), jti, aud: key.server, start, method, target, ...(body && { body }) });
    const response = await fetched(signal, "/v1/sealed", { method: "POST", body: token, headers: { "Content-Type": "application/jose" } });
    if (response.status !== 401) return { response, jti };
    // Perhaps the server was started anew: what was refused has done nothing, and is asked once more.
    const newest = await whoIsHere(signal, true);
    if (again || newest.start === start) {
      throw new KeyNeeded("the server refused the key", newest.server === key.server
        ? "The server rejects this key, or this device's clock is wrong by more than two minutes."
        : "This key is for another server.");
    }
    ({ start } = newest);
  }
}

/// A path with a query of what is given.
export function withQuery(path, members) {
  const query = new URLSearchParams(Object.entries(members).filter(([, value]) => value !== undefined));
  return query.size ? `${path}?${query}` : path;
}

/// The body of the answer; an error where that is none, or comes when nobody waits for it any more.
export async function ask(signal, method, target, body) {
  signal.throwIfAborted();
  const key = held;
  if (key) {
    const { response, jti } = await send(signal, key, method, target, body);
    if (!(response.headers.get("content-type") ?? "").startsWith("application/jose")) {
      throw new Error("the response is not sealed: it came from a proxy or another server");
    }
    const { status, body: answer } = await open(key, await response.text(), jti);
    signal.throwIfAborted();
    if (status >= 400) throw new Refused(status, answer);
    return answer;
  }
  await plainly(signal);
  const options = body ? { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : { method };
  const response = await fetched(signal, target, options);
  const answer = await response.json().catch(() => null);
  signal.throwIfAborted();
  if (response.status === 401) {
    here = null;
    throw new KeyNeeded("this server answers sealed requests only: a key is needed");
  }
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

// ---- Sealed files: the lines of a response, and the file in them. ----

async function* linesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop();
      yield* lines;
      if (done) break;
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/// A file, opened chunk by chunk.
export async function openFile(signal, target, progress) {
  const key = held;
  const { response, jti } = await send(signal, key, "GET", target);
  const lines = linesOf(response.body);
  const first = await lines.next();
  const { status, body: head } = await open(key, first.value ?? "", jti);
  if (status >= 400) throw new Refused(status, head);
  const end = head.offset + head.length;
  let [at, index, last, loose, parts] = [head.offset, 0, false, 0, []];
  for await (const line of lines) {
    const plaintext = await openToken(key, line, "telescribe-chunk+jwe");
    const cut = plaintext.indexOf(10);
    const chunk = JSON.parse(new TextDecoder().decode(plaintext.subarray(0, cut)));
    const data = plaintext.subarray(cut + 1);
    const isNext = chunk.req === jti && chunk.sha256 === head.sha256 && chunk.size === head.size && chunk.index === index && chunk.offset === at;
    if (last || !isNext || chunk.last !== (at + data.length === end) || at + data.length > end) {
      throw new Error("a part of the file is missing, or was changed on the network");
    }
    [at, index, last] = [at + data.length, index + 1, chunk.last];
    parts.push(data);
    loose += data.length;
    // Joined, the browser may keep them outside of its memory.
    if (loose > JOINED_BYTES) [parts, loose] = [[new Blob(parts)], 0];
    if (progress) progress(at / Math.max(end, 1));
  }
  signal.throwIfAborted();
  if (!last) throw new Error("the file was cut off on the network");
  return new Blob(parts, { type: head.mime });
}
