// Where something that opens at a button is put: on the side that was asked for, on the other where that has more room,
// and never out of the window.

const GAP = 4;
const MARGIN = 8;

export function place(content: HTMLElement, anchor: HTMLElement, side: "top" | "bottom", align: "start" | "center" | "end"): void {
  const at = anchor.getBoundingClientRect();
  content.style.maxHeight = "";
  const { width, height } = content.getBoundingClientRect();
  const above = at.top - GAP - MARGIN;
  const below = innerHeight - at.bottom - GAP - MARGIN;
  const up = side === "top" ? above >= height || above >= below : below < height && above > below;
  const room = up ? above : below;
  const shown = Math.min(height, room);
  const left = align === "start" ? at.left : align === "end" ? at.right - width : at.left + (at.width - width) / 2;
  content.style.maxHeight = `${room}px`;
  content.style.left = `${Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))}px`;
  content.style.top = `${up ? at.top - GAP - shown : at.bottom + GAP}px`;
}
