/** The documentation as a site: `npm run docs`. The pages are Markdown that GitHub renders as well. */
import { resolve } from 'node:path';
import { defineConfig } from 'vitepress';
import { githubSlug } from '../../scripts/github-slug.js';
import { renderMermaid } from './mermaid-fences.js';
import { sidebar, topics } from './navigation.js';
import { linkToRepository } from './repository-links.js';

const pages = resolve(import.meta.dirname, '..');
const root = resolve(pages, '..');
const { GITHUB_REPOSITORY = 'acme/pcf-operator', DOCS_REVISION = 'main', DOCS_BASE = '/' } = process.env;
const repository = `https://github.com/${GITHUB_REPOSITORY}`;

export default defineConfig({
  title: 'PCF operator',
  description: 'Schema-aware delivery of the PCF GraphQL API on Kubernetes',
  base: DOCS_BASE,
  cleanUrls: true,
  // Addresses of the reader's own machine.
  ignoreDeadLinks: 'localhostLinks',
  srcExclude: ['examples/**'],
  outDir: resolve(root, 'dist/docs-site'),
  cacheDir: resolve(root, 'dist/docs-cache'),
  markdown: {
    anchor: { slugify: githubSlug },
    config(markdown) {
      linkToRepository(markdown, { root, pages, url: `${repository}/blob/${DOCS_REVISION}` });
      renderMermaid(markdown);
    },
  },
  // Mermaid is one large chunk, which only pages with a diagram load.
  vite: { build: { chunkSizeWarningLimit: 2_000 } },
  themeConfig: {
    nav: topics,
    sidebar: sidebar(resolve(root, 'deploy/alerts/pcf.rules.yaml')),
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
  },
  /** The start page: its Markdown is a list of the topics, which GitHub shows; the site adds a hero. */
  transformPageData(data) {
    if (data.relativePath !== 'index.md') return;
    data.frontmatter.hero = {
      name: 'PCF operator',
      text: 'Traffic and schema move together',
      tagline:
        'A Kubernetes operator that delivers the PCF GraphQL API: expand the schema, shift the traffic by one number, contract when no pod needs the old schema.',
      actions: [
        { theme: 'brand', text: 'Quick start', link: '/quick-start' },
        { theme: 'alt', text: 'Launch checklist', link: '/production#checklist' },
      ],
    };
    data.frontmatter.features = [
      {
        title: 'Migrations are part of the delivery',
        details:
          'The schema is expanded before the first request reaches new code, and an undo is safe until contract.',
        link: '/migrations',
      },
      {
        title: 'A weight that can change at any time',
        details:
          'Editing canaryWeight shifts traffic within milliseconds. The status has the desired and the effective weight.',
        link: '/operate',
      },
      {
        title: 'Analysis of GraphQL, not of HTTP',
        details:
          'Success rate and latency per operation decide about a new version. Without data, a delivery waits.',
        link: '/analysis',
      },
    ];
  },
});
