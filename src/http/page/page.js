// The page of Telescribe: searches and reads over /v1, plainly or sealed. Archived text is only ever set as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const HISTORY_PAGE = 40;
const STATUS_INTERVAL_MS = 10_000;

// ---- Asking: JWE compact, "dir" with A256CBC-HS512 (RFC 7518, section 5.2.5), by WebCrypto; see docs/sealing.md. ----

const utf8 = new TextEncoder();
let held = null; // { kid, server, mac, cipher }: CryptoKeys that cannot be exported; they go with the tab.
let here = null; // Whom sealed requests must be for, and whether all must be sealed, as the server tells.

const base64url = (bytes) => {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};
const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

async function readKey(text) {
  // Browsers offer their cryptography to pages from this machine or over TLS only.
  if (!crypto.subtle) throw new Error("this browser opens sealed responses only on localhost or over TLS: use a tunnel (ssh -L) or a proxy with TLS");
  const parsed = JSON.parse(text);
  const jwk = parsed.keys ? parsed.keys.at(-1) : parsed;
  if (jwk?.kty !== "oct" || !jwk.kid || !jwk.k) throw new Error("this is not a key of Telescribe");
  if (!jwk.aud) throw new Error("this key does not say which server it is for: use the file that `telescribe key export` makes");
  const bytes = bytesOf(jwk.k);
  if (bytes.length !== 64) throw new Error("the key must have 64 bytes");
  const mac = await crypto.subtle.importKey("raw", bytes.slice(0, 32), { name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
  const cipher = await crypto.subtle.importKey("raw", bytes.slice(32), "AES-CBC", false, ["encrypt", "decrypt"]);
  bytes.fill(0);
  return { kid: jwk.kid, server: jwk.aud, mac, cipher };
}

async function tagOf(key, header, iv, ciphertext) {
  const aad = utf8.encode(header);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt(aad.length * 8));
  const all = new Uint8Array(aad.length + iv.length + ciphertext.length + 8);
  all.set(aad);
  all.set(iv, aad.length);
  all.set(ciphertext, aad.length + iv.length);
  all.set(new Uint8Array(length.buffer), all.length - 8);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key.mac, all)).slice(0, 32);
}

async function seal(key, plaintext) {
  const members = { alg: "dir", enc: "A256CBC-HS512", kid: key.kid, typ: "telescribe-req+jwe", cty: "application/json" };
  const header = base64url(utf8.encode(JSON.stringify(members)));
  const iv = crypto.getRandomValues(new Uint8Array(16));
  const encrypted = await crypto.subtle.encrypt({ name: "AES-CBC", iv }, key.cipher, utf8.encode(JSON.stringify(plaintext)));
  const ciphertext = new Uint8Array(encrypted);
  const tag = await tagOf(key, header, iv, ciphertext);
  return [header, "", base64url(iv), base64url(ciphertext), base64url(tag)].join(".");
}

/// The plaintext of a token for this purpose, if it is authentic.
async function openToken(key, token, typ) {
  const [header, wrapped, iv, ciphertext, tag, ...more] = token.trim().split(".");
  if (!tag || wrapped !== "" || more.length) throw new Error("the response is not sealed");
  const members = JSON.parse(new TextDecoder().decode(bytesOf(header)));
  const expected = { alg: "dir", enc: "A256CBC-HS512", kid: key.kid, typ };
  for (const [name, value] of Object.entries(expected)) if (members[name] !== value) throw new Error("the response is sealed with another key or for another purpose");
  const [ivBytes, data, given] = [bytesOf(iv), bytesOf(ciphertext), bytesOf(tag)];
  const right = await tagOf(key, header, ivBytes, data);
  let difference = given.length ^ right.length;
  for (let i = 0; i < right.length; i++) difference |= right[i] ^ given[i];
  if (difference !== 0) throw new Error("the response was changed on the network");
  return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv: ivBytes }, key.cipher, data));
}

async function open(key, token, jti) {
  const answer = JSON.parse(new TextDecoder().decode(await openToken(key, token, "telescribe-res+jwe")));
  if (answer.req !== jti) throw new Error("the response belongs to another request");
  return answer;
}

const nonce = () => base64url(crypto.getRandomValues(new Uint8Array(16)));

