/** Specs with analyses and notifications, for tests of their schema. */
const prometheus = { url: 'https://prometheus.example.com' };
const rate = { name: 'rate', successRate: {}, min: 0.99 };
const withMetric = (metric: Record<string, unknown>) => ({
  analysis: { prometheus, metrics: [{ name: 'm', ...metric }] },
});
const withTarget = (target: Record<string, unknown>) => ({
  analysis: { prometheus: { ...prometheus, ...target }, metrics: [rate] },
});
const grafana = { url: 'https://grafana.example.com', tokenSecretRef: { name: 'grafana' } };

/** Specs that the schema accepts. */
export const accepted: Record<string, Record<string, unknown>> = {
  'built-in metrics': {
    analysis: {
      ...{ prometheus, interval: '1m', count: 5, failureLimit: 1 },
      metrics: [
        rate,
        {
          name: 'p99',
          latency: { perOperation: true },
          compareWithStable: { relative: 20, absolute: 0.05 },
        },
      ],
    },
  },
  'a query, a webhook and a Job': {
    analysis: {
      prometheus: {
        ...prometheus,
        headers: { 'X-Scope-OrgID': 'shop' },
        auth: { bearerSecretRef: { name: 'p' } },
      },
      metrics: [
        {
          name: 'q',
          query: 'a{n="{{namespace}}",m="{{name}}",r="{{revision}}"} / b{r="{{stableRevision}}"}',
          compareWithStable: { better: 'Lower', relative: 0 },
        },
        {
          name: 'w',
          webhook: { url: 'https://judge.example.com/a?b=c', tls: { caSecretRef: { name: 'ca' } } },
        },
        { name: 'j', job: { args: ['smoke'], env: [{ name: 'A', value: 'b' }] } },
      ],
    },
  },
  notifications: {
    notifications: { webhooks: [{ name: 'team', urlSecretRef: { name: 's' } }], grafana },
  },
  'steps that name metrics': {
    canary: { steps: [{ analysis: ['rate'] }, {}], analysis: { prometheus, metrics: [rate] } },
  },
};

/** Specs that the schema rejects, with the expected message. */
export const rejected: [string, Record<string, unknown>, RegExp][] = [
  [
    'a metric without a source',
    withMetric({ min: 1 }),
    /exactly one of successRate, latency, burnRate, jobFailureRate, jobDuration, query, webhook and job/,
  ],
  ['a metric with two sources', withMetric({ query: 'a', job: {}, min: 1 }), /exactly one of successRate/],
  [
    'a metric without a bound',
    withMetric({ query: 'a' }),
    /give a bound: min, max, compareWithStable or sequential/,
  ],
  ['a percentage for a rate', withMetric({ successRate: {}, min: 99 }), /99 % is 0\.99/],
  ['an empty range', withMetric({ query: 'a', min: 2, max: 1 }), /min must not be more than max/],
  ['a bound for a Job', withMetric({ job: {}, max: 1 }), /a Job has no value/],
  [
    'an unknown placeholder',
    withMetric({ query: 'a{p="{{pod}}"}', max: 1 }),
    /contains an unknown placeholder/,
  ],
  [
    'a comparison of a query without {{revision}}',
    withMetric({ query: 'a', compareWithStable: { better: 'Lower', absolute: 1 } }),
    /use \{\{revision\}\} in the query/,
  ],
  [
    'a comparison of a query without compareWithStable.better',
    withMetric({ query: 'a{r="{{revision}}"}', compareWithStable: { absolute: 1 } }),
    /set compareWithStable\.better/,
  ],
  [
    'a comparison without a tolerance',
    withMetric({ latency: {}, compareWithStable: {} }),
    /give absolute or relative/,
  ],
  [
    'a comparison of a Job',
    withMetric({ job: {}, compareWithStable: { absolute: 1 } }),
    /needs successRate, latency/,
  ],
  [
    'perOperation together with operation',
    withMetric({ successRate: { perOperation: true, operation: 'A' }, min: 0 }),
    /omit operation/,
  ],
  ['success rates without Prometheus', { analysis: { metrics: [rate] } }, /prometheus is required for/],
  ['a password in a URL', withTarget({ url: 'https://a:b@prometheus' }), /url in body should match/],
  [
    'a token in plain text',
    withTarget({ url: 'http://prometheus', auth: { bearerSecretRef: { name: 'p' } } }),
    /auth needs an https url/,
  ],
  [
    'a credential in a header',
    withTarget({ headers: { Authorization: 'Bearer x' } }),
    /use auth for credentials/,
  ],
  [
    'two authentication methods',
    withTarget({ auth: { bearerSecretRef: { name: 'p' }, basicSecretRef: { name: 'p' } } }),
    /give either bearerSecretRef or basicSecretRef/,
  ],
  ['two metrics with the same name', { analysis: { prometheus, metrics: [rate, rate] } }, /Duplicate value/],
  [
    'a Grafana without TLS',
    { notifications: { grafana: { ...grafana, url: 'http://grafana' } } },
    /a token is not sent in plain text/,
  ],
  [
    'a panel without a dashboard',
    { notifications: { grafana: { ...grafana, panelId: 1 } } },
    /panelId needs dashboardUID/,
  ],
  [
    'a misspelled metric in a step',
    { canary: { steps: [{ analysis: ['rat'] }], analysis: { prometheus, metrics: [rate] } } },
    /a step names a metric that analysis does not have/,
  ],
  [
    'a metric in a step without an analysis',
    { canary: { steps: [{ analysis: ['rate'] }] } },
    /a step names a metric/,
  ],
  ['an interval of 0 seconds', withMetric({ ...rate, interval: '0s' }), /must be between 1s and 24h/],
  ['a timeout of an hour', withTarget({ timeout: '1h' }), /must be between 100ms and 1m/],
];
