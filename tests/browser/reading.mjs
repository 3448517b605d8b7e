// What is tried of searching and reading on the page: late answers, a forgotten key, the address, and what messages show. chromium.mjs drives.

import { join } from "node:path";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const q = JSON.stringify;

/// Holds the answers of a page back once it is told to, each until it is released.
class Held {
  #page;
  #isHolding = false;
  answers = [];

  static async of(browser, page) {
    const held = new Held();
    held.#page = page;
    browser.listeners.add((method, params, session) => {
      if (method !== "Fetch.requestPaused" || session !== page.session) return;
      if (held.#isHolding) held.answers.push(params.requestId);
      else held.#release(params.requestId);
    });
    const patterns = ["*/v1/search", "*/v1/peers/*", "*/v1/sealed"].map((urlPattern) => ({ urlPattern, requestStage: "Response" }));
    await page.send("Fetch.enable", { patterns });
    return held;
  }

  // Of a request that was ended nothing can be released.
  #release(requestId) {
    return this.#page.send("Fetch.continueRequest", { requestId }).catch(() => {});
  }

  hold() {
    this.#isHolding = true;
  }

  /// Waits until so many answers are held.
  async until(count) {
    const end = Date.now() + 30_000;
    while (this.answers.length < count) {
      if (Date.now() > end) throw new Error(`only ${this.answers.length} of ${count} requests were made`);
      await pause(20);
    }
  }

  /// Holds nothing any more, and releases the last answer.
  releaseLast() {
    this.#isHolding = false;
    return this.#release(this.answers.pop());
  }

  /// Releases what is held still, the last first. Whoever would show it is given time for it.
  async releaseAll() {
    this.#isHolding = false;
    for (const answer of this.answers.splice(0).reverse()) await this.#release(answer);
    await pause(500);
  }
}

async function opened(browser, base, { hash = "", key } = {}) {
  const page = await browser.page();
  await page.size(1_280, 900);
  // What is done at intervals is done when it is told to.
  const source = "window.ticks = []; window.setInterval = (tick) => window.ticks.push(tick);";
  await page.send("Page.addScriptToEvaluateOnNewDocument", { source });
  await page.go(`${base}/${hash}`);
  if (key) await giveKey(page, key);
  await page.until("document.querySelector('#peers a')");
  return page;
}

async function giveKey(page, key) {
  await page.run(`document.querySelector("#key-dialog").open || document.querySelector("#key-button").click()`);
  await page.run(`document.querySelector("#key-text").value = ${q(key)}; document.querySelector("#key-use").click()`);
  await page.until("document.querySelector('#key-button.held')");
}

const asked = (browser) => browser.requests.map(({ url }) => url).filter((url) => !url.startsWith("blob:"));
const click = (page, selector) => page.run(`document.querySelector(${q(selector)}).click()`);
const peer = (id) => `#peers a[data-peer="${id}"]`;
const type = (page, query) => page.run(`document.querySelector("#q").value = ${q(query)}; document.querySelector("#search button").click()`);

/// What is shown, as a person sees it.
const LOOK = `({
  hash: location.hash, q: document.querySelector("#q").value, sort: document.querySelector("#sort").value,
  title: document.querySelector("#reader-title")?.textContent ?? null, which: document.querySelector("#reader .which")?.textContent ?? null,
  read: [...document.querySelectorAll("#history article > .text")].map((text) => text.textContent),
  here: document.querySelector("#history .here > .text")?.textContent ?? null,
  found: [...document.querySelectorAll("#found article > .text")].map((text) => text.textContent),
  errors: [...document.querySelectorAll(".error:not(:empty)")].map((note) => note.textContent),
})`;
const look = (page) => page.run(LOOK);
const reads = (page, word) => page.until(`document.querySelector("#history")?.textContent.includes(${q(word)})`);
const finds = (page, word) => page.until(`document.querySelector("#found article")?.textContent.includes(${q(word)})`);

