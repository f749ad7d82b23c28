/** The navigation, by the tasks of readers. */
import { readFileSync } from 'node:fs';
import type { DefaultTheme } from 'vitepress';
import { parse } from 'yaml';

const page = (text: string, name: string): DefaultTheme.SidebarItem => ({ text, link: `/${name}` });

const group = (text: string, ...items: DefaultTheme.SidebarItem[]): DefaultTheme.SidebarItem => ({
  text,
  items,
  collapsed: false,
});

export const topics: DefaultTheme.NavItem[] = [
  { text: 'Quick start', link: '/quick-start' },
  { text: 'Tutorials', link: '/tutorials' },
  { text: 'Production', link: '/production' },
  { text: 'Runbooks', link: '/alerts' },
  { text: 'Reference', link: '/reference' },
];

/** `rules`: path of the Prometheus rule file. Each alert has a section in alerts.md. */
export function sidebar(rules: string): DefaultTheme.SidebarItem[] {
  return [
    group('Start', page('Quick start', 'quick-start'), page('Tutorials', 'tutorials')),
    group(
      'Install',
      page('Operator and plugin', 'install'),
      page('Docker', 'docker'),
      page('Kubernetes', 'kubernetes'),
      page('Cloud', 'cloud'),
      page('Gateways', 'gateways'),
    ),
    group(
      'Deliver',
      page('Operate', 'operate'),
      page('Delivery', 'delivery'),
      page('Analysis', 'analysis'),
      page('Migrations', 'migrations'),
      page('CI/CD', 'ci-cd'),
      page('Coming from Argo Rollouts or Flagger', 'coming-from'),
    ),
    group(
      'Production',
      page('Production and launch checklist', 'production'),
      page('Scaling', 'scaling'),
      page('Performance', 'performance'),
      page('Secrets', 'secrets'),
      page('Troubleshooting', 'troubleshooting'),
    ),
    { text: 'Runbooks', collapsed: true, items: [page('All alerts', 'alerts'), ...runbooks(rules)] },
    group(
      'Look up',
      page('PcfApi reference', 'reference'),
      page('The API', 'api'),
      page('Architecture', 'architecture'),
    ),
  ];
}

interface RuleFile {
  groups: { rules: { alert?: string; annotations?: { runbook_url?: string } }[] }[];
}

function runbooks(path: string): DefaultTheme.SidebarItem[] {
  const { groups } = parse(readFileSync(path, 'utf8')) as RuleFile;
  return groups.flatMap(({ rules }) =>
    rules.flatMap(({ alert, annotations }) => {
      const [, anchor] = annotations?.runbook_url?.split('#') ?? [];
      return alert && anchor ? [{ text: alert, link: `/alerts#${anchor}` }] : [];
    }),
  );
}