class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the server answered ${status}`);
    this.status = status;
  }
}

async function fetched(target, options) {
  try {
    return await fetch(target, { cache: "no-store", credentials: "omit", ...options });
  } catch {
    here = null;
    throw new Error("the server cannot be reached");
  }
}

async function whoIsHere(again) {
  if (!here || again) {
    const response = await fetched("/v1/sealed");
    if (!response.ok) throw new Refused(response.status);
    here = await response.json();
  }
  return here;
}

/// Sends a request sealed, so that nothing can be seen of what it asks; returns the response, and the nonce that it must answer.
async function send(key, method, target, body) {
  let { start } = await whoIsHere();
  for (let again = false; ; again = true) {
    const jti = nonce();
    const token = await seal(key, { iat: Math.floor(Date.now() / 1000), jti, aud: key.server, start, method, target, ...(body && { body }) });
    const response = await fetched("/v1/sealed", { method: "POST", body: token, headers: { "Content-Type": "application/jose" } });
    if (response.status !== 401) return { response, jti };
    // Perhaps the server was started anew: what was refused has done nothing, and is asked once more.
    const newest = await whoIsHere(true);
    if (again || newest.start === start) {
      askForKey(newest.server === key.server
        ? "The server rejects this key, or this device's clock is wrong by more than two minutes."
        : "This key is for another server.");
      throw new Refused(401, await response.json().catch(() => null));
    }
    ({ start } = newest);
  }
}

async function ask(method, target, body) {
  const key = held;
  if (key) {
    const { response, jti } = await send(key, method, target, body);
    if (!(response.headers.get("content-type") ?? "").startsWith("application/jose")) {
      throw new Error("the response is not sealed: it came from a proxy or another server");
    }
    const { status, body: answer } = await open(key, await response.text(), jti);
    if (status >= 400) throw new Refused(status, answer);
    return answer;
  }
  // What is asked is not sent where it would have to be sealed.
  if ((await whoIsHere()).required) {
    askForKey("");
    throw new Refused(401, { detail: "this server answers sealed requests only: a key is needed" });
  }
  const options = body ? { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : { method };
  const response = await fetched(target, options);
  const answer = await response.json().catch(() => null);
  if (response.status === 401) {
    here = null;
    askForKey("");
  }
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

// ---- Showing ----

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const note = (text, bad) => element("p", { class: bad ? "note error" : "note", role: bad && "alert" }, text);
const date = (text) => element("time", { datetime: text }, new Date(text).toLocaleString());
const known = new Map();
const learn = (peers) => peers.forEach((peer) => known.set(peer.id, peer));
const named = (id) => known.get(id)?.title || known.get(id)?.username || String(id);

function marked(snippet) {
  const parts = [];
  let at = 0;
  for (const [from, length] of snippet.highlights) {
    parts.push(snippet.text.slice(at, from), element("mark", {}, snippet.text.slice(from, from + length)));
    at = from + length;
  }
  return [...parts, snippet.text.slice(at)];
}

function messageText(message) {
  if (message.text) return message.text;
  if (message.service) return `[${message.service.action.replaceAll("_", " ")}] ${message.service.title ?? ""}`;
  return "";
}

function card(message, options = {}) {
  const { media } = message;
  const badge = (text) => element("span", { class: "badge" }, text);
  const meta = element("div", { class: "meta" },
    options.withPeer ? element("b", { dir: "auto" }, named(message.peer)) : null,
    message.sender && message.sender !== message.peer ? element("span", { dir: "auto" }, named(message.sender)) : null,
    date(message.date),
    message.edited ? badge("edited") : null,
    message.deleted ? badge("deleted") : null,
    message.forward ? badge(`forwarded${message.forward.from ? ` from ${named(message.forward.from)}` : ""}`) : null,
    media && !isFile(media) ? badge([media.kind, media.name ?? media.title ?? media.question].filter(Boolean).join(": ")) : null,
    message.views ? element("span", {}, message.views === 1 ? "1 view" : `${message.views.toLocaleString()} views`) : null);
  const said = options.snippet ? marked(options.snippet) : [messageText(message)];
  const text = said.some(Boolean) ? element("p", { class: "text", dir: "auto" }, ...said) : null;
  const file = mayHaveFiles(message) ? filesOf(message) : null;
  return element("article", { class: [options.class, message.deleted && "deleted"].filter(Boolean).join(" ") || undefined }, meta, file, text);
}

/// The messages of an album in one card: their pictures beside each other, and what is said of them.
function album(messages, options) {
  const [first, ...others] = messages;
  const shown = card(first, options);
  const files = element("div", { class: "album" }, ...messages.filter(mayHaveFiles).map(filesOf));
  shown.querySelector(".files")?.replaceWith(files);
  for (const message of others) if (message.text) shown.append(element("p", { class: "text", dir: "auto" }, message.text));
  return shown;
}

/// Cards for messages in their order.
function cards(messages, around) {
  const groups = [];
  for (const message of messages) {
    const group = groups.at(-1);
    if (message.album !== undefined && group?.[0].album === message.album) group.push(message);
    else groups.push([message]);
  }
  return groups.map((group) => {
    const options = { class: group.some((message) => message.id === around) ? "here" : undefined };
    return group.length > 1 ? album(group, options) : card(group[0], options);
  });
}

// ---- Searching ----

let latest = 0;

async function search(cursor) {
  const mine = ++latest;
  const results = $("results");
  const q = $("q").value.trim();
  if (!cursor) results.replaceChildren(note("Searching …"));
  try {
    const found = await ask("POST", "/v1/search", { q, sort: $("sort").value, ...(cursor && { cursor }) });
    if (mine !== latest) return;
    learn(found.peers);
    if (!cursor) {
      const count = `${found.total.exact ? "" : "at least "}${found.total.count.toLocaleString()}`;
      results.replaceChildren(note(found.total.count ? `${count} found` : "Nothing found."));
    }
    for (const hit of found.hits) {
      const shown = card(hit.message, { withPeer: true, snippet: hit.snippet, class: "hit" });
      const go = () => read(hit.message.peer, hit.message.id, hit.message.account);
      shown.tabIndex = 0;
      shown.addEventListener("click", go);
      shown.addEventListener("keydown", (event) => event.key === "Enter" && go());
      results.append(shown);
    }
    if (found.next) {
      results.append(element("button", { type: "button", class: "more", onclick: (event) => { event.target.remove(); search(found.next); } }, "More"));
    }
  } catch (error) {
    if (mine === latest) results.append(note(error.message, true));
    if (!cursor) results.firstElementChild?.remove();
  }
}

// ---- Reading: a peer's history, oldest above, around a message where one is named. ----

async function read(peer, around, account) {
  const history = $("history");
  $("reader").hidden = false;
  document.querySelector("main").classList.add("reading");
  history.replaceChildren(note("Reading …"));
  markCurrent(peer, account);
  const of = account === undefined ? "" : `account=${account}&`;
  const part = (query) => ask("GET", `/v1/peers/${peer}/messages?limit=${HISTORY_PAGE}&${of}${query}`);
  const show = (messages) => cards(messages, around);
  try {
    const older = await part(around === undefined ? "order=newest" : `order=newest&before=${around + 1}`);
    const newer = around === undefined ? null : await part(`order=oldest&after=${around}`);
    for (const page of [older, newer]) if (page) learn([page.peer, ...page.peers]);
    $("reader-title").textContent = named(peer);
    history.replaceChildren(...show(older.messages.toReversed()), ...show(newer?.messages ?? []));
    if (!history.children.length) history.append(note("Nothing archived yet."));
    const more = (page, query, place) => {
      if (page?.next === undefined) return;
      const button = element("button", { type: "button", class: "more" }, place === "prepend" ? "Earlier" : "Later");
      button.addEventListener("click", async () => {
        button.disabled = true;
        const next = await part(`${query}${page.next}`).catch((error) => void button.replaceWith(note(error.message, true)));
        if (!next) return;
        learn(next.peers);
        const height = history.scrollHeight;
        button.remove();
        history[place](...show(place === "prepend" ? next.messages.toReversed() : next.messages));
        if (place === "prepend") history.scrollTop += history.scrollHeight - height;
        more(next, query, place);
      });
      history[place](button);
    };
    more(older, "order=newest&before=", "prepend");
    more(newer, "order=oldest&after=", "append");
    const here = history.querySelector(".here");
    if (here) here.scrollIntoView({ block: "center" });
    else history.scrollTop = history.scrollHeight;
  } catch (error) {
    history.replaceChildren(note(error.message, true));
  }
}

function markCurrent(peer, account) {
  for (const button of $("peers").querySelectorAll("button")) {
    if (button.dataset.peer === String(peer) && (button.dataset.account ?? account) === account) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

// ---- Peers and status ----

async function loadPeers() {
  const all = [];
  let after = "";
  do {
    const page = await ask("GET", `/v1/peers?limit=200${after}`);
    all.push(...page.peers);
    after = page.next === undefined ? "" : `&after=${page.next}`;
  } while (after);
  learn(all);
  all.sort((a, b) => b.messages - a.messages);
  // Outside channels each account has message ids of its own: a chat for each that archived the peer.
  const chats = all.flatMap((peer) => (peer.accounts ?? [undefined]).map((account) => ({ peer, account })));
  $("peers").replaceChildren(...chats.map(({ peer, account }) => {
    const title = (peer.username ? `@${peer.username}` : peer.kind) + (account === undefined ? "" : `, seen by ${account}`);
    const button = element("button", { type: "button", title, onclick: () => read(peer.id, undefined, account) },
      element("span", { class: "title", dir: "auto" }, named(peer.id), peer.accounts?.length > 1 ? ` (${account})` : ""), element("span", { class: "count" }, peer.messages.toLocaleString()));
    button.dataset.peer = peer.id;
    if (account !== undefined) button.dataset.account = account;
    return element("li", {}, button);
  }));
  filterPeers();
}

function filterPeers() {
  const wanted = $("filter").value.trim().toLowerCase();
  for (const item of $("peers").children) {
    const button = item.firstElementChild;
    item.hidden = wanted !== "" && !`${button.textContent} ${button.title}`.toLowerCase().includes(wanted);
  }
}

let peersShown = -1;

async function refresh() {
  const status = $("status");
  try {
    const [{ summary }, program] = [await ask("GET", "/v1/coverage?limit=1"), await ask("GET", "/v1/status")];
    const known = summary.messages + summary.missing;
    const parts = [`${summary.messages.toLocaleString()} messages in ${summary.peers} peers`];
    if (!summary.complete) parts.push(`${summary.peers_complete} of ${summary.peers} complete`);
    if (program.index.behind) parts.push(`${program.index.behind.toLocaleString()} changes not yet searchable`);
    const bar = element("progress", { max: Math.max(known, 1), value: summary.messages, "aria-label": "Archived" });
    status.replaceChildren(summary.complete ? "Complete" : bar, ` · ${parts.join(" · ")}`);
    status.classList.remove("error");
    if (summary.peers !== peersShown) {
      await loadPeers();
      peersShown = summary.peers;
    }
  } catch (error) {
    status.textContent = error.message;
    status.classList.add("error");
  }
}

// ---- The key ----

function askForKey(why) {
  $("key-error").textContent = why;
  if (!$("key-dialog").open) $("key-dialog").showModal();
}

async function useKey() {
  try {
    held = await readKey($("key-text").value);
  } catch (error) {
    $("key-error").textContent = error instanceof SyntaxError ? "this is not JSON" : error.message;
    return;
  }
  $("key-text").value = "";
  $("key-file").value = "";
  $("key-button").classList.add("held");
  $("key-button").textContent = held.kid;
  $("key-dialog").close();
  peersShown = -1;
  refresh();
}

$("key-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) $("key-text").value = await file.text();
});
$("key-use").addEventListener("click", useKey);
/// Takes off the screen what was shown.
function forgetShown() {
  for (const id of ["results", "history", "peers", "reader-title", "viewer"]) $(id).replaceChildren();
  $("reader").hidden = true;
  $("viewer").close();
  known.clear();
}

$("key-forget").addEventListener("click", () => {
  held = here = null;
  forgetFiles();
  forgetShown();
  $("key-button").classList.remove("held");
  $("key-button").textContent = "Key";
  $("key-dialog").close();
});
$("key-button").addEventListener("click", () => askForKey(""));
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  // A search can be linked to; what stands behind # never reaches a server or its log.
  history.replaceState(null, "", `#${new URLSearchParams({ q: $("q").value })}`);
  search();
});
$("sort").addEventListener("change", () => $("q").value && search());
$("filter").addEventListener("input", filterPeers);
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && $("viewer").close());
$("close").addEventListener("click", () => {
  $("reader").hidden = true;
  document.querySelector("main").classList.remove("reading");
  markCurrent();
});

refresh();
const linked = new URLSearchParams(location.hash.slice(1)).get("q");
if (linked) {
  $("q").value = linked;
  search();
}
setInterval(() => document.visibilityState === "visible" && !$("key-dialog").open && refresh(), STATUS_INTERVAL_MS);
