// The page of Telescribe: searches and reads over /v1, plainly or sealed. What it shows follows from its address (address.js), in views that each show
// one thing at a time (view.js).

import { follow, forget as forgetAddress, go, linkTo } from "./address.js";
import { dropKey, mayAsk, takeKey, withQuery } from "./ask.js";
import { forgetFiles } from "./files.js";
import { card, cards, forgetPeers, learn, moreButton, named, which } from "./messages.js";
import { readKey } from "./seal.js";
import { $, View, element, note } from "./view.js";

const HISTORY_PAGE = 40;
const STATUS_INTERVAL_MS = 10_000;

const main = document.querySelector("main");
const narrow = matchMedia("(max-width: 60rem)");
const [found, reader, overview] = [new View($("found")), new View($("reader")), new View($("peers"))];

// ---- Searching ----

function search(state) {
  const { q, sort } = state;
  const hits = async (turn, cursor) => {
    const page = await turn.ask("POST", "/v1/search", { q, sort: sort ?? "newest", ...(cursor && { cursor }) });
    learn(page.peers);
    const shown = page.hits.map((hit) => shownHit(turn, hit, state));
    if (page.next) shown.push(moreButton("More", turn, async () => (await hits(turn, page.next)).shown));
    return { total: page.total, shown };
  };
  found.show(async (turn, root) => {
    const count = element("p", { class: "note", role: "status" }, "Searching …");
    root.append(count);
    await turn.run(async () => {
      const { total, shown } = await hits(turn);
      count.textContent = total.count ? `${total.exact ? "" : "at least "}${total.count.toLocaleString()} found` : "Nothing found.";
      root.append(...shown);
    }, (bad) => count.replaceWith(bad));
  });
}

function shownHit(turn, hit, { q, sort }) {
  const { peer, id, account } = hit.message;
  const where = { q, sort, peer, account, message: id };
  const shown = card(turn, hit.message, where, { hit });
  // All of it is a link, but for what does something of its own, and while text is selected.
  const isOwn = (event) => event.target.closest("a, button, audio, video, .files, .versions") || !getSelection().isCollapsed;
  shown.tabIndex = 0;
  shown.addEventListener("click", (event) => isOwn(event) || go(where, { read: true }));
  shown.addEventListener("keydown", (event) => event.key === "Enter" && event.target === shown && go(where, { read: true }));
  return shown;
}

// ---- Reading: a peer's history, oldest above, around a message where one is named. ----

function read({ peer, account, message: around }) {
  reader.show(async (turn, root) => {
    const [title, told] = [element("h2", { id: "reader-title", dir: "auto" }, named(peer)), element("span", { class: "which", dir: "auto" })];
    const close = element("button", { type: "button", "aria-label": "Close", onclick: () => go({ q: shown.q, sort: shown.sort }) }, "×");
    const history = element("div", { id: "history", tabindex: 0 }, note("Reading …"));
    root.append(element("div", { class: "bar" }, element("div", { class: "title" }, title, told), close), history);
    const part = (query) => turn.ask("GET", withQuery(`/v1/peers/${peer}/messages`, { limit: HISTORY_PAGE, account, ...query }));
    const where = ({ id }) => ({ q, sort }) => ({ q, sort, peer, account, message: id });
    const show = (messages) => cards(turn, messages, where, around);
    const more = (page, order, place) => {
      if (page?.next === undefined) return;
      const isOlder = place === "prepend";
      const button = element("button", { type: "button", class: "more" }, isOlder ? "Earlier" : "Later");
      button.addEventListener("click", () => {
        button.disabled = true;
        turn.run(async () => {
          const next = await part({ order, [isOlder ? "before" : "after"]: page.next });
          learn(next.peers);
          const height = history.scrollHeight;
          button.remove();
          history[place](...show(isOlder ? next.messages.toReversed() : next.messages));
          if (isOlder) history.scrollTop += history.scrollHeight - height;
          more(next, order, place);
        }, (bad) => button.replaceWith(bad));
      });
      history[place](button);
    };
    await turn.run(async () => {
      const older = await part({ order: "newest", before: around === undefined ? undefined : around + 1 });
      const newer = around === undefined ? null : await part({ order: "oldest", after: around });
      for (const page of [older, newer]) if (page) learn([page.peer, ...page.peers]);
      title.textContent = named(peer);
      told.textContent = which(peer) + (account === undefined ? "" : ` · seen by ${account}`);
      const isMissing = around !== undefined && older.messages[0]?.id !== around;
      const missing = isMissing ? [element("p", { class: "note here" }, `Message ${around} is not archived.`)] : [];
      history.replaceChildren(...show(older.messages.toReversed()), ...missing, ...show(newer?.messages ?? []));
      if (!history.children.length) history.append(note("Nothing archived yet."));
      more(older, "newest", "prepend");
      more(newer, "oldest", "append");
      const here = history.querySelector(".here");
      if (here) here.scrollIntoView({ block: "center" });
      else history.scrollTop = history.scrollHeight;
    }, (bad) => history.replaceChildren(bad));
  });
}

// ---- What the address says ----

let shown = {}; // What the address said last.
let resultsAt = 0; // How far the results were scrolled before something was read: where they have no room, the browser forgets it.

function show(state, again) {
  const before = again?.all ? {} : shown;
  shown = state;
  const isOther = (...names) => names.some((name) => state[name] !== before[name]);
  if (isOther("q")) $("q").value = state.q ?? "";
  if (isOther("sort")) $("sort").value = state.sort ?? "newest";
  const isReading = state.peer !== undefined;
  const isOpened = isReading && before.peer === undefined;
  if (isOpened) resultsAt = $("results").scrollTop;
  main.classList.toggle("reading", isReading);
  main.parentElement.classList.toggle("showing", isReading || state.q !== undefined);
  main.classList.toggle("searching", state.q !== undefined);
  if (again?.search || isOther("q", "sort")) {
    if (state.q === undefined) found.clear();
    else search(state);
    resultsAt = 0;
  }
  if (isReading && (again?.read || isOther("peer", "account", "message"))) read(state);
  if (!isReading) reader.clear();
  markCurrent();
  if (narrow.matches && !isReading) $("results").scrollTop = resultsAt;
  if ($("viewer").open) $("viewer").close();
}

