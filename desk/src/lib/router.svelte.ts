// Where the page is: `#/chat/ID?key=value`. The address is the only truth; screens read `route` and call `go`.

export const SCREENS = ["chat", "infer", "models", "servers", "metrics", "bench", "requests", "settings"] as const;
export type ScreenId = (typeof SCREENS)[number];

export interface Route {
  screen: ScreenId;
  /** What follows the screen: `#/chat/abc` has `["abc"]`. */
  rest: string[];
  query: Record<string, string>;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [first = "", ...rest] = path.split("/").filter((part) => part !== "").map(decode);
  const screen = (SCREENS as readonly string[]).includes(first) ? (first as ScreenId) : "chat";
  return { screen, rest, query: Object.fromEntries(new URLSearchParams(search)) };
}

export function hrefOf(screen: ScreenId, rest: string[] = [], query: Record<string, string> = {}): string {
  const path = [screen, ...rest].map(encodeURIComponent).join("/");
  const search = new URLSearchParams(query).toString();
  return `#/${path}${search ? `?${search}` : ""}`;
}

class Router {
  route = $state.raw<Route>({ screen: "chat", rest: [], query: {} });

  start(): void {
    const read = () => {
      this.route = parseRoute(location.hash);
    };
    window.addEventListener("hashchange", read);
    read();
  }

  go(screen: ScreenId, rest: string[] = [], query: Record<string, string> = {}): void {
    const href = hrefOf(screen, rest, query);
    if (location.hash !== href) location.hash = href;
  }

  /** The same, without an entry in the history. */
  replace(screen: ScreenId, rest: string[] = [], query: Record<string, string> = {}): void {
    history.replaceState(null, "", hrefOf(screen, rest, query));
    this.route = parseRoute(location.hash);
  }
}

export const router = new Router();

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
