// What Table and VirtualTable share: columns, sorting, and reading a cell.

export interface Column<T> {
  id: string;
  label: string;
  align?: "start" | "end";
  /** CSS width, e.g. "96px" or "20%"; a VirtualTable takes it as a grid track ("96px", "1fr", "minmax(120px, 2fr)"). */
  width?: string;
  /** The cell's text, when no `cell` snippet draws it. */
  text?: (row: T) => string;
  /** By what to sort; a column without it cannot be sorted. Null comes last in either direction. */
  by?: (row: T) => number | string | null | undefined;
  mono?: boolean;
}

export interface Sort {
  id: string;
  down: boolean;
}

export function sorted<T>(rows: readonly T[], columns: readonly Column<T>[], sort: Sort | null): readonly T[] {
  const by = sort && columns.find((column) => column.id === sort.id)?.by;
  if (!sort || !by) return rows;
  const sign = sort.down ? -1 : 1;
  return [...rows].sort((left, right) => {
    const a = by(left) ?? null;
    const b = by(right) ?? null;
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  });
}

/** First click sorts up, the second down, the third not at all. */
export function nextSort(sort: Sort | null, id: string): Sort | null {
  if (sort?.id !== id) return { id, down: false };
  return sort.down ? null : { id, down: true };
}
