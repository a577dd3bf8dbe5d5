// Short notices in the corner. Errors stay until they are closed or the screen is left; the rest leave by themselves.

export interface ToastNotice {
  id: number;
  text: string;
  kind: "info" | "ok" | "error";
  action?: { label: string; run: () => void };
}

class ToastStore {
  notices = $state<ToastNotice[]>([]);
  #next = 1;

  show(text: string, options: Partial<Pick<ToastNotice, "kind" | "action">> & { ms?: number } = {}): void {
    const id = this.#next++;
    const kind = options.kind ?? "info";
    this.notices = [...this.notices.slice(-3), { id, text, kind, action: options.action }];
    if (kind !== "error") setTimeout(() => this.close(id), options.ms ?? (options.action ? 8000 : 4000));
  }

  /** What was said of another screen has been seen there. */
  leave(): void {
    this.notices = this.notices.filter((notice) => notice.kind !== "error");
  }

  close(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }
}

export const toasts = new ToastStore();
export const toast = (text: string, options?: Parameters<ToastStore["show"]>[1]): void => toasts.show(text, options);
