/** The part of the package that is used. It has no types of its own. */
declare module 'negotiator' {
  export default class Negotiator {
    constructor(request: { headers: { accept: string } });
    /** The preferred one of the available media types; undefined when none is acceptable. */
    mediaType(available: string[]): string | undefined;
  }
}
