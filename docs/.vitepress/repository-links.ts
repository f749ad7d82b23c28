/**
 * Links of the pages to files outside docs/: on GitHub they are relative, on the site they point to the
 * repository. A link to a missing file fails the build, as VitePress does for links between pages.
 */
import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';

interface Options {
  /** Absolute path of the repository. */
  root: string;
  /** Absolute path of the folder with the pages. */
  pages: string;
  /** URL of a file is `<url>/<path>`. */
  url: string;
}

export function linkToRepository(markdown: MarkdownRenderer, { root, pages, url }: Options): void {
  const render = markdown.renderer.rules.link_open;
  markdown.renderer.rules.link_open = (tokens, index, options, env, self) => {
    const token = tokens[index]!;
    const href = token.attrGet('href') ?? '';
    const [path = '', anchor] = href.split('#');
    const page = (env as { path?: string }).path ?? pages;
    const target = resolve(dirname(page), path);
    const isRelative = path.startsWith('../') || path.startsWith('./') || /^[\w-]+\//.test(path);
    const isPage = target.startsWith(`${pages}/`) && /\.md$|\.png$/.test(target);
    if (isRelative && !isPage) {
      if (!existsSync(target)) throw new Error(`${page}: ${href}: there is no ${relative(root, target)}`);
      token.attrSet('href', `${url}/${relative(root, target)}${anchor ? `#${anchor}` : ''}`);
    }
    return render ? render(tokens, index, options, env, self) : self.renderToken(tokens, index, options);
  };
}
