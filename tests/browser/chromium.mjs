// Drives a real Chromium for tests: opens files as strangers would have them opened, and the page. Reads a job from standard input (a line of
// JSON), and writes what was seen to standard output.
//
// Chromium is spoken to over a pipe (`--remote-debugging-pipe`): it ends when the pipe does, so also when this script is killed; and this script
// ends when its standard input does, so also when the test is.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { details, forgetKey, late, useAddress } from "./reading.mjs";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
  // Nothing has a name but this machine.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
];
const PATIENCE_MS = 30_000;

class Browser {
  #next = 0;
  #asked = new Map();
  requests = [];
  listeners = new Set();

  constructor(program, folder) {
    this.process = spawn(program, [...FLAGS, `--user-data-dir=${folder}`, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    this.process.on("error", (error) => this.#end(error));
    this.process.on("exit", (code) => this.#end(new Error(`Chromium ended with ${code}`)));
    let rest = Buffer.alloc(0);
    this.process.stdio[4].on("data", (data) => {
      rest = Buffer.concat([rest, data]);
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) this.#heard(JSON.parse(rest.subarray(0, end)));
    });
  }

  #heard({ id, result, error, method, params, sessionId }) {
    if (id !== undefined) {
      const { resolve, reject } = this.#asked.get(id);
      this.#asked.delete(id);
      return error ? reject(new Error(error.message)) : resolve(result);
    }
    if (method === "Network.requestWillBeSent") this.requests.push({ url: params.request.url, type: params.type });
    // Frames and workers of a page have sessions of their own.
    if (method === "Target.attachedToTarget") this.watch(params.sessionId).catch(() => {});
    for (const listener of this.listeners) listener(method, params, sessionId);
  }

  #end(error) {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#next;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  async watch(sessionId) {
    await this.send("Network.enable", {}, sessionId);
    await this.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: true }, sessionId);
  }

  async page() {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const page = new Page(this, sessionId, targetId);
    await this.watch(sessionId);
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    return page;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Page {
  constructor(browser, session, target) {
    Object.assign(this, { browser, session, target });
  }

  send(method, params) {
    return this.browser.send(method, params, this.session);
  }

  close() {
    return this.browser.send("Target.closeTarget", { targetId: this.target });
  }

  /// Goes there; a download is no page, and ends at once.
  async go(url) {
    const loaded = new Promise((resolve) => {
      const listener = (method, _, session) => {
        if (session !== this.session || method !== "Page.loadEventFired") return;
        this.browser.listeners.delete(listener);
        resolve();
      };
      this.browser.listeners.add(listener);
    });
    const { errorText } = await this.send("Page.navigate", { url });
    if (!errorText) await Promise.race([loaded, pause(3_000)]);
    return errorText ?? null;
  }

  async run(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(expression) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = await this.run(expression);
      if (value) return value;
      if (Date.now() > end) throw new Error(`never: ${expression}`);
      await pause(50);
    }
  }

  async size(width, height) {
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  }

  async shot(path) {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    writeFileSync(path, Buffer.from(data, "base64"));
  }
}

// ---- What is tried ----

/// In a page: has every file loaded by every element that loads files, and tells what came of each.
async function embedAll(targets) {
  const kinds = {
    img: "src", iframe: "src", script: "src", embed: "src", object: "data", video: "src", audio: "src", link: "href", input: "src",
  };
  const outcomes = {};
  const tried = targets.flatMap((target) => Object.entries(kinds).map(([tag, attribute]) => new Promise((resolve) => {
    const made = document.createElement(tag);
    if (tag === "link") made.rel = "stylesheet";
    if (tag === "input") made.type = "image";
    const done = (what) => resolve(outcomes[`${tag} ${target}`] ??= what);
    made.onload = () => done("load");
    made.onloadeddata = () => done("load");
    made.onerror = () => done("error");
    setTimeout(() => done("silence"), 4_000);
    made[attribute] = target;
    document.documentElement.append(made);
  })));
  const modules = targets.map((target) => import(target).then(() => "load", () => "error").then((what) => { outcomes[`import ${target}`] = what; }));
  const workers = targets.map((target) => new Promise((resolve) => {
    try {
      const worker = new Worker(target);
      worker.onerror = () => resolve(outcomes[`worker ${target}`] = "error");
      worker.onmessage = () => resolve(outcomes[`worker ${target}`] = "load");
      setTimeout(resolve, 2_000);
    } catch {
      resolve(outcomes[`worker ${target}`] = "error");
    }
  }));
  await Promise.all([...tried, ...modules, ...workers]);
  return { outcomes, ran: window.ran ?? null, title: document.title };
}

async function openFiles(browser, { base, targets }) {
  const page = await browser.page();
  const opened = {};
  for (const target of targets) {
    const error = await page.go(base + target);
    await pause(100);
    // What was loaded is asked for in its own world; a download left the page before.
    opened[target] = { error, ...await page.run("({ ran: window.ran ?? null, title: document.title, type: document.contentType })") };
  }
  const embedded = {};
  for (const from of ["/", "/openapi.json"]) {
    await page.go(base + from);
    embedded[from] = await page.run(`(${embedAll})(${JSON.stringify(targets)})`);
  }
  await page.close();
  return { opened, embedded };
}

