// Files of messages: what is stored is shown, played or saved; of what is not, the page says why. Plainly by their address, so that the
// browser seeks in them; sealed as a stream of chunks, each opened and checked (ask.js).

import { isSealed, withQuery } from "./ask.js";
import { $, View, element, note } from "./view.js";

const PICTURES = ["photo", "sticker"];
const PLAYED = { video: "video", animation: "video", round: "video", voice: "audio", audio: "audio" };
const WITHOUT_FILES = ["geo", "venue", "contact", "dice", "giveaway", "giveaway_results", "todo", "stream", "unsupported"];
const PLACES_SHOWN = ["media", "item", "service", "preview"];
const SHOWN_MAX = 10;
// A picture without a small one is loaded at once up to so many bytes, and else when somebody asks.
const PICTURE_AT_ONCE_MAX = 1 << 20;

const addresses = new Map(); // Of what was opened already: object URLs, by target.

/// Where a file can be had: its address, or that of what was opened of it.
async function addressOf(turn, target, progress) {
  if (!isSealed()) {
    await turn.plainly();
    return target;
  }
  if (!addresses.has(target)) {
    const file = await turn.open(target, progress);
    turn.check();
    addresses.set(target, URL.createObjectURL(file));
  }
  return addresses.get(target);
}

/// Forgets what was opened.
export function forgetFiles() {
  for (const address of addresses.values()) URL.revokeObjectURL(address);
  addresses.clear();
}

// ---- Showing ----

const size = (bytes) => bytes === undefined ? "" : bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
/// A name without what moves or hides a part of it: it is a stranger's.
const harmless = (name) => name?.replace(/[\p{Cc}\p{Cf}]/gu, "").split(/[/\\]/).at(-1);
const length = (seconds) => seconds ? `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}` : "";

// What is seen is asked for when it comes into view.
const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) {
    inView.unobserve(entry.target);
    entry.target.reveal();
  }
}, { rootMargin: "200px" });

function whyNot(file) {
  if (file.state === "seen") return "not stored: no rule was asked about it yet";
  if (file.state === "wanted") return "not stored yet: it is to be downloaded";
  if (file.state === "failed") return `could not be downloaded (${file.reason})${file.next_try ? "; it is tried again" : ""}`;
  return `not stored (${file.reason ?? file.state})`;
}

/// A link that saves a file under its name; sealed, it is opened first.
function download(turn, target, label, name) {
  if (!isSealed()) return element("a", { class: "save", href: target, download: name ?? "" }, label);
  const button = element("button", { type: "button", class: "save" }, label);
  button.addEventListener("click", () => {
    button.disabled = true;
    turn.run(async () => {
      const href = await addressOf(turn, target, (share) => { button.textContent = `${label}: ${Math.round(share * 100)} %`; });
      const link = element("a", { class: "save", href, download: name ?? "" }, label);
      button.replaceWith(link);
      link.click();
    }, (bad) => button.replaceWith(bad));
  });
  return button;
}

/// A picture; what stands in `instead` takes its place where it cannot be shown.
function picture(turn, target, attributes, instead) {
  const shown = element("img", { decoding: "async", ...attributes });
  shown.addEventListener("error", () => shown.replaceWith(instead()));
  turn.run(async () => {
    const address = await addressOf(turn, target);
    turn.check();
    shown.src = address;
  }, (bad) => shown.replaceWith(bad));
  return shown;
}

const thumbnailOf = (file) => file.thumbnail && `/v1/media/${file.thumbnail}`;

/// The pixels that a picture takes, so that nothing moves when it comes.
function pixels(file) {
  const [width, height] = [file.width ?? 0, file.height ?? 0];
  return width > 0 && height > 0 && width < 20_000 && height < 20_000 ? { width, height } : {};
}

const viewer = new View($("viewer"));

function view(target, label, name) {
  const dialog = $("viewer");
  viewer.show((turn, root) => {
    const close = element("button", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "×");
    const shown = picture(turn, target, { alt: label }, () => note("This is no picture that a browser can show."));
    root.append(element("div", { class: "bar" }, element("span", { dir: "auto" }, label), download(turn, target, "Save", name), close), shown);
  });
  dialog.showModal();
}

