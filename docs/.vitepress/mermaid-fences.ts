/** Renders fenced blocks of Mermaid with the component of the theme. GitHub renders them itself. */
import type { MarkdownRenderer } from 'vitepress';

export function renderMermaid(markdown: MarkdownRenderer): void {
  const fence = markdown.renderer.rules.fence!;
  markdown.renderer.rules.fence = (tokens, index, options, env, self) => {
    const { info, content } = tokens[index]!;
    if (info.trim() !== 'mermaid') return fence(tokens, index, options, env, self);
    return `<MermaidDiagram source="${encodeURIComponent(content)}" />`;
  };
}
