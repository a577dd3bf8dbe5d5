// The HTML of a block that grows, put into the page: what is there already stays, so that a table of a hundred rows costs one
// more row, not a hundred and one. A selection in it outlives the growth as well.

/** For `use:`: keeps the element's content as `html` says. It must be clean, as `render` makes it. */
export function grown(element: Element, html: string) {
  element.innerHTML = html;
  return {
    update(next: string) {
      const template = document.createElement("template");
      template.innerHTML = next;
      merge(element, template.content);
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
