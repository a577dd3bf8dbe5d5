/** What is open over the page. */
export const shellState = $state({ palette: false, help: false });
