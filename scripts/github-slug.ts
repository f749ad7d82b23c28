/**
 * Anchor of a heading as GitHub generates it, so that a link works on both: TableOfContentsFilter of
 * https://github.com/gjtorikian/html-pipeline.
 */
export function githubSlug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
    .replaceAll(' ', '-');
}
