/**
 * Case mapping of ASCII letters only. JavaScript's own maps letters of other scripts to ASCII, such
 * as the dotless i to I and the Kelvin sign to k, so a decision about access must not use it.
 */
export function asciiUpperCase(text: string): string {
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
}

export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