/// Chats and queries in a row, each before the one before it is answered; then the answers come, the last first.
export async function late(browser, { base, key, chats }) {
  const page = await opened(browser, base, { key });
  const held = await Held.of(browser, page);
  const last = chats.at(-1);
  held.hold();
  for (const [at, { id }] of chats.entries()) {
    await click(page, peer(id));
    await held.until(at + 1);
  }
  await held.releaseLast();
  await reads(page, last.word);
  await held.releaseAll();
  const reading = await look(page);
  held.hold();
  for (const [at, { word }] of chats.entries()) {
    await type(page, word);
    await held.until(at + 1);
  }
  await held.releaseLast();
  await finds(page, last.word);
  await held.releaseAll();
  const searching = await look(page);
  // What is closed stays closed.
  held.hold();
  await click(page, peer(chats[0].id));
  await held.until(1);
  await click(page, "#reader .bar > button");
  await held.releaseAll();
  const closed = await look(page);
  await page.close();
  return { reading, searching, closed };
}

/// A key is given, things are shown with it, and it is forgotten while more is on its way.
export async function forgetKey(browser, { base, key, chats, shots }) {
  const [chat, other] = chats;
  const page = await opened(browser, base, { key });
  const held = await Held.of(browser, page);
  await type(page, chat.word);
  await finds(page, chat.word);
  await click(page, peer(chat.id));
  await reads(page, chat.word);
  const blob = await page.until(`[...document.querySelectorAll("#history .files img")].find((image) => image.src.startsWith("blob:") && image.naturalWidth)?.src`);
  const loads = `new Promise((resolve) => {
    const image = new Image();
    [image.onload, image.onerror] = [() => resolve(true), () => resolve(false)];
    image.src = ${q(blob)};
  })`;
  const loaded = [await page.run(loads)];
  await page.run(`document.querySelector("#filter").value = ${q(chat.title)}`);
  held.hold();
  await click(page, peer(other.id));
  await held.until(1);
  browser.requests.length = 0;
  await click(page, "#key-forget"); // What the chat is asked for with may have been noted only now: it is sealed.
  await held.releaseAll();
  const during = asked(browser);
  browser.requests.length = 0;
  loaded.push(await page.run(loads));
  const blank = await page.run(`({
    text: document.body.innerText, all: document.documentElement.textContent,
    typed: [...document.querySelectorAll("input, textarea")].map((input) => input.value).join(""), hash: location.hash,
    elements: document.querySelectorAll("#peers *, #found *, #reader *, #viewer *").length,
  })`);
  if (shots) await page.shot(join(shots, "forgotten.png"));
  // Whatever is tried now: nothing is asked.
  await page.run("for (const tick of window.ticks) tick()");
  const asksForKey = [];
  for (const tried of [() => type(page, other.word), () => page.run("history.go(-2)"), () => page.run(`location.hash = "#peer=${other.id}"`)]) {
    await page.run(`document.querySelector("#key-dialog").close()`);
    await tried();
    asksForKey.push(await page.until(`document.querySelector("#key-dialog").open`));
  }
  await page.run("for (const tick of window.ticks) tick()");
  await pause(300);
  const later = asked(browser);
  const after = await look(page);
  // With the key again, what the address says is shown.
  await giveKey(page, key);
  await reads(page, other.word);
  const again = await look(page);
  await page.close();
  return { loaded, blank, asksForKey, during, later, after, again };
}

