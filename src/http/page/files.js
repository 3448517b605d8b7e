// Files of messages: what is stored is shown, played or saved; of what is not, the page says why. Plainly by their address, so that the
// browser seeks in them; sealed as a stream of chunks, each opened and checked here (docs/sealing.md).
"use strict";

const PICTURES = ["photo", "sticker"];
const PLAYED = { video: "video", animation: "video", round: "video", voice: "audio", audio: "audio" };
const WITHOUT_FILES = ["geo", "venue", "contact", "dice", "giveaway", "giveaway_results", "todo", "stream", "unsupported"];
const PLACES_SHOWN = ["media", "item", "service", "preview"];
const SHOWN_MAX = 10;
// A picture without a small one is loaded at once up to so many bytes, and else when somebody asks.
const PICTURE_AT_ONCE_MAX = 1 << 20;
const JOINED_BYTES = 8 << 20;

const addresses = new Map(); // Of what was opened already: object URLs, by target.

// ---- Sealed: the lines of a response, and the file in them. ----

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

async function openFile(target, progress) {
  const key = held;
  const { response, jti } = await send(key, "GET", target);
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
  if (!last) throw new Error("the file was cut off on the network");
  return new Blob(parts, { type: head.mime });
}

/// Where a file can be had: its address, or that of what was opened of it.
async function addressOf(target, progress) {
  if (!held) {
    if ((await whoIsHere()).required) throw new Error("a key is needed for this file");
    return target;
  }
  if (!addresses.has(target)) addresses.set(target, URL.createObjectURL(await openFile(target, progress)));
  return addresses.get(target);
}

/// Forgets what was opened.
function forgetFiles() {
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
function download(target, label, name) {
  if (!held) return element("a", { class: "save", href: target, download: name ?? "" }, label);
  const button = element("button", { type: "button", class: "save" }, label);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const href = await addressOf(target, (share) => { button.textContent = `${label}: ${Math.round(share * 100)} %`; });
      const link = element("a", { class: "save", href, download: name ?? "" }, label);
      button.replaceWith(link);
      link.click();
    } catch (error) {
      button.replaceWith(note(error.message, true));
    }
  });
  return button;
}

/// A picture; what stands in `instead` takes its place where it cannot be shown.
function picture(target, attributes, instead) {
  const shown = element("img", { decoding: "async", ...attributes });
  shown.addEventListener("error", () => shown.replaceWith(instead()));
  addressOf(target).then((address) => { shown.src = address; }, (error) => shown.replaceWith(note(error.message, true)));
  return shown;
}

const thumbnailOf = (file) => file.thumbnail && `/v1/media/${file.thumbnail}`;

/// The pixels that a picture takes, so that nothing moves when it comes.
function pixels(file) {
  const [width, height] = [file.width ?? 0, file.height ?? 0];
  return width > 0 && height > 0 && width < 20_000 && height < 20_000 ? { width, height } : {};
}

function view(target, label, name) {
  const dialog = $("viewer");
  const close = element("button", { type: "button", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  const shown = picture(target, { alt: label }, () => note("This is no picture that a browser can show."));
  dialog.replaceChildren(element("div", { class: "bar" }, element("span", { dir: "auto" }, label), download(target, "Save", name), close), shown);
  dialog.showModal();
}

function shownPicture(file, target, label) {
  const small = thumbnailOf(file) ?? (file.size <= PICTURE_AT_ONCE_MAX ? target : null);
  const open = element("button", { type: "button", class: `picture ${file.media}`, title: label });
  open.addEventListener("click", () => view(target, label, file.name));
  const instead = () => element("span", { class: "note" }, `${label}: ${file.no_thumbnail ?? "the picture cannot be shown"}`);
  open.append(small ? picture(small, { alt: label, ...pixels(file) }, instead) : element("span", { class: "note" }, `Show ${label}`));
  return open;
}

function player(file, target, label) {
  const tag = PLAYED[file.media];
  const poster = thumbnailOf(file);
  const options = { controls: true, playsinline: true, class: file.media, "aria-label": label, preload: poster ? "none" : "metadata" };
  const failed = (shown) => shown.addEventListener("error", () => shown.replaceWith(download(target, `Save ${label}`, file.name)));
  if (!held) {
    const shown = element(tag, { ...options, src: target, poster: tag === "video" ? poster : undefined, ...(tag === "video" ? pixels(file) : {}) });
    failed(shown);
    return shown;
  }
  const box = element("div", { class: "sealed" });
  const button = element("button", { type: "button" }, `▶ ${label}`);
  if (poster) box.append(picture(poster, { alt: "", class: file.media, ...pixels(file) }, () => ""));
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const src = await addressOf(target, (share) => { button.textContent = `${label}: ${Math.round(share * 100)} %`; });
      const shown = element(tag, { ...options, src, preload: "auto" });
      failed(shown);
      box.replaceChildren(shown);
      shown.play().catch(() => {});
    } catch (error) {
      box.append(note(error.message, true));
    }
  });
  box.append(button);
  return box;
}

function shownFile(message, file) {
  file.name = harmless(file.name);
  const label = [file.media, file.name, length(file.duration), size(file.size)].filter(Boolean).join(", ");
  if (file.state !== "stored") return element("p", { class: "note missing", dir: "auto" }, `${label}: ${whyNot(file)}`);
  const account = message.account === undefined ? "" : `&account=${encodeURIComponent(message.account)}`;
  const target = `/v1/peers/${message.peer}/messages/${message.id}/media?file=${encodeURIComponent(file.id)}${account}`;
  if (PICTURES.includes(file.media)) return shownPicture(file, target, label);
  if (file.media in PLAYED) {
    const facts = element("figcaption", { class: "note", dir: "auto" }, label);
    return element("figure", {}, player(file, target, label), facts);
  }
  const small = thumbnailOf(file);
  const save = download(target, `Save ${label}`, file.name);
  return element("div", { class: "document" }, small ? picture(small, { alt: "", class: "small" }, () => "") : null, save);
}

/// Where the files of a message are shown, once it comes into view.
function filesOf(message) {
  const box = element("div", { class: "files" });
  // What is clicked here is no wish to read on.
  for (const event of ["click", "keydown"]) box.addEventListener(event, (happened) => happened.stopPropagation());
  box.reveal = async () => {
    const account = message.account === undefined ? "" : `?account=${encodeURIComponent(message.account)}`;
    try {
      const { files } = await ask("GET", `/v1/peers/${message.peer}/messages/${message.id}/files${account}`);
      const shown = files.filter((file) => PLACES_SHOWN.includes(file.place));
      box.replaceChildren(...shown.slice(0, SHOWN_MAX).map((file) => shownFile(message, file)));
      if (shown.length > SHOWN_MAX) box.append(note(`and ${shown.length - SHOWN_MAX} more files`));
      if (!shown.length && isFile(message.media)) box.append(note(`${[message.media.kind, message.media.name].filter(Boolean).join(", ")}: not known`));
      else if (!shown.length) box.remove();
    } catch (error) {
      box.replaceChildren(note(error.message, true));
    }
  };
  inView.observe(box);
  return box;
}

const isFile = (media) => Boolean(media) && (PICTURES.includes(media.kind) || media.kind in PLAYED || media.kind === "file");
const mayHaveFiles = ({ media, service }) => media ? !WITHOUT_FILES.includes(media.kind) : Boolean(service?.action?.includes("photo"));
