/** A copy of its own: a part of a string in V8 can retain the whole string, here the text of a document. */
export function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
