// A <dialog> as a modal one: the platform keeps focus inside and the page behind it inert. This adds where focus begins,
// that a press on the backdrop closes, and that focus comes back even when the element is taken away while open.

import type { Attachment } from "svelte/attachments";

const FIELDS = "[autofocus], .body input:not([type=hidden], [hidden]), .body textarea, .body select, footer button[type=submit], footer button";

/** Makes the dialog modal for as long as it is in the page; `dismiss` is called when it is closed by hand. */
export function modal(dismiss: () => void): Attachment<HTMLDialogElement> {
  return (dialog) => {
    const before = document.activeElement;
    let pressedOutside = false;
    const outside = ({ target, clientX, clientY }: MouseEvent) => {
      const box = dialog.getBoundingClientRect();
      return target === dialog && (clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom);
    };
    const down = (event: MouseEvent) => (pressedOutside = outside(event));
    const up = (event: MouseEvent) => pressedOutside && outside(event) && dismiss();
    dialog.addEventListener("pointerdown", down);
    dialog.addEventListener("click", up);
    dialog.addEventListener("close", dismiss);
    dialog.showModal();
    dialog.querySelector<HTMLElement>(FIELDS)?.focus();
    return () => {
      dialog.removeEventListener("close", dismiss);
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected && (document.activeElement === document.body || document.activeElement === null)) before.focus();
    };
  };
}
