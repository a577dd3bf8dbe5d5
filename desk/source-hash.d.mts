/** The hash of the sources under this folder, in hexadecimal. */
export function sourceHash(root: string): string;
