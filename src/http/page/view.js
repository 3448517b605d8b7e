// What shows something. Each part of the page that shows answers is a view, and has one owner at a time: a turn. A turn that is over has its
// requests aborted and gets no answer; and what it made stands in a root of its own, title included, which is no longer in the page. So nothing that
// comes late can be seen under the title of something else.

import { KeyNeeded, ask, openFile, plainly } from "./ask.js";

export const $ = (id) => document.getElementById(id);

/// An element. Text is only ever set as text, never as markup.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const note = (text, bad) => element("p", { class: bad ? "note error" : "note", role: bad && "alert" }, text);

class Turn {
  #controller = new AbortController();

  get isOver() {
    return this.#controller.signal.aborted;
  }

  end() {
    this.#controller.abort();
  }

  /// Throws where nobody looks any more.
  check() {
    this.#controller.signal.throwIfAborted();
  }

  ask(method, target, body) {
    return ask(this.#controller.signal, method, target, body);
  }

  /// Makes sure that the browser may load this turn's files by their addresses.
  plainly() {
    return plainly(this.#controller.signal);
  }

  /// A sealed file.
  open(target, progress) {
    return openFile(this.#controller.signal, target, progress);
  }

  /// Does something that asks; says what went wrong, if somebody still looks.
  async run(work, say) {
    try {
      await work();
    } catch (error) {
      if (this.isOver) return;
      if (error instanceof KeyNeeded) View.keyNeeded(error.why);
      say(note(error.message, true));
    }
  }
}

export class View {
  static #all = [];
  /// Asks for a key.
  static keyNeeded = () => {};

  #turn = new Turn();
  #place;

  constructor(place) {
    this.#place = place;
    View.#all.push(this);
  }

  /// A new owner, for what is shown elsewhere than in the view's place: it is for the owner to `check` before.
  begin() {
    this.#turn.end();
    this.#turn = new Turn();
    return this.#turn;
  }

  /// Shows something else: `fill` puts it into a new root, and may ask.
  show(fill) {
    const turn = this.begin();
    const root = element("div", { class: "view" });
    this.#place.replaceChildren(root);
    return turn.run(() => fill(turn, root), (bad) => root.append(bad));
  }

  clear() {
    this.begin();
    this.#place.replaceChildren();
  }

  static clearAll() {
    for (const view of View.#all) view.clear();
  }
}