$("viewer").addEventListener("close", () => viewer.clear());
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && $("viewer").close());

function shownPicture(turn, file, target, label) {
  const small = thumbnailOf(file) ?? (file.size <= PICTURE_AT_ONCE_MAX ? target : null);
  const open = element("button", { type: "button", class: `picture ${file.media}`, title: label });
  open.addEventListener("click", () => view(target, label, file.name));
  const instead = () => element("span", { class: "note" }, `${label}: ${file.no_thumbnail ?? "the picture cannot be shown"}`);
  open.append(small ? picture(turn, small, { alt: label, ...pixels(file) }, instead) : element("span", { class: "note" }, `Show ${label}`));
  return open;
}

function player(turn, file, target, label) {
  const tag = PLAYED[file.media];
  const poster = thumbnailOf(file);
  const options = { controls: true, playsinline: true, class: file.media, "aria-label": label, preload: poster ? "none" : "metadata" };
  const failed = (shown) => shown.addEventListener("error", () => shown.replaceWith(download(turn, target, `Save ${label}`, file.name)));
  if (!isSealed()) {
    const shown = element(tag, { ...options, src: target, poster: tag === "video" ? poster : undefined, ...(tag === "video" ? pixels(file) : {}) });
    failed(shown);
    return shown;
  }
  const box = element("div", { class: "sealed" });
  const button = element("button", { type: "button" }, `▶ ${label}`);
  if (poster) box.append(picture(turn, poster, { alt: "", class: file.media, ...pixels(file) }, () => ""));
  button.addEventListener("click", () => {
    button.disabled = true;
    turn.run(async () => {
      const src = await addressOf(turn, target, (share) => { button.textContent = `${label}: ${Math.round(share * 100)} %`; });
      const shown = element(tag, { ...options, src, preload: "auto" });
      failed(shown);
      box.replaceChildren(shown);
      shown.play().catch(() => {});
    }, (bad) => box.append(bad));
  });
  box.append(button);
  return box;
}

function shownFile(turn, message, file) {
  file.name = harmless(file.name);
  const label = [file.media, file.name, length(file.duration), size(file.size)].filter(Boolean).join(", ");
  if (file.state !== "stored") return element("p", { class: "note missing", dir: "auto" }, `${label}: ${whyNot(file)}`);
  const target = withQuery(`/v1/peers/${message.peer}/messages/${message.id}/media`, { file: file.id, account: message.account });
  if (PICTURES.includes(file.media)) return shownPicture(turn, file, target, label);
  if (file.media in PLAYED) {
    const facts = element("figcaption", { class: "note", dir: "auto" }, label);
    return element("figure", {}, player(turn, file, target, label), facts);
  }
  const small = thumbnailOf(file);
  const save = download(turn, target, `Save ${label}`, file.name);
  return element("div", { class: "document" }, small ? picture(turn, small, { alt: "", class: "small" }, () => "") : null, save);
}

/// Where the files of a message are shown, once it comes into view.
export function filesOf(turn, message) {
  const box = element("div", { class: "files" });
  box.reveal = () => turn.run(async () => {
    const { peer, id, account } = message;
    const { files } = await turn.ask("GET", withQuery(`/v1/peers/${peer}/messages/${id}/files`, { account }));
    turn.check();
    const shown = files.filter((file) => PLACES_SHOWN.includes(file.place));
    box.replaceChildren(...shown.slice(0, SHOWN_MAX).map((file) => shownFile(turn, message, file)));
    if (shown.length > SHOWN_MAX) box.append(note(`and ${shown.length - SHOWN_MAX} more files`));
    if (!shown.length && isFile(message.media)) box.append(note(`${[message.media.kind, message.media.name].filter(Boolean).join(", ")}: not known`));
    else if (!shown.length) box.remove();
  }, (bad) => box.replaceChildren(bad));
  inView.observe(box);
  return box;
}

export const isFile = (media) => Boolean(media) && (PICTURES.includes(media.kind) || media.kind in PLAYED || media.kind === "file");
export const mayHaveFiles = ({ media, service }) => media ? !WITHOUT_FILES.includes(media.kind) : Boolean(service?.action?.includes("photo"));