function markCurrent() {
  for (const link of $("peers").querySelectorAll("a")) {
    const isCurrent = link.dataset.peer === String(shown.peer) && (link.dataset.account ?? shown.account) === shown.account;
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

// ---- Peers and status ----

async function allPeers(turn) {
  const all = [];
  let after;
  do {
    const page = await turn.ask("GET", withQuery("/v1/peers", { limit: 200, after }));
    all.push(...page.peers);
    after = page.next;
  } while (after !== undefined);
  return all;
}

function showPeers(all) {
  learn(all);
  all.sort((a, b) => b.messages - a.messages);
  // Outside channels each account has message ids of its own: a chat for each that archived the peer.
  const chats = all.flatMap((peer) => (peer.accounts ?? [undefined]).map((account) => ({ peer, account })));
  $("peers").replaceChildren(...chats.map(({ peer, account }) => {
    const told = which(peer.id) + (account === undefined ? "" : ` · seen by ${account}`);
    const link = linkTo(({ q, sort }) => ({ q, sort, peer: peer.id, account }), { title: `${named(peer.id)}\n${told}` },
      element("span", { class: "title", dir: "auto" }, named(peer.id)),
      element("span", { class: "count" }, peer.messages.toLocaleString()),
      element("span", { class: "which", dir: "auto" }, told));
    link.dataset.peer = peer.id;
    if (account !== undefined) link.dataset.account = account;
    return element("li", {}, link);
  }));
  filterPeers();
  markCurrent();
}

function filterPeers() {
  const wanted = $("filter").value.trim().toLowerCase();
  for (const item of $("peers").children) item.hidden = wanted !== "" && !item.textContent.toLowerCase().includes(wanted);
}

let peersShown = -1;
let refreshing = null;

async function refresh() {
  if (!mayAsk() || (refreshing && !refreshing.isOver)) return;
  const status = $("status");
  const turn = overview.begin();
  refreshing = turn;
  await turn.run(async () => {
    const [{ summary }, program] = [await turn.ask("GET", "/v1/coverage?limit=1"), await turn.ask("GET", "/v1/status")];
    const peers = summary.peers === peersShown ? null : await allPeers(turn);
    turn.check();
    const ids = summary.messages + summary.missing;
    const parts = [`${summary.messages.toLocaleString()} messages in ${summary.peers} peers`];
    if (!summary.complete) parts.push(`${summary.peers_complete} of ${summary.peers} complete`);
    if (program.index.behind) parts.push(`${program.index.behind.toLocaleString()} changes not yet searchable`);
    const bar = element("progress", { max: Math.max(ids, 1), value: summary.messages, "aria-label": "Archived" });
    status.replaceChildren(summary.complete ? "Complete" : bar, ` · ${parts.join(" · ")}`);
    status.classList.remove("error");
    if (peers) showPeers(peers);
    peersShown = summary.peers;
  }, (bad) => {
    status.textContent = bad.textContent;
    status.classList.add("error");
  });
  if (refreshing === turn) refreshing = null;
}

// ---- The key ----

function askForKey(why) {
  $("key-error").textContent = why;
  if (!$("key-dialog").open) $("key-dialog").showModal();
}

/// Takes off the page everything that was shown, and ends everything that is asked.
function clear() {
  View.clearAll();
  forgetFiles();
  forgetPeers();
  if ($("viewer").open) $("viewer").close();
  $("status").textContent = "";
  $("status").classList.remove("error");
  $("key-text").value = $("key-file").value = $("key-error").textContent = "";
  $("key-dialog").close();
  peersShown = -1;
}

async function useKey() {
  let key;
  try {
    key = await readKey($("key-text").value);
  } catch (error) {
    $("key-error").textContent = error instanceof SyntaxError ? "this is not JSON" : error.message;
    return;
  }
  clear();
  takeKey(key);
  $("key-button").classList.add("held");
  $("key-button").textContent = key.kid;
  refresh();
  show(shown, { all: true });
}

function forgetKey() {
  clear();
  dropKey();
  forgetAddress();
  show({});
  $("q").value = $("filter").value = "";
  $("status").textContent = "The key is forgotten.";
  $("key-button").classList.remove("held");
  $("key-button").textContent = "Key";
}

View.keyNeeded = askForKey;
$("key-file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  const text = await file?.text();
  // Nobody has forgotten it meanwhile.
  if (file && event.target.files[0] === file) $("key-text").value = text;
});
$("key-use").addEventListener("click", useKey);
$("key-forget").addEventListener("click", forgetKey);
$("key-button").addEventListener("click", () => askForKey(""));

// ---- The start ----

function submit() {
  const [q, sort] = [$("q").value.trim(), $("sort").value === "newest" ? undefined : $("sort").value];
  // Where there is room for one thing, that is what was asked for last.
  go(narrow.matches ? { q, sort } : { ...shown, q, sort }, { search: true });
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("sort").addEventListener("change", () => shown.q !== undefined && submit());
$("filter").addEventListener("input", filterPeers);
for (const home of document.querySelectorAll("a.home")) home.replaceWith(linkTo({}, { class: home.className }, home.textContent));

refresh();
follow(show);
setInterval(() => document.visibilityState === "visible" && !$("key-dialog").open && refresh(), STATUS_INTERVAL_MS);
