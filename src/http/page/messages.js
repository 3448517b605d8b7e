// Messages as cards: who wrote when, the text with its links, polls, earlier versions; files are in files.js. Peers by name, and which of several
// that have it.

import { linkTo } from "./address.js";
import { withQuery } from "./ask.js";
import { filesOf, isFile, mayHaveFiles } from "./files.js";
import { element, note } from "./view.js";

const known = new Map();
export const learn = (peers) => peers.forEach((peer) => known.set(peer.id, peer));
export const forgetPeers = () => known.clear();
export const named = (id) => known.get(id)?.title || known.get(id)?.username || String(id);

/// What tells a peer from others of the same name: everybody may take any.
export function which(id) {
  const peer = known.get(id);
  if (!peer) return String(id);
  const marks = ["verified", "scam", "fake"].filter((mark) => peer[mark]);
  return [peer.username ? `@${peer.username}` : String(id), peer.bot ? "bot" : peer.kind, ...marks].join(" · ");
}

const date = (text) => element("time", { datetime: text }, new Date(text).toLocaleString());
const badge = (text) => element("span", { class: "badge" }, text);
const detailOf = ({ peer, id, account }, versions_before) => withQuery(`/v1/peers/${peer}/messages/${id}`, { account, versions_before });

// ---- Text ----

/// An address on the web as a browser reads it; nothing else is linked to.
function webAddress(text, isWritten) {
  const whole = isWritten && !text.includes("://") ? ["https:", "", text].join("/") : text;
  if (!whole.includes("://") || !URL.canParse(whole)) return null;
  const { protocol, href } = new URL(whole);
  return ["http:", "https:"].includes(protocol) ? href : null;
}

const webLink = (href, ...children) => element("a", { href, title: href, target: "_blank", rel: "noopener noreferrer" }, ...children);

/// Text with its links and what was found in it; all offsets are in UTF-16 code units, as those of JavaScript's strings.
function written(text, entities = [], highlights = []) {
  const plain = (from, to) => {
    const parts = [];
    let at = from;
    for (const [offset, length] of highlights) {
      const [start, end] = [Math.max(offset, at), Math.min(offset + length, to)];
      if (start >= end) continue;
      parts.push(text.slice(at, start), element("mark", {}, text.slice(start, end)));
      at = end;
    }
    return [...parts, text.slice(at, to)];
  };
  const parts = [];
  let at = 0;
  for (const { kind, offset, length, url } of entities.toSorted((a, b) => a.offset - b.offset)) {
    const end = offset + length;
    const href = kind === "url" ? webAddress(text.slice(offset, end), true) : kind === "text_url" ? webAddress(url ?? "", false) : null;
    if (!href || offset < at || end > text.length) continue;
    parts.push(...plain(at, offset), webLink(href, ...plain(offset, end)));
    at = end;
  }
  return [...parts, ...plain(at, text.length)];
}

/// The entities of a message's text as they are in a part of it, where that stands in it as it is.
function entitiesIn(snippet, { text = "", entities = [] }) {
  const ahead = snippet.startsWith("…") ? 1 : 0;
  const core = snippet.slice(ahead, snippet.endsWith("…") ? -1 : undefined);
  const at = core ? text.indexOf(core) : -1;
  if (at < 0) return [];
  return entities
    .filter(({ offset, length }) => offset >= at && offset + length <= at + core.length)
    .map((entity) => ({ ...entity, offset: entity.offset - at + ahead }));
}

const paragraph = (parts) => parts.some((part) => part !== "") ? element("p", { class: "text", dir: "auto" }, ...parts) : null;

function textOf(content) {
  if (content.text) return paragraph(written(content.text, content.entities));
  if (content.service) return paragraph([`[${content.service.action.replaceAll("_", " ")}] ${content.service.title ?? ""}`]);
  return null;
}

// ---- What is carried and is no file ----

function pollOf({ question, options = [], poll = {} }) {
  const results = poll.results ?? [];
  const known = results.some(({ voters }) => voters !== undefined);
  const facts = [
    poll.quiz ? "quiz" : "poll", poll.closed && "closed", poll.multiple && "several answers", poll.public && "votes are public",
    known ? null : "results not known", poll.voters !== undefined && (poll.voters === 1 ? "1 voted" : `${poll.voters.toLocaleString()} voted`),
  ];
  const shown = options.map((option, at) => {
    const { voters, correct } = results[at] ?? {};
    const share = poll.voters > 0 && voters !== undefined ? voters / poll.voters : null;
    const count = voters === undefined ? "" : share === null ? voters.toLocaleString() : `${voters.toLocaleString()} · ${Math.round(share * 100)} %`;
    return element("li", {},
      element("span", { dir: "auto" }, option, correct ? element("b", {}, " ✓ right") : null),
      element("span", { class: "count" }, count),
      share === null ? null : element("progress", { value: Math.min(share, 1), "aria-hidden": "true" }));
  });
  return element("div", { class: "poll" },
    element("p", { class: "question", dir: "auto" }, question),
    element("ul", {}, ...shown),
    poll.solution ? element("p", { class: "note", dir: "auto" }, `Explanation: ${poll.solution}`) : null,
    element("p", { class: "note" }, facts.filter(Boolean).join(" · ")));
}

function mediaBadge(media) {
  const shown = badge([media.kind, media.name ?? media.title ?? media.question].filter(Boolean).join(": "));
  const href = media.url ? webAddress(media.url, false) : null;
  return href ? webLink(href, shown) : shown;
}

// ---- Earlier versions ----

