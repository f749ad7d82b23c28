/** Versions of the API that `npm run test:real` delivers. */
export interface VersionUnderTest {
  version: string;
  /** Files that the first version does not have: path in the image, path in this build. */
  files: Record<string, string>;
  entrypoint?: string;
}

export const VERSIONS_UNDER_TEST: readonly [VersionUnderTest, ...VersionUnderTest[]] = [
  { version: '1.0.0', files: {} },
  {
    version: '1.1.0',
    files: {
      'dist/api-server/migrations/versions/1795370000101-add-runbook.js':
        'dist/sandbox/story/migrations/1795370000101-add-runbook.js',
    },
  },
  {
    version: 'crashing',
    files: { 'dist/crashing.js': 'dist/test/support/programs/crashing.js' },
    entrypoint: 'dist/crashing.js',
  },
];
