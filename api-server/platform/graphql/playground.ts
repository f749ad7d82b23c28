import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const DEFAULT_QUERY = `# What runs where, and since when. Ctrl-Enter runs the query.
query Services {
  services(first: 10) {
    totalCount
    edges {
      node {
        name
        deployments(first: 3) {
          edges { node { version status startedAt environment { name } } }
        }
      }
    }
  }
}
`;

let page: Promise<Buffer> | undefined;

/**
 * GraphiQL in one page, gzipped, with everything it needs: it works without the
 * internet. Megabytes of it, so it is loaded when it is first asked for.
 */
export function playgroundPage(): Promise<Buffer> {
  page ??= render();
  return page;
}

async function render(): Promise<Buffer> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({ title: 'PCF API', defaultQuery: DEFAULT_QUERY, subscriptionsProtocol: 'WS' });
  return promisify(gzip)(html);
}