function version(content, number, archived, isFound) {
  const meta = element("div", { class: "meta" }, element("b", {}, `Version ${number + 1}`), element("span", {}, "archived ", date(archived)),
    content.media && content.media.kind !== "poll" ? mediaBadge(content.media) : null, isFound ? badge("found in this one") : null);
  const poll = content.media?.kind === "poll" ? pollOf(content.media) : null;
  return element("section", { class: "version" }, meta, poll, textOf(content) ?? (poll ? null : note("without text")));
}

/// The earlier versions of a message, newest first, below `before`; and a button for those before them.
async function earlier(turn, message, found, before) {
  const detail = await turn.ask("GET", detailOf(message, before));
  learn([detail.peer, ...detail.peers]);
  const first = detail.first_version ?? 0;
  const shown = (detail.message.versions ?? []).map((content, at) => version(content, first + at, detail.archived[at], first + at === found));
  if (detail.versions_before !== undefined) shown.unshift(moreButton("Earlier versions", turn, () => earlier(turn, message, found, detail.versions_before)));
  return shown.reverse();
}

/// A button in whose place comes what it is for.
export function moreButton(label, turn, more) {
  const button = element("button", { type: "button", class: "more" }, label);
  button.addEventListener("click", () => {
    button.disabled = true;
    turn.run(async () => button.replaceWith(...await more()), (bad) => button.replaceWith(bad));
  });
  return button;
}

/// A button that shows the earlier versions in `box`.
function versionsButton(turn, message, label, found, box) {
  const button = element("button", { type: "button", class: "badge", "aria-expanded": "false", title: "Earlier versions" }, label);
  let isLoaded = false;
  button.addEventListener("click", () => {
    box.hidden = !box.hidden;
    button.setAttribute("aria-expanded", String(!box.hidden));
    if (isLoaded) return;
    isLoaded = true;
    box.replaceChildren(note("Reading …"));
    turn.run(async () => {
      const shown = await earlier(turn, message, found);
      box.replaceChildren(...(shown.length ? shown : [note("No earlier version is archived: it was edited before it was read.")]));
    }, (bad) => { isLoaded = false; box.replaceChildren(bad); });
  });
  return button;
}

/// Adds the button to the card of a message whose edits Telegram hides, where there are earlier versions.
function revealVersions(turn, message, card) {
  if (message.edited) return;
  turn.run(async () => {
    const { versions } = (await turn.ask("GET", detailOf(message))).message;
    if (versions?.length) card.querySelector(".meta").append(versionsButton(turn, message, "edited", undefined, card.querySelector(".versions")));
  }, () => {});
}

// ---- Cards ----

/// A message; `where` is what its date links to. Of a hit, also what was found of it, and in which version.
export function card(turn, message, where, { hit, isHere } = {}) {
  const { media, forward } = message;
  const from = (id) => element("span", { dir: "auto", title: which(id) }, named(id));
  const box = element("div", { class: "versions", hidden: true });
  const found = hit?.version;
  const meta = element("div", { class: "meta" },
    hit ? element("b", { dir: "auto" }, named(message.peer)) : null,
    hit ? element("span", { class: "which", dir: "auto" }, which(message.peer)) : null,
    message.sender && message.sender !== message.peer ? from(message.sender) : null,
    linkTo(where, { class: "date" }, date(message.date)),
    message.edited || found !== undefined ? versionsButton(turn, message, found === undefined ? "edited" : "found in an earlier version", found, box) : null,
    message.deleted ? badge("deleted") : null,
    forward ? badge(`forwarded${forward.from ? ` from ${named(forward.from)}` : forward.name ? ` from ${forward.name}` : ""}`) : null,
    media && !isFile(media) && media.kind !== "poll" ? mediaBadge(media) : null,
    message.views ? element("span", {}, message.views === 1 ? "1 view" : `${message.views.toLocaleString()} views`) : null);
  const poll = media?.kind === "poll" ? pollOf(media) : null;
  // What was found in a poll is seen in the poll.
  const snippet = poll && !message.text ? undefined : hit?.snippet;
  const text = snippet?.text ? paragraph(written(snippet.text, entitiesIn(snippet.text, message), snippet.highlights)) : textOf(message);
  const file = mayHaveFiles(message) ? filesOf(turn, message) : null;
  const classes = [hit && "hit", isHere && "here", message.deleted && "deleted"].filter(Boolean).join(" ");
  return element("article", { class: classes || undefined }, meta, file, poll, text, box);
}

/// The messages of an album in one card: their pictures beside each other, and what is said of them.
function album(turn, messages, where, options) {
  const [first, ...others] = messages;
  const shown = card(turn, first, where(first), options);
  const files = element("div", { class: "album" }, ...messages.filter(mayHaveFiles).map((message) => filesOf(turn, message)));
  shown.querySelector(".files")?.replaceWith(files);
  for (const message of others) if (message.text) shown.append(textOf(message));
  return shown;
}

/// Cards for messages in their order; `around` is the id of the one that was asked for.
export function cards(turn, messages, where, around) {
  const groups = [];
  for (const message of messages) {
    const group = groups.at(-1);
    if (message.album !== undefined && group?.[0].album === message.album) group.push(message);
    else groups.push([message]);
  }
  return groups.map((group) => {
    const options = { isHere: group.some((message) => message.id === around) };
    const shown = group.length > 1 ? album(turn, group, where, options) : card(turn, group[0], where(group[0]), options);
    if (options.isHere) revealVersions(turn, group.find((message) => message.id === around), shown);
    return shown;
  });
}
