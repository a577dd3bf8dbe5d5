// Runs before the first paint, so that a chosen theme never flashes the other one. A file, because the page's
// Content-Security-Policy refuses inline scripts.
try {
  const theme = localStorage.getItem("longshore.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be off; the system's theme it is.
}
