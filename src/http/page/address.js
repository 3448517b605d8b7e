// The address: what is searched for, in which order, and what is read stand behind #, which browsers send to no server. Back and Forward go through
// it, and a link to it shows the same.

import { element } from "./view.js";

const MEMBERS = ["q", "sort", "peer", "account", "message"];
const SORTS = ["oldest", "relevance"];
let shown = () => {};

/// What an address says to show: `q` where something is searched for, `peer` where something is read.
function stateOf(hash) {
  const said = new URLSearchParams(hash.slice(1));
  const number = (name) => /^-?\d{1,15}$/.test(said.get(name) ?? "") ? Number(said.get(name)) : undefined;
  const text = (name) => said.get(name) ?? undefined;
  const peer = number("peer");
  const reading = peer === undefined ? {} : { peer, account: text("account"), message: number("message") };
  return { q: text("q"), sort: SORTS.includes(said.get("sort")) ? said.get("sort") : undefined, ...reading };
}

function hashOf(state) {
  const said = MEMBERS.filter((name) => state[name] !== undefined).map((name) => [name, state[name]]);
  return `#${new URLSearchParams(said)}`;
}

/// Shows something, as a step that Back takes back; `again` says what is asked for anew though it is shown already.
export function go(state, again) {
  if (hashOf(state) !== hashOf(stateOf(location.hash))) history.pushState(null, "", hashOf(state));
  shown(stateOf(location.hash), again);
}

/// A link to something to show; `where` may depend on what is shown when it is clicked.
export function linkTo(where, attributes, ...children) {
  const state = typeof where === "function" ? where : () => where;
  const link = element("a", { href: hashOf(state({})), ...attributes }, ...children);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    go(state(stateOf(location.hash)), { read: true });
  });
  return link;
}

/// The address without anything to show.
export const forget = () => history.replaceState(null, "", location.pathname);

/// Has what the address says shown, now and whenever it is another one.
export function follow(show) {
  shown = show;
  const again = () => show(stateOf(location.hash));
  addEventListener("popstate", again);
  addEventListener("hashchange", again);
  again();
}
