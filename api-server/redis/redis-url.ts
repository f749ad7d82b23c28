/** Address of Redis from one URL, which can contain several hosts. */
export interface RedisAddress {
  nodes: { host: string; port: number }[];
  username?: string;
  password?: string;
  database: number;
  tls: boolean;
}

const PARTS = /^(rediss?):\/\/(?:([^@/]*)@)?([^@/]+)(?:\/(\d*))?$/;
const HOST = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 6_379;

/** Error messages do not quote the URL, because it can contain a password. */
export function parseRedisUrl(url: string): RedisAddress {
  const [, protocol, credentials, hosts = '', database] = PARTS.exec(url) ?? [];
  if (!protocol) throw new Error('expected a URL such as redis://host:6379 or redis://host1:6379,host2:6379');
  const nodes = hosts.split(',').map(nodeOf);
  const [username = '', ...password] = (credentials ?? '').split(':');
  return {
    nodes,
    ...(username && { username: decodeURIComponent(username) }),
    ...(password.length > 0 && { password: decodeURIComponent(password.join(':')) }),
    database: Number(database || 0),
    tls: protocol === 'rediss',
  };
}

function nodeOf(text: string): { host: string; port: number } {
  const [, host, port] = HOST.exec(text) ?? [];
  if (!host) throw new Error('expected comma-separated hosts such as redis-0:6379,redis-1:6379');
  return { host: host.replace(/^\[|\]$/g, ''), port: port ? Number(port) : DEFAULT_PORT };
}
