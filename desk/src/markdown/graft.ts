// The content of a block that grows, put into the page: what is there already stays, so that a table of a hundred rows costs one
// more row, not a hundred and one. A selection in it outlives the growth as well.

import type { Content } from "./render";

/** For `use:`: keeps the element's content as `content` says. */
export function grown(element: Element, content: Content) {
  let shown = content;
  element.append(content.take());
  return {
    update(next: Content) {
      if (next === shown) return;
      shown = next;
      merge(element, next.take());
    },
  };
}

function merge(old: Node, fresh: Node): void {
  let at = old.firstChild;
  for (let next = fresh.firstChild; next; ) {
    const after = next.nextSibling;
    const following = at?.nextSibling ?? null;
    if (!at) old.appendChild(next);
    else if (!at.isEqualNode(next)) {
      if (at instanceof Text && next instanceof Text) at.data = next.data;
      else if (at instanceof Element && at.cloneNode().isEqualNode(next.cloneNode())) merge(at, next);
      else old.replaceChild(next, at);
    }
    at = following;
    next = after;
  }
  while (at) {
    const following = at.nextSibling;
    old.removeChild(at);
    at = following;
  }
}