/// In a page: plays and seeks.
async function playAll() {
  const when = (element, event) => new Promise((resolve, reject) => {
    element.addEventListener(event, resolve, { once: true });
    element.addEventListener("error", () => reject(new Error(`${element.className}: ${element.error?.message}`)), { once: true });
    setTimeout(() => reject(new Error(`${element.className}: no ${event}`)), 20_000);
  });
  const played = [];
  for (const element of document.querySelectorAll("#history video, #history audio")) {
    const seen = { tag: element.localName, class: element.className, poster: element.poster || null };
    played.push(seen);
    try {
      await play(element, seen);
    } catch (error) {
      seen.error = error.message;
    }
  }
  return played;

  async function play(element, seen) {
    if (element.readyState < 1) {
      const known = when(element, "loadedmetadata");
      element.preload = "auto";
      element.load();
      await known;
    }
    const sought = when(element, "seeked");
    element.currentTime = element.duration / 2;
    await sought;
    [seen.duration, seen.sought, seen.width] = [element.duration, element.currentTime, element.videoWidth ?? 0];
    element.currentTime = 0;
    await element.play();
    const end = Date.now() + 20_000;
    while (!(element.currentTime > 0.1) && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
    seen.played = element.currentTime;
    element.pause();
  }
}

const FILES_SETTLED = `(() => {
  const boxes = [...document.querySelectorAll("#history .files")];
  const images = [...document.querySelectorAll("#history .files img")];
  return document.querySelector("#history article") && boxes.every((box) => box.childElementCount) && images.every((image) => image.complete && image.src);
})()`;

async function readPage(browser, { base, peer, key, shots, name }) {
  const page = await browser.page();
  await page.size(1_280, 900);
  await page.go(`${base}/`);
  if (key) {
    await page.until("document.querySelector('#key-dialog').open");
    await page.run(`document.querySelector("#key-text").value = ${JSON.stringify(key)}; document.querySelector("#key-use").click()`);
  }
  await page.until(`document.querySelector('#peers a[data-peer="${peer}"]')`);
  browser.requests.length = 0;
  await page.run(`document.querySelector('#peers a[data-peer="${peer}"]').click()`);
  await page.until("document.querySelector('#history article')");
  // Each file comes when it is in view.
  for (const article of Array(await page.run("document.querySelectorAll('#history article').length")).keys()) {
    await page.run(`document.querySelectorAll("#history article")[${article}].scrollIntoView()`);
    await pause(60);
  }
  await page.until(FILES_SETTLED);
  const requested = browser.requests.map(({ url }) => url);
  const seen = await page.run(`({
    pictures: [...document.querySelectorAll("#history .files img")].map((image) => ({ alt: image.alt, width: image.naturalWidth, sticker: Boolean(image.closest(".sticker")) })),
    albums: [...document.querySelectorAll("#history .album")].map((album) => album.querySelectorAll("img").length),
    missing: [...document.querySelectorAll("#history .missing")].map((note) => note.textContent),
    errors: [...document.querySelectorAll("#history .error")].map((note) => note.textContent),
    saves: [...document.querySelectorAll("#history .save")].map((save) => ({ text: save.textContent, name: save.getAttribute("download") })),
    scripts: document.scripts.length, title: document.title, ran: window.ran ?? null,
  })`);
  for (const [form, width, height] of [["desktop", 1_280, 900], ["phone", 390, 844]]) {
    await page.size(width, height);
    await pause(200);
    for (const [at, where] of [["first", 0], ["last", -1]]) {
      await page.run(`[...document.querySelectorAll("#history .files, #history .album")].at(${where})?.scrollIntoView({ block: "${where ? "end" : "start"}" })`);
      await pause(100);
      if (shots) await page.shot(join(shots, `${name}-${form}-${at}.png`));
    }
    seen[form] = await page.run("({ wide: document.documentElement.scrollWidth, width: innerWidth })");
  }
  await page.size(1_280, 900);
  if (key) {
    for (;;) {
      const left = await page.run(`(() => { const button = document.querySelector("#history .sealed > button:not(:disabled):not(.save)"); button?.click(); return Boolean(button); })()`);
      if (!left) break;
    }
    await page.until(`!document.querySelector("#history .sealed > button:not(.save)")`);
  }
  seen.played = await page.run(`(${playAll})()`);
  // The photo that stands nearest to this caption: which one is the first is the page's own affair.
  await page.run(`(() => {
    const far = (button) => {
      let depth = 0;
      for (let node = button; node && !node.textContent.includes("A photo with a caption"); node = node.parentElement) depth += 1;
      return depth;
    };
    [...document.querySelectorAll("#history button.photo")].sort((a, b) => far(a) - far(b))[0].click();
  })()`);
  seen.viewed = await page.until(`document.querySelector("#viewer img")?.complete && document.querySelector("#viewer img").naturalWidth`);
  if (shots) await page.shot(join(shots, `${name}-viewer.png`));
  await page.close();
  return { ...seen, requested };
}

async function main(job) {
  const folder = mkdtempSync(join(job.folder, "chromium."));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.on("exit", remove);
  const browser = new Browser(job.program, folder);
  process.on("exit", () => browser.process.kill("SIGKILL"));
  await browser.send("Browser.setDownloadBehavior", { behavior: "deny" });
  const results = [];
  const every = [];
  for (const { what, ...parameters } of job.steps) {
    results.push(await { openFiles, readPage, late, forgetKey, useAddress, details }[what](browser, parameters));
    every.push(...browser.requests.map(({ url }) => url));
    if (what === "readPage") every.push(...results.at(-1).requested);
    browser.requests.length = 0;
  }
  const ended = new Promise((resolve) => browser.process.on("exit", resolve));
  await browser.send("Browser.close");
  await Promise.race([ended, pause(5_000)]);
  console.log(JSON.stringify({ results, requests: [...new Set(every)] }));
}

let given = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  const before = given;
  given += text;
  if (before.includes("\n") || !given.includes("\n")) return;
  main(JSON.parse(given)).then(() => process.exit(0), (error) => {
    console.error(error.stack);
    process.exit(1);
  });
});
process.stdin.on("end", () => process.exit(2));