/// Searches, sorts, reads, goes back and forth, and opens the address anew.
export async function useAddress(browser, { base, key, chats }) {
  const [chat, other] = chats;
  const page = await opened(browser, base, { key });
  browser.requests.length = 0;
  const steps = [];
  const step = async (until) => {
    await until();
    steps.push(await look(page));
  };
  const isClosed = () => page.until(`!document.querySelector("main.reading")`);
  await type(page, chat.word);
  await step(() => finds(page, chat.word));
  await page.run(`document.querySelector("#sort").value = "oldest"; document.querySelector("#sort").dispatchEvent(new Event("change"))`);
  await step(() => page.until(`location.hash.includes("oldest") && document.querySelector("#found article")`));
  await click(page, "#found article:last-of-type");
  await step(() => page.until(`document.querySelector("#history .here")`));
  await click(page, peer(other.id));
  await step(() => reads(page, other.word));
  await page.run("history.back()");
  await step(() => page.until(`document.querySelector("#history .here")`));
  await page.run("history.back()");
  await step(isClosed);
  await page.run("history.back()");
  await step(() => page.until(`!location.hash.includes("oldest") && document.querySelector("#found article")`));
  await page.run("history.go(2)");
  await step(() => page.until(`document.querySelector("#history .here")`));
  const { hash } = steps.at(-1);
  const requests = browser.requests.map(({ url }) => url);
  const anew = await opened(browser, base, { key, hash });
  await anew.until(`document.querySelector("#history .here") && document.querySelector("#found article")`);
  const opens = await look(anew);
  await Promise.all([page.close(), anew.close()]);
  return { steps, opens, requests: [...requests, ...browser.requests.map(({ url }) => url)] };
}

/// What messages and peers show; and what has the screen of a phone.
export async function details(browser, { base, chats, shots }) {
  const [chat] = chats;
  const page = await opened(browser, base);
  const peers = await page.run(`[...document.querySelectorAll("#peers a")].map((link) => ({
    id: link.dataset.peer, title: link.querySelector(".title").textContent, which: link.querySelector(".which").textContent,
  }))`);
  await click(page, peer(chat.id));
  await reads(page, chat.word);
  await page.run(`[...document.querySelectorAll("#history button.badge")].at(-1).click()`);
  await page.until(`document.querySelector("#history .version .text")`);
  const seen = await page.run(`({
    versions: [...document.querySelectorAll("#history .version .text")].map((text) => text.textContent),
    polls: [...document.querySelectorAll("#history .poll")].map((poll) => ({
      question: poll.querySelector(".question").textContent, facts: poll.querySelector(".note:last-child").textContent,
      options: [...poll.querySelectorAll("li")].map((option) => [...option.querySelectorAll("span")].map((part) => part.textContent)),
    })),
    links: [...document.querySelectorAll("#history .text a")].map((link) => ({ text: link.textContent, href: link.getAttribute("href"), rel: link.rel, target: link.target })),
    texts: [...document.querySelectorAll("#history article > .text")].map((text) => text.textContent),
    ran: window.ran ?? null, markup: document.querySelectorAll("#history .text :not(a, mark)").length,
  })`);
  if (shots) await page.shot(join(shots, "details-desktop.png"));
  await type(page, chat.word);
  await finds(page, chat.word);
  const hits = await page.run(`[...document.querySelectorAll("#found article .which")].map((which) => which.textContent)`);
  await page.size(390, 844);
  const phone = {};
  const measure = async (name) => {
    phone[name] = await page.run(`Object.fromEntries(["nav", "#results", "#reader", "header"].map((part) => {
      const { width, height } = document.querySelector(part).getBoundingClientRect();
      return [part, { width, height }];
    }).concat([["wide", document.documentElement.scrollWidth]]))`);
    if (shots) await page.shot(join(shots, `details-phone-${name}.png`));
  };
  await page.until("innerWidth === 390");
  await type(page, chat.word);
  await finds(page, chat.word);
  await measure("searching");
  await click(page, "#found article");
  await page.until(`document.querySelector("#history .here")`);
  await measure("reading");
  await page.run("history.back()");
  await page.until(`!document.querySelector("main.reading")`);
  await measure("back");
  await click(page, ".home.peers");
  await page.until(`!document.querySelector("main.searching")`);
  await measure("start");
  await page.close();
  return { peers, ...seen, hits, phone };
}
