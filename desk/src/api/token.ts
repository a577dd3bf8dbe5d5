// The key of this launch. The program opens the page with `#token=…`; the page takes it out of the address, so that
// it is in no bookmark and no screenshot, and keeps it for this tab.

const KEY = "longshore.token";
let token = "";

export function takeToken(): void {
  const given = /^#token=([\w.~-]+)&?(.*)$/.exec(location.hash);
  if (given?.[1]) {
    token = given[1];
    remember(token);
    const rest = given[2] ? `#${given[2]}` : "#/chat";
    history.replaceState(null, "", location.pathname + location.search + rest);
    return;
  }
  try {
    token = sessionStorage.getItem(KEY) ?? "";
  } catch {
    token = "";
  }
}

export function currentToken(): string {
  return token;
}

function remember(value: string): void {
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // Without storage the key lasts as long as the page does.
  }
}
